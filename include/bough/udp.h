/* UDP: datagrams, one or many at a time.
 *
 *     static int echo(void *arg)
 *     {
 *         struct bough_address at, from;
 *         struct bough_udp *u;
 *         char buffer[2048];
 *         int n, rc = bough_address_parse("127.0.0.1", 7007, &at);
 *         if (rc == 0)
 *             rc = bough_udp_open(&at, &u);
 *         if (rc < 0)
 *             return rc;
 *         while (rc == 0 && (n = bough_udp_receive(u, buffer, sizeof(buffer), &from)) >= 0)
 *             rc = bough_udp_send_to(u, buffer, (size_t)n, &from);
 *         bough_udp_free(u);
 *         return rc < 0 ? rc : n;                        // until cancelled
 *     }
 *
 * A datagram arrives whole, or not at all, or twice; none has to be empty, but one may be: 0 bytes
 * are not an end. There is no end. A socket that is connected hears from one peer only, and is told
 * (-ECONNREFUSED, of a later call) when nobody is there.
 *
 * Calls that may wait are checkpoints; -ECANCELED: nothing was sent or received, but where it is
 * said. One task sends and one receives; another that comes while one waits gets -EBUSY. Closing
 * wakes them with -EBADF, and closed is closed. Other errors are the system's. All of it belongs to
 * the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/socket.h"

BOUGH_BEGIN_DECLS

struct bough_udp;

/* --- opening and closing --- */

struct bough_udp_options {
    bool reuse_address; /* others may have the same port, if they say so: to receive multicasts */
    bool reuse_port;    /* the kernel spreads the peers over all that have the port */
};

/* A socket bound to 'local', of IPv4 or IPv6 (which then is IPv6 only). Port 0: one that is free;
 * "0.0.0.0" or "::": all addresses of this machine. 'options' may be NULL. Does not block. 0,
 * -EADDRINUSE, -EADDRNOTAVAIL, -EMFILE, -ENOMEM, ... */
BOUGH_MUST_CHECK int bough_udp_open(const struct bough_address *local, struct bough_udp **ret_udp);
BOUGH_MUST_CHECK int bough_udp_open_with(const struct bough_udp_options *options,
                                         const struct bough_address *local,
                                         struct bough_udp **ret_udp);

/* Take 'to' for the only peer: sends need no address, and nobody else is heard. NULL: undo that
 * (and if the port, which the kernel had chosen, has been given away in that moment: -EADDRINUSE).
 * Does not block. 0, -ENETUNREACH, -EAFNOSUPPORT or -EINVAL (another family), -EBADF. */
BOUGH_MUST_CHECK int bough_udp_connect(struct bough_udp *u, const struct bough_address *to);

/* Where it is bound. 0, -EBADF. */
BOUGH_MUST_CHECK int bough_udp_address(const struct bough_udp *u,
                                       struct bough_address *ret_address);

/* The descriptor, for setsockopt() and the like; -1: closed. It stays the socket's. */
int bough_udp_fd(const struct bough_udp *u);

/* Close it; who waits in it gets -EBADF. Idempotent. Does not block. */
void bough_udp_close(struct bough_udp *u);

/* Close and free. No task may be in it. NULL is fine. */
void bough_udp_free(struct bough_udp *u);

/* --- one datagram --- */

/* Send 'size' bytes to 'to'; bough_udp_send(): to the peer that it is connected to (-EDESTADDRREQ:
 * none). Waits while the kernel's buffer is full. 0; -EMSGSIZE: too large for a datagram, 65507
 * bytes at most; -EACCES: a broadcast, which was not allowed; -ENETUNREACH, ... */
BOUGH_MUST_CHECK int bough_udp_send_to(struct bough_udp *u, const void *data, size_t size,
                                       const struct bough_address *to);
BOUGH_MUST_CHECK int bough_udp_send(struct bough_udp *u, const void *data, size_t size);

/* Receive one; where it came from into *ret_from (may be NULL). The number of bytes. -EMSGSIZE: it
 * has more than 'size'; it is gone, what fitted is in the buffer, and the detail says how large it
 * was. */
BOUGH_MUST_CHECK int bough_udp_receive(struct bough_udp *u, void *ret_buffer, size_t size,
                                       struct bough_address *ret_from);

/* --- many datagrams --- */

struct bough_datagram {
    void *data;
    size_t capacity;              /* to receive: the room at 'data' */
    size_t size;                  /* what was received; what to send */
    struct bough_address address; /* from, or to; .size 0: to the peer that it is connected to */
    bool truncated;               /* received, but it had more than 'capacity' bytes */
};

/* Send them in order, with few system calls, waiting for room. How many were sent: all of them; or
 * fewer, if one failed (or the task was cancelled) after some, and then a call for the rest tells
 * why. < 0: not even the first. 0: count is 0. */
BOUGH_MUST_CHECK int bough_udp_send_batch(struct bough_udp *u,
                                          const struct bough_datagram *datagrams, unsigned count);

/* Wait for one, and take what else is there, up to 'count' (of which one call takes 64 at most).
 * How many. -EINVAL: count is 0. */
BOUGH_MUST_CHECK int bough_udp_receive_batch(struct bough_udp *u, struct bough_datagram *datagrams,
                                             unsigned count);

/* --- segments: a train of equal datagrams in one buffer --- */

/* Send 'size' bytes as datagrams of 'segment' bytes each (the last may be shorter), to 'to' (NULL:
 * the connected peer). Where the kernel can, it is told to cut them (GSO); else they are sent in
 * batches. 0; < 0: some may have been sent. -EINVAL: segment is 0 or over 65507. */
BOUGH_MUST_CHECK int bough_udp_send_segments(struct bough_udp *u, const void *data, size_t size,
                                             size_t segment, const struct bough_address *to);

/* Let the kernel put datagrams of one peer together (GRO). Then only bough_udp_receive_segments()
 * may receive, others are -EINVAL. 0; -ENOTSUP: the kernel cannot, and nothing is lost:
 * receive_segments works all the same. */
BOUGH_MUST_CHECK int bough_udp_set_gro(struct bough_udp *u, bool on);

/* Receive a train: the number of bytes, which are datagrams of *ret_segment bytes each; the last
 * may be shorter. Without GRO it is one datagram. A buffer of 64 KiB holds any; -EMSGSIZE: this one
 * does not. */
BOUGH_MUST_CHECK int bough_udp_receive_segments(struct bough_udp *u, void *ret_buffer, size_t size,
                                                size_t *ret_segment,
                                                struct bough_address *ret_from);

/* --- broadcast and multicast: none of these blocks; 0, -EBADF, or the system's error --- */

BOUGH_MUST_CHECK int bough_udp_set_broadcast(struct bough_udp *u, bool on);

/* Become (or no longer be) a member of a group, on the interface with this index (if_nametoindex();
 * 0: the system chooses). */
BOUGH_MUST_CHECK int bough_udp_join(struct bough_udp *u, const struct bough_address *group,
                                    unsigned interface);
BOUGH_MUST_CHECK int bough_udp_leave(struct bough_udp *u, const struct bough_address *group,
                                     unsigned interface);

/* For multicasts that are sent: by which interface; how many routers they may pass (at first 1:
 * none but our own net); whether this machine hears them, too (at first: yes). */
BOUGH_MUST_CHECK int bough_udp_set_multicast_interface(struct bough_udp *u, unsigned interface);
BOUGH_MUST_CHECK int bough_udp_set_multicast_hops(struct bough_udp *u, unsigned hops);
BOUGH_MUST_CHECK int bough_udp_set_multicast_loop(struct bough_udp *u, bool on);

BOUGH_END_DECLS
