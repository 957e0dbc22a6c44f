/* bough_nursery_start() and bough_started(): whose the child is, when, and what comes out of which
 * call.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

struct child {
    int64_t before, after; /* it sleeps so long, says started, sleeps so long */
    int code;              /* and ends so */
    int steps;
    int slept; /* what the second sleep returned */
};

static int start_up(void *arg)
{
    struct child *c = arg;
    int rc = c->before ? bough_sleep(c->before) : 0;
    if (rc < 0)
        return rc;
    c->steps++;
    bough_started(c);
    c->steps++;
    c->slept = c->after ? bough_sleep(c->after) : 0;
    if (c->slept < 0)
        return c->slept;
    c->steps++;
    return c->code < 0 ? bough_fail(c->code, "after started") : 0;
}

/* --- the good ending --- */

TASK_TEST(start_waits_until_the_child_says_started_and_returns_its_value)
{
    int rc = 0;
    struct child c = {.before = BOUGH_SEC, .after = 5 * BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        void *value = NULL;
        CHECK_EQ(bough_nursery_start(n, start_up, &c, &value), 0);
        CHECK(value == &c);
        CHECK_EQ(bough_now(), BOUGH_SEC);
        CHECK_EQ(c.steps, 2);
        CHECK_EQ(bough_nursery_count(n), 1);
    }
    CHECK_EQ(c.steps, 3);
    CHECK_EQ(bough_now(), 6 * BOUGH_SEC);
    return rc;
}

TASK_TEST(the_value_may_be_ignored_and_the_function_form_does_the_same)
{
    int rc = 0;
    struct child c = {.after = BOUGH_SEC}, d = {.before = BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start(n, start_up, &c, NULL), 0);
        CHECK_EQ((bough_nursery_start)(n, start_up, &d, NULL), 0);
    }
    CHECK_EQ(c.steps + d.steps, 6);
    return rc;
}

TASK_TEST(start_is_a_schedule_point_also_when_the_child_is_up_at_once)
{
    int rc = 0;
    struct child c = {.code = 0};
    bough_with_nursery (n, &rc) {
        uint64_t before = bough_task_schedule_points();
        CHECK_EQ(bough_nursery_start(n, start_up, &c, NULL), 0);
        CHECK(bough_task_schedule_points() > before);
    }
    return rc;
}

TASK_TEST(an_error_after_started_is_the_nurserys)
{
    int rc = 0;
    struct child c = {.before = BOUGH_SEC, .after = BOUGH_SEC, .code = -EIO};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start(n, start_up, &c, NULL), 0);
        CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "after started");
    CHECK_STR(bough_error_task(bough_error_last()), "main/start_up");
    return 0;
}

/* --- before started --- */

static int fail_before(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    return rc < 0 ? rc : bough_fail(*(int *)arg, "before started");
}

TASK_TEST(an_error_before_started_comes_out_of_start_as_itself_and_does_not_touch_the_nursery)
{
    int rc = 0, code = -EIO;
    void *value = &code;
    struct child other = {.after = 10 * BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start(n, start_up, &other, NULL), 0);
        CHECK_EQ(bough_nursery_start(n, fail_before, &code, &value), -EIO);
        CHECK_STR(bough_error_message(bough_error_last()), "before started");
        CHECK(!bough_error_first(bough_error_last())); /* no group around it */
        CHECK(value == &code);                         /* untouched */
        CHECK(!bough_scope_cancel_called(bough_nursery_scope(n)));
        CHECK_EQ(bough_checkpoint(), 0);
    }
    CHECK_EQ(other.slept, 0);
    CHECK_EQ(bough_now(), 10 * BOUGH_SEC);
    return rc;
}

static int fail_twice_before(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, fail_before, arg), 0);
        (void)bough_sleep_forever();
        rc = bough_fail(-EPERM, "the second");
    }
    return rc;
}

TASK_TEST(a_group_before_started_comes_out_of_start_as_that_group)
{
    int rc = 0, code = -EIO;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start(n, fail_twice_before, &code, NULL), -BOUGH_EGROUP);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
        CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 1);
    }
    return rc;
}

static int end_without_started(__attribute__((unused)) void *arg)
{
    return 0;
}

TASK_TEST(a_child_that_ends_without_started_is_eproto)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start(n, end_without_started, NULL, NULL), -EPROTO);
        CHECK_HAS(bough_error_message(bough_error_last()), "end_without_started");
        CHECK(!bough_scope_cancel_called(bough_nursery_scope(n)));
    }
    CHECK_EQ(rc, 0);
    return rc;
}

static int note_deadline(void *arg)
{
    int64_t *seen = arg;
    seen[0] = bough_effective_deadline();
    bough_started(NULL);
    seen[1] = bough_effective_deadline();
    return 0;
}

TASK_TEST(the_child_lives_in_the_callers_scopes_until_started_and_in_the_nurserys_then)
{
    int rc = 0;
    int64_t seen[2];
    bough_fail_after (9 * BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc)
            bough_fail_after (2 * BOUGH_SEC, &rc)
                rc = bough_nursery_start(n, note_deadline, seen, NULL);
    CHECK_EQ(rc, 0);
    CHECK_EQ(seen[0], 2 * BOUGH_SEC);
    CHECK_EQ(seen[1], 9 * BOUGH_SEC);
    return 0;
}

