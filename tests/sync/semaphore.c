/* bough_semaphore: at 1 it is exclusive; and what is its own.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/sync.h>

struct thing {
    struct bough_semaphore semaphore;
};

static void thing_init(struct thing *thing)
{
    bough_semaphore_init(&thing->semaphore, 1);
}

static int thing_acquire(void *thing)
{
    return bough_semaphore_acquire(&((struct thing *)thing)->semaphore);
}

static int thing_acquire_nowait(struct thing *thing)
{
    return bough_semaphore_acquire_nowait(&thing->semaphore);
}

static void thing_release(void *thing)
{
    bough_semaphore_release(&((struct thing *)thing)->semaphore);
}

static unsigned thing_waiting(struct thing *thing)
{
    struct bough_semaphore_stats stats;
    bough_semaphore_stats(&thing->semaphore, &stats);
    return stats.waiting;
}

#include "exclusive.h"

TASK_TEST(a_semaphore_counts_down_and_up)
{
    struct bough_semaphore s;
    bough_semaphore_init(&s, 2);
    CHECK_EQ(bough_semaphore_acquire(&s), 0);
    CHECK_EQ(bough_semaphore_value(&s), 1);
    CHECK_EQ(bough_semaphore_acquire_nowait(&s), 0);
    CHECK_EQ(bough_semaphore_value(&s), 0);
    CHECK_EQ(bough_semaphore_acquire_nowait(&s), -EAGAIN);
    bough_semaphore_release(&s);
    bough_semaphore_release(&s);
    bough_semaphore_release(&s);
    CHECK_EQ(bough_semaphore_value(&s), 3);
    return 0;
}

TASK_TEST(a_release_with_waiters_leaves_the_value_at_0)
{
    struct thing thing;
    struct waiter w[] = {{.call = thing_acquire, .object = &thing},
                         {.call = thing_acquire, .object = &thing}};
    int rc = 0;
    bough_semaphore_init(&thing.semaphore, 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w[0]);
        waiter_park(n, &w[1]);
        thing_release(&thing);
        CHECK_EQ(bough_semaphore_value(&thing.semaphore), 0);
        thing_release(&thing);
        CHECK_EQ(bough_semaphore_value(&thing.semaphore), 0);
        thing_release(&thing);
        CHECK_EQ(bough_semaphore_value(&thing.semaphore), 1);
    }
    return rc;
}

TASK_TEST(any_task_may_release)
{
    struct thing thing;
    struct waiter w = {.call = thing_acquire, .object = &thing};
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc)
        waiter_start(n, &w);
    CHECK_EQ(bough_semaphore_value(&thing.semaphore), 0);
    thing_release(&thing);
    CHECK_EQ(bough_semaphore_value(&thing.semaphore), 1);
    return rc;
}

TASK_TEST(a_semaphore_may_have_a_maximum)
{
    struct bough_semaphore s;
    struct bough_semaphore_stats stats;
    bough_semaphore_init_max(&s, 1, 2);
    bough_semaphore_release(&s);
    bough_semaphore_stats(&s, &stats);
    CHECK_EQ(stats.value, 2);
    CHECK_EQ(stats.max, 2);
    CHECK_EQ(stats.waiting, 0);
    return 0;
}

TEST_PANICS(releasing_above_the_maximum_panics,
            "task main releases a semaphore that is at its maximum, 1")
{
    struct bough_semaphore s;
    bough_semaphore_init_max(&s, 1, 1);
    bough_semaphore_release(&s);
    return 0;
}

TEST_PANICS(beginning_above_the_maximum_panics, "never holds more than 1 is made with 2")
{
    struct bough_semaphore s;
    bough_semaphore_init_max(&s, 2, 1);
    return 0;
}
