/* Listening by TCP, on one socket or on several as if they were one.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/net.h"
#include "bough/select.h"
#include "bough/wait.h"

enum { SOCKETS_MOST = 8, BACKLOG = 4096 };

struct bough_listener {
    unsigned count;
    unsigned next; /* whose turn it is to be looked at first */
    bool accepting;
    int fds[SOCKETS_MOST];
};

/* --- opening --- */

static void set_port(struct bough_address *address, unsigned port)
{
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->storage)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons((uint16_t)port);
}

static int bind_and_listen(int fd, const struct bough_address *at)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (at->storage.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -errno;
    /* Inherited by what is accepted. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        return -errno;
    int rc = sys_call(EADDRINUSE, bind(fd, (const struct sockaddr *)&at->storage, at->size));
    return rc < 0 ? rc : sys_call(EADDRINUSE, listen(fd, BACKLOG));
}

static int listen_on(struct bough_listener *l, const struct bough_address *at)
{
    char text[BOUGH_ADDRESS_TEXT];
    int fd = bough_socket_open(at->storage.ss_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int rc = bind_and_listen(fd, at);
    if (rc < 0) {
        bough_socket_close(fd);
        return bough_fail(rc, "cannot listen on %s: %s", bough_address_format(at, text, sizeof(text)),
                          bough_error_name(rc));
    }
    l->fds[l->count++] = fd;
    return 0;
}

static int listen_on_all(struct bough_listener *l, struct bough_address *addresses, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        /* With port 0 the first gets one, and the others take it over. */
        if (l->count && bough_address_port(&addresses[i]) == 0)
            set_port(&addresses[i], bough_listener_port(l));
        int rc = listen_on(l, &addresses[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Of this machine: both families, of which a kernel may lack one. */
static int any_addresses(unsigned port, struct bough_address *ret_addresses)
{
    unsigned count = 0;
    const char *any[] = {"0.0.0.0", "::"};
    int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        int fd = bough_socket_open(families[i], SOCK_STREAM, 0);
        if (fd == -EAFNOSUPPORT)
            continue;
        bough_socket_close(fd);
        int rc = bough_address_parse(any[i], port, &ret_addresses[count]);
        if (rc < 0)
            return rc;
        count++;
    }
    return (int)count;
}

int bough_tcp_listen(const char *host, unsigned port, struct bough_listener **ret_listener)
{
    struct bough_address addresses[SOCKETS_MOST];
    int rc = host ? bough_resolve(host, port, addresses, SOCKETS_MOST) : bough_pass();
    if (rc == 0)
        rc = any_addresses(port, addresses);
    if (rc < 0)
        return rc;
    struct bough_listener *l = sys_calloc(1, sizeof(*l));
    if (!l)
        return bough_fail_text(-ENOMEM, "no memory for a listener");
    rc = listen_on_all(l, addresses, (unsigned)rc);
    if (rc < 0) {
        bough_listener_free(l);
        return rc;
    }
    *ret_listener = l;
    return 0;
}

unsigned bough_listener_port(const struct bough_listener *l)
{
    struct bough_address address = {.size = sizeof(address.storage)};
    if (l->count == 0 ||
        getsockname(l->fds[0], (struct sockaddr *)&address.storage, &address.size) < 0)
        return 0;
    return bough_address_port(&address);
}

/* --- accepting --- */

/* Which socket has a connection? Its index. */
static int wait_for_any(struct bough_listener *l)
{
    struct bough_case cases[SOCKETS_MOST];
    for (unsigned i = 0; i < l->count; i++)
        cases[i] = bough_case_readable(l->fds[(l->next + i) % l->count]);
    int rc = bough_select(cases, l->count);
    if (rc >= 0 && cases[rc].result < 0)
        return bough_fail(cases[rc].result, "the listener was closed, or another task waits in it");
    return rc < 0 ? rc : (int)((l->next + (unsigned)rc) % l->count);
}

/* A descriptor that select took for ready may have no connection any more: try them all, then wait. */
static int accept_any(struct bough_listener *l)
{
    int rc = 0;
    while (rc >= 0) {
        for (unsigned i = 0; i < l->count; i++) {
            unsigned at = (l->next + i) % l->count;
            int fd = accept4(l->fds[at], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
                l->next = at + 1;
            if (fd >= 0 || (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR))
                return fd >= 0 ? fd : bough_fail(-errno, "accept: %s", bough_error_name(-errno));
        }
        rc = wait_for_any(l);
        if (l->count == 0)
            return bough_fail_text(-EBADF, "the listener was closed");
    }
    return rc;
}

static int accept_one(struct bough_listener *l)
{
    return l->count == 1 ? bough_socket_accept(l->fds[0], NULL) : accept_any(l);
}

int bough_listener_accept(struct bough_listener *l, struct bough_stream **ret_stream)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (l->count == 0)
        return bough_fail_text(-EBADF, "the listener is closed");
    if (l->accepting)
        return bough_fail_text(-EBUSY, "another task accepts from this listener");
    l->accepting = true;
    int fd = accept_one(l);
    l->accepting = false;
    return fd < 0 ? fd : bough_fd_stream_open(fd, ret_stream);
}

void bough_listener_close(struct bough_listener *l)
{
    while (l->count)
        bough_socket_close(l->fds[--l->count]);
}

void bough_listener_free(struct bough_listener *l)
{
    if (!l)
        return;
    bough_listener_close(l);
    free(l);
}
