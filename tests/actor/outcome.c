/* What comes out of a dialogue, or a call, when several things go wrong at once:
 *
 *     the body's own error > the error from there > death > cancelled by somebody else >
 *     our own scope's cancel > the cancel that we asked for > the value
 *
 * A test for each pair that can meet; both are in the tree if both are failures.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

/* --- over there --- */

static int begin(struct bough_call *call)
{
    int rc = bough_call_started(call, BOUGH_NO_BYTES, NULL);
    note("begun;");
    return rc;
}

static int value(struct bough_call *call, void *state)
{
    (void)state;
    int rc = begin(call);
    return rc < 0 ? rc : bough_call_reply(call, bough_text("value"));
}

static int fail(struct bough_call *call, void *state)
{
    (void)state;
    int rc = begin(call);
    return rc < 0 ? rc : bough_fail(-EIO, "from there");
}

static int hang(struct bough_call *call, void *state)
{
    (void)state;
    int rc = begin(call);
    return rc < 0 ? rc : bough_sleep_forever();
}

static int fail_when_cancelled(struct bough_call *call, void *state)
{
    (void)hang(call, state);
    return bough_fail(-EIO, "from there");
}

static int die(struct bough_call *call, void *state)
{
    (void)begin(call), (void)state;
    raise(SIGKILL);
    return 0;
}

static int die_when_cancelled(struct bough_call *call, void *state)
{
    (void)hang(call, state);
    raise(SIGKILL);
    return 0;
}

/* Cancelled, it takes a while, in which more may come. */
static int end_slowly(struct bough_call *call, void *state)
{
    int shielded = 0;
    int rc = hang(call, state);
    note("ending;");
    bough_shielded (BOUGH_SEC, &shielded)
        shielded = bough_sleep(50 * BOUGH_MS);
    return rc;
}

static int flooded(struct bough_call *call, void *state)
{
    (void)state;
    int rc = begin(call);
    if (rc == 0)
        rc = bough_sleep(30 * BOUGH_MS);
    return rc < 0 ? rc : bough_fail(-EIO, "from there");
}

static const struct bough_operation operations[] = {{"value", value},
                                                    {"fail", fail},
                                                    {"hang", hang},
                                                    {"fail_when_cancelled", fail_when_cancelled},
                                                    {"die", die},
                                                    {"die_when_cancelled", die_when_cancelled},
                                                    {"end_slowly", end_slowly},
                                                    {"flooded", flooded},
                                                    {0}};
BOUGH_ACTOR(worker, .operations = operations);

/* --- here --- */

/* It may die. */
static struct bough_actor *start_worker(struct bough_actors *an, enum bough_place place)
{
    return start(an, .type = "worker", .name = "w", .may_fail = true);
}

static void check_has(int rc, int code, const char *words)
{
    const struct bough_error *e = bough_error_find(bough_error_last(), code);
    if (!e)
        bough_error_print(bough_error_last(), stderr);
    CHECK(rc < 0 && e);
    CHECK_HAS(bough_error_message(e), words);
}

/* Both failures are there, of two parts. */
static void check_both(int *rc, int code)
{
    CHECK_EQ(*rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
    check_has(*rc, -EINVAL, "the body's own");
    CHECK(bough_error_find(bough_error_last(), code));
    *rc = 0;
}

static int own(void)
{
    return bough_fail(-EINVAL, "the body's own");
}

ACTOR_TEST(the_value_alone)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "value", BOUGH_NO_BYTES, &rc)
            rc = 5;
        CHECK_EQ(rc, 5);
    }
    return rc;
}

ACTOR_TEST(own_error_and_value)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "value", BOUGH_NO_BYTES, &rc) {
            CHECK_RC(bough_dialogue_result(d, NULL), 0);
            rc = own();
        }
        CHECK_EQ(rc, -EINVAL);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(own_error_and_the_cancel_that_it_asked_for)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "hang", BOUGH_NO_BYTES, &rc)
            rc = own();
        CHECK_EQ(rc, -EINVAL);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(own_error_and_the_error_from_there)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "fail_when_cancelled", BOUGH_NO_BYTES, &rc)
            rc = own();
        check_both(&rc, -EIO);
    }
    return rc;
}

ACTOR_TEST(own_error_and_death)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "die_when_cancelled", BOUGH_NO_BYTES, &rc)
            rc = own();
        check_both(&rc, -EOWNERDEAD);
    }
    return rc;
}

static int stop(void *arg)
{
    return bough_actor_stop(arg, "by a third party");
}

