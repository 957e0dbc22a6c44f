/* UDP: many datagrams in a system call, and trains of them that the kernel cuts and couples.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"
#include "io/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    BATCH_MOST = 64,
    SEGMENTS_MOST = 64, /* that every kernel with GSO takes */
    DATAGRAM_MOST = 65507,
};

/* --- batches --- */

struct batch {
    struct mmsghdr headers[BATCH_MOST];
    struct iovec bytes[BATCH_MOST];
    unsigned count;
};

static void batch_add(struct batch *b, const void *data, size_t size,
                      const struct bough_address *address, socklen_t address_size)
{
    unsigned at = b->count++;
    b->bytes[at] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    b->headers[at] =
        (struct mmsghdr){.msg_hdr = {
                             .msg_name = address_size ? (void *)(uintptr_t)&address->storage : NULL,
                             .msg_namelen = address_size,
                             .msg_iov = &b->bytes[at],
                             .msg_iovlen = 1,
                         }};
}

static int send_batch(int fd, void *arg)
{
    struct batch *b = arg;
    return sys_call(ENOBUFS, sendmmsg(fd, b->headers, b->count, MSG_NOSIGNAL));
}

/* 'sent' so far, and then it failed: the next call will say why. */
static int sent_or(int sent, int rc)
{
    return sent ? sent : rc;
}

int bough_udp_send_batch(struct bough_udp *u, const struct bough_datagram *datagrams,
                         unsigned count)
{
    int sent = 0;
    if (count == 0)
        return bough_pass();
    while ((unsigned)sent < count) {
        struct batch b;
        b.count = 0;
        for (unsigned i = (unsigned)sent; i < count && b.count < BATCH_MOST; i++)
            batch_add(&b, datagrams[i].data, datagrams[i].size, &datagrams[i].address,
                      datagrams[i].address.size);
        int n = bough__udp_call(u, BOUGH_WRITABLE, send_batch, &b);
        if (n < 0)
            return sent_or(sent, n);
        sent += n;
    }
    return sent;
}

static int receive_batch(int fd, void *arg)
{
    struct batch *b = arg;
    return sys_call(EIO, recvmmsg(fd, b->headers, b->count, MSG_DONTWAIT, NULL));
}

static void take_datagram(struct bough_datagram *d, const struct mmsghdr *header)
{
    d->size = header->msg_len;
    d->truncated = header->msg_hdr.msg_flags & MSG_TRUNC;
    d->address.size = header->msg_hdr.msg_namelen;
}

int bough_udp_receive_batch(struct bough_udp *u, struct bough_datagram *datagrams, unsigned count)
{
    struct batch b;
    if (count == 0)
        return bough_fail_text(-EINVAL, "a receive of 0 datagrams");
    if (u->gro)
        return bough_fail_text(-EINVAL,
                               "datagrams come in trains here: bough_udp_receive_segments()");
    b.count = 0;
    for (unsigned i = 0; i < count && b.count < BATCH_MOST; i++)
        batch_add(&b, datagrams[i].data, datagrams[i].capacity, &datagrams[i].address,
                  sizeof(datagrams[i].address.storage));
    int n = bough__udp_call(u, BOUGH_READABLE, receive_batch, &b);
    for (int i = 0; i < n; i++)
        take_datagram(&datagrams[i], &b.headers[i]);
    return n;
}

/* --- sending segments --- */

struct train {
    const char *data;
    size_t size, segment;
    const struct bough_address *to; /* NULL: the connected peer */
};

static int send_train(int fd, void *arg)
{
    const struct train *t = arg;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(uint16_t))];
    } control;
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)t->data, .iov_len = t->size};
    struct msghdr header = {
        .msg_name = t->to ? (void *)(uintptr_t)&t->to->storage : NULL,
        .msg_namelen = t->to ? t->to->size : 0,
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control.room),
    };
    uint16_t segment = (uint16_t)t->segment;
    memset(&control, 0, sizeof(control));
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
    return sys_call(EIO, sendmsg(fd, &header, MSG_NOSIGNAL));
}

/* As many segments as one call may have. */
static size_t train_length(const struct train *t)
{
    size_t segments = DATAGRAM_MOST / t->segment;
    size_t most = (segments < SEGMENTS_MOST ? segments : SEGMENTS_MOST) * t->segment;
    return t->size < most ? t->size : most;
}

static struct train train_first(const struct train *t, size_t size)
{
    return (struct train){.data = t->data, .size = size, .segment = t->segment, .to = t->to};
}

static void train_drop(struct train *t, size_t size)
{
    t->data += size;
    t->size -= size;
}

