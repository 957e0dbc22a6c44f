/* Cancels that cross: what is cancelled, why, and what is not.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

/* --- over there --- */

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    note("begun;");
    int rc = bough_sleep_forever();
    note("%s;", bough_scope_reason(bough_scope_current()));
    return rc;
}

/* Takes a while to end. */
static int hang_slowly(struct bough_call *call, void *state)
{
    int shielded = 0;
    int rc = hang(call, state);
    bough_shielded (BOUGH_SEC, &shielded)
        shielded = bough_sleep(100 * BOUGH_MS);
    note("ended;");
    return shielded < 0 ? shielded : rc;
}

static int fail_when_cancelled(struct bough_call *call, void *state)
{
    (void)hang(call, state);
    return bough_fail(-EIO, "cleaning up failed");
}

/* Both: cancelled, and it could not clean up. */
static int fail_beside_the_cancel(struct bough_call *call, void *state)
{
    int rc = hang(call, state);
    return bough_keep(rc, bough_fail(-EIO, "cleaning up failed"));
}

static int reply_when_cancelled(struct bough_call *call, void *state)
{
    (void)hang(call, state);
    return bough_call_reply(call, bough_text("won"));
}

static int quick(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_text("quick"));
}

/* Not by anybody's cancel. */
static int says_cancelled(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_fail(-ECANCELED, "the customer has changed his mind");
}

static int times_out(struct bough_call *call, void *state)
{
    int rc = 0;
    (void)call, (void)state;
    bough_fail_after (BOUGH_MS, &rc)
        rc = bough_sleep_forever();
    return rc;
}

static int relay(struct bough_call *call, void *state)
{
    struct bough_bytes request = bough_call_request(call);
    char name[32];
    snprintf(name, sizeof(name), "%.*s", (int)request.size, (const char *)request.data);
    return bough_call(state, name, BOUGH_NO_BYTES, NULL);
}

static const struct bough_operation operations[] = {
    {"hang", hang},
    {"hang_slowly", hang_slowly},
    {"fail_when_cancelled", fail_when_cancelled},
    {"reply_when_cancelled", reply_when_cancelled},
    {"quick", quick},
    {"says_cancelled", says_cancelled},
    {"fail_beside_the_cancel", fail_beside_the_cancel},
    {"times_out", times_out},
    {"relay", relay},
    {0}};
BOUGH_ACTOR(worker, .operations = operations);

static int with_worker(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    bough_with_actors (an, &rc)
        rc = bough_yield(self, start(an, .type = "worker", .name = "leaf"));
    return rc;
}
BOUGH_ACTOR(middle, .operations = operations, .manager = with_worker);

/* --- here --- */

struct caller {
    struct bough_actor *a;
    const char *operation;
    int rc;
    char why[256];
};

/* Its failure is looked at later. */
static int call_one(void *arg)
{
    struct caller *c = arg;
    c->rc = bough_call(c->a, c->operation, BOUGH_NO_BYTES, NULL);
    if (c->rc < 0)
        snprintf(c->why, sizeof(c->why), "%s", WHY);
    return 0;
}

ACTOR_TEST(the_reason_of_a_cancel_crosses_with_who_asked)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m =
            start(an, .type = "middle", .name = "m", .argument = BOUGH_BYTES(place));
        struct caller c = {.a = m, .operation = "hang"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("begun");
            bough_scope_cancel(bough_nursery_scope(n), "the user has closed the window");
        }
        CHECK_EQ(c.rc, -ECANCELED);
        CHECK_HAS(notes(), "cancelled: the user has closed the window (task main at ");
        CHECK_HAS(notes(), "), in the root;");
    }
    return rc;
}

ACTOR_TEST(a_cancel_crosses_two_hops)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m =
            start(an, .type = "middle", .name = "m", .argument = BOUGH_BYTES(place));
        bough_move_on_after (30 * BOUGH_MS, &rc)
            rc = bough_call(m, "relay", bough_text("hang"), NULL);
        CHECK_RC(rc, 0);
        /* Said once, however many have handed it on. */
        CHECK_HAS(notes(), "begun;deadline: the time of bough_move_on_after at ");
        CHECK_HAS(notes(), " was up, in the root;");
        CHECK(!strstr(notes(), "reader"));
    }
    return rc;
}

ACTOR_TEST(a_cancel_ends_its_call_and_no_other)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        struct caller stays = {.a = w, .operation = "hang"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &stays);
            await_note("begun;");
            for (int i = 0; i < 10; i++) {
                bough_move_on_after (BOUGH_MS, &rc)
                    rc = bough_call(w, "hang", BOUGH_NO_BYTES, NULL);
                CHECK_RC(rc, 0);
            }
            CHECK_EQ(stays.rc, 0);
            bough_scope_cancel(bough_nursery_scope(n), "enough");
        }
        CHECK_EQ(stays.rc, -ECANCELED);
    }
    return rc;
}

ACTOR_TEST(a_task_that_is_slow_to_end_does_not_hold_up_the_others)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        struct caller slow = {.a = w, .operation = "hang_slowly"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &slow);
            await_note("begun;");
            bough_scope_cancel(bough_nursery_scope(n), "now");
            int shielded = 0;
            bough_shielded (10 * BOUGH_SEC, &shielded)
                for (int i = 0; i < 10 && shielded == 0; i++)
                    shielded = bough_call(w, "quick", BOUGH_NO_BYTES, NULL);
            CHECK_RC(shielded, 0);
            CHECK(!strstr(notes(), "ended"));
        }
        CHECK_HAS(notes(), "ended"); /* and is waited for */
        CHECK_EQ(slow.rc, -ECANCELED);
    }
    return rc;
}

