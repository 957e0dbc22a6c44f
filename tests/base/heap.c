/* The heap of timers.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include "base/heap.h"

static uint64_t state = 1;

static uint64_t draw(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 33;
}

TEST(an_empty_heap_has_no_first)
{
    struct heap heap = {0};
    struct bough_timer timer = {.at = 5};
    CHECK(heap_first(&heap) == NULL);
    CHECK(!heap_contains(&timer));
    heap_insert(&heap, &timer);
    CHECK(heap_first(&heap) == &timer);
    CHECK(heap_contains(&timer));
    CHECK_EQ(heap.count, 1);
    heap_remove(&heap, &timer);
    CHECK(heap_first(&heap) == NULL);
    CHECK(!heap_contains(&timer));
    CHECK_EQ(heap.count, 0);
}

enum { MANY = 2000 };
static struct bough_timer timers[MANY];

static void fill(struct heap *heap, int64_t range)
{
    for (int i = 0; i < MANY; i++) {
        timers[i] = (struct bough_timer){.at = (int64_t)(draw() % (uint64_t)range)};
        heap_insert(heap, &timers[i]);
    }
    CHECK_EQ(heap->count, MANY);
}

/* Take all off in order; returns how many there were. */
static int drain(struct heap *heap)
{
    struct bough_timer *timer;
    int count = 0;
    int64_t last = INT64_MIN;
    while ((timer = heap_first(heap))) {
        CHECK(timer->at >= last);
        last = timer->at;
        heap_remove(heap, timer);
        CHECK(!heap_contains(timer));
        count++;
    }
    CHECK_EQ(heap->count, 0);
    return count;
}

TEST(timers_come_off_in_the_order_of_their_times)
{
    struct heap heap = {0};
    fill(&heap, INT64_MAX);
    CHECK_EQ(drain(&heap), MANY);
}

TEST(many_with_the_same_time_all_come_off)
{
    struct heap heap = {0};
    fill(&heap, 3);
    CHECK_EQ(drain(&heap), MANY);
}

TEST(sorted_and_reversed_input_is_fine)
{
    struct heap heap = {0};
    for (int i = 0; i < MANY; i++) {
        timers[i] = (struct bough_timer){.at = i};
        heap_insert(&heap, &timers[i]);
    }
    CHECK_EQ(drain(&heap), MANY);
    for (int i = 0; i < MANY; i++) {
        timers[i] = (struct bough_timer){.at = -i};
        heap_insert(&heap, &timers[i]);
    }
    CHECK_EQ(drain(&heap), MANY);
}

TEST(any_timer_can_be_removed_wherever_it_is)
{
    for (int round = 0; round < 20; round++) {
        struct heap heap = {0};
        int removed = 0;
        fill(&heap, 1000);
        for (int i = 0; i < 500; i++) /* some from the top, so that the tree has a shape */
            if (i % 5 == 0) {
                heap_remove(&heap, heap_first(&heap));
                removed++;
            }
        for (int i = 0; i < MANY; i++)
            if (heap_contains(&timers[i]) && draw() % 2) {
                heap_remove(&heap, &timers[i]);
                removed++;
            }
        CHECK_EQ(heap.count, MANY - removed);
        CHECK_EQ(drain(&heap), MANY - removed);
    }
}

TEST(random_work_agrees_with_a_plain_search)
{
    enum { FEW = 40 };
    struct heap heap = {0};
    for (int i = 0; i < FEW; i++)
        timers[i] = (struct bough_timer){0};
    for (int step = 0; step < test_scale(200000); step++) {
        struct bough_timer *timer = &timers[draw() % FEW];
        if (heap_contains(timer)) {
            heap_remove(&heap, timer);
        } else {
            timer->at = (int64_t)(draw() % 100) - 50;
            heap_insert(&heap, timer);
        }
        int64_t earliest = INT64_MAX;
        unsigned count = 0;
        for (int i = 0; i < FEW; i++)
            if (heap_contains(&timers[i])) {
                count++;
                earliest = timers[i].at < earliest ? timers[i].at : earliest;
            }
        CHECK_EQ(heap.count, count);
        CHECK_EQ(heap_first(&heap) ? heap_first(&heap)->at : INT64_MAX, earliest);
    }
}

TEST(a_million_timers_need_no_recursion)
{
    int many = test_scale(1000000);
    struct bough_timer *all = calloc((size_t)many, sizeof(*all));
    struct heap heap = {0};
    for (int i = 0; i < many; i++) {
        all[i].at = i; /* one long list of siblings */
        heap_insert(&heap, &all[i]);
    }
    CHECK_EQ(drain(&heap), many);
    for (int i = many; i-- > 0;) {
        all[i].at = i; /* one long chain of children */
        heap_insert(&heap, &all[i]);
    }
    CHECK_EQ(drain(&heap), many);
    free(all);
}

static int fired_order[3], fired_count;

static void fire(struct bough_timer *timer)
{
    fired_order[fired_count++] = (int)timer->at;
}

TASK_TEST(timers_fire_in_order_and_not_before_their_time)
{
    struct bough_timer a = {.fire = fire}, b = {.fire = fire}, c = {.fire = fire},
                       d = {.fire = fire};
    bough_timer_arm(&a, 30);
    bough_timer_arm(&b, 10);
    bough_timer_arm(&c, 50);
    bough_timer_arm(&d, 15);
    bough_timer_arm(&c, 20); /* moved */
    bough_timer_disarm(&d);
    bough_timer_disarm(&d); /* idempotent */
    CHECK_EQ(bough_sleep(9), 0);
    CHECK_EQ(fired_count, 0);
    CHECK_EQ(bough_sleep(91), 0);
    CHECK_EQ(fired_count, 3);
    CHECK_EQ(fired_order[0], 10);
    CHECK_EQ(fired_order[1], 20);
    CHECK_EQ(fired_order[2], 30);
    bough_timer_arm(&a, 500);
    bough_timer_arm(&a, BOUGH_NEVER); /* disarms */
    CHECK_EQ(bough_sleep(1000), 0);
    CHECK_EQ(fired_count, 3);
    return 0;
}
