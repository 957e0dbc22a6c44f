/* Cancel scopes: who absorbs a cancel, what may happen before entry, and misnesting.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <unistd.h>

static int sleeps_forever(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

/* Fails with *arg when it is cancelled. */
static int fails_when_cancelled(void *arg)
{
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    return bough_fail(*(int *)arg, "while unwinding");
}

/* --- who absorbs (rule 2) --- */

TASK_TEST(a_cancelled_scope_absorbs_the_cancel)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, NULL);
    CHECK_EQ(bough_scope_exit(&s, bough_sleep_forever()), 0);
    CHECK(bough_scope_cancel_called(&s));
    CHECK(bough_scope_cancelled_caught(&s));
    CHECK(bough_scope_cancelled_caught(NULL));
    return bough_checkpoint();
}

TASK_TEST(a_scope_that_is_not_cancelled_passes_everything)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE(), c = BOUGH_SCOPE();
    bough_scope_enter(&a);
    CHECK_EQ(bough_scope_exit(&a, 7), 7);
    bough_scope_enter(&b);
    CHECK_EQ(bough_scope_exit(&b, -EIO), -EIO);
    bough_scope_enter(&c);
    CHECK_EQ(bough_scope_exit(&c, -ECANCELED), -ECANCELED);
    CHECK(!bough_scope_cancel_called(&c));
    CHECK(!bough_scope_cancelled_caught(&c));
    CHECK(!bough_scope_cancelled_caught(NULL));
    return 0;
}

TASK_TEST(a_cancel_after_the_last_checkpoint_is_delivered_nowhere)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    int rc = bough_checkpoint();
    bough_scope_cancel(&s, NULL);
    CHECK_EQ(bough_scope_exit(&s, 3), 3);
    CHECK(bough_scope_cancel_called(&s));
    CHECK(!bough_scope_cancelled_caught(&s));
    CHECK_EQ(bough_checkpoint(), 0);
    return rc;
}

/* Two scopes, of which some are cancelled: which one absorbs? */
static void absorbs(bool cancel_outer, bool cancel_inner, bool shield, bool inner_takes,
                    bool outer_takes)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE(.shield = shield);
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    if (cancel_outer)
        bough_scope_cancel(&outer, NULL);
    if (cancel_inner)
        bough_scope_cancel(&inner, NULL);
    int rc = bough_checkpoint();
    CHECK_EQ(rc, inner_takes || outer_takes ? -ECANCELED : 0);
    rc = bough_scope_exit(&inner, rc);
    CHECK_EQ(bough_scope_cancelled_caught(&inner), inner_takes);
    CHECK_EQ(rc, outer_takes ? -ECANCELED : 0);
    rc = bough_scope_exit(&outer, rc);
    CHECK_EQ(bough_scope_cancelled_caught(&outer), outer_takes);
    CHECK_EQ(rc, 0);
}

TASK_TEST(the_outermost_visible_cancelled_scope_absorbs)
{
    absorbs(false, true, false, true, false);
    absorbs(true, false, false, false, true);
    absorbs(true, true, false, false, true);
    /* With a shield between, the inner one is the outermost that is visible. */
    absorbs(true, true, true, true, false);
    absorbs(true, false, true, false, false);
    absorbs(false, true, true, true, false);
    return 0;
}

TASK_TEST(an_outer_scope_cancelled_during_the_unwinding_absorbs)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    bough_scope_cancel(&inner, NULL);
    int rc = bough_sleep_forever();
    bough_scope_cancel(&outer, NULL);
    rc = bough_scope_exit(&inner, rc);
    CHECK_EQ(rc, -ECANCELED);
    CHECK(!bough_scope_cancelled_caught(&inner));
    CHECK_EQ(bough_scope_exit(&outer, rc), 0);
    CHECK(bough_scope_cancelled_caught(&outer));
    return 0;
}

TASK_TEST(a_shield_put_up_during_the_unwinding_makes_the_inner_scope_absorb)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    bough_scope_cancel(&inner, NULL);
    bough_scope_cancel(&outer, NULL);
    int rc = bough_sleep_forever();
    bough_scope_set_shield(&inner, true);
    CHECK_EQ(bough_scope_exit(&inner, rc), 0);
    CHECK(bough_scope_cancelled_caught(&inner));
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    CHECK_EQ(bough_scope_exit(&outer, 0), 0);
    CHECK(!bough_scope_cancelled_caught(&outer));
    return 0;
}

