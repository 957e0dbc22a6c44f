/* What was received ahead for one socket.
 * SPDX-License-Identifier: MIT */
#include "io/received.h"

#include <errno.h>
#include <string.h>

void bough__received_add(struct received *q, struct ring_buffers *b, unsigned id, unsigned size)
{
    b->table[id] = (struct ring_buffer){.size = size};
    b->taken++;
    if (q->count++)
        b->table[q->last].next = id;
    else
        q->first = id;
    q->last = id;
}

static void remove_first(struct received *q, struct ring_buffers *b)
{
    unsigned id = q->first;
    q->first = b->table[id].next;
    q->count--;
    b->taken--;
    bough__ring_buffers_give_back(b, id);
}

int bough__received_take(struct received *q, struct ring_buffers *b, void *ret_bytes, size_t size)
{
    size_t taken = 0;
    int failure = q->failure;
    while (q->count && taken < size) {
        struct ring_buffer *first = &b->table[q->first];
        size_t n = first->size < size - taken ? first->size : size - taken;
        memcpy((char *)ret_bytes + taken, ring_buffer_bytes(b, q->first) + first->from, n);
        first->from += (unsigned)n;
        first->size -= (unsigned)n;
        taken += n;
        if (!first->size)
            remove_first(q, b);
    }
    if (taken)
        return (int)taken;
    q->failure = 0;
    return failure ? failure : -EAGAIN;
}

void bough__received_drop(struct received *q, struct ring_buffers *b)
{
    while (q->count)
        remove_first(q, b);
    q->failure = 0;
}
