/* Shared resources: opened by the first user, closed by the last.
 * SPDX-License-Identifier: MIT */
#include "job.h"

#include <bough/shared.h>
#include <bough/sync.h>

enum { USERS = 4, GONE = -1234 };

/* A resource whose manager notes what happens to it. */
struct thing {
    struct bough_shared shared;
    int64_t enter_takes, exit_takes;
    int enter_rc, exit_rc;
    int64_t times_out; /* while it is in use; 0: never */
    int64_t fails;     /* a task of the manager fails; 0: never */
    bool shielded;     /* it exits at leisure */
    int entered, exited, begun;
    int exit_wait_rc; /* of the wait in the exit */
    int body_rc;      /* what the yield returned */
    bool open;
};

static int fail_after(void *arg)
{
    int rc = bough_sleep(*(int64_t *)arg);
    return rc < 0 ? rc : bough_fail(-EPIPE, "the thing broke");
}

static int use_it(struct bough_manager *self, struct thing *t)
{
    int rc = 0;
    CHECK(!t->open);
    t->open = true;
    t->entered++;
    bough_with_nursery (n, &rc) {
        if (t->times_out)
            bough_scope_set_deadline(bough_nursery_scope(n),
                                     bough_after(bough_now(), t->times_out));
        if (t->fails)
            rc = bough_nursery_start_soon(n, fail_after, &t->fails);
        if (rc == 0)
            rc = t->body_rc = bough_yield(self, t);
        bough_scope_cancel(bough_nursery_scope(n), "the use is over");
    }
    CHECK(t->open);
    return rc;
}

static int close_it(struct thing *t)
{
    int rc = 0;
    if (t->shielded)
        bough_shielded (BOUGH_NEVER, &rc)
            rc = bough_sleep(t->exit_takes);
    else
        rc = bough_sleep(t->exit_takes);
    t->exit_wait_rc = rc;
    t->open = false;
    t->exited++;
    return rc < 0 ? rc : t->exit_rc;
}

static int thing_manager(struct bough_manager *self, void *arg)
{
    struct thing *t = arg;
    t->begun++;
    int rc = bough_sleep(t->enter_takes);
    if (rc < 0)
        return rc;
    if (t->enter_rc < 0)
        return bough_fail(t->enter_rc, "cannot open the thing");
    rc = use_it(self, t);
    return bough_keep(rc, close_it(t));
}

/* --- users --- */

struct user {
    struct thing *thing;
    int64_t comes, stays;
    int result;    /* of its body, if it was not cancelled */
    bool shielded; /* its body feels no cancel */
    struct bough_scope scope;
    int rc, body_rc;
    int64_t entered, left; /* when */
    char message[96];
};

static int stay(struct user *u)
{
    int rc = 0;
    if (!u->shielded)
        return bough_sleep(u->stays);
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep(u->stays);
    return rc;
}

static int use(struct user *u)
{
    int rc = 0;
    bough_with_shared (struct thing *, t, &u->thing->shared, &rc) {
        CHECK(t == u->thing && t->open);
        u->entered = bough_now();
        u->body_rc = stay(u);
        CHECK(t->open);
        rc = u->body_rc < 0 ? u->body_rc : u->result;
    }
    u->left = bough_now();
    return rc;
}

static int user_main(void *arg)
{
    struct user *u = arg;
    int rc = bough_sleep(u->comes);
    bough_with_scope (&u->scope, &rc) {
        u->rc = rc < 0 ? rc : use(u);
        if (u->rc < 0 && bough_error_last())
            snprintf(u->message, sizeof(u->message), "%s", bough_error_message(bough_error_last()));
        rc = u->rc == -ECANCELED ? -ECANCELED : 0;
    }
    return rc;
}

static void start_user(struct bough_nursery *n, struct user *u, struct thing *t)
{
    u->thing = t;
    u->scope = BOUGH_SCOPE();
    u->rc = u->body_rc = GONE;
    CHECK_EQ(bough_nursery_start_soon(n, user_main, u), 0);
}

/* The thing, and 'count' users of it, in one nursery. */
static int run_users(struct thing *t, struct user *users, int count)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t->shared, n, thing_manager, t);
        for (int i = 0; i < count; i++)
            start_user(n, &users[i], t);
    }
    CHECK(!t->open);
    CHECK_EQ(t->entered, t->exited);
    CHECK_EQ(bough_shared_users(&t->shared), 0);
    return rc;
}