TASK_TEST(a_scope_between_that_is_not_cancelled_itself_passes_the_cancel)
{
    struct bough_scope outer = BOUGH_SCOPE(), middle = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&middle);
    bough_scope_enter(&inner);
    bough_scope_cancel(&outer, NULL);
    bough_scope_cancel(&inner, NULL);
    int rc = bough_scope_exit(&inner, bough_checkpoint());
    CHECK_EQ(rc, -ECANCELED);
    rc = bough_scope_exit(&middle, rc);
    CHECK_EQ(rc, -ECANCELED);
    CHECK(!bough_scope_cancel_called(&middle));
    CHECK(!bough_scope_cancelled_caught(&middle));
    return bough_scope_exit(&outer, rc);
}

TASK_TEST(from_a_group_only_the_cancelled_leaves_are_taken)
{
    int rc = 0, io = -EIO, pipe = -EPIPE;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fails_when_cancelled, &io);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fails_when_cancelled, &pipe);
        if (rc == 0)
            rc = bough_checkpoint();
        bough_scope_cancel(&s, NULL);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
    CHECK_EQ(bough_error_count(bough_error_last(), -ECANCELED), 1);
    rc = bough_scope_exit(&s, rc);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_scope_cancelled_caught(&s));
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
    CHECK_EQ(bough_error_count(bough_error_last(), -ECANCELED), 0);
    return 0;
}

TASK_TEST(a_group_without_a_cancel_passes_and_nothing_is_caught)
{
    int rc = 0, io = -EIO, pipe = -EPIPE;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fails_when_cancelled, &io);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fails_when_cancelled, &pipe);
        if (rc == 0)
            rc = bough_checkpoint();
        bough_scope_cancel(&s, NULL);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_scope_exit(&s, rc), -BOUGH_EGROUP);
    CHECK(!bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(a_cancel_of_the_users_own_is_an_error_like_any_other)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    int rc = bough_scope_exit(&s, bough_fail(-ECANCELED, "the peer cancelled it"));
    CHECK_EQ(rc, -ECANCELED);
    CHECK_STR(bough_error_message(bough_error_last()), "the peer cancelled it");
    return 0;
}

static int fails_with_a_cancel_of_its_own(__attribute__((unused)) void *arg)
{
    return bough_fail(-ECANCELED, "the peer cancelled it");
}

TASK_TEST(a_cancel_of_the_users_own_that_was_ignored_does_not_hide_a_real_one)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fails_with_a_cancel_of_its_own, NULL);
    CHECK_EQ(rc, -ECANCELED);

    struct bough_scope s = BOUGH_SCOPE(.timeout = 0);
    bough_scope_enter(&s);
    CHECK_EQ(bough_scope_exit(&s, bough_checkpoint()), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(cancelled_caught_of_null_is_of_the_scope_left_last)
{
    struct bough_scope a = BOUGH_SCOPE(.timeout = 0), b = BOUGH_SCOPE();
    bough_scope_enter(&a);
    CHECK_EQ(bough_scope_exit(&a, bough_checkpoint()), 0);
    CHECK(bough_scope_cancelled_caught(NULL));
    bough_scope_enter(&b);
    CHECK_EQ(bough_scope_exit(&b, bough_checkpoint()), 0);
    CHECK(!bough_scope_cancelled_caught(NULL));
    CHECK(bough_scope_cancelled_caught(&a));
    return 0;
}

TASK_TEST(the_innermost_scope_is_the_current_one)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE();
    bough_scope_enter(&a);
    CHECK(bough_scope_current() == &a);
    bough_scope_enter(&b);
    CHECK(bough_scope_current() == &b);
    int rc = bough_scope_exit(&b, 0);
    CHECK(bough_scope_current() == &a);
    return bough_scope_exit(&a, rc);
}

TASK_TEST(the_calls_are_functions_too)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE();
    (bough_scope_enter)(&a);
    (bough_scope_enter)(&b);
    (bough_scope_cancel)(&a, "number %d", 4);
    (bough_scope_shutdown)(&b, BOUGH_SEC);
    CHECK_HAS(bough_scope_reason(&a), "number 4");
    CHECK_EQ(bough_scope_exit(&b, bough_checkpoint()), -ECANCELED);
    CHECK_EQ(bough_scope_exit(&a, (bough_fail)(-EIO, "number %d", 5)), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "number 5");
    return 0;
}

