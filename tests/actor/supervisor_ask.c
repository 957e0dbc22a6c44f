/* Supervisors: what is asked of children while they run, from where, and cancels at any time.
 * SPDX-License-Identifier: MIT */
#include "kid.h"

TASK_TEST(a_child_that_is_stopped_stays_so_until_it_is_restarted)
{
    struct kid a = {.id = "a"};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        struct bough_child_info info;
        CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
        CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
        CHECK_JOURNAL("+a -a");
        CHECK_EQ(bough_supervisor_list(sv, &info, 1), 1);
        CHECK_EQ(info.state, BOUGH_CHILD_ENDED);
        CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
        CHECK_EQ(bough_supervisor_restart(sv, handle, &handle), 0);
        CHECK_JOURNAL("+a");
        CHECK_EQ(handle.generation, 2);
        CHECK_EQ(bough_supervisor_list(sv, &info, 1), 1);
        CHECK_EQ(info.state, BOUGH_CHILD_UP);
        CHECK_EQ(info.starts, 2);
        CHECK_STR(info.id, "a");
    }
    return rc;
}

TASK_TEST(a_stop_returns_what_the_child_failed_with)
{
    struct kid a = {.id = "a", .unwinds_with = -EIO};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
        CHECK_EQ(bough_supervisor_stop(sv, handle), -EIO);
        CHECK_STR(messages(), "a, unwinding");
    }
    return rc;
}

TASK_TEST(a_child_that_is_removed_is_forgotten)
{
    struct kid a = {.id = "a"};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
            CHECK_EQ(bough_supervisor_remove(sv, handle), 0);
            CHECK_EQ(bough_supervisor_list(sv, NULL, 0), 0);
            CHECK_EQ(bough_supervisor_stop(sv, handle), -ESTALE);
            CHECK_EQ(bough_supervisor_wait(sv, handle, NULL), -ESTALE);
        }
    }
    CHECK_JOURNAL("+a -a +a -a +a -a");
    return rc;
}

TASK_TEST(a_restart_that_is_asked_for_follows_the_strategy_and_counts_for_nothing)
{
    struct kid a = {.id = "a"}, b = {.id = "b"}, c = {.id = "c"};
    struct bough_supervisor_options options = {.strategy = BOUGH_REST_FOR_ONE, .intensity = -1};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), &handle), 0);
        CHECK_EQ(bough_supervise(sv, KID(&c), NULL), 0);
        journal[0] = 0;
        CHECK_EQ(bough_supervisor_restart(sv, handle, NULL), 0);
        CHECK_JOURNAL("-c -b +b");
        rc = bough_sleep(1);
        CHECK_JOURNAL("+c");
    }
    return rc;
}

TASK_TEST(an_old_handle_is_stale_after_a_restart)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised old, now, found;
        CHECK_EQ(bough_supervise(sv, KID(&a), &old), 0);
        CHECK_EQ(bough_supervisor_wait(sv, old, &now), 0);
        CHECK_EQ(bough_now(), 10);
        CHECK_EQ(now.number, old.number);
        CHECK_EQ(now.generation, 2);
        CHECK_EQ(bough_supervisor_stop(sv, old), -ESTALE);
        CHECK_HAS(messages(), "the handle of child a is of its life number 1; it is at 2 now");
        CHECK_EQ(bough_supervisor_restart(sv, old, NULL), -ESTALE);
        CHECK_EQ(bough_supervisor_remove(sv, old), -ESTALE);
        CHECK_EQ(bough_supervisor_wait(sv, old, &found), 0); /* there has been a later life */
        CHECK_EQ(found.generation, 2);
        CHECK_EQ(bough_supervisor_find(sv, "a", &found), 0);
        CHECK_EQ(found.generation, 2);
        CHECK_EQ(bough_supervisor_stop(sv, now), 0);
    }
    return rc;
}

TASK_TEST(whoever_waits_for_a_start_that_never_comes_is_told)
{
    struct kid a = {.id = "a", .lives_for = 10}, b = {.id = "b"};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a, .restart = BOUGH_TEMPORARY), &handle), 0);
        CHECK_EQ(bough_supervisor_wait(sv, handle, NULL), -ESTALE);
        CHECK_EQ(bough_now(), 10);
        CHECK_EQ(bough_supervise(sv, KID(&b), &handle), 0);
        bough_fail_after (50, &rc)
            rc = bough_supervisor_wait(sv, handle, NULL);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

