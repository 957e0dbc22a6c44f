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

static const struct bough_operation operations[] = {
    {"square", square}, {"fail", fail}, {"hang", hang}, {0}};
BOUGH_ACTOR(calc, .operations = operations);

ACTOR_TEST(a_call_gets_the_reply_of_its_operation)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc;
        struct bough_message reply;
        long x = 12;
        CHECK_EQ(bough_actor_start(an, &(struct bough_actor_spec){.type = "calc", .place = place},
                                   &calc),
                 0);
        CHECK_EQ(bough_call(calc, "square", BOUGH_BYTES(x), &reply), 0);
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
        struct bough_actor *calc;
        struct bough_actor_spec spec = {.type = "calc", .name = "calc-1", .place = place};
        CHECK_EQ(bough_actor_start(an, &spec, &calc), 0);
        CHECK_EQ(bough_call(calc, "fail", BOUGH_NO_BYTES, NULL), -EIO);
        CHECK_STR(bough_error_message(bough_error_last()), "disk 7 is gone");
        CHECK_HAS(bough_error_file(bough_error_last()), "call.c");
        CHECK_STR(bough_error_task(bough_error_last()), "calc-1/fail");
        CHECK_EQ(bough_call(calc, "dance", BOUGH_NO_BYTES, NULL), -ENOSYS);
    }
    return rc;
}

ACTOR_TEST(a_timeout_around_a_call_cancels_it_over_there)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *calc;
        struct bough_actor_spec spec = {.type = "calc", .place = place};
        CHECK_EQ(bough_actor_start(an, &spec, &calc), 0);
        bough_fail_after (20 * BOUGH_MS, &rc)
            rc = bough_call(calc, "hang", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}
