/* The life of an actor: start, setup, service, teardown, and who learns how it ended.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

/* --- over there --- */

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    note("hangs;");
    int rc = bough_sleep_forever();
    note("hung;");
    return rc;
}

static int brief(struct bough_call *call, void *state)
{
    (void)state;
    note("works;");
    int rc = bough_sleep(50 * BOUGH_MS);
    note(rc < 0 ? "was cut short;" : "worked;");
    return rc < 0 ? rc : bough_call_reply(call, bough_text("worked"));
}

static int say_state(struct bough_call *call, void *state)
{
    return bough_call_reply(call, bough_text(state));
}

/* The setup does what its argument says. */
static int setup(struct bough_bytes argument, void **ret_state)
{
    int rc = bough_checkpoint();
    note("setup;");
    *ret_state = strndup(argument.data ? argument.data : "", argument.size);
    if (argument.size && strncmp(*ret_state, "fail", 4) == 0) {
        free(*ret_state);
        return bough_fail(-ENOSPC, "no room for the state");
    }
    if (argument.size && strncmp(*ret_state, "hang", 4) == 0) {
        rc = bough_sleep_forever();
        note("setup cancelled;");
        free(*ret_state);
    }
    return rc;
}

static int teardown(void *state)
{
    int rc = 0;
    bough_shielded (BOUGH_SEC, &rc)
        rc = bough_sleep(2 * BOUGH_MS);
    CHECK_EQ(rc, 0);
    note("teardown;");
    if (strcmp(state, "teardown fails") == 0)
        rc = bough_fail(-EUCLEAN, "the state is a mess");
    free(state);
    return rc;
}

static const struct bough_operation operations[] = {
    {"hang", hang}, {"brief", brief}, {"say_state", say_state}, {0}};
BOUGH_ACTOR(clerk, .operations = operations, .setup = setup, .teardown = teardown);
BOUGH_ACTOR(bare, .operations = operations);
BOUGH_ACTOR(nothing_at_all);

static int fail_later(void *arg)
{
    (void)arg;
    int rc = bough_sleep(20 * BOUGH_MS);
    return rc < 0 ? rc : bough_fail(-EPIPE, "the line is cut");
}

/* A nursery that is open as long as the actor is; "fails": and then fails. */
static int manager(struct bough_manager *self, void *arg)
{
    const struct bough_bytes *argument = arg;
    int rc = 0;
    note("enter;");
    if (argument->size && memcmp(argument->data, "refuses", 7) == 0)
        return bough_fail(-EACCES, "not you");
    bough_with_nursery (n, &rc) {
        if (argument->size && memcmp(argument->data, "fails", 5) == 0)
            rc = bough_nursery_start_soon(n, fail_later, NULL);
        if (rc == 0)
            rc = bough_yield(self, "managed");
    }
    note("exit;");
    return rc;
}
BOUGH_ACTOR(managed, .operations = operations, .manager = manager);

static int never_yields(struct bough_manager *self, void *arg)
{
    (void)self, (void)arg;
    return 0;
}
BOUGH_ACTOR(hollow, .operations = operations, .manager = never_yields);

static int times_out(struct bough_manager *self, void *arg)
{
    int rc = 0;
    (void)arg;
    bough_fail_after (20 * BOUGH_MS, &rc)
        rc = bough_yield(self, NULL);
    return rc;
}
BOUGH_ACTOR(mayfly, .operations = operations, .manager = times_out);

/* --- here --- */

static void check_says(struct bough_actor *a, const char *operation, const char *expected)
{
    struct bough_message reply = {0};
    CHECK_RC(bough_call(a, operation, BOUGH_NO_BYTES, &reply), 0);
    CHECK_STR(reply.data ? (char *)reply.data : "", expected);
    bough_message_free(&reply);
}

static struct bough_actor *try_start(struct bough_actors *an, struct bough_actor_spec spec,
                                     int expected)
{
    struct bough_actor *a = NULL;
    CHECK_RC(bough_actor_start(an, &spec, &a), expected);
    CHECK(expected == 0 || !a);
    return a;
}
#define try(an, expected, ...)                                                                     \
    try_start(an, (struct bough_actor_spec){.place = place, __VA_ARGS__}, expected)