/* --- the first and the last --- */

TASK_TEST(the_first_user_opens_it_and_the_last_one_closes_it)
{
    struct thing t = {.enter_takes = 2 * BOUGH_SEC, .exit_takes = BOUGH_SEC};
    struct user u[] = {{.stays = BOUGH_SEC},
                       {.comes = BOUGH_SEC, .stays = 4 * BOUGH_SEC}, /* while it is entered */
                       {.comes = 5 * BOUGH_SEC, .stays = 4 * BOUGH_SEC, .result = 3}};
    CHECK_EQ(run_users(&t, u, 3), 0);
    CHECK_EQ(t.entered, 1);
    CHECK(u[0].entered == 2 * BOUGH_SEC && u[0].left == 3 * BOUGH_SEC); /* does not wait */
    CHECK(u[1].entered == 2 * BOUGH_SEC && u[1].left == 6 * BOUGH_SEC);
    CHECK(u[2].entered == 5 * BOUGH_SEC && u[2].left == 10 * BOUGH_SEC); /* waits for the exit */
    CHECK(u[0].rc == 0 && u[1].rc == 0 && u[2].rc == 3);
    CHECK_EQ(t.body_rc, 0);
    return 0;
}

TASK_TEST(nothing_is_opened_before_somebody_comes)
{
    struct thing t = {0};
    CHECK_EQ(run_users(&t, NULL, 0), 0);
    CHECK_EQ(t.begun, 0);
    return 0;
}

TASK_TEST(it_is_opened_anew_for_those_who_come_later)
{
    struct thing t = {0};
    struct user u[] = {{.stays = BOUGH_SEC}, {.comes = 2 * BOUGH_SEC}};
    CHECK_EQ(run_users(&t, u, 2), 0);
    CHECK_EQ(t.entered, 2);
    return 0;
}

TASK_TEST(who_comes_while_it_is_closed_waits_and_opens_it_anew)
{
    struct thing t = {.enter_takes = 2 * BOUGH_SEC, .exit_takes = 5 * BOUGH_SEC};
    struct user u[] = {{.stays = BOUGH_SEC},
                       {.comes = 4 * BOUGH_SEC, .stays = BOUGH_SEC},
                       {.comes = 5 * BOUGH_SEC, .stays = 3 * BOUGH_SEC}};
    CHECK_EQ(run_users(&t, u, 3), 0);
    CHECK_EQ(t.entered, 2);
    CHECK(u[1].entered == 10 * BOUGH_SEC && u[2].entered == 10 * BOUGH_SEC);
    return 0;
}

TASK_TEST(coming_in_is_a_checkpoint_also_when_it_is_open)
{
    struct thing t = {0};
    struct bough_shared_use first, second;
    int rc = 0;
    void *value = NULL;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        bough_assert_checkpoints (&rc)
            rc = bough_shared_enter(&t.shared, &first, &value);
        CHECK(rc == 0 && value == &t);
        bough_assert_checkpoints (&rc)
            rc = bough_shared_enter(&t.shared, &second, NULL);
        CHECK_EQ(bough_shared_users(&t.shared), 2);
        rc = bough_shared_exit(&second, 5);
        CHECK_EQ(rc, 5);
        CHECK(t.open);
        rc = bough_shared_exit(&first, 6);
        CHECK_EQ(rc, 6);
        CHECK(!t.open);
    }
    return rc;
}

TASK_TEST(a_users_own_failure_is_its_own)
{
    struct thing t = {0};
    struct user u[] = {{.stays = BOUGH_SEC, .result = -EIO}, {.stays = 2 * BOUGH_SEC}};
    CHECK_EQ(run_users(&t, u, 2), 0);
    CHECK(u[0].rc == -EIO && u[1].rc == 0);
    CHECK_EQ(t.body_rc, 0);
    return 0;
}

/* --- failures --- */

