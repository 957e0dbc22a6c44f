/* Listening, on one socket or on several as if they were one: by TCP, or on a socket that was made
 * elsewhere.
 * SPDX-License-Identifier: MIT */
#include "io/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"
#include "io/fd.h"
#include "io/fdstream.h"

enum { SOCKETS_MOST = FDS_MOST, BACKLOG = 4096, TRIES_MOST = 8 };

struct bough_listener {
    unsigned count;
    unsigned next; /* whose turn it is to be looked at first */
    bool accepting;
    bool takes_all;
    int fds[SOCKETS_MOST];
    void (*closing)(void *arg); /* NULL: nobody wants to know */
    void *arg;
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
        return bough_fail(rc, "cannot listen on %s: %s",
                          bough_address_format(at, text, sizeof(text)), bough_error_name(rc));
    }
    l->fds[l->count++] = fd;
    return 0;
}

/* An address that this machine does not have; fine if it has another. */
static bool is_unavailable(int rc)
{
    return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL;
}

static int listen_on_all(struct bough_listener *l, const struct bough_address *addresses,
                         unsigned count)
{
    int rc = 0;
    for (unsigned i = 0; i < count && (rc == 0 || is_unavailable(rc)); i++) {
        struct bough_address at = addresses[i];
        /* With port 0 the first gets one, and the others take it over. */
        if (l->count && bough_address_port(&at) == 0)
            set_port(&at, bough_listener_port(l));
        rc = listen_on(l, &at);
    }
    return l->count && is_unavailable(rc) ? 0 : rc;
}

/* The port that is free for the first may be taken for another: try some more then. */
static int listen_on_same_port(struct bough_listener *l, const struct bough_address *addresses,
                               unsigned count)
{
    int rc = listen_on_all(l, addresses, count);
    for (int i = 0; i < TRIES_MOST && rc == -EADDRINUSE && bough_address_port(addresses) == 0;
         i++) {
        bough_listener_close(l);
        rc = listen_on_all(l, addresses, count);
    }
    return rc;
}

/* Of this machine: both families, of which it may lack one. */
static int any_addresses(unsigned port, struct bough_address *ret_addresses)
{
    int rc = bough_address_parse("0.0.0.0", port, &ret_addresses[0]);
    if (rc == 0)
        rc = bough_address_parse("::", port, &ret_addresses[1]);
    return rc < 0 ? rc : 2;
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
    rc = listen_on_same_port(l, addresses, (unsigned)rc);
    if (rc < 0) {
        bough_listener_free(l);
        return rc;
    }
    *ret_listener = l;
    return 0;
}

int bough__listener_open(int fd, void (*closing)(void *arg), void *arg,
                         struct bough_listener **ret_listener)
{
    struct bough_listener *l = sys_malloc(sizeof(*l));
    if (!l) {
        if (closing)
            closing(arg);
        bough_socket_close(fd);
        return bough_fail_text(-ENOMEM, "no memory for a listener");
    }
    *l = (struct bough_listener){.count = 1, .fds = {fd}, .closing = closing, .arg = arg};
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

void bough__listener_takes_all(struct bough_listener *l)
{
    l->takes_all = true;
}

static int accept_from(const struct bough_listener *l, int fd)
{
    struct bough_driver *driver = bough_driver_current();
    int rc = l->takes_all && driver->accept ? driver->accept(driver, fd) : -EOPNOTSUPP;
    if (rc != -EOPNOTSUPP)
        return rc;
    return sys_call(EMFILE, accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/* The next connection's descriptor; each socket has its turn. */
static int accept_now(struct bough_listener *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        unsigned at = (l->next + i) % l->count;
        int fd = accept_from(l, l->fds[at]);
        if (fd >= 0)
            l->next = at + 1;
        if (fd != -EAGAIN)
            return fd;
    }
    return -EAGAIN;
}

static int wait_for_any(const struct bough_listener *l)
{
    return l->count == 1 ? bough__fd_wait(l->fds[0], BOUGH_READABLE)
                         : bough__fd_wait_any(l->fds, l->count);
}

static int closed(void)
{
    return bough_fail_text(-EBADF, "the listener is closed");
}

static int accept_one(struct bough_listener *l)
{
    for (;;) {
        int rc = accept_now(l);
        if (rc >= 0)
            return rc;
        if (rc == -EAGAIN) {
            rc = wait_for_any(l);
            if (rc < 0)
                return rc;
        } else if (!bough__fd_accept_passes(rc)) {
            return bough_fail(rc, "accept: %s", bough_error_name(rc));
        }
        if (l->count == 0) /* while we waited */
            return closed();
    }
}

int bough_listener_accept(struct bough_listener *l, struct bough_stream **ret_stream)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (l->count == 0)
        return closed();
    if (l->accepting)
        return bough_fail_text(-EBUSY, "another task accepts from this listener");
    l->accepting = true;
    rc = accept_one(l);
    l->accepting = false;
    if (rc >= 0)
        rc = bough__fd_stream_open_private(rc, ret_stream);
    bough_passed();
    return rc;
}

void bough_listener_close(struct bough_listener *l)
{
    void (*closing)(void *arg) = l->closing;
    l->closing = NULL;
    if (closing)
        closing(l->arg);
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
