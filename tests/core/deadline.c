/* Deadlines of scopes: from entry, moved at will, in order; and what they cost.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static unsigned armed_timers(void)
{
    struct bough_run_stats stats;
    bough_run_statistics(&stats);
    return stats.timers;
}

/* --- from entry (rule 4) --- */

TASK_TEST(a_timeout_counts_from_entry)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(10 * BOUGH_SEC), 0);
    CHECK_EQ(bough_scope_deadline(&s), 12 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK_EQ(bough_scope_deadline(&s), 13 * BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_scope_deadline(&s), 13 * BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(&s, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 13 * BOUGH_SEC);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(a_timeout_counts_from_entry_also_when_the_body_waits_later)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 5 * BOUGH_SEC);
    bough_scope_enter(&s);
    bough_test_clock_advance(2 * BOUGH_SEC);
    CHECK_EQ(bough_scope_deadline(&s), 5 * BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(&s, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_deadline_is_absolute)
{
    struct bough_scope s = BOUGH_SCOPE(.deadline = 5 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(3 * BOUGH_SEC), 0);
    bough_scope_enter(&s);
    CHECK_EQ(bough_scope_exit(&s, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return 0;
}

TASK_TEST(of_timeout_and_deadline_the_earlier_counts)
{
    struct bough_scope a = BOUGH_SCOPE(.timeout = 9 * BOUGH_SEC, .deadline = 2 * BOUGH_SEC),
                       b = BOUGH_SCOPE(.timeout = BOUGH_SEC, .deadline = 99 * BOUGH_SEC);
    bough_scope_enter(&a);
    CHECK_EQ(bough_scope_exit(&a, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    bough_scope_enter(&b);
    CHECK_EQ(bough_scope_exit(&b, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return 0;
}

static void check_expired_on_entry(struct bough_scope s)
{
    int64_t before = bough_now();
    bough_scope_enter(&s);
    CHECK_EQ(bough_shielded_checkpoint(), 0);
    CHECK(bough_scope_cancel_called(&s));
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_DEADLINE);
    CHECK_EQ(bough_sleep(BOUGH_SEC), -ECANCELED);
    CHECK_EQ(bough_scope_exit(&s, -ECANCELED), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    CHECK_EQ(bough_now(), before);
}

TASK_TEST(expired_on_entry_the_body_starts_and_its_first_checkpoint_fails)
{
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    check_expired_on_entry(BOUGH_SCOPE(.timeout = 0));
    check_expired_on_entry(BOUGH_SCOPE(.timeout = -5));
    check_expired_on_entry(BOUGH_SCOPE(.timeout = INT64_MIN));
    check_expired_on_entry(BOUGH_SCOPE(.deadline = BOUGH_SEC / 2));
    check_expired_on_entry(BOUGH_SCOPE(.deadline = BOUGH_SEC));
    check_expired_on_entry(BOUGH_SCOPE(.deadline = INT64_MIN));
    return 0;
}

TASK_TEST(a_body_that_ends_in_time_is_not_touched)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 5 * BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_sleep(3 * BOUGH_SEC), 0);
    CHECK_EQ(bough_scope_exit(&s, 4), 4);
    CHECK(!bough_scope_cancel_called(&s));
    CHECK_EQ(bough_sleep(10 * BOUGH_SEC), 0);
    CHECK(!bough_scope_cancel_called(&s));
    CHECK(!bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(a_timeout_that_is_too_long_for_the_clock_is_never)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_NEVER - 5);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    bough_scope_enter(&s);
    CHECK_EQ(bough_scope_deadline(&s), BOUGH_NEVER);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    return bough_scope_exit(&s, 0);
}

/* --- asking --- */

TASK_TEST(the_question_cancels_a_scope_that_is_past_its_deadline)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC),
                       t = BOUGH_SCOPE(.deadline = BOUGH_SEC);
    bough_scope_enter(&s);
    bough_scope_enter(&t);
    CHECK(!bough_scope_cancel_called(&s));
    bough_test_clock_advance(BOUGH_SEC);
    CHECK(bough_scope_cancel_called(&t));
    CHECK(bough_scope_cancel_called(&s));
    CHECK_EQ(bough_effective_deadline(), INT64_MIN);
    CHECK_EQ(bough_checkpoint_if_cancelled(), -ECANCELED);
    return bough_scope_exit(&s, bough_scope_exit(&t, 0));
}

TASK_TEST(the_question_knows_a_timeout_that_was_never_armed)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    bough_test_clock_advance(BOUGH_SEC);
    CHECK(bough_scope_cancel_called(&s));
    CHECK_EQ(bough_scope_exit(&s, bough_checkpoint()), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(the_question_does_not_cancel_a_scope_that_was_not_entered)
{
    struct bough_scope s = BOUGH_SCOPE(.deadline = 0);
    CHECK(!bough_scope_cancel_called(&s));
    return 0;
}

/* --- moving (rule 6) --- */

static int moves_the_deadline(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    bough_scope_set_deadline(arg, 3 * BOUGH_SEC);
    return rc;
}

static int64_t end_of_sleep(struct bough_scope *s, bough_task_fn *meanwhile)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, meanwhile, s);
        bough_scope_enter(s);
        rc = bough_keep(rc, bough_scope_exit(s, bough_sleep(60 * BOUGH_SEC)));
    }
    CHECK_EQ(rc, 0);
    return bough_now();
}

TASK_TEST(a_deadline_moved_closer_takes_effect_at_once)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 50 * BOUGH_SEC);
    CHECK_EQ(end_of_sleep(&s, moves_the_deadline), 3 * BOUGH_SEC);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(a_deadline_moved_away_takes_effect_at_once)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    CHECK_EQ(end_of_sleep(&s, moves_the_deadline), 3 * BOUGH_SEC);
    return 0;
}

