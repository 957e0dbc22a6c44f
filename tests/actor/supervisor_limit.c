/* Supervisors: how often is too often, what is kept of it, and how long it takes.
 * SPDX-License-Identifier: MIT */
#include "kid.h"

static int end_well(__attribute__((unused)) void *arg)
{
    return 0;
}

TASK_TEST(as_many_restarts_as_the_intensity_are_allowed)
{
    struct kid a = {.id = "a", .lives_for = 100, .lives = 3, .ends_with = -EIO};
    struct bough_supervisor_options options = {.intensity = 3, .period = BOUGH_SEC};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervisor_stats stats;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        rc = bough_sleep(BOUGH_SEC);
        bough_supervisor_statistics(sv, &stats);
        CHECK_EQ(stats.starts, 4);
        CHECK_EQ(stats.failures, 3);
        CHECK_EQ(stats.episodes, 3);
        CHECK_EQ(stats.up, 1);
    }
    return rc;
}

TASK_TEST(one_restart_more_ends_the_block_with_the_limit_first_and_then_its_causes)
{
    struct kid a = {.id = "a"}, b = {.id = "b", .lives_for = 100, .ends_with = -EIO},
               c = {.id = "c"};
    struct bough_supervisor_options options = {.intensity = 2, .period = BOUGH_SEC};
    int rc = 0;
    bool was_cancelled = false;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        rc = bough_sleep_forever();
        was_cancelled = rc == -ECANCELED;
        CHECK_HAS(bough_scope_reason(bough_scope_current()), "restart limit reached");
    }
    CHECK(was_cancelled);
    CHECK_EQ(bough_now(), 300);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_STR(messages(), "restart limit reached: more than 2 within 1000 ms, the last one for "
                          "child b; b, life 1; b, life 2; b, life 3");
    CHECK_HAS(bough_error_task(bough_error_find(bough_error_last(), -EIO)), "main/supervisor/b");
    CHECK_JOURNAL("+a +b +c -b +b -b +b -b -c -a");
    CHECK(bough_catch(&rc, -BOUGH_ERESTART));
    CHECK(bough_catch(&rc, -EIO));
    return rc;
}

TASK_TEST(an_intensity_below_zero_allows_no_restart)
{
    struct kid a = {.id = "a", .lives_for = 10, .ends_with = -EIO};
    struct bough_supervisor_options options = {.intensity = -1};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        rc = bough_sleep_forever();
    }
    CHECK_EQ(a.began, 1);
    CHECK_STR(messages(), "restart limit reached: more than 0 within 5000 ms, the last one for "
                          "child a; a, life 1");
    return 0;
}

static int64_t lasts(int64_t lives_for, int64_t at_most)
{
    struct kid a = {.id = "a", .lives_for = lives_for, .ends_with = -EIO};
    struct bough_supervisor_options options = {.intensity = 2, .period = 1000};
    int64_t begin = bough_now();
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        rc = bough_sleep(at_most);
    }
    CHECK_EQ(rc, bough_now() - begin < at_most ? -BOUGH_EGROUP : 0);
    return bough_now() - begin;
}

TASK_TEST(the_window_of_the_limit_slides)
{
    CHECK_EQ(lasts(500, 100000), 1500);   /* the 1st and the 3rd are 1000 apart: within it */
    CHECK_EQ(lasts(501, 100000), 100000); /* 1002 apart: never too many */
    return 0;
}

TASK_TEST(a_permanent_child_that_ends_well_counts_too)
{
    struct bough_supervisor_options options = {.intensity = 5};
    struct bough_child_spec spec = {.id = "hot", .fn = end_well};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, &spec, NULL), 0);
        rc = bough_sleep_forever();
    }
    CHECK_EQ(bough_error_count(bough_error_last(), -EPROTO), 6);
    CHECK_HAS(messages(), "the permanent child hot has ended");
    return 0;
}

TASK_TEST(attempts_to_start_that_fail_count_and_are_made_again)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .good_starts = 1, .start_fails = 2};
    struct bough_supervisor_options options = {.intensity = 3};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervisor_stats stats;
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
        CHECK_EQ(bough_supervisor_wait(sv, handle, &handle), 0);
        CHECK_EQ(handle.generation, 2); /* of those that were up */
        CHECK_EQ(a.began, 4);
        bough_supervisor_statistics(sv, &stats);
        CHECK_EQ(stats.episodes, 3);
        CHECK_EQ(stats.starts, 2);
    }
    CHECK_EQ(rc, 0);
    a = (struct kid){.id = "a", .lives_for = 10, .good_starts = 1, .start_fails = 99};
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        rc = bough_sleep_forever();
    }
    CHECK_HAS(messages(), "the permanent child a has ended; a, starting; a, starting; a, starting");
    return 0;
}