TASK_TEST(a_failure_of_the_enter_goes_to_all_who_wait_for_it)
{
    struct thing t = {.enter_takes = BOUGH_SEC, .enter_rc = -EIO};
    struct user u[USERS] = {{.comes = 0}, {.comes = 0}, {.comes = 1}, {.comes = BOUGH_MINUTE}};
    CHECK_EQ(run_users(&t, u, USERS), 0);
    for (int i = 0; i < USERS; i++) {
        CHECK(u[i].rc == -EIO && u[i].body_rc == GONE);
        CHECK_HAS(u[i].message, "cannot open the thing");
    }
    CHECK_EQ(t.begun, 2); /* the last one has tried again */
    return 0;
}

TASK_TEST(who_comes_after_a_failed_enter_may_succeed)
{
    struct thing t = {.enter_rc = -EIO};
    struct user u = {0};
    CHECK_EQ(run_users(&t, &u, 1), 0);
    CHECK_EQ(u.rc, -EIO);
    t.enter_rc = 0;
    CHECK_EQ(run_users(&t, &u, 1), 0);
    CHECK_EQ(u.rc, 0);
    return 0;
}

TASK_TEST(a_failure_of_the_exit_goes_to_the_last_user)
{
    struct thing t = {.exit_rc = -EIO};
    struct user u[] = {{.stays = BOUGH_SEC}, {.stays = 2 * BOUGH_SEC}};
    CHECK_EQ(run_users(&t, u, 2), 0);
    CHECK(u[0].rc == 0 && u[1].rc == -EIO);
    u[1].result = -ENOENT;
    CHECK_EQ(run_users(&t, u, 2), 0);
    CHECK_EQ(u[1].rc, -BOUGH_EGROUP);
    return 0;
}

TASK_TEST(a_failure_while_it_is_in_use_cancels_all_users_and_comes_out_of_each_block)
{
    struct thing t = {.fails = 5 * BOUGH_SEC, .exit_takes = BOUGH_SEC};
    struct user u[] = {{.stays = BOUGH_SEC},
                       {.stays = BOUGH_MINUTE},
                       {.stays = BOUGH_MINUTE},
                       {.comes = 5500 * BOUGH_MS, .stays = BOUGH_SEC}}; /* after the break */
    CHECK_EQ(run_users(&t, u, 4), 0);
    CHECK_EQ(u[0].rc, 0);
    for (int i = 1; i <= 2; i++) {
        CHECK(u[i].body_rc == -ECANCELED && u[i].rc == -EPIPE);
        CHECK_HAS(u[i].message, "the thing broke");
        CHECK_EQ(u[i].left, 6 * BOUGH_SEC); /* when it has been exited */
    }
    CHECK(u[3].rc == 0 && u[3].body_rc == 0 && u[3].entered == 6 * BOUGH_SEC);
    CHECK_EQ(t.entered, 2);
    return 0;
}

TASK_TEST(the_exit_waits_until_the_users_have_left)
{
    struct thing t = {.fails = BOUGH_SEC};
    struct bough_scope inside = BOUGH_SCOPE(.shield = true);
    struct bough_shared_use use;
    int rc = 0, left;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        rc = bough_shared_enter(&t.shared, &use, NULL);
        CHECK_EQ(rc, 0);
        bough_with_scope (&inside, &rc)
            rc = bough_sleep(3 * BOUGH_SEC); /* does not feel it */
        CHECK(rc == 0 && t.open);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
        CHECK(t.open);
        rc = left = bough_shared_exit(&use, rc);
        CHECK(!t.open);
        CHECK_EQ(left, -EPIPE);
        rc = 0;
    }
    CHECK_EQ(t.body_rc, -ECANCELED);
    return rc;
}

TASK_TEST(a_time_limit_of_the_manager_ends_the_use_without_an_error)
{
    struct thing t = {.times_out = 5 * BOUGH_SEC};
    struct user u[] = {{.stays = BOUGH_MINUTE}, {.stays = BOUGH_SEC}};
    CHECK_EQ(run_users(&t, u, 2), 0);
    CHECK(u[0].body_rc == -ECANCELED && u[0].rc == 0 && u[0].left == 5 * BOUGH_SEC);
    return 0;
}

TASK_TEST(users_who_are_let_in_when_it_is_over_already_are_cancelled_too)
{
    struct thing t = {.times_out = -1};
    struct user u[] = {{.stays = BOUGH_MINUTE}, {.stays = BOUGH_MINUTE}};
    CHECK_EQ(run_users(&t, u, 2), 0);
    for (int i = 0; i < 2; i++)
        CHECK(u[i].body_rc == -ECANCELED && u[i].rc == 0);
    CHECK(bough_now() == 0 && t.begun == 1 && t.body_rc == -ECANCELED);
    return 0;
}

