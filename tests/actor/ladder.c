/* The stop ladder: asked; after its grace SIGTERM; a second later SIGKILL. Grace is short here, and
 * time is real; what is measured has generous limits.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

/* --- over there --- */

static int quick(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return 0;
}

/* Its loop runs, but it does not end. */
static int ignores_cancels(struct bough_call *call, void *state)
{
    int rc = 0;
    (void)call, (void)state;
    note("ignores;");
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep_forever();
    return rc;
}

/* The same, for a while. */
static int ignores_for_a_while(struct bough_call *call, void *state)
{
    int rc = 0;
    (void)call, (void)state;
    note("ignores;");
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep(300 * BOUGH_MS);
    note("ends;");
    return rc;
}

/* Its loop is stuck: in a call that ThreadSanitizer lets a signal interrupt, which a bare loop is
 * not. */
static int stuck(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    note("stuck;");
    for (;;)
        usleep(1000);
    return 0;
}

static int stuck_without_sigterm(struct bough_call *call, void *state)
{
    signal(SIGTERM, SIG_IGN);
    return stuck(call, state);
}

static int stops_itself(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    note("stopped;");
    raise(SIGSTOP);
    return 0;
}

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_sleep_forever();
}

static int teardown(void *state)
{
    int rc = 0;
    (void)state;
    note("teardown;");
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep_forever();
    return rc;
}

static int slow_setup(struct bough_bytes argument, void **ret_state)
{
    int rc = 0;
    (void)argument, (void)ret_state;
    note("setup;");
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep_forever();
    return rc;
}

static int stuck_setup(struct bough_bytes argument, void **ret_state)
{
    (void)argument, (void)ret_state;
    return stuck(NULL, NULL);
}

static const struct bough_operation operations[] = {
    {"quick", quick},
    {"ignores_cancels", ignores_cancels},
    {"ignores_for_a_while", ignores_for_a_while},
    {"stuck", stuck},
    {"stuck_without_sigterm", stuck_without_sigterm},
    {"stops_itself", stops_itself},
    {"hang", hang},
    {0}};
BOUGH_ACTOR(mule, .operations = operations);
BOUGH_ACTOR(clinger, .operations = operations, .teardown = teardown);
BOUGH_ACTOR(sleeper, .operations = operations, .setup = slow_setup);
BOUGH_ACTOR(blocker, .operations = operations, .setup = stuck_setup);

/* --- here --- */

#define GRACE (100 * BOUGH_MS)

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

/* Between so many milliseconds, and twenty times that and a second. */
static void check_took(int64_t begun, int ms)
{
    int64_t took = (bough_now() - begun) / BOUGH_MS;
    if (took < ms || (took > ms + 1000 + 20 * ms && !test_on_valgrind() && !test_is_sanitized()))
        test_fail(__FILE__, __LINE__, "it took %lld ms, not about %d", (long long)took, ms);
}

ACTOR_TEST(an_actor_that_ends_when_it_is_asked_takes_no_grace)
{
    int rc = 0;
    int64_t begun = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .grace = BOUGH_MINUTE);
        struct caller c = {.a = a, .operation = "hang"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            begun = bough_now();
            CHECK_RC(bough_actor_stop(a, "now"), 0);
        }
    }
    check_took(begun, 0);
    return rc;
}

ACTOR_TEST(an_operation_that_ignores_cancels_is_waited_for_within_the_grace)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .grace = 10 * BOUGH_SEC);
        struct caller c = {.a = a, .operation = "ignores_for_a_while"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("ignores");
            CHECK_RC(bough_actor_stop(a, "now"), 0);
            CHECK_HAS(notes(), "ends");
        }
        CHECK_EQ(c.rc, 0); /* it has not been cut short */
    }
    return rc;
}

ACTOR_TEST(an_operation_that_ignores_cancels_for_ever_is_killed_after_the_grace)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .name = "m", .grace = GRACE);
        struct caller c = {.a = a, .operation = "ignores_cancels"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("ignores");
            int64_t begun = bough_now();
            CHECK_RC(bough_actor_stop(a, "now"), 0); /* as asked */
            check_took(begun, GRACE / BOUGH_MS);
        }
        CHECK_EQ(c.rc, -EOWNERDEAD);
        CHECK_HAS(c.why, "the actor m has");
    }
    return rc;
}

