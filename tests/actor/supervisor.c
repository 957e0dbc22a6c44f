/* Supervisors: in which order children are started and stopped, and who is started again when.
 * SPDX-License-Identifier: MIT */
#include "kid.h"

TASK_TEST(children_start_in_order_and_stop_in_reverse)
{
    struct kid a = {.id = "a", .starts_in = 30}, b = {.id = "b", .starts_in = 20},
               c = {.id = "c", .unwinds_for = 40};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_now(), 30);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        CHECK_EQ(bough_now(), 50);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        CHECK_JOURNAL("+a +b +c");
    }
    CHECK_JOURNAL("-c -b -a");
    CHECK_EQ(bough_now(), 90);
    return rc;
}

TASK_TEST(a_child_without_a_start_timeout_is_up_at_once)
{
    struct kid a = {.id = "a", .starts_in = 30};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_child_spec spec = {.id = "a", .fn = kid, .arg = &a};
        CHECK_EQ(bough_supervise(sv, &spec, NULL), 0);
        CHECK_EQ(bough_now(), 0);
        CHECK_JOURNAL("");
        rc = bough_sleep(100);
        CHECK_JOURNAL("+a");
    }
    return rc;
}

TASK_TEST(a_start_that_fails_rolls_back_what_was_started)
{
    struct kid a = {.id = "a"}, b = {.id = "b"}, c = {.id = "c", .start_fails = 1};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        rc = bough_supervise(sv, KID(&a), NULL);
        if (rc == 0)
            rc = bough_supervise(sv, KID(&b), NULL);
        if (rc == 0)
            rc = bough_supervise(sv, KID(&c), NULL);
        CHECK_EQ(rc, -ENXIO);
        CHECK_STR(messages(), "c, starting");
    }
    CHECK_EQ(rc, -ENXIO);
    CHECK_STR(messages(), "c, starting");
    CHECK_EQ(c.began, 1); /* no second attempt */
    CHECK_JOURNAL("+a +b -b -a");
    return 0;
}

TASK_TEST(a_start_that_failed_leaves_nothing_of_the_child)
{
    struct kid a = {.id = "a", .start_fails = 1};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), -ENXIO);
        CHECK_EQ(bough_supervisor_find(sv, "a", &handle), -ENOENT);
        CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
        CHECK_EQ(handle.generation, 1);
    }
    CHECK_JOURNAL("+a -a");
    return rc;
}

TASK_TEST(a_start_that_takes_too_long_is_cancelled)
{
    struct kid a = {.id = "slow", .starts_in = BOUGH_SEC};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_child_spec spec = *KID(&a);
        spec.start_timeout = 250 * BOUGH_MS;
        CHECK_EQ(bough_supervise(sv, &spec, NULL), -ETIMEDOUT);
        CHECK_STR(messages(), "child slow was not up within 250 ms");
        CHECK_EQ(bough_now(), 250 * BOUGH_MS);
        CHECK_EQ(a.inside, 0);
    }
    return rc;
}

static int end_at_once(__attribute__((unused)) void *arg)
{
    return 0;
}

TASK_TEST(a_child_that_ends_without_started_has_not_started)
{
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_child_spec spec = {.id = "a", .fn = end_at_once, .start_timeout = 100};
        CHECK_EQ(bough_supervise(sv, &spec, NULL), -EPROTO);
    }
    return rc;
}

/* --- strategies --- */

struct strategy_case {
    enum bough_strategy strategy;
    int who;
    const char *happens;
};

static const struct strategy_case strategy_cases[] = {
    {BOUGH_ONE_FOR_ONE, 0, "-a +a"},
    {BOUGH_ONE_FOR_ONE, 1, "-b +b"},
    {BOUGH_ONE_FOR_ONE, 2, "-c +c"},
    {BOUGH_ONE_FOR_ALL, 0, "-a -c -b +a +b +c"},
    {BOUGH_ONE_FOR_ALL, 1, "-b -c -a +a +b +c"},
    {BOUGH_ONE_FOR_ALL, 2, "-c -b -a +a +b +c"},
    {BOUGH_REST_FOR_ONE, 0, "-a -c -b +a +b +c"},
    {BOUGH_REST_FOR_ONE, 1, "-b -c +b +c"},
    {BOUGH_REST_FOR_ONE, 2, "-c +c"},
};