static int never_yields(struct bough_manager *self, void *arg)
{
    (void)self, (void)arg;
    return 0;
}

TASK_TEST(a_manager_that_does_not_yield_is_an_error_for_its_users)
{
    struct bough_shared shared;
    int rc = 0, seen = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&shared, n, never_yields, NULL);
        bough_with_shared (void *, unused, &shared, &seen)
            CHECK(!"the body runs");
        CHECK_EQ(seen, -EPROTO);
    }
    return rc;
}

static int breaks_in_two(struct bough_manager *self, void *arg)
{
    int64_t soon = BOUGH_SEC;
    int rc = 0;
    (void)arg;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fail_after, &soon);
        if (rc == 0)
            rc = bough_yield(self, NULL);
    }
    return bough_keep(rc, bough_fail(-EIO, "and the exit, too"));
}

static int two_leaves(void *arg)
{
    int rc = 0;
    bough_with_shared (void *, unused, (struct bough_shared *)arg, &rc)
        rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
    CHECK(bough_catch(&rc, -EPIPE) && bough_catch(&rc, -EIO));
    return rc;
}

TASK_TEST(a_group_of_failures_is_a_group_for_each_user)
{
    struct bough_shared shared;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&shared, n, breaks_in_two, NULL);
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, two_leaves, &shared);
    }
    return rc;
}

/* --- cancels --- */

/* Users 0 .. count-1 come at once; user 'victim' is cancelled at 'at'. */
static int run_with_victim(struct thing *t, struct user *u, int count, int victim, int64_t at)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t->shared, n, thing_manager, t);
        for (int i = 0; i < count; i++)
            start_user(n, &u[i], t);
        rc = bough_sleep(at);
        bough_scope_cancel(&u[victim].scope, "the victim");
    }
    CHECK(!t->open);
    CHECK_EQ(t->entered, t->exited);
    return rc;
}

TASK_TEST(a_cancel_of_the_first_user_while_entering_leaves_the_others_waiting)
{
    for (int victim = 0; victim < 3; victim++) {
        struct thing t = {.enter_takes = 2 * BOUGH_SEC};
        struct user u[] = {{.stays = BOUGH_SEC}, {.stays = BOUGH_SEC}, {.stays = BOUGH_SEC}};
        int64_t start = bough_now();
        CHECK_EQ(run_with_victim(&t, u, 3, victim, BOUGH_SEC), 0);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(u[i].rc, i == victim ? -ECANCELED : 0);
            CHECK_EQ(u[i].entered, i == victim ? 0 : start + 2 * BOUGH_SEC);
        }
        CHECK_EQ(t.begun, 1);
    }
    return 0;
}

TASK_TEST(when_nobody_is_left_to_wait_the_enter_is_cancelled)
{
    struct thing t = {.enter_takes = BOUGH_MINUTE};
    struct user u = {.stays = BOUGH_SEC};
    CHECK_EQ(run_with_victim(&t, &u, 1, 0, BOUGH_SEC), 0);
    CHECK_EQ(u.rc, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(t.begun == 1 && t.entered == 0);
    return 0;
}

/* Cleans up slowly when its enter is cancelled, and fails then. */
static int stubborn_enter(struct bough_manager *self, void *arg)
{
    struct thing *t = arg;
    int rc = 0;
    t->begun++;
    if (t->begun > 1)
        return bough_yield(self, t);
    rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(rc, -ECANCELED);
    bough_shielded (BOUGH_MINUTE, &rc)
        rc = bough_sleep(5 * BOUGH_SEC);
    if (t->enter_rc == 1)
        return bough_yield(self, t); /* it has succeeded after all */
    return bough_fail(t->enter_rc, "could not even give up");
}

static int enter_stubborn(void *arg)
{
    struct user *u = arg;
    int rc = bough_sleep(u->comes);
    bough_with_scope (&u->scope, &rc) {
        bough_with_shared (struct thing *, t, &u->thing->shared, &rc)
            u->entered = bough_now();
        u->rc = rc;
        u->left = bough_now();
        rc = rc == -ECANCELED ? rc : 0;
    }
    return rc;
}

static int run_stubborn(struct thing *t, struct user *u)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t->shared, n, stubborn_enter, t);
        for (int i = 0; i < 2; i++) {
            u[i].thing = t;
            u[i].scope = BOUGH_SCOPE();
            rc = bough_nursery_start_soon(n, enter_stubborn, &u[i]);
        }
        rc = bough_sleep(BOUGH_SEC);
        bough_scope_cancel(&u[0].scope, "nobody waits now");
    }
    CHECK_EQ(t->begun, 2);
    return rc;
}

