/* Links: how frames get from one run to another. Nothing above knows which kind it has.
 *
 * Sending never blocks: a frame is copied and queued, and goes out with all others of the pass. Who
 * has much to send waits for room first. All of it belongs to the run's thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/frame.h"

struct link;

struct link_kind {
    /* By the run that uses it, before all else; NULL: nothing to do. */
    void (*open)(struct link *l);
    /* Queue a copy of the head, and of the payload, which is given in two parts; the descriptor (or
     * -1) is taken over if that succeeds. 0; -EPIPE: the other end is gone; -ENOMEM. */
    int (*send)(struct link *l, const struct frame_head *head, const struct bough_bytes *parts,
                int fd);
    /* Wait for the next frame. 1; 0: the other end has closed, or was killed; -EPROTO: it sent what
     * is none; other errors; -ECANCELED. */
    int (*receive)(struct link *l, struct frame *ret_frame);
    /* Wait until not too much is queued. 0, -EPIPE, -ECANCELED. */
    int (*wait_room)(struct link *l);
    /* Send what is queued, for ever. A task runs it. */
    int (*pump)(struct link *l);
    /* Wait until all that was queued is out, or never will be. 0, -ECANCELED. */
    int (*drain)(struct link *l);
    /* It is over: at both ends nothing more can be sent, and receiving ends after what has come. */
    void (*hang_up)(struct link *l);
    /* Nobody reads or writes any more. */
    void (*free)(struct link *l);
};

struct link {
    const struct link_kind *kind;
};

/* Over a Unix socket, which is taken over, also if this fails. 0, -ENOMEM, -EMFILE; -EPERM: another
 * user's. */
BOUGH_MUST_CHECK int link_socket_open(int fd, struct link **ret_link);

/* Between two threads: the two ends of a pair, each for one run. 0, -ENOMEM. */
BOUGH_MUST_CHECK int link_queue_pair(struct link **ret_a, struct link **ret_b);

static inline int link_send(struct link *l, const struct frame_head *head,
                            const struct bough_bytes *parts, int fd)
{
    return l->kind->send(l, head, parts, fd);
}