static int moves_the_deadline_into_the_past(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    bough_scope_set_deadline(arg, BOUGH_SEC / 2);
    CHECK(bough_scope_cancel_called(arg));
    return rc;
}

TASK_TEST(a_deadline_moved_into_the_past_fires_at_once)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 50 * BOUGH_SEC);
    CHECK_EQ(end_of_sleep(&s, moves_the_deadline_into_the_past), BOUGH_SEC);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

static int takes_the_deadline_off(void *arg)
{
    bough_scope_set_deadline(arg, BOUGH_NEVER);
    return 0;
}

TASK_TEST(a_deadline_can_be_taken_off)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    CHECK_EQ(end_of_sleep(&s, takes_the_deadline_off), 60 * BOUGH_SEC);
    CHECK(!bough_scope_cancelled_caught(&s));
    CHECK_EQ(armed_timers(), 0);
    return 0;
}

TASK_TEST(a_deadline_can_be_moved_by_the_body_itself)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    bough_scope_enter(&s);
    bough_scope_set_deadline(&s, bough_scope_deadline(&s) + 3 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(4 * BOUGH_SEC), 0);
    bough_scope_set_deadline(&s, BOUGH_NEVER);
    CHECK_EQ(bough_sleep(4 * BOUGH_SEC), 0);
    bough_scope_set_deadline(&s, 0);
    CHECK_EQ(bough_checkpoint_if_cancelled(), -ECANCELED);
    return bough_scope_exit(&s, -ECANCELED);
}

TASK_TEST(a_deadline_moved_into_what_has_just_become_the_past_is_seen_by_the_next_checkpoint)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 50 * BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_test_clock_advance(5 * BOUGH_SEC);
    bough_scope_set_deadline(&s, 3 * BOUGH_SEC);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, -ECANCELED);
}