ACTOR_TEST(a_cancel_before_the_call_sends_nothing)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        bough_move_on_after (0, &rc)
            rc = bough_call(w, "hang", BOUGH_NO_BYTES, NULL);
        CHECK_RC(rc, 0);
        CHECK_RC(bough_call(w, "quick", BOUGH_NO_BYTES, NULL), 0);
        CHECK_STR(notes(), "");
    }
    return rc;
}

ACTOR_TEST(a_reply_that_wins_the_race_is_a_reply)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        bough_move_on_after (20 * BOUGH_MS, &rc) {
            struct bough_message reply;
            rc = bough_call(w, "reply_when_cancelled", BOUGH_NO_BYTES, &reply);
            CHECK_RC(rc, 0);
            CHECK_STR((char *)reply.data, "won");
            bough_message_free(&reply);
        }
    }
    return rc;
}

/* Its cleanup fails, and that is what who has cancelled it gets. */
static int cancel_what_fails(enum bough_place place, const char *operation)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        bough_move_on_after (20 * BOUGH_MS, &rc)
            rc = bough_call(w, operation, BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -EIO);
        CHECK_STR(WHY, "cleaning up failed");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_failure_while_cleaning_up_is_what_the_cancelled_caller_gets)
{
    return cancel_what_fails(place, "fail_when_cancelled");
}

ACTOR_TEST(a_failure_beside_a_cancel_is_not_lost)
{
    return cancel_what_fails(place, "fail_beside_the_cancel");
}

ACTOR_TEST(a_failure_beside_the_end_of_the_actor_is_not_lost)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        struct caller c = {.a = w, .operation = "fail_beside_the_cancel"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("begun;");
            CHECK_RC(bough_actor_stop(w, "closing"), 0);
        }
        CHECK_EQ(c.rc, -EIO);
        CHECK_STR(c.why, "cleaning up failed");
    }
    return rc;
}

/* Also if the task has been told before of a cancel that is nobody's. */
ACTOR_TEST(a_cancelled_call_says_why_and_is_absorbed_by_its_scope)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        CHECK_EQ(bough_call(w, "says_cancelled", BOUGH_NO_BYTES, NULL), -ECANCELED);
        bough_fail_after (20 * BOUGH_MS, &rc) {
            rc = bough_call(w, "hang", BOUGH_NO_BYTES, NULL);
            CHECK_HAS(WHY, "deadline: the time of bough_fail_after");
        }
        CHECK_EQ(rc, -ETIMEDOUT);
        CHECK_EQ(bough_call(w, "says_cancelled", BOUGH_NO_BYTES, NULL), -ECANCELED);
        rc = 0;
        bough_fail_after (20 * BOUGH_MS, &rc)
            bough_with_dialogue (d, w, "hang", BOUGH_NO_BYTES, &rc)
                test_fail(__FILE__, __LINE__, "it has not started");
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(cancelled_without_a_cancel_is_an_error_like_any_other)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker", .name = "w");
        CHECK_EQ(bough_call(w, "says_cancelled", BOUGH_NO_BYTES, NULL), -ECANCELED);
        CHECK_STR(WHY, "the customer has changed his mind");
    }
    return rc;
}

ACTOR_TEST(a_timeout_over_there_is_a_timeout_here)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        CHECK_EQ(bough_call(w, "times_out", BOUGH_NO_BYTES, NULL), -ETIMEDOUT);
    }
    return rc;
}

ACTOR_TEST(who_is_cancelled_by_a_third_party_is_told_by_whom_and_why)
{
    int rc = 0;
    struct caller callers[5];
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker", .name = "w");
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 5 && rc == 0; i++) {
                callers[i] = (struct caller){.a = w, .operation = "hang"};
                rc = bough_nursery_start_soon(n, call_one, &callers[i]);
            }
            await_note("begun;begun;begun;begun;begun;");
            CHECK_RC(bough_actor_stop(w, "the shop is closing"), 0);
        }
        for (int i = 0; i < 5; i++) { /* each once */
            CHECK_EQ(callers[i].rc, -ECANCELED);
            CHECK_HAS(callers[i].why, "w has cancelled it");
            CHECK_HAS(callers[i].why, ": the shop is closing (task main), in the root");
        }
    }
    return rc;
}

ACTOR_TEST(a_storm_of_calls_and_cancels_leaves_nothing_behind)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start(an, .type = "worker");
        for (int i = 0; i < test_scale(1200) / 4 && rc == 0; i++) {
            struct caller callers[4];
            bough_move_on_after (i % 7 * 30 * BOUGH_US, &rc)
                bough_with_nursery (n, &rc)
                    for (int k = 0; k < 4 && rc == 0; k++) {
                        callers[k] = (struct caller){.a = w, .operation = "quick"};
                        rc = bough_nursery_start_soon(n, call_one, &callers[k]);
                    }
        }
        CHECK_RC(rc, 0);
        CHECK_RC(bough_call(w, "quick", BOUGH_NO_BYTES, NULL), 0);
    }
    return rc;
}

/* --- Ctrl-C --- */

static int hang_in_place(void *arg)
{
    enum bough_place place = *(enum bough_place *)arg;
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m =
            start(an, .type = "middle", .name = "m", .argument = BOUGH_BYTES(place));
        struct caller c = {.a = m, .operation = "hang"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("begun");
            raise(SIGINT);
            rc = bough_sleep_forever();
        }
    }
    return rc;
}

TEST(ctrl_c_ends_the_whole_tree)
{
    int fd = notes_open();
    for (enum bough_place place = 0; place < (test_is_emulated() ? 1u : 2u); place++) {
        CHECK_EQ(ftruncate(fd, 0), 0);
        CHECK_EQ(bough_run(hang_in_place, &place), -EINTR);
        CHECK_HAS(notes(), "SIGINT");
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    }
}