/* A kernel that does not know the option would send all of it as one datagram. */
static bool may_use_gso(struct bough_udp *u)
{
    int value;
    socklen_t size = sizeof(value);
    if (u->gso == 0 && u->fd >= 0)
        u->gso =
            sys_call(ENOPROTOOPT, getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size)) < 0
                ? -1
                : 1;
    return u->gso > 0;
}

/* Did it fail because it was a train? Then another may go, as when a segment was larger than a
 * packet; or none will, since the device cannot do it. */
static bool is_refused_train(struct bough_udp *u, int rc)
{
    if (rc == -EIO || rc == -EOPNOTSUPP)
        u->gso = -1;
    return u->gso < 0 || rc == -EINVAL || rc == -EMSGSIZE;
}

static int send_by_gso(struct bough_udp *u, struct train *t)
{
    while (t->size) {
        struct train first = train_first(t, train_length(t));
        int rc = bough__udp_call(u, BOUGH_WRITABLE, send_train, &first);
        if (rc < 0)
            return rc;
        train_drop(t, first.size);
    }
    return 0;
}

static int send_by_batches(struct bough_udp *u, struct train *t)
{
    while (t->size) {
        struct batch b;
        size_t left = t->size;
        b.count = 0;
        for (const char *p = t->data; left && b.count < BATCH_MOST; p += t->segment) {
            size_t size = left < t->segment ? left : t->segment;
            batch_add(&b, p, size, t->to, t->to ? t->to->size : 0);
            left -= size;
        }
        int n = bough__udp_call(u, BOUGH_WRITABLE, send_batch, &b);
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++)
            train_drop(t, b.bytes[i].iov_len);
    }
    return 0;
}

int bough_udp_send_segments(struct bough_udp *u, const void *data, size_t size, size_t segment,
                            const struct bough_address *to)
{
    struct train t = {.data = data, .size = size, .segment = segment, .to = to};
    if (segment == 0 || segment > DATAGRAM_MOST)
        return bough_fail(-EINVAL, "segments of %zu bytes; 1 to %d are possible", segment,
                          DATAGRAM_MOST);
    if (size == 0)
        return bough_pass();
    if (size <= segment || !may_use_gso(u))
        return send_by_batches(u, &t);
    int rc = send_by_gso(u, &t);
    if (rc == 0 || !is_refused_train(u, rc))
        return rc;
    (void)bough_catch(&rc, rc);
    return send_by_batches(u, &t);
}

/* --- receiving segments --- */

int bough_udp_set_gro(struct bough_udp *u, bool on)
{
    int value = on;
    if (u->fd < 0)
        return bough_fail_text(-EBADF, "the UDP socket is closed");
    int rc = sys_call(ENOPROTOOPT, setsockopt(u->fd, IPPROTO_UDP, UDP_GRO, &value, sizeof(value)));
    if (rc == -ENOPROTOOPT || rc == -EOPNOTSUPP)
        return on ? bough_fail_text(-ENOTSUP, "the kernel does not put datagrams together") : 0;
    if (rc < 0)
        return bough_fail(rc, "UDP_GRO: %s", bough_error_name(rc));
    u->gro = on;
    return 0;
}

struct coupled {
    void *buffer;
    size_t size, segment;
    bool truncated;
    struct bough_address from;
};

static size_t segment_of(struct msghdr *header, int received)
{
    int segment = received;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
    return (size_t)segment;
}

static int receive_coupled(int fd, void *arg)
{
    struct coupled *t = arg;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec bytes = {.iov_base = t->buffer, .iov_len = t->size};
    struct msghdr header = {
        .msg_name = &t->from.storage,
        .msg_namelen = sizeof(t->from.storage),
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control.room),
    };
    int n = sys_call(EIO, recvmsg(fd, &header, 0));
    if (n < 0)
        return n;
    t->from.size = header.msg_namelen;
    t->segment = segment_of(&header, n);
    t->truncated = header.msg_flags & MSG_TRUNC;
    return n;
}

int bough_udp_receive_segments(struct bough_udp *u, void *ret_buffer, size_t size,
                               size_t *ret_segment, struct bough_address *ret_from)
{
    struct coupled t = {.buffer = ret_buffer, .size = size};
    int n = bough__udp_call(u, BOUGH_READABLE, receive_coupled, &t);
    if (n < 0)
        return n;
    if (t.truncated)
        return bough_fail(-EMSGSIZE, "more bytes came than there is room for: %zu", size);
    *ret_segment = t.segment;
    if (ret_from)
        *ret_from = t.from;
    return n;
}