TASK_TEST(moving_a_deadline_a_million_times_leaks_nothing)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(armed_timers(), 1);
    for (int i = 0; i < test_scale(1000000); i++) {
        bough_scope_set_deadline(&s, i % 3 ? (1000 - i % 1000) * BOUGH_SEC : BOUGH_NEVER);
        CHECK(armed_timers() <= 1);
    }
    bough_scope_set_deadline(&s, 5 * BOUGH_SEC);
    CHECK_EQ(armed_timers(), 1);
    CHECK_EQ(bough_scope_exit(&s, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    CHECK_EQ(armed_timers(), 0);
    return 0;
}

/* --- what it costs --- */

TASK_TEST(a_scope_around_a_call_that_does_not_block_never_touches_the_timers)
{
    for (int i = 0; i < 1000; i++) {
        struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
        bough_scope_enter(&s);
        CHECK_EQ(bough_checkpoint_if_cancelled(), 0);
        CHECK_EQ(armed_timers(), 0);
        CHECK_EQ(bough_scope_exit(&s, 0), 0);
        CHECK_EQ(armed_timers(), 0);
    }
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        CHECK_EQ(armed_timers(), 0);
    return rc;
}

TASK_TEST(a_scope_takes_its_timer_along)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(armed_timers(), 1);
    CHECK_EQ(bough_scope_exit(&s, 0), 0);
    CHECK_EQ(armed_timers(), 0);
    return 0;
}

TASK_TEST(a_cancelled_scope_needs_no_timer)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_scope_cancel(&s, NULL);
    CHECK_EQ(armed_timers(), 0);
    return bough_scope_exit(&s, 0);
}

/* --- several in one pass (rule 6) --- */

enum { MANY = 5 };
static struct bough_scope *cancelled[MANY];
static int cancelled_count;

static void note_cancel(__attribute__((unused)) struct bough_instrument *self,
                        struct bough_scope *scope)
{
    if (cancelled_count < MANY)
        cancelled[cancelled_count++] = scope;
}

TASK_TEST(deadlines_that_expire_in_one_pass_go_in_their_order_and_the_outer_absorbs)
{
    static const int seconds[MANY] = {4, 1, 5, 3, 2}; /* the outermost first */
    struct bough_instrument notes = {.scope_cancelled = note_cancel};
    struct bough_scope scopes[MANY];
    bough_instrument_add(&notes);
    for (int i = 0; i < MANY; i++) {
        scopes[i] = BOUGH_SCOPE(.deadline = seconds[i] * BOUGH_SEC);
        bough_scope_enter(&scopes[i]);
    }
    CHECK_EQ(bough_checkpoint(), 0);
    bough_test_clock_advance(10 * BOUGH_SEC);
    int rc = bough_sleep(BOUGH_SEC);
    for (int i = MANY - 1; i >= 0; i--) {
        CHECK_EQ(rc, -ECANCELED);
        CHECK(bough_scope_cancel_called(&scopes[i]));
        rc = bough_scope_exit(&scopes[i], rc);
        CHECK_EQ(bough_scope_cancelled_caught(&scopes[i]), i == 0);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(cancelled_count, MANY);
    for (int i = 0; i < MANY; i++)
        for (int k = 0; k < MANY; k++)
            if (cancelled[i] == &scopes[k])
                CHECK_EQ(seconds[k], i + 1);
    bough_instrument_remove(&notes);
    return 0;
}

TASK_TEST(all_that_is_due_is_cancelled_before_a_task_runs)
{
    struct bough_scope outer = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC),
                       inner = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_test_clock_advance(5 * BOUGH_SEC);
    int rc = bough_sleep(BOUGH_SEC);
    CHECK(inner.own && outer.own);
    CHECK_EQ(bough_scope_exit(&inner, rc), -ECANCELED);
    CHECK_EQ(bough_scope_exit(&outer, rc), 0);
    return 0;
}

TASK_TEST(one_after_the_other_the_inner_absorbs_first)
{
    struct bough_scope outer = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC),
                       inner = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    CHECK_EQ(bough_scope_exit(&inner, bough_sleep_forever()), 0);
    CHECK(bough_scope_cancelled_caught(&inner));
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(&outer, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}
