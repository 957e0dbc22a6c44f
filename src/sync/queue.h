/* Lists of struct bough_wait, as queues of tasks.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "bough/sync.h"
#include "bough/wait.h"

static inline struct bough_wait *queue_wait(struct bough_list *node)
{
    return bough_container_of(node, struct bough_wait, link);
}

/* Who waits longest; somebody must. */
static inline struct bough_wait *queue_first(struct bough_list *waiters)
{
    return queue_wait(waiters->next);
}

static inline unsigned queue_length(const struct bough_list *waiters)
{
    unsigned length = 0;
    for (const struct bough_list *node = waiters->next; node != waiters; node = node->next)
        length++;
    return length;
}