TASK_TEST(if_start_times_out_the_child_is_cancelled_and_start_waits_for_it)
{
    int rc = 0;
    struct child c = {.before = BOUGH_MINUTE};
    bough_with_nursery (n, &rc) {
        bough_fail_after (BOUGH_SEC, &rc)
            rc = bough_nursery_start(n, start_up, &c, NULL);
        CHECK_EQ(rc, -ETIMEDOUT);
        CHECK_EQ(bough_now(), BOUGH_SEC);
        CHECK_EQ(c.steps, 0);
        CHECK_EQ(bough_nursery_count(n), 0);
        rc = bough_checkpoint();
    }
    return rc;
}

static int clean_up_slowly(__attribute__((unused)) void *arg)
{
    int rc = bough_sleep_forever();
    bough_shielded (BOUGH_NEVER, &rc)
        (void)bough_sleep(5 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_cancelled_start_waits_for_the_childs_cleanup)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_move_on_after (BOUGH_SEC, &rc)
            rc = bough_nursery_start(n, clean_up_slowly, NULL, NULL);
        CHECK_EQ(rc, 0);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_EQ(bough_now(), 6 * BOUGH_SEC);
    }
    return rc;
}

TASK_TEST(a_start_that_was_cancelled_before_runs_the_child_to_its_first_checkpoint)
{
    int rc = 0;
    struct child c = {.before = 1};
    bough_with_nursery (n, &rc)
        bough_move_on_after (0, &rc) {
            rc = bough_nursery_start(n, start_up, &c, NULL);
            CHECK_EQ(rc, -ECANCELED);
            CHECK_EQ(c.steps, 0);
        }
    CHECK_EQ(rc, 0);
    return 0;
}

static int swallow_cancel(__attribute__((unused)) void *arg)
{
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    return 0;
}

TASK_TEST(a_child_that_swallows_the_cancel_and_ends_without_started_is_eproto_too)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_move_on_after (BOUGH_SEC, &rc)
            rc = bough_nursery_start(n, swallow_cancel, NULL, NULL);
        CHECK_EQ(rc, -EPROTO);
        rc = 0;
    }
    return rc;
}

/* --- started while start() is being cancelled --- */

static int start_although_cancelled(void *arg)
{
    struct child *c = arg;
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    bough_started(c);
    c->steps++;
    c->slept = bough_checkpoint();
    bough_shielded (BOUGH_NEVER, &c->slept)
        (void)bough_sleep(c->after);
    return c->code < 0 ? bough_fail(c->code, "it stayed") : 0;
}

