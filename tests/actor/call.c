/* Calls: a request, an outcome.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

static int square(struct bough_call *call, void *state)
{
    long x;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &x);
    if (rc == 0) {
        x *= x;
        rc = bough_call_reply(call, BOUGH_BYTES(x));
    }
    return rc;
}

static int fail(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_fail(-EIO, "disk %d is gone", 7);
}

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_sleep_forever();
}

/* What comes goes back. */
static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

static int silent(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return 0;
}

static int reply_twice(struct bough_call *call, void *state)
{
    (void)state;
    int rc = bough_call_reply(call, bough_text("first"));
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_call_reply(call, bough_text("second")), -EPROTO);
    return rc;
}

static int reply_and_fail(struct bough_call *call, void *state)
{
    (void)state;
    int rc = bough_call_reply(call, bough_text("nobody reads this"));
    return rc < 0 ? rc : bough_fail(-EIO, "after the reply");
}

static int reply_too_much(struct bough_call *call, void *state)
{
    (void)state;
    size_t size = (16 << 20) + 1;
    char *much = calloc(1, size);
    int rc = bough_call_reply(call, (struct bough_bytes){much, size});
    free(much);
    return rc;
}

/* "milliseconds": sleep so long, then give them back. */
static int sleep_for(struct bough_call *call, void *state)
{
    int64_t ms;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &ms);
    if (rc == 0)
        rc = bough_sleep(ms * BOUGH_MS);
    return rc < 0 ? rc : bough_call_reply(call, bough_call_request(call));
}

static int who(struct bough_call *call, void *state)
{
    char text[256];
    (void)state;
    snprintf(text, sizeof(text), "%s of \"%s\"", bough_actor_self(), bough_call_peer(call));
    return bough_call_reply(call, bough_text(text));
}

static int sees_request_to_the_end(struct bough_call *call, void *state)
{
    (void)state;
    struct bough_bytes request = bough_call_request(call);
    for (int i = 0; i < 20; i++) {
        int rc = bough_sleep(BOUGH_MS);
        if (rc < 0)
            return rc;
    }
    return bough_call_reply(call, request);
}

/* Ask who has started us for the operation that the request names. */
static int call_parent(struct bough_call *call, void *state)
{
    struct bough_message reply = {0};
    struct bough_bytes request = bough_call_request(call);
    char name[32];
    (void)state;
    snprintf(name, sizeof(name), "%.*s", (int)request.size, (const char *)request.data);
    int rc = bough_call(bough_actor_parent(), name, BOUGH_NO_BYTES, &reply);
    if (rc == 0)
        rc = bough_call_reply(call, bough_message_bytes(&reply));
    bough_message_free(&reply);
    return rc;
}

static const struct bough_operation operations[] = {
    {"square", square},
    {"fail", fail},
    {"hang", hang},
    {"echo", echo},
    {"silent", silent},
    {"reply_twice", reply_twice},
    {"reply_and_fail", reply_and_fail},
    {"reply_too_much", reply_too_much},
    {"sleep_for", sleep_for},
    {"who", who},
    {"sees_request_to_the_end", sees_request_to_the_end},
    {"call_parent", call_parent},
    {0}};
BOUGH_ACTOR(calc, .operations = operations);

/* One that has a calc of its own, in the place that it is told. */
static int with_calc(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    if (rc < 0)
        return rc;
    bough_with_actors (an, &rc)
        rc = bough_yield(self, start(an, .type = "calc", .name = "child"));
    return rc;
}

/* Have our calc do "call_parent". */
static int through_child(struct bough_call *call, void *state)
{
    struct bough_message reply = {0};
    int rc = bough_call(state, "call_parent", bough_call_request(call), &reply);
    if (rc == 0)
        rc = bough_call_reply(call, bough_message_bytes(&reply));
    bough_message_free(&reply);
    return rc;
}

static const struct bough_operation office_operations[] = {
    {"who", who}, {"fail", fail}, {"through_child", through_child}, {0}};
BOUGH_ACTOR(office, .operations = office_operations, .manager = with_calc);

static void check_says(struct bough_actor *a, const char *operation, const char *request,
                       const char *expected)
{
    struct bough_message reply = {0};
    CHECK_RC(bough_call(a, operation, bough_text(request), &reply), 0);
    CHECK_STR(reply.data ? (char *)reply.data : "", expected);
    bough_message_free(&reply);
}

ACTOR_TEST(a_call_gets_the_reply_of_its_operation)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        struct bough_message reply;
        long x = 12;
        CHECK_RC(bough_call(calc, "square", BOUGH_BYTES(x), &reply), 0);
        CHECK_EQ(bough_message_get(&reply, &x), 0);
        CHECK_EQ(x, 144);
        bough_message_free(&reply);
    }
    return rc;
}

