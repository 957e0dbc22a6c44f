/* Supervisors under every fault, order and cancel: no child is left, none lives twice at a time,
 * and nothing hangs.
 * SPDX-License-Identifier: MIT */
#include "kid.h"

#include <malloc.h>

/* The end of a scenario: what it was to fail with is caught; -ENOMEM is the fault's. */
static int judge(int rc, const struct kid *kids, int count)
{
    struct bough_run_stats stats;
    for (int i = 0; i < count; i++)
        CHECK_EQ(kids[i].inside, 0);
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1);
    journal[0] = 0;
    (void)bough_catch(&rc, -BOUGH_ERESTART);
    (void)bough_catch(&rc, -EIO);
    (void)bough_catch(&rc, -EPERM);
    return rc;
}

static int in_order(void *arg)
{
    enum bough_strategy strategy = *(const enum bough_strategy *)arg;
    struct kid kids[3] = {
        {.id = "a", .starts_in = 2, .lives_for = 70, .lives = 1, .ends_with = -EIO},
        {.id = "b",
         .lives_for = 20,
         .lives = 2,
         .ends_with = -EIO,
         .unwinds_for = 5,
         .unwinds_with = -EPERM},
        {.id = "c", .starts_in = 3, .unwinds_for = 3}};
    struct bough_supervisor_options options = {.strategy = strategy, .intensity = 6};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_backoff backoff = {.first = 10, .jitter = 0.5};
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_supervise(sv, KID(&kids[i], .backoff = backoff), NULL);
        if (rc == 0)
            rc = bough_sleep(200);
    }
    return judge(rc, kids, 3);
}

static int asking(__attribute__((unused)) void *arg)
{
    struct kid kids[2] = {{.id = "a", .starts_in = 2},
                          {.id = "b", .lives_for = 15, .lives = 1, .ends_with = -EIO}};
    struct bough_supervisor_options options = {.strategy = BOUGH_REST_FOR_ONE};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised a, b;
        rc = bough_supervise(sv, KID(&kids[0]), &a);
        if (rc == 0)
            rc = bough_supervise(sv, KID(&kids[1], .restart = BOUGH_TRANSIENT), &b);
        if (rc == 0)
            rc = bough_supervisor_restart(sv, a, &a);
        if (rc == 0)
            rc = bough_supervisor_wait(sv, b, &b);
        if (rc == 0)
            rc = bough_supervisor_stop(sv, b);
        if (rc == 0)
            rc = bough_supervisor_remove(sv, a);
        if (rc == 0)
            rc = bough_supervise(sv, KID(&kids[0]), NULL);
    }
    return judge(rc, kids, 2);
}

static int giving_up(__attribute__((unused)) void *arg)
{
    struct kid kids[2] = {{.id = "a", .unwinds_with = -EPERM},
                          {.id = "b", .lives_for = 5, .ends_with = -EIO}};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL, .intensity = 2};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        rc = bough_supervise(sv, KID(&kids[0]), NULL);
        if (rc == 0)
            rc = bough_supervise(sv, KID(&kids[1]), NULL);
        if (rc == 0)
            rc = bough_sleep_forever();
    }
    return judge(rc, kids, 2);
}

static int run_inner(void *arg)
{
    struct bough_supervisor_options options = {.auto_shutdown = BOUGH_ANY_SIGNIFICANT};
    struct kid *k = arg;
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_child_spec spec = *KID(k, .restart = BOUGH_TEMPORARY, .significant = true);
        rc = bough_supervise(sv, &spec, NULL);
        bough_started(NULL);
        if (rc == 0)
            rc = bough_sleep_forever();
    }
    return rc;
}

static int nested(__attribute__((unused)) void *arg)
{
    struct kid kids[1] = {{.id = "k", .starts_in = 1, .lives_for = 20}};
    struct bough_child_spec spec = {
        .id = "inner", .fn = run_inner, .arg = kids, .start_timeout = BOUGH_SEC};
    struct bough_supervisor_options options = {.intensity = 10};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        rc = bough_supervise(sv, &spec, NULL);
        if (rc == 0)
            rc = bough_sleep(50);
    }
    return judge(rc, kids, 1);
}

static enum bough_strategy strategies[] = {BOUGH_ONE_FOR_ONE, BOUGH_ONE_FOR_ALL,
                                           BOUGH_REST_FOR_ONE};
static const struct scenario {
    const char *name;
    bough_task_fn *fn;
    void *arg;
    int faults, points; /* there are at least so many */
} scenarios[] = {
    {"one for one", in_order, &strategies[0], 10, 50},
    {"one for all", in_order, &strategies[1], 10, 80},
    {"rest for one", in_order, &strategies[2], 10, 60},
    {"asking", asking, NULL, 10, 50},
    {"giving up", giving_up, NULL, 10, 50},
    {"nested", nested, NULL, 10, 40},
};

#define foreach_scenario(s)                                                                        \
    for (const struct scenario *s = scenarios; s < scenarios + sizeof(scenarios) / sizeof(*s); s++)

TEST(whichever_allocation_fails_no_child_is_left)
{
    foreach_scenario(s)
    {
        int faults = bough_test_faults(BOUGH_FAULT_MEMORY, s->fn, s->arg);
        if (faults < s->faults)
            test_fail(__FILE__, __LINE__, "%s: %d", s->name, faults);
    }
}

TEST(in_whatever_order_tasks_run_no_child_is_left)
{
    foreach_scenario(s) if (bough_test_seeds(200, s->fn, s->arg) < 0)
        test_fail(__FILE__, __LINE__, "%s", s->name);
}

TEST(wherever_a_cancel_comes_no_child_is_left)
{
    foreach_scenario(s)
    {
        int points = bough_test_cancels(s->fn, s->arg);
        if (points < s->points)
            test_fail(__FILE__, __LINE__, "%s: %d", s->name, points);
    }
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

TASK_TEST(ten_thousand_restarts_of_a_task_leave_nothing_behind)
{
    struct kid a = {.id = "a", .lives_for = 2, .ends_with = -EIO}, b = {.id = "b"};
    struct bough_supervisor_options options = {
        .strategy = BOUGH_REST_FOR_ONE, .intensity = 10, .period = 10};
    int lives = test_scale(10000), rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        rc = bough_sleep(lives / 5);
        size_t before = bytes_in_use();
        rc = bough_sleep(2 * (int64_t)lives + 1); /* not just when a ends */
        CHECK(a.began >= lives);
        CHECK(bytes_in_use() < before + 4096);
    }
    return rc;
}

TASK_TEST(ten_thousand_children_that_come_and_go_leave_nothing_behind)
{
    struct kid a = {.id = "a", .lives_for = 2};
    size_t before = 0;
    int count = test_scale(10000), rc = 0;
    bough_with_supervisor (sv, NULL, &rc)
        for (int i = 0; i < count && rc == 0; i++) {
            if (i == count / 10)
                before = bytes_in_use();
            rc = bough_supervise(sv, KID(&a, .restart = BOUGH_TEMPORARY), NULL);
            if (rc == 0)
                rc = bough_sleep(3);
        }
    CHECK(bytes_in_use() < before + 4096);
    return rc;
}