static int one_fails(const struct strategy_case *t)
{
    struct kid kids[3] = {{.id = "a", .starts_in = 5}, {.id = "b", .starts_in = 5}, {.id = "c"}};
    struct bough_supervisor_options options = {.strategy = t->strategy};
    int rc = 0;
    kids[t->who].lives_for = 100;
    kids[t->who].lives = 1;
    kids[t->who].ends_with = -EIO;
    bough_with_supervisor (sv, &options, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_supervise(sv, KID(&kids[i]), NULL), 0);
        CHECK_JOURNAL("+a +b +c");
        rc = bough_sleep(1000);
        CHECK_JOURNAL(t->happens);
    }
    CHECK_EQ(rc, 0);
    CHECK_JOURNAL("-c -b -a");
    return rc;
}

TASK_TEST(each_strategy_restarts_whom_it_should_whoever_fails)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(strategy_cases) / sizeof(*strategy_cases); i++)
        rc = one_fails(&strategy_cases[i]);
    return rc;
}

TASK_TEST(whoever_is_stopped_for_another_has_ended_before_that_one_starts)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO},
               b = {.id = "b", .unwinds_for = 70}, c = {.id = "c", .unwinds_for = 20};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        rc = bough_sleep(99);
        CHECK_JOURNAL("+a +b +c -a -c");
        rc = bough_sleep(2);
        CHECK_JOURNAL("-b +a +b +c");
    }
    return rc;
}

TASK_TEST(one_for_all_leaves_alone_who_was_stopped_or_has_ended_for_good)
{
    struct kid a = {.id = "a"}, b = {.id = "b", .lives_for = 10},
               c = {.id = "c", .lives_for = 50, .lives = 1, .ends_with = -EIO};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b, .restart = BOUGH_TRANSIENT), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
        rc = bough_sleep(100);
        CHECK_JOURNAL("+a +b +c -a -b -c +c");
    }
    return rc;
}

TASK_TEST(a_temporary_sibling_that_is_stopped_for_another_is_forgotten)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO}, b = {.id = "b"};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b, .restart = BOUGH_TEMPORARY), NULL), 0);
        rc = bough_sleep(100);
        CHECK_JOURNAL("+a +b -a -b +a");
        CHECK_EQ(bough_supervisor_find(sv, "b", &handle), -ENOENT);
    }
    return rc;
}

/* --- who is restarted --- */

enum how { NORMALLY, WITH_ERROR, BY_US, BY_ANOTHER };

/* Cancelled by somebody else than its supervisor, as far as that can tell. */
static int be_cancelled_by_another(void *arg)
{
    struct kid *k = arg;
    int rc;
    note('+', k->id);
    bough_started(NULL);
    rc = k->began++ ? bough_sleep_forever() : bough_sleep(10);
    note('-', k->id);
    return rc < 0 ? rc : -ECANCELED;
}

static int ends(enum bough_restart restart, enum how how, const char *happens)
{
    struct kid k = {.id = "k", .lives = 1};
    struct bough_child_spec spec = *KID(&k, .restart = restart);
    int rc = 0;
    if (how == NORMALLY || how == WITH_ERROR)
        k.lives_for = 10;
    k.ends_with = how == WITH_ERROR ? -EIO : 0;
    spec.fn = how == BY_ANOTHER ? be_cancelled_by_another : kid;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, &spec, &handle), 0);
        if (how == BY_US)
            CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
        rc = bough_sleep(50);
        CHECK_EQ(rc, 0);
        CHECK_JOURNAL(happens);
    }
    CHECK_EQ(rc, 0);
    journal[0] = 0;
    return rc;
}

TASK_TEST(a_permanent_child_is_started_again_however_it_has_ended)
{
    CHECK_EQ(ends(BOUGH_PERMANENT, NORMALLY, "+k -k +k"), 0);
    CHECK_EQ(ends(BOUGH_PERMANENT, WITH_ERROR, "+k -k +k"), 0);
    CHECK_EQ(ends(BOUGH_PERMANENT, BY_ANOTHER, "+k -k +k"), 0);
    return ends(BOUGH_PERMANENT, BY_US, "+k -k");
}

TASK_TEST(a_transient_child_is_started_again_if_it_failed)
{
    CHECK_EQ(ends(BOUGH_TRANSIENT, NORMALLY, "+k -k"), 0);
    CHECK_EQ(ends(BOUGH_TRANSIENT, WITH_ERROR, "+k -k +k"), 0);
    CHECK_EQ(ends(BOUGH_TRANSIENT, BY_ANOTHER, "+k -k +k"), 0);
    return ends(BOUGH_TRANSIENT, BY_US, "+k -k");
}