/* --- before entry (rule 4) --- */

TASK_TEST(a_scope_cancelled_before_entry_starts_its_body)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_cancel(&s, "before");
    CHECK(bough_scope_cancel_called(&s));
    CHECK_EQ(bough_checkpoint(), 0);
    bough_scope_enter(&s);
    CHECK_HAS(bough_scope_reason(&s), "before");
    CHECK_EQ(bough_shielded_checkpoint(), 0);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    CHECK_EQ(bough_scope_exit(&s, -ECANCELED), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

TEST(a_scope_may_be_cancelled_outside_a_run)
{
    struct bough_scope s = BOUGH_SCOPE();
    CHECK(!bough_scope_cancel_called(&s));
    bough_scope_cancel(&s, NULL);
    CHECK(bough_scope_cancel_called(&s));
}

TASK_TEST(a_scope_cancelled_with_a_reason_need_not_be_entered)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_cancel(&s, "nobody will enter");
    CHECK(bough_scope_cancel_called(&s));
    return 0;
}

TASK_TEST(a_shield_set_before_entry_counts)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_set_shield(&inner, true);
    bough_scope_enter(&outer);
    bough_scope_cancel(&outer, NULL);
    bough_scope_enter(&inner);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK_EQ(bough_scope_exit(&inner, 0), 0);
    return bough_scope_exit(&outer, bough_checkpoint());
}

TASK_TEST(a_deadline_set_before_entry_counts)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 20 * BOUGH_SEC);
    bough_scope_set_deadline(&s, 7 * BOUGH_SEC);
    CHECK_EQ(bough_scope_deadline(&s), 7 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(5 * BOUGH_SEC), 0);
    bough_scope_enter(&s);
    CHECK_EQ(bough_scope_exit(&s, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 7 * BOUGH_SEC);
    return 0;
}

struct prepared {
    struct bough_scope cancelled, timed, shielded;
};

static int prepares(void *arg)
{
    struct prepared *p = arg;
    bough_scope_cancel(&p->cancelled, "prepared");
    bough_scope_set_deadline(&p->timed, 3 * BOUGH_SEC);
    bough_scope_set_shield(&p->shielded, true);
    return 0;
}

TASK_TEST(another_task_may_prepare_a_scope)
{
    int rc = 0;
    struct prepared p = {BOUGH_SCOPE(), BOUGH_SCOPE(), BOUGH_SCOPE()};
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, prepares, &p);
    bough_scope_enter(&p.cancelled);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    bough_scope_enter(&p.shielded);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_scope_exit(&p.shielded, 0), 0);
    CHECK_EQ(bough_scope_exit(&p.cancelled, -ECANCELED), 0);
    bough_scope_enter(&p.timed);
    CHECK_EQ(bough_scope_exit(&p.timed, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_scope_may_be_on_the_heap)
{
    struct bough_scope *s = malloc(sizeof(*s));
    *s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(s);
    CHECK_EQ(bough_scope_exit(s, bough_sleep_forever()), 0);
    free(s);
    return bough_sleep(BOUGH_SEC);
}

TASK_TEST(a_cancel_after_the_exit_changes_nothing)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    CHECK_EQ(bough_scope_exit(&s, bough_checkpoint()), 0);
    bough_scope_cancel(&s, "late");
    bough_scope_set_shield(&s, true);
    bough_scope_set_deadline(&s, 0);
    bough_scope_shutdown(&s, BOUGH_SEC);
    CHECK(!bough_scope_cancelled_caught(&s));
    return bough_sleep(5 * BOUGH_SEC);
}

/* --- misnesting (rule 9) --- */

static const char *parts[4];

/* The panic handler of a test: the message must have all of 'parts'. */
static void expect_parts(const char *message)
{
    for (int i = 0; i < 4 && parts[i]; i++)
        CHECK_HAS(message, parts[i]);
    _exit(0);
}

/* "scope.c:123" of the line it stands on. */
#define HERE place_text((char[32]){0}, __LINE__)
static char *place_text(char *text, int line)
{
    snprintf(text, 32, "scope.c:%d", line);
    return text;
}

