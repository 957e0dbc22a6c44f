/* The parking lot: a queue of sleeping tasks and nothing else.
 *
 * The queue is the only state. A cancelled sleeper takes itself off whatever lot it has been moved
 * to, so nothing here counts: a count would have to know which lot to change.
 * SPDX-License-Identifier: MIT */
#include "sync/queue.h"

void bough_lot_init(struct bough_lot *lot)
{
    bough_list_init(&lot->waiters);
}

int bough_lot_park(struct bough_lot *lot, const char *what)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = what};
    bough_list_push(&lot->waiters, &wait.link);
    return bough_wait(&wait);
}

unsigned bough_lot_unpark(struct bough_lot *lot, unsigned count)
{
    unsigned done = 0;
    for (; done < count && !bough_list_is_empty(&lot->waiters); done++)
        bough_wake(queue_first(&lot->waiters), 0);
    return done;
}

unsigned bough_lot_unpark_all(struct bough_lot *lot)
{
    return bough_lot_unpark(lot, UINT_MAX);
}

unsigned bough_lot_repark(struct bough_lot *from, struct bough_lot *to, unsigned count)
{
    unsigned done = 0;
    struct bough_list moving;
    bough_list_init(&moving); /* so that moving to the same lot ends */
    for (; done < count && !bough_list_is_empty(&from->waiters); done++)
        bough_list_push(&moving, bough_list_pop(&from->waiters));
    bough_list_splice(&to->waiters, &moving);
    return done;
}

void bough_lot_stats(const struct bough_lot *lot, struct bough_lot_stats *ret_stats)
{
    *ret_stats = (struct bough_lot_stats){.waiting = queue_length(&lot->waiters)};
}
