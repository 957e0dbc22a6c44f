/* Where to connect to: libpq would resolve names by itself, and block. So it is given addresses,
 * beside the names that it needs for passwords and certificates.
 *
 * "host=a,b port=1,2" with two addresses for a becomes "host=a,a,b hostaddr=A,A',B port=1,1,2",
 * which it tries in turn.
 * SPDX-License-Identifier: MIT */
#include "postgres/conninfo.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "bough/error.h"
#include "bough/net.h"

enum { ADDRESSES = 8, HOST = 256 };

static PQconninfoOption *option_of(struct bough__conninfo *info, const char *keyword)
{
    PQconninfoOption *o = info->options;
    while (o->keyword && strcmp(o->keyword, keyword) != 0)
        o++;
    return o->keyword ? o : NULL;
}

/* What was given, or the environment's. */
static const char *value_of(struct bough__conninfo *info, const char *keyword)
{
    const PQconninfoOption *o = option_of(info, keyword);
    const char *value = o ? o->val : NULL;
    if (!value && o && o->envvar)
        value = getenv(o->envvar);
    return value && *value ? value : NULL;
}

/* Append to a list with commas. */
static int append(char **list, const char *item, bool first)
{
    size_t used = *list ? strlen(*list) : 0, size = strlen(item);
    char *longer = realloc(*list, used + size + 2);
    if (!longer)
        return bough_fail_text(-ENOMEM, "no memory for the hosts of PostgreSQL");
    if (!first)
        longer[used++] = ',';
    memcpy(longer + used, item, size + 1);
    *list = longer;
    return 0;
}

static int append_all(struct bough__conninfo *info, const char *host, const char *address,
                      const char *port)
{
    bool first = !info->hosts;
    int rc = append(&info->hosts, host, first);
    if (rc == 0)
        rc = append(&info->addresses, address, first);
    if (rc == 0)
        rc = append(&info->ports, port, first);
    return rc;
}

/* A directory with a socket, or nothing: libpq does not resolve those. */
static bool is_local(const char *host)
{
    return *host == '\0' || *host == '/' || *host == '@';
}

static int append_host(struct bough__conninfo *info, const char *host, const char *port)
{
    struct bough_address found[ADDRESSES];
    char text[NI_MAXHOST];
    if (is_local(host))
        return append_all(info, host, "", port);
    int count = bough_resolve(host, 0, found, ADDRESSES), rc = count < 0 ? count : 0;
    for (int i = 0; i < count && rc == 0; i++)
        if (getnameinfo((struct sockaddr *)&found[i].storage, found[i].size, text, sizeof(text),
                        NULL, 0, NI_NUMERICHOST) == 0)
            rc = append_all(info, host, text, port);
    return rc;
}

/* Take the next item of a list with commas. 1; 0: there is none; -EINVAL: it is too long. */
static int next_item(const char **list, char *item, size_t size)
{
    if (!*list)
        return 0;
    const char *end = strchrnul(*list, ',');
    size_t length = (size_t)(end - *list);
    if (length >= size)
        return bough_fail(-EINVAL, "PostgreSQL: no host or port is as long as \"%.40s...\"", *list);
    memcpy(item, *list, length);
    item[length] = '\0';
    *list = *end ? end + 1 : NULL;
    return 1;
}

static unsigned items_of(const char *list)
{
    unsigned count = 1;
    while ((list = strchr(list, ',')) != NULL) {
        list++;
        count++;
    }
    return count;
}

/* libpq checks this, too, but sees only the lists that we make. */
static int match(const char *hosts, const char *ports)
{
    unsigned host_count = items_of(hosts), port_count = ports ? items_of(ports) : 1;
    if (port_count == 1 || port_count == host_count)
        return 0;
    return bough_fail(-EINVAL, "PostgreSQL: %u ports for %u hosts", port_count, host_count);
}

static int resolve(struct bough__conninfo *info)
{
    const char *hosts = value_of(info, "host"), *ports = value_of(info, "port");
    char host[HOST], port[16] = "";
    if (!hosts || value_of(info, "hostaddr"))
        return 0;
    int rc = match(hosts, ports);
    while (rc == 0 && (rc = next_item(&hosts, host, sizeof(host))) == 1) {
        rc = next_item(&ports, port, sizeof(port)); /* one port may be for all hosts */
        if (rc >= 0)
            rc = append_host(info, host, port);
    }
    return rc;
}

static void put(struct bough__conninfo *info, unsigned *count, const char *keyword,
                const char *value)
{
    if (!value || *count == CONNINFO_MOST)
        return;
    info->keywords[*count] = keyword;
    info->values[(*count)++] = value;
}

/* Of a keyword that is there twice libpq takes the last. */
static void fill_in(struct bough__conninfo *info)
{
    unsigned count = 0;
    for (PQconninfoOption *o = info->options; o->keyword; o++)
        put(info, &count, o->keyword, o->val);
    put(info, &count, "host", info->hosts);
    put(info, &count, "hostaddr", info->addresses);
    put(info, &count, "port", info->ports);
    info->keywords[count] = info->values[count] = NULL;
}

int bough__postgres_length(const char *message)
{
    size_t length = strlen(message);
    while (length && (message[length - 1] == '\n' || message[length - 1] == ' '))
        length--;
    return (int)length;
}

int bough__conninfo_open(struct bough__conninfo *info, const char *text)
{
    char *error = NULL;
    *info = (struct bough__conninfo){.options = PQconninfoParse(text, &error)};
    if (!info->options) {
        const char *why = error ? error : "no memory";
        int rc = bough_fail(error ? -EINVAL : -ENOMEM, "PostgreSQL: %.*s",
                            bough__postgres_length(why), why);
        PQfreemem(error);
        return rc;
    }
    int rc = resolve(info);
    if (rc == 0)
        fill_in(info);
    return rc;
}

void bough__conninfo_close(struct bough__conninfo *info)
{
    PQconninfoFree(info->options);
    free(info->hosts);
    free(info->addresses);
    free(info->ports);
}