ACTOR_TEST(a_start_returns_when_the_setup_has_ended)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clerk", .argument = bough_text("desk 7"));
        CHECK_STR(notes(), "setup;");
        CHECK(bough_actor_is_up(a));
        check_says(a, "say_state", "desk 7");
        CHECK_EQ(bough_actor_place(a), place);
        CHECK_EQ(bough_actor_pid(a) == getpid(), place == BOUGH_PLACE_THREAD);
    }
    CHECK_STR(notes(), "setup;teardown;");
    return rc;
}

ACTOR_TEST(types_need_neither_setup_nor_operations)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "bare");
        CHECK_RC(bough_call(a, "brief", BOUGH_NO_BYTES, NULL), 0);
        a = start(an, .type = "nothing_at_all");
        CHECK_EQ(bough_call(a, "brief", BOUGH_NO_BYTES, NULL), -ENOSYS);
    }
    return rc;
}

ACTOR_TEST(a_setup_that_fails_is_the_failure_of_the_start_with_no_teardown)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        (void)try(an, -ENOSPC, .type = "clerk", .name = "c", .argument = bough_text("fail"));
        CHECK_STR(WHY, "no room for the state");
        CHECK_HAS(bough_error_file(bough_error_last()), "lifecycle.c");
        CHECK_HAS(bough_error_task(bough_error_last()), "c");
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        CHECK_EQ(bough_checkpoint(), 0); /* and not that of the block */
        check_says(start(an, .type = "clerk", .argument = bough_text("x")), "say_state", "x");
    }
    CHECK_STR(notes(), "setup;setup;teardown;");
    return rc;
}

ACTOR_TEST(a_start_that_is_cancelled_in_the_setup_leaves_nothing)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = NULL;
        struct bough_actor_spec spec = {
            .type = "clerk", .place = place, .argument = bough_text("hang")};
        bough_fail_after (300 * BOUGH_MS, &rc)
            rc = bough_actor_start(an, &spec, &a);
        CHECK_RC(rc, -ETIMEDOUT);
        CHECK(!a);
        CHECK_STR(notes(), "setup;setup cancelled;");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_start_that_is_cancelled_at_any_time_leaves_nothing)
{
    int rc = 0;
    bough_with_actors (an, &rc)
        for (int i = 0; i < 40; i++) {
            struct bough_actor *a = NULL;
            struct bough_actor_spec spec = {.type = "bare", .place = place};
            bough_move_on_after (i * 100 * BOUGH_US, &rc)
                rc = bough_actor_start(an, &spec, &a);
            CHECK_RC(rc, 0);
            if (a)
                CHECK_RC(bough_actor_stop(a, NULL), 0);
        }
    return rc;
}

ACTOR_TEST(a_manager_is_open_as_long_as_the_actor_is)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "managed");
        check_says(a, "say_state", "managed");
        CHECK_STR(notes(), "enter;");
    }
    CHECK_STR(notes(), "enter;exit;");
    return rc;
}

ACTOR_TEST(a_manager_that_fails_before_its_yield_is_the_failure_of_the_start)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        (void)try(an, -EACCES, .type = "managed", .argument = bough_text("refuses"));
        CHECK_STR(WHY, "not you");
        (void)try(an, -EPROTO, .type = "hollow");
    }
    return rc;
}

ACTOR_TEST(a_nursery_of_the_manager_that_fails_takes_the_actor_down_with_that_error)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "managed", .name = "m", .argument = bough_text("fails"));
        int call = bough_call(a, "hang", BOUGH_NO_BYTES, NULL);
        CHECK(call < 0);
        rc = bough_sleep_forever(); /* the block is told */
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_STR(WHY, "the line is cut");
    CHECK_HAS(bough_error_task(bough_error_last()), "m/fail_later");
    CHECK_STR(notes(), "enter;hangs;hung;exit;");
    return 0;
}

ACTOR_TEST(a_timeout_of_the_manager_ends_the_actor)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mayfly", .may_fail = true);
        CHECK_EQ(bough_actor_join(a), -ETIMEDOUT);
        CHECK(!bough_actor_is_up(a));
    }
    return rc;
}