TASK_TEST(who_gave_up_waits_for_the_cleanup_and_hears_its_failure)
{
    struct thing t = {.enter_rc = -EIO};
    struct user u[] = {{0}, {.comes = 2 * BOUGH_SEC}};
    CHECK_EQ(run_stubborn(&t, u), 0);
    CHECK(u[0].rc == -EIO && u[0].left == 6 * BOUGH_SEC);
    CHECK(u[1].rc == 0 && u[1].entered == 6 * BOUGH_SEC); /* a life of its own */
    return 0;
}

TASK_TEST(an_enter_that_succeeds_when_all_have_given_up_is_exited_again)
{
    struct thing t = {.enter_rc = 1};
    struct user u[] = {{0}, {.comes = 2 * BOUGH_SEC}};
    CHECK_EQ(run_stubborn(&t, u), 0);
    CHECK(u[0].rc == -ECANCELED && u[0].entered == 0 && u[0].left == 6 * BOUGH_SEC);
    CHECK(u[1].rc == 0 && u[1].entered == 6 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_cancelled_user_leaves_and_the_others_go_on)
{
    struct thing t = {0};
    struct user u[] = {{.stays = 5 * BOUGH_SEC}, {.stays = 5 * BOUGH_SEC}};
    CHECK_EQ(run_with_victim(&t, u, 2, 0, BOUGH_SEC), 0);
    CHECK(u[0].rc == -ECANCELED && u[0].left == BOUGH_SEC && u[1].rc == 0);
    CHECK_EQ(t.entered, 1);
    return 0;
}

TASK_TEST(cancelled_before_it_comes_in_it_opens_nothing)
{
    struct thing t = {0};
    struct bough_shared_use first, second;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        CHECK_EQ(CALL_CANCELLED(0, bough_shared_enter(&t.shared, &second, NULL)).rc, -ECANCELED);
        CHECK_EQ(t.begun, 0);
        rc = bough_shared_enter(&t.shared, &first, NULL);
        CHECK_EQ(CALL_CANCELLED(0, bough_shared_enter(&t.shared, &second, NULL)).rc, -ECANCELED);
        CHECK_EQ(bough_shared_users(&t.shared), 1);
        rc = bough_shared_exit(&first, rc);
    }
    return rc;
}

TASK_TEST(one_who_is_cancelled_while_it_waits_for_the_next_life_is_gone)
{
    struct thing t = {.exit_takes = BOUGH_MINUTE};
    struct user u[] = {{.stays = 0}, {.comes = BOUGH_SEC}};
    CHECK_EQ(run_with_victim(&t, u, 2, 1, 2 * BOUGH_SEC), 0);
    CHECK(u[0].rc == 0 && u[1].rc == -ECANCELED && u[1].left == 2 * BOUGH_SEC);
    CHECK_EQ(t.entered, 1);
    return 0;
}

TASK_TEST(a_cancel_of_the_last_user_cancels_the_exit_as_it_would_with_a_manager_of_its_own)
{
    struct thing t = {.exit_takes = BOUGH_MINUTE};
    struct user u = {.stays = 0};
    CHECK_EQ(run_with_victim(&t, &u, 1, 0, BOUGH_SEC), 0);
    CHECK_EQ(t.exit_wait_rc, -ECANCELED);
    CHECK_EQ(u.left, BOUGH_SEC);
    CHECK_EQ(u.rc, 0); /* it had its result before the cancel */
    return 0;
}

TASK_TEST(an_exit_that_is_shielded_takes_its_time_and_the_last_user_waits)
{
    struct thing t = {.exit_takes = 5 * BOUGH_SEC, .shielded = true};
    struct user u = {.stays = BOUGH_MINUTE};
    CHECK_EQ(run_with_victim(&t, &u, 1, 0, BOUGH_SEC), 0);
    CHECK(t.exit_wait_rc == 0 && u.rc == -ECANCELED);
    CHECK_EQ(u.left, 6 * BOUGH_SEC);
    return 0;
}

