/* Dialogues: a task over there for a block here, how it is entered, and how it ends.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

/* --- over there --- */

/* Says what it was asked, and then sends back what comes, to the end. */
static int mirror(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, bough_call_request(call), &d);
    while (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        rc = bough_dialogue_send(d, bough_message_bytes(&m));
        bough_message_free(&m);
    }
    return rc < 0 ? rc : bough_call_reply(call, bough_text("done"));
}

/* Sends "0", "1", ... as many as asked, then ends. */
static int count(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    int wanted;
    char text[16];
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &wanted);
    if (rc == 0)
        rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    for (int i = 0; i < wanted && rc == 0; i++) {
        snprintf(text, sizeof(text), "%d", i);
        rc = bough_dialogue_send(d, bough_text(text));
    }
    return rc < 0 ? rc : bough_call_reply(call, bough_text("all"));
}

static int count_and_fail(struct bough_call *call, void *state)
{
    int rc = count(call, state);
    return rc < 0 ? rc : bough_fail(-EIO, "out of numbers");
}

/* Hangs; notes that it has ended, and how. */
static int hang(struct bough_call *call, void *state)
{
    int shielded = 0;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, NULL);
    if (rc == 0)
        rc = bough_sleep_forever();
    bough_shielded (BOUGH_SEC, &shielded)
        shielded = bough_sleep(5 * BOUGH_MS);
    CHECK_EQ(shielded, 0);
    note("ended: %s.", bough_scope_reason(bough_scope_current()));
    return rc;
}

static int never_starts(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_text("that was all"));
}

static int fails_before_start(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_fail(-ENOENT, "no such feed");
}

static int hangs_before_start(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_sleep_forever();
}

static int starts_twice(struct bough_call *call, void *state)
{
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, NULL);
    return rc < 0 ? rc : bough_call_started(call, BOUGH_NO_BYTES, NULL);
}

/* What the stream of a plain call says. */
static int uses_stream(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    CHECK_EQ(bough_call_started(call, bough_text("x"), &d), 0);
    CHECK_EQ(bough_dialogue_send(d, bough_text("x")), -EPROTO);
    CHECK_HAS(WHY, "no stream");
    CHECK_EQ(bough_dialogue_receive(d, &m), -EPROTO);
    CHECK_EQ(bough_dialogue_finish(d), 0);
    return bough_call_reply(call, bough_text("a plain call"));
}

/* This end has not opened it. */
static int asks_what_openers_ask(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    CHECK_EQ(bough_call_started(call, BOUGH_NO_BYTES, &d), 0);
    CHECK_EQ(bough_dialogue_result(d, &m), -EINVAL);
    bough_dialogue_cancel(d, "nothing happens");
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_dialogue_value(d).size, 0);
    return 0;
}

static int finishes_and_listens(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    int got = 0;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    CHECK_EQ(bough_dialogue_finish(d), 0);
    CHECK_EQ(bough_dialogue_finish(d), 0);
    CHECK_EQ(bough_dialogue_send(d, bough_text("late")), -EBADF);
    while (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        got++;
        bough_message_free(&m);
        rc = 0;
    }
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(got));
}

/* Starts, waits for a message, ends. */
static int one(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    if (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1)
        bough_message_free(&m);
    return rc < 0 ? rc : bough_call_reply(call, bough_text("one"));
}

static int starts_with_too_much(struct bough_call *call, void *state)
{
    size_t size = (16 << 20) + 1;
    char *much = calloc(1, size);
    (void)state;
    CHECK_EQ(bough_call_started(call, (struct bough_bytes){much, size}, NULL), -EMSGSIZE);
    free(much);
    return bough_call_started(call, bough_text("less"), NULL);
}

static const struct bough_operation operations[] = {
    {"mirror", mirror},
    {"count", count},
    {"count_and_fail", count_and_fail},
    {"hang", hang},
    {"never_starts", never_starts},
    {"fails_before_start", fails_before_start},
    {"hangs_before_start", hangs_before_start},
    {"starts_twice", starts_twice},
    {"uses_stream", uses_stream},
    {"asks_what_openers_ask", asks_what_openers_ask},
    {"finishes_and_listens", finishes_and_listens},
    {"one", one},
    {"starts_with_too_much", starts_with_too_much},
    {0}};
