/* Addresses, to and from text.
 * SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "bough/error.h"
#include "bough/socket.h"

int bough_address_parse(const char *text, unsigned port, struct bough_address *ret_address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[16];
    if (port > 65535)
        return bough_fail(-EINVAL, "port %u: the largest is 65535", port);
    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(text, service, &hints, &found) != 0) /* numeric: does not block */
        return bough_fail(-EINVAL, "\"%s\" is not an IP address", text);
    *ret_address = (struct bough_address){.size = found->ai_addrlen};
    memcpy(&ret_address->storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

/* A path ends at its first zero byte, if there is one; an abstract name begins with one and may
 * have more of them. */
static void format_unix(const struct sockaddr_un *un, size_t size, char *text, size_t text_size)
{
    char name[sizeof(un->sun_path) + 1] = "(no name)";
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    if (size > offsetof(struct sockaddr_un, sun_path) && length <= sizeof(un->sun_path)) {
        bool is_abstract = un->sun_path[0] == '\0';
        memcpy(name, un->sun_path, length);
        name[length] = '\0';
        for (size_t i = 0; is_abstract && i < length; i++)
            name[i] = name[i] ? name[i] : '@';
    }
    snprintf(text, text_size, "unix:%s", name);
}

const char *bough_address_format(const struct bough_address *address, char *text, size_t size)
{
    const struct sockaddr *sa = (const struct sockaddr *)&address->storage;
    char host[64];
    if (sa->sa_family == AF_UNIX) {
        format_unix((const struct sockaddr_un *)sa, address->size, text, size);
    } else if (getnameinfo(sa, address->size, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0) {
        snprintf(text, size, "(no address)");
    } else {
        snprintf(text, size, sa->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
                 bough_address_port(address));
    }
    return text;
}

unsigned bough_address_port(const struct bough_address *address)
{
    switch (address->storage.ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
    default:
        return 0;
    }
}
