/* Starting tasks in a nursery: until when, with what arguments, how many at once, and what they
 * leave behind.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <malloc.h>

static int sleep_for(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

static int count_up(void *arg)
{
    ++*(int *)arg;
    return 0;
}

/* --- until when --- */

struct late {
    struct bough_nursery *n;
    int64_t at;
    int count, rc;
};

static int start_later(void *arg)
{
    struct late *late = arg;
    int rc = bough_sleep_until(late->at);
    if (rc < 0)
        return rc;
    late->rc = bough_nursery_start_soon(late->n, count_up, &late->count);
    return 0;
}

TASK_TEST(tasks_may_be_started_while_the_nursery_closes_and_children_are_left)
{
    int rc = 0;
    struct late late = {.at = BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        late.n = n;
        rc = bough_nursery_start_soon(n, start_later, &late);
    }
    CHECK_EQ(late.rc, 0);
    CHECK_EQ(late.count, 1);
    return rc;
}

static int start_next(void *arg)
{
    struct late *late = arg;
    if (--late->count == 0)
        return 0;
    return bough_nursery_start_soon(late->n, start_next, late);
}

TASK_TEST(a_child_may_start_its_successor_as_its_last_act)
{
    int rc = 0;
    struct late late = {.count = 1000};
    bough_with_nursery (n, &rc) {
        late.n = n;
        rc = bough_nursery_start_soon(n, start_next, &late);
    }
    CHECK_EQ(late.count, 0);
    return rc;
}

TASK_TEST(after_the_close_starting_is_ebadf)
{
    struct bough_nursery n;
    int count = 0;
    bough_nursery_open(&n);
    CHECK_EQ(bough_nursery_close(&n, 0), 0);
    CHECK_EQ(bough_nursery_start_soon(&n, count_up, &count), -EBADF);
    CHECK_EQ(bough_nursery_start_soon_with(&n, count_up, &count, sizeof(count)), -EBADF);
    CHECK_EQ(bough_nursery_start_service(&n, count_up, &count), -EBADF);
    CHECK_EQ(bough_nursery_start(&n, count_up, &count, NULL), -EBADF);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(count, 0);
    return 0;
}

TASK_TEST(between_the_end_of_the_last_child_and_the_return_of_close_it_is_closed_too)
{
    int rc = 0;
    int64_t time = BOUGH_SEC;
    struct late late = {.at = BOUGH_SEC};
    bough_with_nursery (outer, &rc) {
        bough_with_nursery (n, &rc) {
            late.n = n;
            /* Both wake in one pass: first the last child of 'n', then the one that comes too late.
             */
            CHECK_EQ(bough_nursery_start_soon(n, sleep_for, &time), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(bough_nursery_start_soon(outer, start_later, &late), 0);
        }
    }
    CHECK_EQ(late.rc, -EBADF);
    CHECK_EQ(late.count, 0);
    return rc;
}

/* --- misuse --- */

static int leave_it_open(void *arg)
{
    bough_nursery_open((struct bough_nursery *)arg);
    return 0;
}

TEST_PANICS(a_task_that_ends_with_a_nursery_open_panics,
            "ends inside a scope or nursery that it opened")
{
    int rc = 0;
    static struct bough_nursery open;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, leave_it_open, &open);
    return rc;
}

TEST_PANICS(the_main_task_too, "task main (main, started at bough_run:0) ends inside")
{
    static struct bough_nursery open;
    bough_nursery_open(&open);
    return 0;
}

static int close_it(void *arg)
{
    return bough_nursery_close(arg, 0);
}

TEST_PANICS(a_nursery_that_is_closed_by_another_task_panics, "closed by another task")
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, close_it, n);
    return rc;
}

TEST_PANICS(nurseries_that_are_closed_out_of_order_panic, "closed out of order")
{
    struct bough_nursery outer, inner;
    bough_nursery_open(&outer);
    bough_nursery_open(&inner);
    return bough_nursery_close(&outer, 0);
}

TEST_PANICS(a_nursery_that_is_closed_twice_panics, "closed twice")
{
    struct bough_nursery n;
    bough_nursery_open(&n);
    CHECK_EQ(bough_nursery_close(&n, 0), 0);
    return bough_nursery_close(&n, 0);
}

/* --- arguments --- */

struct args {
    int number;
    const char *text;
    long double aligned __attribute__((aligned(32)));
};

static int seen_number;

static int look_at_args(void *arg)
{
    struct args *args = arg;
    CHECK_EQ((uintptr_t)args % 32, 0);
    CHECK_STR(args->text, "text");
    CHECK(args->aligned == 0.25L);
    seen_number += args->number;
    args->number = -1; /* it is ours */
    return 0;
}

TASK_TEST(arguments_are_copied_when_the_task_is_started)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct args args = {1, "text", 0.25L};
        CHECK_EQ(bough_nursery_start_soon_with(n, look_at_args, &args, sizeof(args)), 0);
        args.number = 10;
        CHECK_EQ(bough_nursery_start_soon_with(n, look_at_args, &args, sizeof(args)), 0);
        args = (struct args){0};
        CHECK_EQ(BOUGH_START(n, look_at_args, struct args, .number = 100, .text = "text",
                             .aligned = 0.25L),
                 0);
    }
    CHECK_EQ(seen_number, 111);
    return rc;
}