TASK_TEST(after_a_failure_the_exit_is_cancelled_only_when_all_who_wait_for_it_are)
{
    struct thing t = {.fails = BOUGH_SEC, .exit_takes = 10 * BOUGH_SEC};
    struct user u[] = {{.stays = BOUGH_MINUTE}, {.stays = BOUGH_MINUTE}};
    CHECK_EQ(run_with_victim(&t, u, 2, 0, 2 * BOUGH_SEC), 0);
    CHECK_EQ(t.exit_wait_rc, 0);
    CHECK(u[0].rc == -EPIPE && u[1].rc == -EPIPE);
    CHECK(u[0].left == 11 * BOUGH_SEC && u[1].left == 11 * BOUGH_SEC);
    return 0;
}

TASK_TEST(one_who_is_cancelled_does_not_cancel_the_exit_while_another_is_still_inside)
{
    struct thing t = {.fails = BOUGH_SEC, .exit_takes = 10 * BOUGH_SEC};
    struct user u[] = {{.stays = BOUGH_MINUTE}, {.stays = 5 * BOUGH_SEC, .shielded = true}};
    CHECK_EQ(run_with_victim(&t, u, 2, 0, 2 * BOUGH_SEC), 0);
    CHECK_EQ(t.exit_wait_rc, 0);
    CHECK(u[1].body_rc == 0 && u[0].rc == -EPIPE && u[1].rc == -EPIPE);
    CHECK(u[0].left == 15 * BOUGH_SEC && u[1].left == 15 * BOUGH_SEC);
    return 0;
}

TASK_TEST(who_waited_for_the_exit_of_one_life_does_not_count_in_the_next)
{
    struct thing t = {.exit_takes = BOUGH_MINUTE};
    struct user u[] = {{.stays = 0}, {.comes = 2 * BOUGH_MINUTE, .stays = 0}};
    CHECK_EQ(run_with_victim(&t, u, 2, 1, 2 * BOUGH_MINUTE + BOUGH_SEC), 0);
    CHECK_EQ(t.exit_wait_rc, -ECANCELED);
    CHECK(u[0].left == BOUGH_MINUTE && u[1].left == 2 * BOUGH_MINUTE + BOUGH_SEC);
    return 0;
}

/* --- the owner --- */

TASK_TEST(a_cancel_of_the_nursery_reaches_the_users_first)
{
    struct thing t = {.exit_takes = BOUGH_SEC, .shielded = true};
    struct user u[] = {{.stays = BOUGH_MINUTE}, {.stays = BOUGH_MINUTE}};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        start_user(n, &u[0], &t);
        start_user(n, &u[1], &t);
        rc = bough_sleep(BOUGH_SEC);
        bough_scope_cancel(bough_nursery_scope(n), "over");
    }
    CHECK_EQ(rc, 0);
    CHECK(u[0].body_rc == -ECANCELED && u[1].body_rc == -ECANCELED); /* they saw it open */
    CHECK_EQ(t.body_rc, 0); /* it was not cancelled itself */
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    CHECK(!t.open && t.exited == 1);
    return 0;
}

static int nap(void *arg)
{
    (void)arg;
    return bough_sleep(BOUGH_SEC);
}

static int use_from_outside(__attribute__((unused)) void *arg)
{
    struct thing t = {.exit_takes = 5 * BOUGH_SEC, .shielded = true};
    struct user u[] = {{.stays = BOUGH_MINUTE}, {.comes = 2 * BOUGH_SEC}, {.comes = BOUGH_MINUTE}};
    int rc = 0, inner_rc = 0;
    bough_with_nursery (outside, &rc) {
        bough_with_nursery (n, &inner_rc) {
            bough_shared_init(&t.shared, n, thing_manager, &t);
            for (int i = 0; i < 3; i++)
                start_user(outside, &u[i], &t);
            inner_rc = bough_nursery_start_soon(n, nap, NULL);
        }
        CHECK_EQ(inner_rc, 0);
        CHECK(!t.open);
    }
    CHECK(u[0].body_rc == -ECANCELED && u[0].left == 6 * BOUGH_SEC);
    CHECK_EQ(u[0].rc, -EPIPE);
    CHECK(u[1].rc == -EBADF && u[1].left == 6 * BOUGH_SEC); /* waited for the next life */
    CHECK(u[2].rc == -EBADF && t.begun == 1);
    return rc;
}