BOUGH_ACTOR(feed, .operations = operations);

/* --- here --- */

static void check_receives(struct bough_dialogue *d, const char *expected)
{
    struct bough_message m;
    CHECK_RC(bough_dialogue_receive(d, &m), 1);
    CHECK_STR(m.data ? (char *)m.data : "", expected);
    bough_message_free(&m);
}

static void check_result(struct bough_dialogue *d, const char *expected)
{
    struct bough_message m;
    CHECK_RC(bough_dialogue_result(d, &m), 0);
    CHECK_STR(m.data ? (char *)m.data : "", expected);
    bough_message_free(&m);
}

ACTOR_TEST(a_dialogue_is_entered_with_what_the_operation_says_when_it_has_started)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "mirror", bough_text("hello"), &rc) {
            CHECK_STR((char *)bough_dialogue_value(d).data, "hello");
            CHECK_EQ(bough_dialogue_value(d).size, 5);
        }
        CHECK_RC(rc, 0);
        bough_with_dialogue (d, feed, "mirror", BOUGH_NO_BYTES, &rc)
            CHECK_EQ(bough_dialogue_value(d).size, 0);
        CHECK_RC(rc, 0);
        bough_with_dialogue (d, feed, "mirror", (struct bough_bytes){"hello", 3}, &rc)
            CHECK_EQ(bough_dialogue_value(d).size, 3);
        CHECK_RC(rc, 0);
    }
    return rc;
}

ACTOR_TEST(messages_go_to_and_fro_in_order)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "mirror", BOUGH_NO_BYTES, &rc) {
            CHECK_RC(bough_dialogue_send(d, bough_text("a")), 0);
            check_receives(d, "a");
            CHECK_RC(bough_dialogue_send(d, bough_text("b")), 0);
            CHECK_RC(bough_dialogue_send(d, bough_text("")), 0);
            CHECK_RC(bough_dialogue_send(d, bough_text("c")), 0);
            check_receives(d, "b");
            check_receives(d, "");
            check_receives(d, "c");
        }
    }
    return rc;
}

ACTOR_TEST(after_the_last_message_comes_the_end_and_then_the_result)
{
    int rc = 0, wanted = 3;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "count", BOUGH_BYTES(wanted), &rc) {
            struct bough_message m;
            check_receives(d, "0");
            check_receives(d, "1");
            check_receives(d, "2");
            CHECK_EQ(bough_dialogue_receive(d, &m), 0);
            CHECK_EQ(bough_dialogue_receive(d, &m), 0);
            check_result(d, "all");
            check_result(d, ""); /* once */
        }
    }
    return rc;
}

ACTOR_TEST(waiting_for_the_result_drops_what_is_still_sent)
{
    int rc = 0, wanted = test_scale(20000); /* more than a window */
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "count", BOUGH_BYTES(wanted), &rc)
            check_result(d, "all");
    }
    return rc;
}

ACTOR_TEST(who_finishes_still_receives_and_the_other_end_sees_the_end)
{
    int rc = 0, got;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "mirror", BOUGH_NO_BYTES, &rc) {
            CHECK_RC(bough_dialogue_send(d, bough_text("last")), 0);
            CHECK_RC(bough_dialogue_finish(d), 0);
            CHECK_RC(bough_dialogue_finish(d), 0);
            CHECK_EQ(bough_dialogue_send(d, bough_text("later")), -EBADF);
            check_receives(d, "last");
            check_result(d, "done");
        }
        bough_with_dialogue (d, feed, "finishes_and_listens", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            CHECK_EQ(bough_dialogue_receive(d, &m), 0);
            CHECK_RC(bough_dialogue_send(d, bough_text("1")), 0);
            CHECK_RC(bough_dialogue_send(d, bough_text("2")), 0);
            CHECK_RC(bough_dialogue_result(d, &m), 0);
            CHECK_EQ(bough_message_get(&m, &got), 0);
            CHECK_EQ(got, 2);
            bough_message_free(&m);
        }
    }
    return rc;
}