ACTOR_TEST(own_error_and_cancelled_by_somebody_else)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "hang", BOUGH_NO_BYTES, &rc) {
            int shielded = 0;
            bough_shielded (BOUGH_SEC, &shielded)
                shielded = stop(w);
            CHECK_RC(shielded, 0);
            rc = own();
        }
        CHECK_EQ(rc, -EINVAL);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(own_error_and_our_scopes_cancel)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_move_on_after (20 * BOUGH_MS, &rc)
            bough_with_dialogue (d, w, "hang", BOUGH_NO_BYTES, &rc) {
                CHECK_EQ(bough_sleep_forever(), -ECANCELED);
                rc = own();
            }
        CHECK_EQ(rc, -EINVAL);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(the_error_from_there_and_our_scopes_cancel)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_move_on_after (20 * BOUGH_MS, &rc)
            bough_with_dialogue (d, w, "fail_when_cancelled", BOUGH_NO_BYTES, &rc)
                rc = bough_sleep_forever();
        CHECK_EQ(rc, -EIO);
        check_has(rc, -EIO, "from there");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(the_error_from_there_and_the_cancel_that_we_asked_for)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "fail_when_cancelled", BOUGH_NO_BYTES, &rc)
            bough_dialogue_cancel(d, "please");
        CHECK_EQ(rc, -EIO);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(the_error_from_there_and_cancelled_by_somebody_else)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_nursery (n, &rc)
            bough_with_dialogue (d, w, "fail_when_cancelled", BOUGH_NO_BYTES, &rc) {
                rc = bough_nursery_start_soon(n, stop, w);
                rc = bough_sleep_forever();
            }
        CHECK_EQ(rc, -EIO);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(the_error_from_there_and_death_after_it)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "fail", BOUGH_NO_BYTES, &rc) {
            int shielded = 0;
            bough_shielded (5 * BOUGH_SEC, &shielded) {
                CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0);
                kill(bough_actor_pid(w), SIGKILL);
                CHECK_EQ(bough_actor_join(w), -EOWNERDEAD);
            }
        }
        CHECK_EQ(rc, -EIO);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_sender_that_waits_does_not_fail_a_second_time)
{
    int rc = 0;
    char much[300 << 10] = {0};
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "flooded", BOUGH_NO_BYTES, &rc)
            while (rc == 0)
                rc = bough_dialogue_send(d, BOUGH_BYTES(much));
        CHECK_EQ(rc, -EIO);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(death_alone_is_told_once_whoever_has_seen_it)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    for (int i = 0; i < 2; i++) {
        bough_with_actors (an, &rc) {
            struct bough_actor *w = start(an, .type = "worker", .name = "w", .may_fail = i == 0);
            bough_with_dialogue (d, w, "die", BOUGH_NO_BYTES, &rc) {
                struct bough_message m;
                if (i)
                    rc = bough_sleep_forever();
                else
                    bough_shielded (5 * BOUGH_SEC, &rc)
                        rc = bough_dialogue_receive(d, &m);
            }
            CHECK_EQ(rc, -EOWNERDEAD);
        }
        CHECK_EQ(rc, -EOWNERDEAD);
        check_has(rc, -EOWNERDEAD, "SIGKILL");
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(death_and_our_scopes_cancel)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_move_on_after (20 * BOUGH_MS, &rc)
            bough_with_dialogue (d, w, "die_when_cancelled", BOUGH_NO_BYTES, &rc)
                rc = bough_sleep_forever();
        CHECK_EQ(rc, -EOWNERDEAD);
        w = start_worker(an, place);
        bough_move_on_after (20 * BOUGH_MS, &rc)
            rc = bough_call(w, "die_when_cancelled", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -EOWNERDEAD);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(death_and_the_cancel_that_we_asked_for)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "die_when_cancelled", BOUGH_NO_BYTES, &rc)
            bough_dialogue_cancel(d, "please");
        CHECK_EQ(rc, -EOWNERDEAD);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(cancelled_by_somebody_else_is_an_error)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_nursery (n, &rc)
            bough_with_dialogue (d, w, "hang", BOUGH_NO_BYTES, &rc) {
                rc = bough_nursery_start_soon(n, stop, w);
                rc = bough_sleep_forever();
            }
        CHECK_EQ(rc, -ECANCELED);
        check_has(rc, -ECANCELED, "by a third party");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(cancelled_by_somebody_else_and_by_us)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_nursery (n, &rc)
            bough_with_dialogue (d, w, "end_slowly", BOUGH_NO_BYTES, &rc) {
                rc = bough_nursery_start_soon(n, stop, w);
                await_note("ending");
                bough_dialogue_cancel(d, "and by us");
            }
        CHECK_EQ(rc, -ECANCELED);
        check_has(rc, -ECANCELED, "by a third party");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(cancelled_by_somebody_else_and_our_scopes_cancel)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        struct bough_scope scope = BOUGH_SCOPE();
        bough_with_nursery (n, &rc) {
            bough_scope_enter(&scope);
            rc = bough_nursery_start_soon(n, stop, w);
            bough_with_dialogue (d, w, "end_slowly", BOUGH_NO_BYTES, &rc) {
                await_note("ending");
                bough_scope_cancel(&scope, "by our own scope");
                rc = bough_sleep_forever();
            }
            rc = bough_scope_exit(&scope, rc);
        }
        CHECK_RC(rc, 0); /* which is what is going on here, whatever it was there */
    }
    return rc;
}

ACTOR_TEST(our_scopes_cancel_and_the_one_that_we_asked_for)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_fail_after (20 * BOUGH_MS, &rc)
            bough_with_dialogue (d, w, "end_slowly", BOUGH_NO_BYTES, &rc) {
                bough_dialogue_cancel(d, "please");
                rc = bough_sleep_forever();
            }
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(our_scopes_cancel_and_the_value)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_fail_after (20 * BOUGH_MS, &rc)
            bough_with_dialogue (d, w, "value", BOUGH_NO_BYTES, &rc)
                rc = bough_sleep_forever();
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(the_cancel_that_we_asked_for_and_the_value)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *w = start_worker(an, place);
        bough_with_dialogue (d, w, "value", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0);
            bough_dialogue_cancel(d, "too late");
            CHECK_RC(bough_dialogue_result(d, &m), 0);
            CHECK_STR((char *)m.data, "value");
            bough_message_free(&m);
        }
    }
    return rc;
}