TASK_TEST(users_outside_of_the_nursery_are_cancelled_when_it_ends)
{
    return use_from_outside(NULL);
}

TEST(whatever_the_order_users_outside_hear_that_the_nursery_has_ended)
{
    CHECK_EQ(bough_test_seeds(30, use_from_outside, NULL), 0);
}

/* --- other ways out, and misuse --- */

static int return_from(struct thing *t)
{
    int rc = 0;
    bough_with_shared (struct thing *, mine, &t->shared, &rc)
        return 4;
    return rc;
}

TASK_TEST(break_and_return_leave_it_too)
{
    struct thing t = {0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        CHECK_EQ(return_from(&t), 4);
        CHECK(!t.open && t.exited == 1);
        bough_with_shared (struct thing *, mine, &t.shared, &rc) {
            rc = 6;
            if (mine->open)
                break;
            rc = 7;
        }
        CHECK_EQ(rc, 6);
        CHECK(!t.open && t.exited == 2);
        rc = 0;
    }
    return rc;
}

TASK_TEST(after_return_a_failure_of_the_exit_goes_to_the_enclosing_nursery)
{
    struct thing t = {.exit_rc = -EIO};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        CHECK_EQ(return_from(&t), 4);
        rc = bough_checkpoint();
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(one_task_may_use_it_twice_at_once)
{
    struct thing t = {0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        bough_with_shared (struct thing *, outer, &t.shared, &rc) {
            bough_with_shared (struct thing *, inner, &t.shared, &rc)
                CHECK(inner == outer);
            CHECK(t.open);
        }
    }
    CHECK_EQ(t.entered, 1);
    return rc;
}

TEST_PANICS(uses_are_left_in_order, "out of order")
{
    struct thing t = {0};
    struct bough_shared_use first, second;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        rc = bough_shared_enter(&t.shared, &first, NULL);
        rc = bough_shared_enter(&t.shared, &second, NULL);
        rc = bough_shared_exit(&first, 0);
    }
    return rc;
}

/* --- faults, cancels, orders --- */

/* Lives, a failure of each kind, and users that come and go. 'arg' is what goes wrong in it. */
struct storm {
    int enter_rc, exit_rc;
    int64_t fails;
};

static int run_storm(void *arg)
{
    const struct storm *storm = arg;
    struct thing t = {.enter_takes = 3,
                      .exit_takes = 4,
                      .enter_rc = storm->enter_rc,
                      .exit_rc = storm->exit_rc,
                      .fails = storm->fails};
    struct user u[6];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&t.shared, n, thing_manager, &t);
        for (int i = 0; i < 6 && rc == 0; i++) {
            u[i] = (struct user){.thing = &t, .comes = i * 2, .stays = i == 3 ? 1 : 7};
            u[i].scope = BOUGH_SCOPE();
            if (i == 2)
                u[i].scope.timeout = 2;
            rc = bough_nursery_start_soon(n, user_main, &u[i]);
        }
    }
    CHECK(!t.open);
    CHECK_EQ(t.entered, t.exited);
    CHECK_EQ(bough_shared_users(&t.shared), 0);
    CHECK(bough_list_is_empty(&t.shared.uses) && bough_list_is_empty(&t.shared.newcomers));
    return rc;
}

static struct storm storms[] = {{0}, {.enter_rc = -EIO}, {.exit_rc = -EIO}, {.fails = 5}};
enum { STORMS = sizeof(storms) / sizeof(*storms) };

TEST(without_memory_users_fail_and_nothing_is_left_open)
{
    for (int i = 0; i < STORMS; i++)
        CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, run_storm, &storms[i]) > 1);
}

TEST(cancelled_at_any_point_what_was_opened_is_closed)
{
    for (int i = 0; i < STORMS; i++)
        CHECK_CANCELS(run_storm, &storms[i], 21);
}

TEST(whatever_the_order_what_was_opened_is_closed)
{
    for (int i = 0; i < STORMS; i++)
        CHECK_EQ(bough_test_seeds(100, run_storm, &storms[i]), 0);
}