ACTOR_TEST(a_failure_comes_back_with_message_place_and_path)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc", .name = "calc-1");
        CHECK_EQ(bough_call(calc, "fail", BOUGH_NO_BYTES, NULL), -EIO);
        CHECK_STR(WHY, "disk 7 is gone");
        CHECK_HAS(bough_error_file(bough_error_last()), "call.c");
        CHECK_STR(bough_error_task(bough_error_last()), "calc-1/fail");
    }
    return rc;
}

ACTOR_TEST(what_is_not_in_the_table_cannot_be_called)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc", .name = "c");
        static const char *const names[] = {"dance", "", "squar", "squaree", ":tre", "with:colon"};
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            CHECK_EQ(bough_call(calc, names[i], BOUGH_NO_BYTES, NULL), -ENOSYS);
            CHECK_HAS(WHY, names[i]);
            CHECK_HAS(WHY, "the actor c");
            CHECK_STR(bough_error_task(bough_error_last()), "c");
        }
        check_says(calc, "echo", "it goes on", "it goes on");
    }
    return rc;
}

ACTOR_TEST(a_timeout_around_a_call_cancels_it_over_there)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        bough_fail_after (20 * BOUGH_MS, &rc)
            rc = bough_call(calc, "hang", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(empty_requests_and_empty_replies_are_fine)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        check_says(calc, "echo", "", "");
        check_says(calc, "silent", "x", "");
        CHECK_RC(bough_call(calc, "echo", bough_text("unread"), NULL), 0);
    }
    return rc;
}

ACTOR_TEST(a_reply_of_the_wrong_size_is_a_clear_error)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        struct bough_message reply;
        long x = 77;
        CHECK_RC(bough_call(calc, "echo", bough_text("abc"), &reply), 0);
        CHECK_EQ(bough_message_get(&reply, &x), -EPROTO);
        CHECK_HAS(WHY, "3 came");
        CHECK_EQ(x, 77);
        bough_message_free(&reply);
        bough_message_free(&reply);
        CHECK_EQ(bough_call(calc, "square", bough_text("abc"), NULL), -EPROTO);
    }
    return rc;
}

ACTOR_TEST(a_second_reply_is_refused_and_the_first_one_stands)
{
    int rc = 0;
    bough_with_actors (an, &rc)
        check_says(start(an, .type = "calc"), "reply_twice", "", "first");
    return rc;
}

ACTOR_TEST(a_failure_after_the_reply_is_what_the_caller_gets)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_message reply = {.size = 99};
        struct bough_actor *calc = start(an, .type = "calc");
        CHECK_EQ(bough_call(calc, "reply_and_fail", BOUGH_NO_BYTES, &reply), -EIO);
        CHECK_EQ(reply.size, 99); /* untouched */
    }
    return rc;
}

ACTOR_TEST(what_is_too_large_is_refused_by_its_sender)
{
    int rc = 0;
    size_t size = (16 << 20) + 1;
    char *much = calloc(1, size);
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc", .name = "c");
        CHECK_EQ(bough_call(calc, "echo", (struct bough_bytes){much, size}, NULL), -EMSGSIZE);
        CHECK_HAS(WHY, "16777217");
        CHECK_EQ(bough_call(calc, "echo", (struct bough_bytes){much, SIZE_MAX / 2}, NULL),
                 -EMSGSIZE);
        CHECK_EQ(bough_call(calc, "reply_too_much", BOUGH_NO_BYTES, NULL), -EMSGSIZE);
        CHECK_STR(bough_error_task(bough_error_last()), "c/reply_too_much");
        struct bough_actor_spec spec = {.type = "calc", .place = place, .argument = {much, size}};
        CHECK_EQ(bough_actor_start(an, &spec, &calc), -EMSGSIZE);
        check_says(calc, "echo", "it goes on", "it goes on");
    }
    free(much);
    return rc;
}

ACTOR_TEST(sixteen_megabytes_go_there_and_back)
{
    int rc = 0;
    size_t size = 16 << 20;
    char *much = malloc(size);
    for (size_t i = 0; i < size; i++)
        much[i] = (char)(i * 7 + (i >> 8));
    bough_with_actors (an, &rc) {
        struct bough_message reply;
        struct bough_actor *calc = start(an, .type = "calc");
        CHECK_RC(bough_call(calc, "echo", (struct bough_bytes){much, size}, &reply), 0);
        CHECK_EQ(reply.size, size);
        CHECK(memcmp(reply.data, much, size) == 0);
        bough_message_free(&reply);
    }
    free(much);
    return rc;
}

