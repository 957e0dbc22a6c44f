/* Channels between runs.
 * SPDX-License-Identifier: MIT */
#include "../sync/waiter.h"

#include <pthread.h>

static struct bough_bridge *bridge;

static void open_bridge(size_t capacity)
{
    CHECK_EQ(bough_bridge_open(sizeof(int), capacity, &bridge), 0);
}

/* --- within one run it is a channel --- */

TASK_TEST(items_come_out_in_order)
{
    open_bridge(2);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(bough_bridge_send(bridge, &i), 0);
    int item = 7;
    CHECK_EQ(bough_bridge_send_nowait(bridge, &item), -EAGAIN);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(bough_bridge_receive(bridge, &item), 1);
        CHECK_EQ(item, i);
    }
    CHECK_EQ(bough_bridge_receive_nowait(bridge, &item), -EAGAIN);
    bough_bridge_release(bridge);
    return 0;
}

static int send_one(void *arg)
{
    return bough_bridge_send(bridge, arg);
}

TASK_TEST(who_waits_longest_sends_first)
{
    int rc = 0, item, numbers[] = {1, 2, 3};
    open_bridge(1);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_nursery_start_soon(n, send_one, &numbers[i]), 0);
        for (int i = 1; i <= 3; i++) {
            CHECK_EQ(bough_bridge_receive(bridge, &item), 1);
            CHECK_EQ(item, i);
        }
    }
    bough_bridge_release(bridge);
    return rc;
}

TASK_TEST(a_cancelled_receive_takes_nothing_and_a_cancelled_send_sends_nothing)
{
    int rc = 0, item = 5;
    open_bridge(1);
    bough_move_on_after (BOUGH_MS, &rc)
        rc = bough_bridge_receive(bridge, &item);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_bridge_send(bridge, &item), 0);
    bough_move_on_after (BOUGH_MS, &rc)
        rc = bough_bridge_send(bridge, &item);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_bridge_receive(bridge, &item), 1);
    CHECK_EQ(bough_bridge_receive_nowait(bridge, &item), -EAGAIN);
    bough_bridge_release(bridge);
    return rc;
}

TASK_TEST(cancelled_before_a_call_has_no_effect)
{
    int rc = 0, item = 5;
    open_bridge(1);
    struct bough_scope scope = BOUGH_SCOPE();
    bough_scope_cancel(&scope, "before");
    bough_with_scope (&scope, &rc) {
        CHECK_EQ(bough_bridge_send(bridge, &item), -ECANCELED);
        CHECK_EQ(bough_bridge_receive(bridge, &item), -ECANCELED);
    }
    CHECK_EQ(bough_bridge_receive_nowait(bridge, &item), -EAGAIN);
    bough_bridge_release(bridge);
    return rc;
}

static int receive_to_the_end(__attribute__((unused)) void *arg)
{
    int item, count = 0, rc;
    while ((rc = bough_bridge_receive(bridge, &item)) > 0)
        count++;
    CHECK_EQ(rc, 0);
    CHECK_EQ(count, 1);
    return 0;
}

TASK_TEST(closing_lets_receivers_finish_and_fails_senders)
{
    int rc = 0, item = 1;
    open_bridge(1);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_bridge_send(bridge, &item), 0);
        struct waiter waiter = {.call = send_one, .object = &item};
        waiter_start(n, &waiter);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        bough_bridge_close(bridge);
        bough_bridge_close(bridge);
        CHECK_EQ(bough_bridge_send_nowait(bridge, &item), -EPIPE);
        rc = bough_nursery_start_soon(n, receive_to_the_end, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(waiter.rc, -EPIPE);
    }
    bough_bridge_release(bridge);
    return rc;
}

/* --- between runs --- */

enum { PRODUCERS = 3, CONSUMERS = 2 };
static int each;
static int sums[CONSUMERS], counts[CONSUMERS];

/* With a timeout now and then, which must lose nothing. */
static int produce(void *arg)
{
    (void)arg;
    for (int i = 1; i <= each; i++) {
        int rc = 0, sent = 0;
        while (rc == 0 && !sent) {
            bough_move_on_after (i % 7 ? BOUGH_SEC : 20 * BOUGH_US, &rc) {
                rc = bough_bridge_send(bridge, &i);
                sent = rc == 0;
            }
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int consume(void *arg)
{
    int item, rc, *number = arg;
    for (;;) {
        rc = 0;
        bough_move_on_after (counts[*number] % 5 ? BOUGH_SEC : 20 * BOUGH_US, &rc)
            rc = bough_bridge_receive(bridge, &item);
        if (bough_scope_cancelled_caught(NULL))
            continue;
        if (rc <= 0)
            return rc;
        sums[*number] += item;
        counts[*number]++;
    }
}

static void *produce_in_thread(void *arg)
{
    CHECK_EQ(bough_run(produce, arg), 0);
    bough_bridge_release(bridge);
    return NULL;
}

static void *consume_in_thread(void *arg)
{
    CHECK_EQ(bough_run(consume, arg), 0);
    bough_bridge_release(bridge);
    return NULL;
}

TEST(items_of_many_threads_arrive_exactly_once)
{
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    int numbers[CONSUMERS], sum = 0, count = 0;
    each = test_scale(20000);
    open_bridge(3);
    for (int i = 0; i < PRODUCERS; i++) {
        bough_bridge_hold(bridge);
        CHECK_EQ(pthread_create(&producers[i], NULL, produce_in_thread, NULL), 0);
    }
    for (int i = 0; i < CONSUMERS; i++) {
        numbers[i] = i;
        bough_bridge_hold(bridge);
        CHECK_EQ(pthread_create(&consumers[i], NULL, consume_in_thread, &numbers[i]), 0);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    bough_bridge_close(bridge);
    for (int i = 0; i < CONSUMERS; i++) {
        pthread_join(consumers[i], NULL);
        sum += sums[i];
        count += counts[i];
    }
    CHECK_EQ(count, PRODUCERS * each);
    CHECK_EQ(sum, PRODUCERS * (each * (each + 1) / 2));
    bough_bridge_release(bridge);
}

TEST(a_thread_without_a_run_may_send_and_receive)
{
    int item = 4;
    open_bridge(1);
    CHECK_EQ(bough_bridge_send_nowait(bridge, &item), 0);
    item = 0;
    CHECK_EQ(bough_bridge_receive_nowait(bridge, &item), 1);
    CHECK_EQ(item, 4);
    bough_bridge_release(bridge);
    bough_error_clear();
}

TEST(bad_sizes_and_no_memory_are_errors)
{
    CHECK_EQ(bough_bridge_open(1, 0, &bridge), -EINVAL);
    CHECK_EQ(bough_bridge_open(SIZE_MAX, 2, &bridge), -EINVAL);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_bridge_open(1, 1, &bridge), -ENOMEM);
    bough_error_clear();
}