TASK_TEST(a_temporary_child_is_never_started_again)
{
    CHECK_EQ(ends(BOUGH_TEMPORARY, NORMALLY, "+k -k"), 0);
    CHECK_EQ(ends(BOUGH_TEMPORARY, WITH_ERROR, "+k -k"), 0);
    CHECK_EQ(ends(BOUGH_TEMPORARY, BY_ANOTHER, "+k -k"), 0);
    return ends(BOUGH_TEMPORARY, BY_US, "+k -k");
}

/* --- the end of the block --- */

TASK_TEST(a_body_that_fails_comes_first_and_its_children_stop_in_reverse)
{
    struct kid a = {.id = "a", .unwinds_with = -EPERM}, b = {.id = "b", .unwinds_with = -ENOSPC};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), NULL), 0);
        rc = bough_fail(-EIO, "the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_STR(messages(), "the body; b, unwinding; a, unwinding");
    CHECK_JOURNAL("+a +b -b -a");
    return 0;
}

static int leave_by_return(struct kid *a)
{
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(a), NULL), 0);
        return 7;
    }
    return rc;
}

TASK_TEST(a_block_that_is_left_early_stops_its_children)
{
    struct kid a = {.id = "a"};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        break;
    }
    CHECK_JOURNAL("+a -a");
    CHECK_EQ(leave_by_return(&a), 7);
    CHECK_JOURNAL("+a -a");
    return rc;
}

TASK_TEST(what_a_child_fails_with_at_the_end_is_the_blocks_failure)
{
    struct kid a = {.id = "a", .unwinds_with = -EPERM};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc)
        rc = bough_supervise(sv, KID(&a), NULL);
    CHECK_EQ(rc, -EPERM);
    return 0;
}

static int stay_graceful(void *arg)
{
    int64_t *left_at = arg;
    int rc = 0;
    bough_graceful (&rc)
        rc = bough_sleep_forever();
    *left_at = bough_now();
    return rc;
}

TASK_TEST(a_task_that_is_stopped_has_its_shutdown_time_to_be_graceful)
{
    int64_t left_at[2] = {0};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_child_spec a = {.id = "a", .fn = stay_graceful, .arg = &left_at[0]};
        struct bough_child_spec b = {
            .id = "b", .fn = stay_graceful, .arg = &left_at[1], .shutdown = 200 * BOUGH_MS};
        CHECK_EQ(bough_supervise(sv, &a, NULL), 0);
        CHECK_EQ(bough_supervise(sv, &b, NULL), 0);
        rc = bough_sleep(0);
    }
    CHECK_EQ(left_at[1], 200 * BOUGH_MS);
    CHECK_EQ(left_at[0], 200 * BOUGH_MS + 5 * BOUGH_SEC); /* one after the other */
    return rc;
}

static void count_overdue(const struct bough_supervisor_report *report, void *arg)
{
    int64_t *at = arg;
    if (report->event == BOUGH_REPORT_OVERDUE)
        *at = bough_now();
}

TASK_TEST(a_task_that_does_not_stop_is_reported_and_waited_for)
{
    struct kid a = {.id = "a", .unwinds_for = BOUGH_MINUTE};
    int64_t reported = 0;
    struct bough_supervisor_options options = {.report = count_overdue, .report_arg = &reported};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc)
        rc = bough_supervise(sv, KID(&a, .shutdown = BOUGH_SEC), NULL);
    CHECK_EQ(reported, 3 * BOUGH_SEC);
    CHECK_EQ(bough_now(), BOUGH_MINUTE);
    return rc;
}

/* --- significant children --- */

static int shut_down(enum bough_auto_shutdown mode, int64_t expected)
{
    struct kid a = {.id = "a"}, b = {.id = "b", .lives_for = 20}, c = {.id = "c", .lives_for = 50},
               d = {.id = "d", .lives_for = 5};
    struct bough_supervisor_options options = {.auto_shutdown = mode};
    int64_t begin = bough_now();
    int rc = 0;
    journal[0] = 0;
    bough_with_supervisor (sv, &options, &rc) {
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(
            bough_supervise(sv, KID(&b, .restart = BOUGH_TRANSIENT, .significant = true), NULL), 0);
        CHECK_EQ(
            bough_supervise(sv, KID(&c, .restart = BOUGH_TEMPORARY, .significant = true), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&d, .restart = BOUGH_TRANSIENT), NULL), 0);
        rc = bough_sleep(100);
    }
    CHECK_EQ(bough_now() - begin, expected);
    return rc;
}

