/* The semaphore: a number and a lot.
 *
 * Invariant: somebody is parked => the value is 0. A release hands over past the value, so a
 * newcomer never finds what is meant for a sleeper.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/panic.h"
#include "sync/queue.h"

void bough_semaphore_init_max(struct bough_semaphore *s, unsigned value, unsigned max)
{
    if (value > max)
        bough_panic("a semaphore that never holds more than %u is made with %u", max, value);
    s->value = value;
    s->max = max;
    bough_lot_init(&s->waiters);
}

void bough_semaphore_init(struct bough_semaphore *s, unsigned value)
{
    bough_semaphore_init_max(s, value, UINT_MAX);
}

int bough_semaphore_acquire(struct bough_semaphore *s)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (s->value == 0)
        return bough_lot_park(&s->waiters, "a semaphore");
    s->value--;
    bough_passed();
    return 0;
}

int bough_semaphore_acquire_nowait(struct bough_semaphore *s)
{
    if (s->value == 0)
        return bough_fail_text(-EAGAIN, "the semaphore is at 0");
    s->value--;
    return 0;
}

void bough_semaphore_release(struct bough_semaphore *s)
{
    if (bough_lot_unpark(&s->waiters, 1))
        return;
    if (BOUGH_UNLIKELY(s->value == s->max))
        bough_panic("task %s releases a semaphore that is at its maximum, %u",
                    bough_task_name(NULL), s->max);
    s->value++;
}

unsigned bough_semaphore_value(const struct bough_semaphore *s)
{
    return s->value;
}

void bough_semaphore_stats(const struct bough_semaphore *s, struct bough_semaphore_stats *ret_stats)
{
    *ret_stats = (struct bough_semaphore_stats){
        .value = s->value,
        .max = s->max,
        .waiting = queue_length(&s->waiters.waiters),
    };
}