TASK_TEST(a_child_in_its_backoff_can_be_stopped_or_restarted_at_once)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO}, b = a;
    int rc = 0;
    b.id = "b";
    struct bough_supervisor_options options = {.intensity = 5};
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised one, two;
        CHECK_EQ(bough_supervise(sv, KID(&a, .backoff = {.first = BOUGH_SEC}), &one), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b, .backoff = {.first = BOUGH_SEC}), &two), 0);
        rc = bough_sleep(100);
        CHECK_EQ(bough_supervisor_stop(sv, one), 0);
        CHECK_EQ(bough_supervisor_restart(sv, two, NULL), 0);
        CHECK_EQ(bough_now(), 100);
        rc = bough_sleep(10 * BOUGH_SEC);
        CHECK_JOURNAL("+a +b -a -b +b");
    }
    return rc;
}

TASK_TEST(whoever_waits_when_the_supervisor_gives_up_is_cancelled_like_the_body)
{
    struct kid a = {.id = "a", .lives_for = 10, .ends_with = -EIO}, b = {.id = "b"};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), &handle), 0);
        rc = bough_supervisor_wait(sv, handle, NULL);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 3); /* the limit, two causes, no more */
    return 0;
}

TASK_TEST(a_first_start_is_put_off_when_another_child_fails_meanwhile)
{
    struct kid a = {.id = "a", .lives_for = 10, .lives = 1, .ends_with = -EIO},
               b = {.id = "b", .starts_in = 100};
    struct bough_supervisor_options options = {.strategy = BOUGH_ONE_FOR_ALL};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
        CHECK_EQ(bough_supervise(sv, KID(&b), &handle), 0);
        CHECK_EQ(handle.generation, 1);
        CHECK_EQ(bough_now(), 110);
        CHECK_EQ(b.began, 2);
        CHECK_JOURNAL("+a -a +a +b");
    }
    return rc;
}

/* --- from inside --- */

struct insider {
    struct bough_supervisor *sv;
    struct bough_supervised self;
    int stopped, removed, restarted;
};

static int stop_myself(void *arg)
{
    struct insider *i = arg;
    i->stopped = bough_supervisor_stop(i->sv, i->self);
    i->removed = bough_supervisor_remove(i->sv, i->self);
    i->restarted = bough_supervisor_restart(i->sv, i->self, NULL);
    return 0;
}

static int have_a_helper(void *arg)
{
    int rc = bough_sleep(1);
    bough_with_nursery (n, &rc) /* at any depth */
        rc = bough_nursery_start_soon(n, stop_myself, arg);
    return rc;
}

TASK_TEST(a_stop_from_inside_the_childs_own_tasks_is_an_error_and_no_deadlock)
{
    struct insider i;
    struct bough_child_spec spec = {
        .id = "a", .fn = have_a_helper, .arg = &i, .restart = BOUGH_TEMPORARY};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        i.sv = sv;
        CHECK_EQ(bough_supervise(sv, &spec, &i.self), 0);
        rc = bough_sleep(10);
        CHECK_EQ(i.stopped, -EDEADLK);
        CHECK_EQ(i.removed, -EDEADLK);
        CHECK_EQ(i.restarted, -EDEADLK);
    }
    return rc;
}

static int supervise_another(void *arg)
{
    struct insider *i = arg;
    static struct kid k = {.id = "k"};
    i->stopped = bough_supervise(i->sv, KID(&k), NULL);
    bough_started(NULL);
    i->restarted = bough_supervise(i->sv, KID(&k), NULL);
    return bough_sleep_forever();
}

TASK_TEST(a_child_may_supervise_others_when_it_is_up)
{
    struct insider i;
    struct bough_supervisor_options options = {.strategy = BOUGH_REST_FOR_ONE};
    struct bough_child_spec spec = {
        .id = "a", .fn = supervise_another, .arg = &i, .start_timeout = BOUGH_NEVER};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        i.sv = sv;
        CHECK_EQ(bough_supervise(sv, &spec, NULL), 0);
        rc = bough_sleep(10);
        CHECK_EQ(i.stopped, -EDEADLK);
        CHECK_EQ(i.restarted, 0);
    }
    CHECK_JOURNAL("+k -k");
    return rc;
}

/* --- cancels --- */