TASK_TEST(if_start_is_being_cancelled_started_leaves_the_child_where_it_is)
{
    int rc = 0;
    struct child c = {.after = 3 * BOUGH_SEC};
    void *value = NULL;
    bough_with_nursery (n, &rc)
        bough_move_on_after (BOUGH_SEC, &rc) {
            rc = bough_nursery_start(n, start_although_cancelled, &c, &value);
            /* It was waited for, ended well, and did say started. */
            CHECK_EQ(rc, 0);
            CHECK(value == &c);
            CHECK_EQ(bough_now(), 4 * BOUGH_SEC);
            CHECK_EQ(c.slept, -ECANCELED);
            CHECK_EQ(bough_nursery_count(n), 0);
        }
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(and_the_error_of_such_a_child_comes_out_of_start)
{
    int rc = 0;
    struct child c = {.after = BOUGH_SEC, .code = -EIO};
    bough_with_nursery (n, &rc) {
        bough_move_on_after (BOUGH_SEC, &rc)
            rc = bough_nursery_start(n, start_although_cancelled, &c, NULL);
        CHECK_EQ(rc, -EIO);
        CHECK(!bough_scope_cancel_called(bough_nursery_scope(n)));
        rc = 0;
    }
    return rc;
}

/* --- the nursery meanwhile --- */

TASK_TEST(a_nursery_that_is_cancelled_meanwhile_is_felt_only_after_started)
{
    int rc = 0;
    struct child c = {.before = BOUGH_SEC, .after = BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        bough_shielded (BOUGH_NEVER, &rc)
            CHECK_EQ(bough_nursery_start(n, start_up, &c, NULL), 0);
        CHECK_EQ(bough_now(), BOUGH_SEC);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(c.steps, 2);
    CHECK_EQ(c.slept, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

struct family {
    int rc[3];
    struct bough_task_info info;
};

static int grandchild(void *arg)
{
    *(int *)arg = bough_sleep_forever();
    return *(int *)arg;
}

static int parent_that_starts(void *arg)
{
    struct family *f = arg;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, grandchild, &f->rc[0]), 0);
        CHECK_EQ(bough_nursery_start_soon(n, grandchild, &f->rc[1]), 0);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        bough_started(f);
        CHECK_EQ(bough_shielded_checkpoint(), 0);
        /* The grandchildren were asleep, and were woken when the family moved. */
        CHECK_EQ(f->rc[0], -ECANCELED);
        CHECK_EQ(f->rc[1], -ECANCELED);
        rc = f->rc[2] = bough_checkpoint();
    }
    return rc;
}

TASK_TEST(the_child_moves_with_its_whole_subtree_and_sleepers_are_woken_at_once)
{
    int rc = 0;
    struct family f = {0};
    bough_with_nursery (n, &rc) {
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        bough_shielded (BOUGH_NEVER, &rc)
            CHECK_EQ(bough_nursery_start(n, parent_that_starts, &f, NULL), 0);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(f.rc[2], -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

static int start_in_inner_scope(void *arg)
{
    int rc = 0, *seen = arg;
    bough_move_on_after (5 * BOUGH_SEC, &rc) {
        bough_started(NULL);
        rc = bough_sleep_forever();
    }
    *seen = bough_scope_cancelled_caught(NULL);
    return rc;
}

TASK_TEST(started_may_be_said_from_inside_scopes_of_the_child)
{
    int rc = 0, seen = -1;
    bough_with_nursery (n, &rc) {
        bough_move_on_after (BOUGH_SEC, &rc)
            CHECK_EQ(bough_nursery_start(n, start_in_inner_scope, &seen, NULL), 0);
        rc = bough_sleep(2 * BOUGH_SEC); /* the caller's scope has no hold on it any more */
        CHECK_EQ(seen, -1);
    }
    CHECK_EQ(seen, 1);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return rc;
}

/* --- a pending start keeps the nursery open --- */

struct pending {
    struct bough_nursery *n;
    struct child c;
    int rc;
};

static int start_elsewhere(void *arg)
{
    struct pending *p = arg;
    p->rc = bough_nursery_start(p->n, start_up, &p->c, NULL);
    return 0;
}

TASK_TEST(two_overlapping_starts_keep_an_otherwise_empty_nursery_open)
{
    int rc = 0;
    struct pending a = {.c = {.before = 2 * BOUGH_SEC, .after = BOUGH_SEC}, .rc = 1};
    struct pending b = {.c = {.before = 4 * BOUGH_SEC, .after = BOUGH_SEC}, .rc = 1};
    bough_with_nursery (callers, &rc) {
        bough_with_nursery (n, &rc) {
            a.n = b.n = n;
            CHECK_EQ(bough_nursery_start_soon(callers, start_elsewhere, &a), 0);
            CHECK_EQ(bough_nursery_start_soon(callers, start_elsewhere, &b), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(bough_nursery_count(n), 0);
        }
        CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    }
    CHECK_EQ(a.rc, 0);
    CHECK_EQ(b.rc, 0);
    return rc;
}

static int start_a_failure(void *arg)
{
    struct pending *p = arg;
    p->rc = bough_nursery_start(p->n, fail_before, &p->c.code, NULL);
    return 0;
}

TASK_TEST(a_pending_child_that_fails_lets_the_nursery_go)
{
    int rc = 0;
    struct pending p = {.c = {.code = -EIO}, .rc = 1};
    bough_with_nursery (callers, &rc) {
        bough_with_nursery (n, &rc) {
            p.n = n;
            CHECK_EQ(bough_nursery_start_soon(callers, start_a_failure, &p), 0);
            CHECK_EQ(bough_checkpoint(), 0);
        }
        CHECK_EQ(rc, 0);
        CHECK_EQ(bough_now(), BOUGH_SEC);
    }
    CHECK_EQ(p.rc, -EIO);
    return rc;
}

/* --- started, otherwise --- */

TASK_TEST(without_a_start_started_does_nothing)
{
    int rc = 0;
    struct child c = {.after = BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, start_up, &c), 0);
        CHECK_EQ(start_up(&c), 0); /* called like any function */
        bough_started(NULL);
        bough_started(NULL); /* not twice either */
    }
    return rc;
}

static int start_by_proxy(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, start_up, arg); /* a child's started is not ours */
    return rc;
}

TASK_TEST(only_the_task_itself_can_say_started)
{
    int rc = 0;
    struct child c = {.code = 0};
    bough_with_nursery (n, &rc)
        CHECK_EQ(bough_nursery_start(n, start_by_proxy, &c, NULL), -EPROTO);
    CHECK_EQ(c.steps, 3);
    return rc;
}

static int start_twice(__attribute__((unused)) void *arg)
{
    bough_started(NULL);
    bough_started(NULL);
    return 0;
}

TEST_PANICS(started_twice_panics, "start_twice, started at")
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start(n, start_twice, NULL, NULL);
    return rc;
}

static int start_nested(void *arg)
{
    struct child *c = arg;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start(n, start_up, c, NULL);
        bough_started(c);
    }
    return rc;
}

TASK_TEST(starts_nest)
{
    int rc = 0;
    struct child c = {.before = BOUGH_SEC, .after = BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start(n, start_nested, &c, NULL), 0);
        CHECK_EQ(bough_now(), BOUGH_SEC);
    }
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return rc;
}