TASK_TEST(a_failed_attempt_in_one_for_all_starts_all_over_again)
{
    struct kid a = {.id = "a"},
               b = {.id = "b", .lives_for = 10, .lives = 1, .good_starts = 1, .start_fails = 1};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL, .intensity = 2};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        rc = bough_sleep(100);
        CHECK_JOURNAL("+a +b -b -a +a -a +a +b");
    }
    return rc;
}

TASK_TEST(a_failure_while_stopping_for_another_is_kept_and_counts_no_more)
{
    struct kid a = {.id = "a", .unwinds_with = -EPERM},
               b = {.id = "b", .lives_for = 10, .ends_with = -EIO},
               c = {.id = "c", .unwinds_with = -ENOSPC};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL, .intensity = 1};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervisor_stats stats;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        rc = bough_sleep(15);
        bough_supervisor_statistics(sv, &stats);
        CHECK_EQ(stats.episodes, 1);
        rc = bough_sleep_forever();
    }
    CHECK_STR(messages(), "restart limit reached: more than 1 within 5000 ms, the last one for "
                          "child b; b, life 1; c, unwinding; a, unwinding; b, life 2; "
                          "c, unwinding; a, unwinding");
    return 0;
}

TASK_TEST(two_that_fail_at_the_same_time_are_one_episode_of_one_for_all)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO},
               b = {.id = "b", .lives_for = 10, .lives = 1, .ends_with = -EPERM};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        rc = bough_sleep(100);
        CHECK_EQ(a.began, 2);
        CHECK_EQ(b.began, 2);
    }
    return rc;
}

/* --- escalation --- */

static struct kid inner_kid;

static int inner(__attribute__((unused)) void *arg)
{
    struct bough_supervisor_options options = {.intensity = 1, .name = "inner"};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        rc = bough_supervise(sv, KID(&inner_kid), NULL);
        bough_started(NULL);
        if (rc == 0)
            rc = bough_sleep_forever();
    }
    return rc;
}

TASK_TEST(a_failure_escalates_through_two_levels_and_the_causes_are_kept)
{
    struct bough_supervisor_options options = {.intensity = 1, .name = "outer"};
    struct bough_child_spec spec = {.id = "inner", .fn = inner, .start_timeout = BOUGH_NEVER};
    int rc = 0;
    inner_kid = (struct kid){.id = "k", .lives_for = 10, .ends_with = -EIO};
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, &spec, NULL), 0);
        rc = bough_sleep_forever();
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(inner_kid.began, 4); /* the product over the levels */
    CHECK_EQ(bough_error_count(bough_error_last(), -BOUGH_ERESTART), 3);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 4);
    CHECK_HAS(bough_error_message(bough_error_first(bough_error_last())), "for child inner");
    CHECK_HAS(bough_error_task(bough_error_find(bough_error_last(), -EIO)),
              "main/outer/inner/inner/k");
    return 0;
}

TASK_TEST(a_supervisor_that_is_stopped_by_another_stops_its_children_in_order)
{
    struct bough_child_spec spec = {
        .id = "inner", .fn = inner, .start_timeout = BOUGH_NEVER, .shutdown = BOUGH_MS};
    int rc = 0;
    inner_kid = (struct kid){.id = "k", .unwinds_for = BOUGH_SEC}; /* longer than that */
    bough_with_supervisor (sv, NULL, &rc)
        rc = bough_supervise(sv, &spec, NULL);
    CHECK_JOURNAL("+k -k");
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

/* --- backoff --- */

static int64_t up_at[16];
static int ups;

static void write_down(const struct bough_supervisor_report *report,
                       __attribute__((unused)) void *arg)
{
    if (report->event == BOUGH_REPORT_STARTED && strcmp(report->child, "a") == 0 && ups < 16)
        up_at[ups++] = bough_now();
}

/* The times between the lives of a child that lives for 'lives_for' each time. */
static int run_backoff(struct bough_backoff backoff, int64_t lives_for, int64_t duration)
{
    struct kid a = {.id = "a", .lives_for = lives_for, .ends_with = -EIO};
    struct bough_supervisor_options options = {.intensity = 1000, .report = write_down};
    int rc = 0;
    ups = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a, .backoff = backoff), NULL), 0);
        rc = bough_sleep(duration);
    }
    for (int i = 0; i + 1 < ups; i++)
        up_at[i] = up_at[i + 1] - up_at[i] - lives_for;
    return rc;
}