ACTOR_TEST(a_gentle_stop_waits_for_calls_longer_than_the_grace)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .grace = GRACE);
        struct caller c = {.a = a, .operation = "ignores_for_a_while"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("ignores");
            CHECK_RC(bough_actor_stop(a, NULL), 0);
        }
        CHECK_EQ(c.rc, 0);
    }
    return rc;
}

ACTOR_TEST(a_stuck_loop_is_killed_when_it_does_not_acknowledge)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    static const char *const operations_that_are[] = {"stuck", "stuck_without_sigterm",
                                                      "stops_itself"};
    for (int i = 0; i < 3; i++) {
        bough_with_actors (an, &rc) {
            struct bough_actor *a = start(an, .type = "mule", .name = "m", .grace = GRACE);
            struct caller c = {.a = a, .operation = operations_that_are[i]};
            bough_with_nursery (n, &rc) {
                rc = bough_nursery_start_soon(n, call_one, &c);
                await_note(i < 2 ? "stuck" : "stopped");
                int64_t begun = bough_now();
                rc = bough_actor_stop(a, NULL);
                CHECK_EQ(rc, -EOWNERDEAD); /* it was asked gently, and had to be killed */
                CHECK_HAS(WHY, "did not answer");
                rc = 0;
                check_took(begun, GRACE / BOUGH_MS + (i == 1 ? 1000 : 0));
            }
            CHECK_EQ(c.rc, -EOWNERDEAD);
        }
        CHECK_EQ(rc, -EOWNERDEAD);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_cancelled_call_to_a_stuck_loop_has_it_killed)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "mule", .name = "m", .grace = GRACE, .may_fail = true);
        int64_t begun = bough_now();
        bough_move_on_after (20 * BOUGH_MS, &rc)
            rc = bough_call(a, "stuck", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -EOWNERDEAD);
        check_took(begun, GRACE / BOUGH_MS);
        CHECK_EQ(bough_actor_join(a), -EOWNERDEAD);
        CHECK_HAS(WHY, "did not answer for 100 ms");
        rc = 0;
    }
    return rc;
}

/* --- users that are not in the block of the actor --- */

static int call_with_much(void *arg)
{
    static char much[1900]; /* not enough for shared memory */
    struct caller *c = arg;
    c->rc = bough_call(c->a, "hang", (struct bough_bytes){much, sizeof(much)}, NULL);
    return 0;
}

enum { MANY = 1000 /* there is no room for so many */ };

static int leave_those_who_wait_for_room(void *arg)
{
    static struct caller callers[MANY];
    enum bough_place place = *(enum bough_place *)arg;
    int rc = 0;
    bough_with_nursery (users, &rc) {
        bough_with_actors (an, &rc) {
            struct bough_actor *a = start(an, .type = "mule", .grace = GRACE, .may_fail = true);
            for (int i = 0; i < MANY; i++) {
                callers[i] = (struct caller){.a = a};
                CHECK_EQ(bough_nursery_start_soon(users, call_with_much, &callers[i]), 0);
            }
            CHECK_EQ(kill(bough_actor_pid(a), SIGSTOP), 0);
            CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0); /* so that they are all parked */
            break;
        }
    }
    for (int i = 0; i < MANY; i++)
        CHECK(callers[i].rc == -EOWNERDEAD || callers[i].rc == -EPIPE);
    return rc;
}

static int join_one(void *arg)
{
    struct caller *c = arg;
    c->rc = bough_actor_join(c->a);
    return 0;
}

static int join_from_outside(void *arg)
{
    struct caller c[4];
    int rc = 0;
    bough_with_nursery (users, &rc) {
        bough_with_actors (an, &rc) {
            struct bough_actor *a;
            struct bough_actor_spec spec = {.type = "mule", .place = *(enum bough_place *)arg};
            CHECK_EQ(bough_actor_start(an, &spec, &a), 0);
            for (int i = 0; i < 4; i++) {
                c[i] = (struct caller){.a = a};
                CHECK_EQ(bough_nursery_start_soon(users, join_one, &c[i]), 0);
            }
            rc = bough_checkpoint();
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(c[i].rc, 0);
    return rc;
}

/* Whoever runs first, they or the block. */
static void in_many_orders(int (*fn)(void *arg), enum bough_place place)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct bough_run_options options = {.seed = seed};
        CHECK_RC(bough_run_with(&options, fn, &place), 0);
    }
}