ACTOR_TEST(sending_to_an_operation_that_has_ended_fails)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "one", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            CHECK_RC(bough_dialogue_send(d, bough_text("x")), 0);
            CHECK_EQ(bough_dialogue_receive(d, &m), 0);
            CHECK_EQ(bough_dialogue_send(d, bough_text("y")), -EPIPE);
            check_result(d, "one");
        }
    }
    return rc;
}

ACTOR_TEST(an_operation_that_ends_without_having_started_is_a_protocol_error)
{
    int rc = 0;
    bool entered = false;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "never_starts", BOUGH_NO_BYTES, &rc)
            entered = true;
        CHECK_EQ(rc, -EPROTO);
        rc = 0;
    }
    CHECK(!entered);
    return rc;
}

ACTOR_TEST(a_failure_before_it_has_started_is_that_of_the_enter)
{
    int rc = 0;
    bool entered = false;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed", .name = "f");
        bough_with_dialogue (d, feed, "fails_before_start", BOUGH_NO_BYTES, &rc)
            entered = true;
        CHECK_EQ(rc, -ENOENT);
        CHECK_STR(WHY, "no such feed");
        CHECK_STR(bough_error_task(bough_error_last()), "f/fails_before_start");
        bough_with_dialogue (d, feed, "no_such_operation", BOUGH_NO_BYTES, &rc)
            entered = true;
        CHECK_EQ(rc, -ENOSYS);
        rc = 0;
    }
    CHECK(!entered);
    return rc;
}

ACTOR_TEST(a_start_that_hangs_is_cancelled_by_a_timeout)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_fail_after (10 * BOUGH_MS, &rc)
            bough_with_dialogue (d, feed, "hangs_before_start", BOUGH_NO_BYTES, &rc)
                CHECK(false);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(the_end_of_the_block_cancels_the_operation_and_waits_for_it)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "hang", BOUGH_NO_BYTES, &rc)
            CHECK_STR(notes(), "");
        CHECK_RC(rc, 0);
        CHECK_HAS(notes(), "the block of the dialogue has ended");
    }
    return rc;
}

static int leave_by_return(struct bough_actor *feed)
{
    int rc = 0;
    bough_with_dialogue (d, feed, "hang", BOUGH_NO_BYTES, &rc)
        return 7;
    return rc;
}

ACTOR_TEST(a_block_that_is_left_by_break_or_return_has_ended_the_operation_too)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "hang", BOUGH_NO_BYTES, &rc)
            break;
        CHECK_RC(rc, 0);
        CHECK_HAS(notes(), "ended");
        CHECK_EQ(leave_by_return(feed), 7);
        CHECK_HAS(strchr(notes(), '.') + 1, "ended");
    }
    return rc;
}