struct caller {
    struct bough_actor *a;
    const char *operation;
    int rc;
    char why[256];
};

static int call_one(void *arg)
{
    struct caller *c = arg;
    c->rc = bough_call(c->a, c->operation, BOUGH_NO_BYTES, NULL);
    if (c->rc < 0)
        snprintf(c->why, sizeof(c->why), "%s", WHY);
    return 0;
}

ACTOR_TEST(the_end_of_the_block_lets_calls_end)
{
    int rc = 0;
    struct caller c = {.operation = "brief", .rc = 1};
    bough_with_nursery (n, &rc)
        bough_with_actors (an, &rc) {
            c.a = start(an, .type = "clerk", .argument = bough_text("x"));
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("works");
        }
    CHECK_EQ(c.rc, 0);
    CHECK_HAS(notes(), "worked;teardown;");
    return rc;
}

ACTOR_TEST(a_gentle_stop_lets_calls_end)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "clerk", .name = "c", .argument = bough_text("x"));
        struct caller c = {.a = a, .operation = "brief", .rc = 1};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("works");
            CHECK_RC(bough_actor_stop(a, NULL), 0);
            CHECK_EQ(bough_call(a, "brief", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
            CHECK_HAS(WHY, "the actor c has ended");
        }
        CHECK_EQ(c.rc, 0);
        CHECK_HAS(notes(), "worked;teardown;");
    }
    return rc;
}

static int stop_gently(void *arg)
{
    return bough_actor_stop(arg, NULL);
}

ACTOR_TEST(an_actor_that_is_stopping_refuses_calls)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "clerk", .name = "c", .argument = bough_text("x"));
        struct caller first = {.a = a, .operation = "brief"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &first);
            await_note("works");
            rc = bough_nursery_start_soon(n, stop_gently, a);
            CHECK_EQ(bough_sleep(5 * BOUGH_MS), 0);
            CHECK(!bough_actor_is_up(a));
            CHECK_EQ(bough_call(a, "brief", BOUGH_NO_BYTES, NULL), -EPIPE);
            CHECK_HAS(WHY, "the actor c is stopping");
        }
        CHECK_EQ(first.rc, 0);
    }
    return rc;
}

ACTOR_TEST(a_stop_with_a_reason_cancels_calls_and_tears_down)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clerk", .argument = bough_text("x"));
        struct caller c = {.a = a, .operation = "hang"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("hangs");
            CHECK_RC(bough_actor_stop(a, "no more"), 0);
        }
        CHECK_EQ(c.rc, -ECANCELED);
        CHECK_HAS(c.why, "no more");
        CHECK_STR(notes(), "setup;hangs;hung;teardown;");
        CHECK_RC(bough_actor_stop(a, NULL), 0); /* again */
        CHECK_RC(bough_actor_join(a), 0);
    }
    return rc;
}

ACTOR_TEST(a_gentle_stop_that_is_cancelled_is_one_with_a_reason)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clerk", .argument = bough_text("x"));
        struct caller c = {.a = a, .operation = "hang"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("hangs");
            bough_fail_after (20 * BOUGH_MS, &rc)
                rc = bough_actor_stop(a, NULL);
            CHECK_EQ(rc, -ETIMEDOUT);
            CHECK(!bough_actor_is_up(a));
            CHECK_RC(bough_actor_join(a), 0);
            rc = 0;
        }
        CHECK_EQ(c.rc, -ECANCELED);
        CHECK_STR(notes(), "setup;hangs;hung;teardown;");
    }
    return rc;
}

ACTOR_TEST(any_number_of_tasks_stop_it)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clerk", .argument = bough_text("x"));
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 5 && rc == 0; i++)
                rc = bough_nursery_start_soon(n, stop_gently, a);
    }
    CHECK_STR(notes(), "setup;teardown;");
    return rc;
}

ACTOR_TEST(a_teardown_that_fails_comes_out_of_the_block)
{
    int rc = 0;
    bough_with_actors (an, &rc)
        (void)start(an, .type = "clerk", .name = "c", .argument = bough_text("teardown fails"));
    CHECK_EQ(rc, -EUCLEAN);
    CHECK_STR(WHY, "the state is a mess");
    CHECK_HAS(bough_error_task(bough_error_last()), "c");
    return 0;
}