struct asker {
    struct bough_actor *calc;
    int64_t ms;
};

static int ask_to_sleep(void *arg)
{
    struct asker *a = arg;
    struct bough_message reply;
    int64_t ms = 0;
    int rc = bough_call(a->calc, "sleep_for", BOUGH_BYTES(a->ms), &reply);
    if (rc < 0)
        return rc;
    CHECK_EQ(bough_message_get(&reply, &ms), 0);
    CHECK_EQ(ms, a->ms);
    bough_message_free(&reply);
    return 0;
}

ACTOR_TEST(many_calls_at_once_each_get_their_own_reply_in_any_order)
{
    int rc = 0;
    struct asker askers[100];
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 100 && rc == 0; i++) {
                askers[i] = (struct asker){calc, (100 - i) / 4};
                rc = bough_nursery_start_soon(n, ask_to_sleep, &askers[i]);
            }
    }
    return rc;
}

ACTOR_TEST(a_request_is_there_until_its_operation_returns)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        char text[] = "as it was";
        struct bough_message reply;
        rc = bough_call(calc, "sees_request_to_the_end", bough_text(text), &reply);
        CHECK_RC(rc, 0);
        CHECK_STR((char *)reply.data, "as it was");
        bough_message_free(&reply);
    }
    return rc;
}

ACTOR_TEST(an_operation_knows_who_it_is_and_who_asks)
{
    int rc = 0;
    CHECK(bough_actor_self() == NULL);
    CHECK(bough_actor_parent() == NULL);
    bough_with_actors (an, &rc) {
        struct bough_actor *found;
        check_says(start(an, .type = "calc", .name = "me"), "who", "", "me of \"\"");
        CHECK_RC(bough_actor_find("me", &found), 0);
        check_says(found, "who", "", "me of \"\"");
        bough_actor_release(found);
        struct bough_actor *office =
            start(an, .type = "office", .name = "o", .argument = BOUGH_BYTES(place));
        check_says(office, "through_child", "who", "o of \"child\"");
    }
    return rc;
}

ACTOR_TEST(an_actor_calls_the_actor_that_has_started_it)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *office =
            start(an, .type = "office", .name = "o", .argument = BOUGH_BYTES(place));
        CHECK_EQ(bough_call(office, "through_child", bough_text("fail"), NULL), -EIO);
        CHECK_STR(WHY, "disk 7 is gone");
        CHECK_EQ(bough_call(office, "through_child", bough_text("dance"), NULL), -ENOSYS);
        CHECK_HAS(WHY, "the actor o has no operation \"dance\"");
    }
    return rc;
}

ACTOR_TEST(a_run_that_is_no_actor_cannot_be_called_by_its_actors)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        CHECK_EQ(bough_call(calc, "call_parent", bough_text("who"), NULL), -ENOSYS);
        CHECK_HAS(WHY, "is no actor");
        CHECK(!strstr(bough_error_task(bough_error_last()), "//"));
    }
    return rc;
}

ACTOR_TEST(a_call_is_a_checkpoint)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc = start(an, .type = "calc");
        bough_assert_checkpoints (&rc)
            rc = bough_call(calc, "silent", BOUGH_NO_BYTES, NULL);
        struct bough_scope scope = BOUGH_SCOPE();
        bough_scope_enter(&scope);
        bough_scope_cancel(&scope, "before");
        CHECK_EQ(bough_call(calc, "silent", BOUGH_NO_BYTES, NULL), -ECANCELED);
        CHECK_EQ(bough_scope_exit(&scope, -ECANCELED), 0);
    }
    return rc;
}

struct later {
    struct bough_scope *scope;
    int passes;
};

static int cancel_later(void *arg)
{
    const struct later *l = arg;
    int rc = 0;
    for (int i = 0; i < l->passes && rc == 0; i++)
        rc = bough_checkpoint();
    bough_scope_cancel(l->scope, "it takes too long");
    return rc;
}

ACTOR_TEST(a_start_may_be_cancelled_before_the_actor_has_said_a_word)
{
    struct bough_actor_spec spec = {.type = "calc", .place = place};
    int rc = 0;
    for (int passes = 0; passes < 20 && rc == 0; passes++) {
        struct bough_scope scope = BOUGH_SCOPE();
        struct later later = {&scope, passes};
        bough_with_background (cancel_later, &later, &rc)
            bough_with_scope (&scope, &rc)
                bough_with_actors (an, &rc) {
                    struct bough_actor *a;
                    rc = bough_actor_start(an, &spec, &a);
                }
    }
    return rc;
}