TEST(who_waits_for_room_in_a_link_may_run_after_the_block_of_the_actor)
{
    if (test_is_emulated())
        test_skip("no processes can be started here");
    in_many_orders(leave_those_who_wait_for_room, BOUGH_PLACE_PROCESS);
}

TEST(who_joins_an_actor_may_run_after_its_block)
{
    in_many_orders(join_from_outside, BOUGH_PLACE_THREAD);
}

ACTOR_TEST(a_cancelled_call_that_is_acknowledged_has_nothing_killed)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .grace = GRACE);
        bough_move_on_after (20 * BOUGH_MS, &rc)
            rc = bough_call(a, "ignores_for_a_while", BOUGH_NO_BYTES, NULL);
        CHECK_RC(rc, 0);
        CHECK_HAS(notes(), "ends");
        CHECK_RC(bough_call(a, "quick", BOUGH_NO_BYTES, NULL), 0);
    }
    return rc;
}

static int call_and_cancel(void *arg)
{
    struct bough_actor *a = arg;
    int64_t end = bough_now() + 8 * GRACE; /* longer than its grace */
    int rc = 0;
    while (rc == 0 && bough_now() < end)
        bough_move_on_after (500 * BOUGH_US, &rc)
            rc = bough_call(a, "hang", BOUGH_NO_BYTES, NULL);
    return rc;
}

ACTOR_TEST(cancels_without_a_pause_that_are_all_acknowledged_are_no_sign_of_being_stuck)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .grace = 5 * GRACE);
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 8 && rc == 0; i++)
                rc = bough_nursery_start_soon(n, call_and_cancel, a);
        CHECK_RC(bough_call(a, "quick", BOUGH_NO_BYTES, NULL), 0);
    }
    return rc;
}

ACTOR_TEST(a_teardown_that_hangs_is_killed_after_the_grace)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    int64_t begun = 0;
    bough_with_actors (an, &rc) {
        (void)start(an, .type = "clinger", .name = "c", .grace = GRACE);
        begun = bough_now();
    }
    check_took(begun, GRACE / BOUGH_MS);
    CHECK_EQ(rc, -EOWNERDEAD);
    CHECK_HAS(WHY, "did not answer");
    CHECK_HAS(notes(), "teardown");
    return 0;
}

ACTOR_TEST(a_setup_that_hangs_or_is_stuck_is_killed_when_the_start_is_cancelled)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    static const char *const types[] = {"sleeper", "blocker"};
    bough_with_actors (an, &rc)
        for (int i = 0; i < 2; i++) {
            struct bough_actor *a;
            struct bough_actor_spec spec = {.type = types[i], .place = place, .grace = GRACE};
            bough_fail_after (100 * BOUGH_MS, &rc)
                rc = bough_actor_start(an, &spec, &a);
            CHECK_RC(rc, -ETIMEDOUT);
            rc = 0;
        }
    return rc;
}

ACTOR_TEST(no_grace_is_sigkill_at_once)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mule", .grace = -1);
        struct caller c = {.a = a, .operation = "stuck_without_sigterm"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("stuck");
            int64_t begun = bough_now();
            CHECK_RC(bough_actor_stop(a, "now"), 0);
            CHECK(bough_now() - begun < 900 * BOUGH_MS || test_is_sanitized());
        }
        CHECK_EQ(c.rc, -EOWNERDEAD);
    }
    return rc;
}

ACTOR_TEST(all_actors_of_a_block_climb_the_ladder_at_once)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    int64_t begun = 0;
    struct caller callers[6];
    bough_with_nursery (n, &rc) {
        bough_with_actors (an, &rc) {
            for (int i = 0; i < 6; i++) {
                struct bough_actor *a = start(an, .type = "mule", .grace = 3 * GRACE);
                callers[i] = (struct caller){.a = a, .operation = "ignores_cancels"};
                CHECK_EQ(bough_nursery_start_soon(n, call_one, &callers[i]), 0);
            }
            await_note("ignores;ignores;ignores;ignores;ignores;ignores;");
            begun = bough_now();
            rc = bough_fail(-EIO, "enough");
        }
        int64_t took = bough_now() - begun;
        CHECK(took >= 3 * GRACE);
        CHECK(took < 12 * GRACE || test_is_sanitized() || test_on_valgrind());
        CHECK_EQ(rc, -EIO);
        rc = 0;
    }
    for (int i = 0; i < 6; i++)
        CHECK_EQ(callers[i].rc, -EOWNERDEAD);
    return rc;
}