TASK_TEST(backoff_grows_up_to_its_maximum)
{
    struct bough_backoff backoff = {.first = 10, .factor = 3, .max = 100, .reset_after = 1000};
    int rc = run_backoff(backoff, 5, 500);
    CHECK(ups > 4);
    CHECK_EQ(up_at[0], 10);
    CHECK_EQ(up_at[1], 30);
    CHECK_EQ(up_at[2], 90);
    CHECK_EQ(up_at[3], 100);
    CHECK_EQ(up_at[4], 100);
    return rc;
}

TASK_TEST(backoff_begins_anew_after_a_life_that_was_long_enough)
{
    struct bough_backoff backoff = {.first = 10, .reset_after = 50};
    CHECK_EQ(run_backoff(backoff, 50, 500), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(up_at[i], 10);
    CHECK_EQ(run_backoff(backoff, 49, 500), 0);
    CHECK_EQ(up_at[0], 10);
    CHECK_EQ(up_at[1], 20);
    CHECK_EQ(up_at[2], 40);
    return 0;
}

TASK_TEST(jitter_takes_off_a_part_of_the_backoff)
{
    struct bough_backoff backoff = {
        .first = 1000, .factor = 1, .jitter = 0.5, .reset_after = BOUGH_SEC};
    CHECK_EQ(run_backoff(backoff, 5, 20000), 0);
    bool differs = false;
    CHECK_EQ(ups, 16);
    for (int i = 0; i < 15; i++) {
        CHECK(up_at[i] >= 500 && up_at[i] <= 1000);
        differs = differs || up_at[i] != up_at[0];
    }
    CHECK(differs);
    return 0;
}

TASK_TEST(the_backoff_of_one_child_does_not_hold_up_the_others)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO},
               b = {.id = "b", .lives_for = 20, .lives = 2, .ends_with = -EIO}, c = {.id = "c"};
    struct bough_supervisor_options options = {.intensity = 10};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a, .backoff = {.first = 1000}), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        rc = bough_sleep(100);
        CHECK_JOURNAL("+a +b -a -b +b -b +b");
        CHECK_EQ(bough_supervise(sv, KID(&c), &handle), 0);
        CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
        CHECK_JOURNAL("+c -c");
        CHECK_EQ(bough_now(), 100);
        rc = bough_sleep(1000);
        CHECK_JOURNAL("+a");
    }
    return rc;
}

TASK_TEST(in_rest_for_one_an_earlier_failure_is_handled_during_the_backoff_of_a_later_child)
{
    struct kid a = {.id = "a", .lives_for = 50, .lives = 1, .ends_with = -EPERM},
               b = {.id = "b", .lives_for = 10, .lives = 1, .ends_with = -EIO}, c = {.id = "c"};
    struct bough_supervisor_options options = {.strategy = BOUGH_REST_FOR_ONE, .intensity = 2};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b, .backoff = {.first = 1000}), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        rc = bough_sleep(100);
        CHECK_JOURNAL("+a +b +c -b -c -a +a");
        rc = bough_sleep(1000);
        CHECK_JOURNAL("+b +c");
    }
    return rc;
}

/* --- in the middle of things --- */

TASK_TEST(a_crash_of_another_child_during_a_restart_begins_it_anew)
{
    struct kid a = {.id = "a", .starts_in = 100, .lives_for = 150, .lives = 1, .ends_with = -EIO},
               b = {.id = "b", .starts_in = 60, .lives_for = 70, .lives = 1, .ends_with = -EPERM};
    struct bough_supervisor_options options = {.strategy = BOUGH_REST_FOR_ONE, .intensity = 2};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), &handle), 0);
        CHECK_EQ(bough_supervisor_wait(sv, handle, NULL), 0);
        CHECK_EQ(bough_now(), 410); /* b failed at 230, a at 250, and was up at 350 */
        CHECK_JOURNAL("+a +b -b -a +a +b");
        CHECK_EQ(b.began, 3);
    }
    return rc;
}

TASK_TEST(a_restart_storm_costs_no_more_than_the_intensity_allows)
{
    struct kid a = {.id = "a", .lives_for = 1, .ends_with = -EIO};
    struct bough_supervisor_options options = {.intensity = 3, .period = 3 * BOUGH_SEC};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        rc = bough_sleep_forever();
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(a.began, 4);
    /* With backoff they go on, but so many only. */
    a = (struct kid){.id = "a", .lives_for = 1, .ends_with = -EIO};
    struct bough_backoff backoff = {.first = 100 * BOUGH_MS, .max = BOUGH_SEC};
    options.intensity = 10;
    rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a, .backoff = backoff), NULL), 0);
        rc = bough_sleep(BOUGH_MINUTE);
    }
    CHECK_EQ(rc, 0);
    CHECK(a.began < 70);
    return 0;
}