ACTOR_TEST(a_failure_over_there_cancels_the_body_and_comes_out_of_the_block)
{
    int rc = 0, wanted = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed", .name = "f");
        bough_with_dialogue (d, feed, "count_and_fail", BOUGH_BYTES(wanted), &rc)
            rc = bough_sleep_forever();
        CHECK_EQ(rc, -EIO);
        CHECK_STR(WHY, "out of numbers");
        CHECK_STR(bough_error_task(bough_error_last()), "f/count_and_fail");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(what_was_sent_before_a_failure_is_received_first)
{
    int rc = 0, wanted = 3;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "count_and_fail", BOUGH_BYTES(wanted), &rc) {
            struct bough_message m;
            int shielded = 0;
            bough_shielded (BOUGH_SEC, &shielded) /* until it has failed */
                shielded = bough_sleep(50 * BOUGH_MS);
            check_receives(d, "0");
            check_receives(d, "1");
            check_receives(d, "2");
            rc = bough_dialogue_receive(d, &m);
            CHECK_EQ(rc, -ECANCELED);
        }
        CHECK_EQ(rc, -EIO);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_failure_over_there_is_told_once_though_the_body_asked_for_the_result)
{
    int rc = 0, wanted = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "count_and_fail", BOUGH_BYTES(wanted), &rc)
            rc = bough_dialogue_result(d, NULL);
        CHECK_EQ(rc, -EIO);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        bough_with_dialogue (d, feed, "count_and_fail", BOUGH_BYTES(wanted), &rc)
            bough_shielded (BOUGH_SEC, &rc)
                rc = bough_dialogue_result(d, NULL);
        CHECK_EQ(rc, -EIO);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_cancel_that_we_ask_for_is_no_error)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed", .name = "f");
        bough_with_dialogue (d, feed, "hang", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            bough_dialogue_cancel(d, "enough of this");
            bough_dialogue_cancel(d, "a second time");
            CHECK_EQ(bough_dialogue_receive(d, &m), 0);
            CHECK_EQ(bough_checkpoint(), 0);
        }
        CHECK_RC(rc, 0);
        CHECK_HAS(notes(), "enough of this");
    }
    return rc;
}

static int cancel_it(void *arg)
{
    int rc = bough_sleep(5 * BOUGH_MS);
    if (rc == 0)
        bough_dialogue_cancel(arg, "from another task");
    return rc;
}

ACTOR_TEST(another_task_than_the_opener_may_cancel)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "hang", BOUGH_NO_BYTES, &rc) {
            bough_with_nursery (n, &rc) {
                struct bough_message m;
                rc = bough_nursery_start_soon(n, cancel_it, d);
                CHECK_EQ(bough_dialogue_receive(d, &m), 0);
            }
        }
        CHECK_RC(rc, 0);
        CHECK_HAS(notes(), "from another task");
    }
    return rc;
}

ACTOR_TEST(dialogues_with_one_actor_do_not_disturb_each_other)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (a, feed, "mirror", bough_text("a"), &rc) {
            bough_with_dialogue (b, feed, "mirror", bough_text("b"), &rc) {
                CHECK_RC(bough_dialogue_send(b, bough_text("to b")), 0);
                CHECK_RC(bough_dialogue_send(a, bough_text("to a")), 0);
                check_receives(b, "to b");
            }
            check_receives(a, "to a");
            CHECK_RC(bough_dialogue_send(a, bough_text("again")), 0);
            check_receives(a, "again");
            CHECK_RC(bough_dialogue_finish(a), 0);
            check_result(a, "done");
        }
    }
    return rc;
}

ACTOR_TEST(a_plain_call_has_no_stream)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        struct bough_message reply;
        CHECK_RC(bough_call(feed, "uses_stream", BOUGH_NO_BYTES, &reply), 0);
        CHECK_STR((char *)reply.data, "a plain call");
        bough_message_free(&reply);
    }
    return rc;
}

ACTOR_TEST(an_operation_is_told_that_it_has_not_opened_the_dialogue)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "asks_what_openers_ask", BOUGH_NO_BYTES, &rc)
            check_result(d, "");
    }
    return rc;
}

ACTOR_TEST(a_value_that_is_too_large_can_be_replaced)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *feed = start(an, .type = "feed");
        bough_with_dialogue (d, feed, "starts_with_too_much", BOUGH_NO_BYTES, &rc)
            CHECK_STR((char *)bough_dialogue_value(d).data, "less");
    }
    return rc;
}

static int have_it_start_twice(void *arg)
{
    enum bough_place place = BOUGH_PLACE_THREAD;
    int rc = 0;
    (void)arg;
    bough_with_actors (an, &rc)
        bough_with_dialogue (d, start(an, .type = "feed"), "starts_twice", BOUGH_NO_BYTES, &rc)
            rc = bough_dialogue_result(d, NULL);
    return rc;
}

TEST_DIES(starting_twice_is_a_bug, SIGABRT, "starts_twice calls bough_call_started() a second time")
{
    CHECK_EQ(bough_run(have_it_start_twice, NULL), 0);
}