static int in_phase(struct kid *a, struct bough_backoff backoff, int64_t cancel_at)
{
    struct kid first = {.id = "first"};
    struct bough_supervisor_options options = {.intensity = 100};
    int rc = 0;
    journal[0] = 0;
    bough_move_on_after (cancel_at, &rc) {
        bough_with_supervisor (sv, &options, &rc) {
            CHECK_EQ(bough_supervise(sv, KID(&first), NULL), 0);
            rc = bough_supervise(sv, KID(a, .backoff = backoff), NULL);
            if (rc == 0)
                rc = bough_sleep_forever();
        }
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(a->inside, 0);
    return rc;
}

TASK_TEST(a_cancel_beats_a_restart_in_every_phase)
{
    struct bough_backoff none = {0}, later = {.first = 100};
    struct kid starting = {.id = "a", .starts_in = 50};
    CHECK_EQ(in_phase(&starting, none, 20), 0); /* the first start */
    CHECK_JOURNAL("+first -first");
    struct kid up = {.id = "a"};
    CHECK_EQ(in_phase(&up, none, 20), 0);
    CHECK_JOURNAL("+first +a -a -first");
    struct kid waiting = {.id = "a", .lives_for = 10, .ends_with = -EIO};
    CHECK_EQ(in_phase(&waiting, later, 50), 0); /* its backoff */
    CHECK_JOURNAL("+first +a -a -first");
    CHECK_EQ(waiting.began, 1);
    struct kid again = {.id = "a", .starts_in = 50, .lives_for = 10, .ends_with = -EIO};
    CHECK_EQ(in_phase(&again, none, 80), 0); /* being started again */
    CHECK_JOURNAL("+first +a -a -first");
    CHECK_EQ(again.began, 2);
    struct kid slow = {.id = "a", .unwinds_for = 50};
    CHECK_EQ(in_phase(&slow, none, 20), 0);
    CHECK_JOURNAL("+first +a -a -first");
    return 0;
}

TASK_TEST(children_do_not_feel_a_cancel_before_the_body_has_left)
{
    struct kid a = {.id = "a", .lives_for = 60, .ends_with = -EIO};
    int rc = 0;
    bough_move_on_after (20, &rc) {
        bough_with_supervisor (sv, NULL, &rc) {
            int shielded = 0;
            struct bough_child_info info;
            CHECK_EQ(bough_supervise(sv, KID(&a), NULL), 0);
            rc = bough_sleep_forever();
            bough_shielded (BOUGH_NEVER, &shielded)
                shielded = bough_sleep(30);
            CHECK_EQ(shielded, 0);
            CHECK_JOURNAL("+a");
            CHECK_EQ(bough_supervisor_list(sv, &info, 1), 1);
            CHECK_EQ(info.state, BOUGH_CHILD_UP);
            bough_shielded (BOUGH_NEVER, &shielded)
                shielded = bough_sleep(30);
            CHECK_JOURNAL("-a"); /* and now there is no restart any more */
            bough_shielded (BOUGH_NEVER, &shielded)
                CHECK_EQ(bough_supervise(sv, KID(&a), NULL), -EBADF);
        }
    }
    CHECK_EQ(rc, -EIO); /* not restarted, so its failure is told */
    return 0;
}

TASK_TEST(a_supervise_that_is_cancelled_leaves_nothing_of_the_child)
{
    struct kid a = {.id = "a", .starts_in = 100, .unwinds_for = 7};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        bough_move_on_after (20, &rc)
            rc = bough_supervise(sv, KID(&a), NULL);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_EQ(a.began, 1);
        CHECK_EQ(a.inside, 0);
        CHECK_EQ(bough_supervisor_list(sv, NULL, 0), 0);
    }
    return rc;
}

TASK_TEST(a_stop_that_is_cancelled_stops_all_the_same)
{
    struct kid a = {.id = "a", .unwinds_for = 100};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, KID(&a), &handle), 0);
        bough_move_on_after (20, &rc)
            rc = bough_supervisor_remove(sv, handle);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_JOURNAL("+a");
        rc = bough_sleep(100);
        CHECK_JOURNAL("-a");
        CHECK_EQ(bough_supervisor_list(sv, NULL, 0), 0);
    }
    return rc;
}

TASK_TEST(calls_are_checkpoints)
{
    struct kid a = {.id = "a"};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        bough_assert_checkpoints (&rc)
            rc = bough_supervise(sv, KID(&a), &handle);
        bough_assert_checkpoints (&rc)
            rc = bough_supervisor_restart(sv, handle, &handle);
        bough_assert_checkpoints (&rc)
            rc = bough_supervisor_stop(sv, handle);
        bough_assert_checkpoints (&rc)
            rc = bough_supervisor_stop(sv, handle);
        bough_assert_checkpoints (&rc)
            rc = bough_supervisor_remove(sv, handle);
    }
    return rc;
}