static int expect_null(void *arg)
{
    return arg ? -EIO : 0;
}

TASK_TEST(no_arguments_are_no_pointer)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon_with(n, expect_null, NULL, 0);
    return rc;
}

static int sum_bytes(void *arg)
{
    const unsigned char *bytes = arg;
    unsigned sum = 0;
    for (int i = 0; i < 8192; i++)
        sum += bytes[i];
    CHECK_EQ(sum, 8192u * 3);
    return 0;
}

TASK_TEST(arguments_may_fill_a_quarter_of_the_stack_and_no_more)
{
    int rc = 0;
    static char big[1024 * 1024];
    struct bough_run_stats before, stats;
    bough_run_statistics(&before);
    memset(big, 3, sizeof(big));
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon_with(n, sum_bytes, big, before.stack_size / 4), 0);
        CHECK_EQ(bough_nursery_start_soon_with(n, sum_bytes, big, before.stack_size / 4 + 1),
                 -E2BIG);
        CHECK_EQ(bough_error_code(bough_error_last()), -E2BIG);
        CHECK_EQ(bough_nursery_start_soon_with(n, sum_bytes, big, SIZE_MAX), -E2BIG);
        CHECK_EQ(bough_nursery_count(n), 1);
    }
    bough_run_statistics(&stats);
    CHECK_EQ(stats.started - before.started, 1);
    return rc;
}

/* --- many --- */

struct gauge {
    int now, most, ended;
    int64_t time;
};

static int work(void *arg)
{
    struct gauge *gauge = arg;
    if (++gauge->now > gauge->most)
        gauge->most = gauge->now;
    int rc = bough_sleep(gauge->time);
    gauge->now--;
    gauge->ended++;
    return rc;
}

TASK_TEST(a_hundred_thousand_tasks_run_at_once)
{
    int rc = 0, count = test_scale(100000);
    struct gauge gauge = {.time = BOUGH_SEC};
    bough_with_nursery (n, &rc)
        for (int i = 0; i < count; i++)
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
    CHECK_EQ(gauge.most, count);
    CHECK_EQ(gauge.ended, count);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TASK_TEST(a_hundred_thousand_tasks_are_cancelled_at_once)
{
    int rc = 0, count = test_scale(100000);
    struct gauge gauge = {.time = BOUGH_NEVER};
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < count; i++)
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(gauge.now, count);
        break;
    }
    CHECK_EQ(gauge.ended, count);
    return rc;
}

static int spawn_chain(void *arg)
{
    int *left = arg, rc = 0;
    if (--*left <= 0)
        return bough_fail(-EIO, "at the bottom");
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, spawn_chain, left);
    return rc;
}

TASK_TEST(nurseries_nest_ten_thousand_tasks_deep_and_an_error_comes_all_the_way_up)
{
    int left = test_scale(10000);
    CHECK_EQ(spawn_chain(&left), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "at the bottom");
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    return 0;
}

TASK_TEST(a_finished_child_leaves_nothing_behind)
{
    int rc = 0, count = 0, many = test_scale(100000);
    struct bough_run_stats stats;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        size_t before = mallinfo2().uordblks;
        for (int i = 0; i < many; i++) {
            CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), 0);
            CHECK_EQ(bough_checkpoint(), 0);
        }
        CHECK_EQ(mallinfo2().uordblks, before);
        CHECK_EQ(bough_nursery_count(n), 0);
        bough_run_statistics(&stats);
    }
    CHECK_EQ(count, many + 1);
    CHECK_EQ(stats.tasks, 1);
    CHECK_EQ(stats.tasks_peak, 2);
    CHECK(stats.stacks_free >= 1 && stats.stacks_free <= 2); /* one stack served them all */
    return rc;
}

TASK_TEST(a_nursery_and_its_tasks_allocate_nothing_once_there_are_stacks)
{
    int rc = 0, count = 0;
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            bough_fault_set(BOUGH_FAULT_MEMORY, 1);
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 10; i++)
                CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), 0);
    }
    CHECK(!bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK_EQ(count, 20);
    return rc;
}

static size_t resident_pages(void)
{
    size_t total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f && fscanf(f, "%zu %zu", &total, &resident) == 2);
    fclose(f);
    return resident;
}

TASK_TEST(the_memory_of_many_stacks_is_given_back_to_the_kernel)
{
    if (test_on_valgrind() || test_is_sanitized() || test_is_emulated())
        test_skip("the tools keep the stacks");
    int rc = 0, count = 20000;
    struct gauge gauge = {.time = BOUGH_SEC};
    size_t before = resident_pages();
    bough_with_nursery (n, &rc)
        for (int i = 0; i < count; i++)
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
    size_t at_most = resident_pages();
    CHECK(at_most > before + (size_t)count);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
    CHECK(resident_pages() < before + (size_t)count / 10);
    return rc;
}