ACTOR_TEST(a_teardown_that_fails_is_what_join_and_stop_return)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "clerk", .may_fail = true, .argument = bough_text("teardown fails"));
        CHECK_EQ(bough_actor_stop(a, NULL), -EUCLEAN);
        CHECK_EQ(bough_actor_join(a), -EUCLEAN);
        CHECK_STR(WHY, "the state is a mess");
        CHECK_EQ(bough_actor_join(a), -EUCLEAN); /* again: the same */
        a = start(an, .type = "clerk", .may_fail = true, .argument = bough_text("teardown fails"));
        CHECK_EQ(bough_actor_stop(a, "now"), -EUCLEAN);
    }
    return rc;
}

ACTOR_TEST(a_body_that_fails_cancels_what_actors_do_and_they_are_torn_down)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clerk", .argument = bough_text("x"));
        bough_move_on_after (20 * BOUGH_MS, &rc)
            rc = bough_call(a, "hang", BOUGH_NO_BYTES, NULL);
        rc = bough_fail(-EIO, "enough");
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK_STR(notes(), "setup;hangs;hung;teardown;");
    return 0;
}

ACTOR_TEST(a_block_that_is_left_early_or_cancelled_ends_its_actors)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        (void)start(an, .type = "clerk", .argument = bough_text("x"));
        break;
    }
    CHECK_RC(rc, 0);
    CHECK_STR(notes(), "setup;teardown;");
    bough_move_on_after (300 * BOUGH_MS, &rc)
        bough_with_actors (an, &rc) {
            (void)start(an, .type = "clerk", .argument = bough_text("x"));
            rc = bough_sleep_forever();
        }
    CHECK_RC(rc, 0);
    CHECK_STR(notes(), "setup;teardown;setup;teardown;");
    return rc;
}

ACTOR_TEST(specs_that_make_no_sense_are_refused)
{
    int rc = 0;
    char name[100];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    bough_with_actors (an, &rc) {
        (void)try(an, -ENOENT, .type = "unheard_of");
        CHECK_HAS(WHY, "unheard_of");
        (void)try(an, -EINVAL, .type = NULL);
        (void)try(an, -EINVAL, .type = "bare", .name = name);
        (void)try(an, -EINVAL, .type = name);
        struct bough_actor *a = NULL;
        struct bough_actor_spec spec = {.type = "bare", .place = (enum bough_place)7};
        CHECK_EQ(bough_actor_start(an, &spec, &a), -EINVAL);
    }
    return rc;
}

ACTOR_TEST(actors_without_a_name_get_one_each)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "bare"), *b = start(an, .type = "bare");
        CHECK(strncmp(bough_actor_name(a), "bare-", 5) == 0);
        CHECK(strcmp(bough_actor_name(a), bough_actor_name(b)) != 0);
    }
    return rc;
}

ACTOR_TEST(what_was_not_started_here_is_neither_stopped_nor_joined)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "bare", .name = "b"), *found;
        CHECK_RC(bough_actor_find("b", &found), 0);
        if (found != a) {
            CHECK_EQ(bough_actor_join(found), -EINVAL);
            CHECK_EQ(bough_actor_stop(found, NULL), -EINVAL);
        }
        bough_actor_release(found);
    }
    return rc;
}

ACTOR_TEST(a_block_that_has_ended_starts_no_more)
{
    struct bough_actors an;
    bough_actors_open(&an);
    (void)start(&an, .type = "bare");
    CHECK_RC(bough_actors_close(&an, 0), 0);
    (void)try(&an, -EBADF, .type = "bare");
    return 0;
}

ACTOR_TEST(twenty_actors_at_once_are_no_problem)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *all[20];
        for (int i = 0; i < 20; i++)
            all[i] = start(an, .type = "clerk", .argument = bough_text("x"));
        for (int i = 0; i < 20; i++)
            check_says(all[i], "say_state", "x");
    }
    return rc;
}

ACTOR_TEST(one_run_after_the_other_has_actors)
{
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        bough_with_actors (an, &rc)
            check_says(start(an, .type = "clerk", .argument = bough_text("x")), "say_state", "x");
    return rc;
}
