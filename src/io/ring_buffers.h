/* Buffers for the kernel to receive into. It takes one when it has something to put there, so a
 * connection on which nothing comes holds none.
 *
 *     the kernel's --completion--> taken, in a queue (io/received.h) --give_back--> the kernel's
 *
 * Provided buffers: io_uring_register_buf_ring(3), Linux 5.19.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "io/ring.h"

/* Small: what is longer is better received by its reader, who has room for it. */
enum { RING_BUFFER_SIZE = 2048, RING_BUFFERS_FIRST = 64, RING_BUFFERS_MOST = 1024, RING_GROUP = 0 };

/* What is in a buffer. */
struct ring_buffer {
    unsigned next; /* in its queue */
    unsigned from, size;
};

struct ring_buffers {
    struct io_uring_buf_ring *ring; /* NULL: there are none */
    char *bytes;                    /* of all; pages that were never used take no memory */
    struct ring_buffer *table;
    unsigned count; /* that there are; more when the kernel finds none */
    unsigned taken; /* of those, how many are in queues */
};

/* Buffers, if there are none yet. 0, -ENOMEM; -EINVAL and the like: not on this kernel. */
int bough__ring_buffers_open(struct ring_buffers *b, struct ring *r);

/* Once the ring has been closed. */
void bough__ring_buffers_close(struct ring_buffers *b);

/* Are there any that are not in queues? If not, there are more from now on, up to a limit. */
bool bough__ring_buffers_left(struct ring_buffers *b);

/* The kernel found none. */
void bough__ring_buffers_more(struct ring_buffers *b);

/* The kernel may take it: what it had put there has been read, or nobody wants it. */
void bough__ring_buffers_give_back(struct ring_buffers *b, unsigned id);

static inline char *ring_buffer_bytes(const struct ring_buffers *b, unsigned id)
{
    return b->bytes + (size_t)id * RING_BUFFER_SIZE;
}
