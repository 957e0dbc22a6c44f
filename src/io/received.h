/* What was received ahead for one socket, and nobody has taken yet: a list through the table of the
 * buffers, so to keep it takes no memory that could be lacking.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "io/ring_buffers.h"

/* What has come for one socket, in order. All zero: nothing. */
struct received {
    unsigned first, last; /* buffers, if count > 0 */
    unsigned count;
    int failure; /* of recv(2), behind all that; told once */
};

void bough__received_add(struct received *q, struct ring_buffers *b, unsigned id, unsigned size);

/* As recv(2): how many bytes, or the failure; -EAGAIN: nothing is there. */
int bough__received_take(struct received *q, struct ring_buffers *b, void *ret_bytes, size_t size);
void bough__received_drop(struct received *q, struct ring_buffers *b);

static inline bool received_has_news(const struct received *q)
{
    return q->count || q->failure;
}
