/* UDP sockets: one datagram.
 * SPDX-License-Identifier: MIT */
#include "io/udp.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"
#include "io/fd.h"

/* --- opening --- */

static int set_option(int fd, int level, int option, int value)
{
    return sys_call(ENOPROTOOPT, setsockopt(fd, level, option, &value, sizeof(value)));
}

static int set_up(int fd, const struct bough_udp_options *options,
                  const struct bough_address *local)
{
    int rc = 0;
    if (options->reuse_address)
        rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && options->reuse_port)
        rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && local->storage.ss_family == AF_INET6)
        rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (rc < 0)
        return rc;
    return sys_call(EADDRINUSE, bind(fd, (const struct sockaddr *)&local->storage, local->size));
}

/* Where 'fd' is bound now. */
static int address_of(int fd, struct bough_address *ret_address)
{
    struct bough_address address = {.size = sizeof(address.storage)};
    int rc = sys_call(ENOBUFS, getsockname(fd, (struct sockaddr *)&address.storage, &address.size));
    if (rc == 0)
        *ret_address = address;
    return rc;
}

int bough_udp_open_with(const struct bough_udp_options *options, const struct bough_address *local,
                        struct bough_udp **ret_udp)
{
    const struct bough_udp_options none = {0};
    char text[BOUGH_ADDRESS_TEXT];
    int family = local->storage.ss_family;
    if (family != AF_INET && family != AF_INET6)
        return bough_fail_text(-EAFNOSUPPORT, "UDP is of IPv4 and IPv6");
    int fd = bough_socket_open(family, SOCK_DGRAM, 0);
    if (fd < 0)
        return fd;
    struct bough_address bound;
    int rc = set_up(fd, options ? options : &none, local);
    if (rc == 0)
        rc = address_of(fd, &bound);
    if (rc < 0) {
        bough_socket_close(fd);
        return bough_fail(rc, "no UDP socket at %s: %s",
                          bough_address_format(local, text, sizeof(text)), bough_error_name(rc));
    }
    struct bough_udp *u = sys_malloc(sizeof(*u));
    if (!u) {
        bough_socket_close(fd);
        return bough_fail_text(-ENOMEM, "no memory for a UDP socket");
    }
    *u = (struct bough_udp){.fd = fd, .family = family, .local = bound};
    *ret_udp = u;
    return 0;
}

int bough_udp_open(const struct bough_address *local, struct bough_udp **ret_udp)
{
    return bough_udp_open_with(NULL, local, ret_udp);
}

static int closed(void)
{
    return bough_fail_text(-EBADF, "the UDP socket is closed");
}

/* With the peer the kernel takes away a port that it has chosen itself: get that again. */
static int disconnect(struct bough_udp *u)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct bough_address now;
    int rc = sys_call(ENOBUFS, connect(u->fd, &nobody, sizeof(nobody)));
    if (rc == 0)
        rc = address_of(u->fd, &now);
    if (rc < 0 || bough_address_port(&now) != 0)
        return rc;
    return sys_call(EADDRINUSE,
                    bind(u->fd, (const struct sockaddr *)&u->local.storage, u->local.size));
}

int bough_udp_connect(struct bough_udp *u, const struct bough_address *to)
{
    char text[BOUGH_ADDRESS_TEXT];
    if (u->fd < 0)
        return closed();
    int rc =
        to ? sys_call(ENETUNREACH, connect(u->fd, (const struct sockaddr *)&to->storage, to->size))
           : disconnect(u);
    if (rc == 0)
        return 0;
    return bough_fail(rc, "cannot connect to %s: %s",
                      to ? bough_address_format(to, text, sizeof(text)) : "nobody",
                      bough_error_name(rc));
}

int bough_udp_address(const struct bough_udp *u, struct bough_address *ret_address)
{
    if (u->fd < 0)
        return closed();
    int rc = address_of(u->fd, ret_address);
    if (rc < 0)
        return bough_fail(rc, "where the socket is bound cannot be told: %s", bough_error_name(rc));
    return 0;
}

int bough_udp_fd(const struct bough_udp *u)
{
    return u->fd;
}

void bough_udp_close(struct bough_udp *u)
{
    int fd = u->fd;
    u->fd = -1;
    u->gro = false; /* it counts no longer: all is -EBADF */
    bough_socket_close(fd);
}

void bough_udp_free(struct bough_udp *u)
{
    if (!u)
        return;
    bough_udp_close(u);
    free(u);
}

/* --- calls --- */

static int call_and_wait(struct bough_udp *u, enum bough_direction direction,
                         bough__udp_call_fn *call, void *arg)
{
    for (;;) {
        int n = call(u->fd, arg);
        if (n == -EAGAIN) {
            n = bough__fd_wait(u->fd, direction);
            if (n < 0)
                return n;
            if (u->fd < 0) /* closed while we waited */
                return closed();
        } else if (n >= 0) {
            return n;
        } else if (n != -EINTR) {
            return bough_fail(n, "%s: %s", direction == BOUGH_READABLE ? "receive" : "send",
                              bough_error_name(n));
        }
    }
}

int bough__udp_call(struct bough_udp *u, enum bough_direction direction, bough__udp_call_fn *call,
                    void *arg)
{
    bool receives = direction == BOUGH_READABLE, *inside = receives ? &u->receiving : &u->sending;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (u->fd < 0)
        return closed();
    if (*inside)
        return bough_fail(-EBUSY, "another task is %s this UDP socket",
                          receives ? "receiving from" : "sending into");
    *inside = true;
    rc = call_and_wait(u, direction, call, arg);
    *inside = false;
    bough_passed();
    return rc;
}

/* --- sending --- */

struct sending {
    const void *data;
    size_t size;
    const struct bough_address *to;
};

static int send_now(int fd, void *arg)
{
    const struct sending *s = arg;
    return sys_call(ENOBUFS, sendto(fd, s->data, s->size, MSG_NOSIGNAL,
                                    s->to ? (const struct sockaddr *)&s->to->storage : NULL,
                                    s->to ? s->to->size : 0));
}

int bough_udp_send_to(struct bough_udp *u, const void *data, size_t size,
                      const struct bough_address *to)
{
    struct sending s = {.data = data, .size = size, .to = to};
    int rc = bough__udp_call(u, BOUGH_WRITABLE, send_now, &s);
    return rc < 0 ? rc : 0;
}

int bough_udp_send(struct bough_udp *u, const void *data, size_t size)
{
    return bough_udp_send_to(u, data, size, NULL);
}

/* --- receiving --- */

struct receiving {
    void *buffer;
    size_t size;
    struct bough_address from;
};

static int receive_now(int fd, void *arg)
{
    struct receiving *r = arg;
    r->from.size = sizeof(r->from.storage);
    return sys_call(EIO, recvfrom(fd, r->buffer, r->size, MSG_TRUNC,
                                  (struct sockaddr *)&r->from.storage, &r->from.size));
}

int bough_udp_receive(struct bough_udp *u, void *ret_buffer, size_t size,
                      struct bough_address *ret_from)
{
    struct receiving r = {.buffer = ret_buffer, .size = size < INT_MAX ? size : INT_MAX};
    if (u->gro)
        return bough_fail_text(-EINVAL,
                               "datagrams come in trains here: bough_udp_receive_segments()");
    int n = bough__udp_call(u, BOUGH_READABLE, receive_now, &r);
    if (n < 0)
        return n;
    if ((size_t)n > r.size)
        return bough_fail(-EMSGSIZE, "a datagram of %d bytes came, and there is room for %zu", n,
                          size);
    if (ret_from)
        *ret_from = r.from;
    return n;
}