TASK_TEST(significant_children_end_the_block_any_all_or_never)
{
    CHECK_EQ(shut_down(BOUGH_NEVER_SIGNIFICANT, 100), 0);
    CHECK_JOURNAL("+a +b +c +d -d -b -c -a");
    CHECK_EQ(shut_down(BOUGH_ANY_SIGNIFICANT, 20), 0);
    CHECK_JOURNAL("+a +b +c +d -d -b -c -a");
    CHECK_EQ(shut_down(BOUGH_ALL_SIGNIFICANT, 50), 0);
    return 0;
}

TASK_TEST(a_significant_child_that_is_stopped_does_not_count)
{
    struct kid a = {.id = "a"};
    struct bough_supervisor_options options = {.auto_shutdown = BOUGH_ANY_SIGNIFICANT};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        struct bough_child_spec spec = *KID(&a, .restart = BOUGH_TRANSIENT, .significant = true);
        CHECK_EQ(bough_supervise(sv, &spec, &handle), 0);
        CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
        rc = bough_sleep(100);
        CHECK_EQ(rc, 0);
    }
    CHECK_EQ(bough_now(), 100);
    return rc;
}

TASK_TEST(the_failure_of_a_significant_child_is_the_blocks)
{
    struct kid a = {.id = "a", .lives_for = 10, .ends_with = -EIO};
    struct bough_supervisor_options options = {.auto_shutdown = BOUGH_ANY_SIGNIFICANT};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_child_spec spec = *KID(&a, .restart = BOUGH_TEMPORARY, .significant = true);
        CHECK_EQ(bough_supervise(sv, &spec, NULL), 0);
        rc = bough_sleep_forever();
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(messages(), "a, life 1");
    return 0;
}

/* --- what is refused --- */

TASK_TEST(bad_options_and_specs_are_refused_with_words)
{
    struct kid k = {.id = "k"};
    struct bough_supervisor_options bad = {.strategy = (enum bough_strategy)9};
    struct bough_actor_spec actor = {.type = "none"};
    int rc = 0, bodies = 0;
    bough_with_supervisor (sv, &bad, &rc)
        bodies++;
    CHECK_EQ(rc, -EINVAL);
    CHECK_STR(messages(), "no such strategy of a supervisor: 9");
    CHECK_EQ(bodies, 0);
    rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_child_spec no_id = {.fn = kid};
        CHECK_EQ(bough_supervise(sv, &no_id, NULL), -EINVAL);
        struct bough_child_spec neither = {.id = "k"};
        CHECK_EQ(bough_supervise(sv, &neither, NULL), -EINVAL);
        CHECK_EQ(bough_supervise(sv, KID(&k, .actor = &actor), NULL), -EINVAL);
        CHECK_EQ(bough_supervise(sv, KID(&k, .significant = true), NULL), -EINVAL);
        CHECK_EQ(bough_supervise(sv, KID(&k, .backoff = {.jitter = 2}), NULL), -EINVAL);
        CHECK_EQ(bough_supervise(sv, KID(&k, .backoff = {.factor = 0.5}), NULL), -EINVAL);
        CHECK_EQ(bough_supervise(sv, KID(&k), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&k), NULL), -EEXIST);
    }
    return rc;
}

TASK_TEST(a_supervisor_takes_a_compound_literal_with_commas)
{
    struct bough_supervisor *plain;
    struct kid a = {.id = "a"};
    int rc = 0;
    bough_with_supervisor (
        sv, &(struct bough_supervisor_options){.strategy = BOUGH_ONE_FOR_ALL, .intensity = 2}, &rc)
        rc = bough_supervise(sv, KID(&a), NULL);
    CHECK_EQ(rc, 0);
    rc = bough_supervisor_open(
        &(struct bough_supervisor_options){.strategy = BOUGH_ONE_FOR_ALL, .intensity = 2}, &plain);
    CHECK_EQ(rc, 0);
    return bough_supervisor_close(plain, 0);
}