#define MUST_PANIC(call)                                                                           \
    do {                                                                                           \
        bough_panic_set_handler(expect_parts);                                                     \
        (void)(call);                                                                              \
        CHECK(!"it should have panicked");                                                         \
    } while (0)

TASK_TEST(closing_the_outer_scope_first_names_both_places)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer), parts[0] = HERE;
    bough_scope_enter(&inner), parts[1] = HERE;
    parts[2] = "out of order";
    parts[3] = "main";
    MUST_PANIC(bough_scope_exit(&outer, 0));
    return 0;
}

static int closes(void *arg)
{
    struct bough_scope mine = BOUGH_SCOPE();
    bough_scope_enter(&mine), parts[1] = HERE;
    parts[2] = "another task";
    parts[3] = "closes";
    MUST_PANIC(bough_scope_exit(arg, 0));
    return 0;
}

TASK_TEST(closing_the_scope_of_another_task_names_both_places)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s), parts[0] = HERE;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, closes, &s);
    return rc;
}

TASK_TEST(closing_a_scope_twice_names_the_place)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s), parts[0] = HERE;
    CHECK_EQ(bough_scope_exit(&s, 0), 0);
    parts[1] = "twice";
    MUST_PANIC(bough_scope_exit(&s, 0));
    return 0;
}

TASK_TEST(entering_a_scope_twice_names_both_places)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_panic_set_handler(expect_parts);
    bough_scope_enter(&s), parts[0] = HERE;
    parts[1] = "twice";
    parts[2] = HERE, bough_scope_enter(&s);
    CHECK(!"it should have panicked");
    return 0;
}

TEST_PANICS(entering_a_scope_again_after_its_exit_panics, "entered twice")
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    int rc = bough_scope_exit(&s, 0);
    bough_scope_enter(&s);
    return rc;
}

TEST_PANICS(closing_a_scope_that_was_not_entered_panics, "never entered")
{
    struct bough_scope s = BOUGH_SCOPE();
    return bough_scope_exit(&s, 0);
}

TEST_PANICS(closing_a_nursery_around_an_open_scope_panics, "out of order")
{
    struct bough_nursery n;
    struct bough_scope s = BOUGH_SCOPE();
    bough_nursery_open(&n);
    bough_scope_enter(&s);
    return bough_nursery_close(&n, 0);
}

TEST_PANICS(a_task_that_ends_inside_its_scope_panics, "ends inside a scope")
{
    struct bough_scope *s = malloc(sizeof(*s));
    *s = BOUGH_SCOPE();
    bough_scope_enter(s);
    return 0;
}

static int misnests(__attribute__((unused)) void *arg)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    return bough_scope_exit(&outer, 0);
}

static int starts_two(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, misnests, NULL);
    }
    return rc;
}

TEST_DIES(misnesting_prints_the_task_tree, SIGABRT, "waits: sleep forever")
{
    test_run(__FILE__, __LINE__, starts_two);
}

struct around {
    struct bough_scope *inside, *beside;
};

static int look_around(void *arg)
{
    const struct around *a = arg;
    CHECK(bough_scope_is_around(a->inside));
    CHECK(!bough_scope_is_around(a->beside));
    return 0;
}

TASK_TEST(a_scope_is_around_all_that_runs_in_it_at_any_depth)
{
    struct bough_scope s = BOUGH_SCOPE(), beside = BOUGH_SCOPE();
    struct around a = {&s, &beside};
    int rc = 0;
    bough_with_nursery (outside, &rc) {
        struct around b = {bough_nursery_scope(outside), &s};
        bough_with_scope (&s, &rc)
            bough_with_nursery (n, &rc) {
                CHECK(bough_scope_is_around(&s));
                rc = bough_nursery_start_soon(n, look_around, &a);
                if (rc == 0) /* in the scopes of its nursery, not of who starts it */
                    rc = bough_nursery_start_soon(outside, look_around, &b);
                rc = rc == 0 ? bough_sleep(1) : rc;
            }
        CHECK(!bough_scope_is_around(&s));
    }
    return rc;
}

TEST_DIES(a_scope_outside_a_run_panics, SIGABRT, "outside a run")
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
}
