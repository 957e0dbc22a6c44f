/* The barrier.
 *
 * The queue is the round: who is in it has arrived. The last to come does not enter it, but empties
 * it, numbering those inside; so the next round can fill while the woken have not run yet, and a
 * cancel before leaves no gap in the numbers.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/panic.h"
#include "sync/queue.h"

void bough_barrier_init(struct bough_barrier *b, unsigned parties)
{
    if (parties == 0 || parties > INT_MAX)
        bough_panic("a barrier for %u parties: at least 1, at most %d", parties, INT_MAX);
    b->parties = parties;
    b->waiting = 0;
    b->aborted = false;
    bough_list_init(&b->waiters);
}

struct barrier_waiter {
    struct bough_wait wait;
    struct bough_barrier *barrier;
};

static bool waiter_leave(struct bough_wait *wait)
{
    bough_container_of(wait, struct barrier_waiter, wait)->barrier->waiting--;
    return bough_wait_leave(wait);
}

static BOUGH_COLD int barrier_is_aborted(void)
{
    return bough_fail_text(-EPIPE, "the barrier was aborted");
}

/* All are there: number and wake those who wait. Returns our own number, the last. */
static int release_round(struct bough_barrier *b)
{
    int index = 0;
    b->waiting = 0;
    while (!bough_list_is_empty(&b->waiters))
        bough_wake(queue_first(&b->waiters), index++);
    return index;
}

int bough_barrier_wait(struct bough_barrier *b)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (b->aborted)
        return barrier_is_aborted();
    if (b->waiting == b->parties - 1) {
        int index = release_round(b);
        bough_passed();
        return index;
    }
    struct barrier_waiter waiter = {.wait = {.abort = waiter_leave, .what = "a barrier"},
                                    .barrier = b};
    b->waiting++;
    bough_list_push(&b->waiters, &waiter.wait.link);
    rc = bough_wait(&waiter.wait);
    return rc == -EPIPE ? barrier_is_aborted() : rc;
}

void bough_barrier_abort(struct bough_barrier *b)
{
    b->aborted = true;
    b->waiting = 0;
    bough_wake_all(&b->waiters, -EPIPE);
}

void bough_barrier_stats(const struct bough_barrier *b, struct bough_barrier_stats *ret_stats)
{
    *ret_stats = (struct bough_barrier_stats){
        .parties = b->parties,
        .waiting = b->waiting,
        .aborted = b->aborted,
    };
}
