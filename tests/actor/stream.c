/* The streams of dialogues: windows, order, large messages, and who may do what at a time.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

enum { WINDOW = 256 << 10, KB = 1024 };

/* --- over there --- */

/* The nth message: its size and its bytes follow from n. */
static size_t size_of(unsigned n)
{
    unsigned x = n * 2654435761u;
    return n % 97 == 0 ? x % (300 * KB) : n % 5 == 0 ? 0 : x % 700;
}

static unsigned sum_of(struct bough_bytes bytes)
{
    unsigned sum = 2166136261u;
    const unsigned char *at = bytes.data;
    for (size_t i = 0; i < bytes.size; i++)
        sum = (sum ^ at[i]) * 16777619u;
    return sum;
}

static int send_numbered(struct bough_dialogue *d, unsigned count)
{
    unsigned char *bytes = malloc(300 * KB);
    int rc = 0;
    for (unsigned n = 0; n < count && rc == 0; n++) {
        struct bough_bytes message = {bytes, size_of(n)};
        for (size_t i = 0; i < message.size; i++)
            bytes[i] = (unsigned char)(n + i * 31);
        rc = bough_dialogue_send(d, message);
    }
    free(bytes);
    return rc;
}

static int check_numbered(struct bough_dialogue *d, unsigned count)
{
    unsigned char *bytes = malloc(300 * KB);
    int rc = 0;
    for (unsigned n = 0; n < count && rc == 0; n++) {
        struct bough_message m;
        struct bough_bytes expected = {bytes, size_of(n)};
        rc = bough_dialogue_receive(d, &m);
        if (rc < 0)
            break;
        CHECK_EQ(rc, 1);
        for (size_t i = 0; i < expected.size; i++)
            bytes[i] = (unsigned char)(n + i * 31);
        CHECK_EQ(m.size, expected.size);
        CHECK_EQ(sum_of(bough_message_bytes(&m)), sum_of(expected));
        bough_message_free(&m);
        rc = 0;
    }
    free(bytes);
    return rc;
}

struct traffic {
    struct bough_dialogue *d;
    unsigned count;
};

static int send_all(void *arg)
{
    struct traffic *t = arg;
    int rc = send_numbered(t->d, t->count);
    return rc == 0 ? bough_dialogue_finish(t->d) : rc;
}

static int both_ways(struct bough_dialogue *d, unsigned count)
{
    struct traffic t = {d, count};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, send_all, &t);
        if (rc == 0)
            rc = check_numbered(d, count);
    }
    return rc;
}

static int exchange(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    unsigned wanted;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &wanted);
    if (rc == 0)
        rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    return rc < 0 ? rc : both_ways(d, wanted);
}

/* Sends kilobytes for ever, and counts them. */
static int sent;
static int flood(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    char kilobyte[KB] = {0};
    (void)state;
    sent = 0;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    for (; rc == 0; sent += rc == 0)
        rc = bough_dialogue_send(d, (struct bough_bytes){kilobyte, KB});
    return rc;
}

static int how_much(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, BOUGH_BYTES(sent));
}

/* Takes nothing until it is called by "open", then everything; replies how many there were. */
static struct bough_event opened;
static int dam(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    int got = 0;
    (void)state;
    bough_event_init(&opened);
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    if (rc == 0)
        rc = bough_event_wait(&opened);
    while (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        got++;
        bough_message_free(&m);
        rc = 0;
    }
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(got));
}

static int open_dam(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    bough_event_set(&opened);
    return 0;
}

static int mirror(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    while (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        rc = bough_dialogue_send(d, bough_message_bytes(&m));
        bough_message_free(&m);
    }
    return rc;
}

/* Ends, without having received, when something else is called. */
static int deaf(struct bough_call *call, void *state)
{
    (void)state;
    bough_event_init(&opened);
    int rc = bough_call_started(call, BOUGH_NO_BYTES, NULL);
    return rc < 0 ? rc : bough_event_wait(&opened);
}

static const struct bough_operation operations[] = {
    {"exchange", exchange}, {"flood", flood}, {"how_much", how_much}, {"dam", dam},
    {"open", open_dam},     {"deaf", deaf},   {"mirror", mirror},     {0}};
BOUGH_ACTOR(river, .operations = operations);

/* --- here --- */

static int ask_how_much(struct bough_actor *river)
{
    struct bough_message reply;
    int n;
    CHECK_RC(bough_call(river, "how_much", BOUGH_NO_BYTES, &reply), 0);
    CHECK_EQ(bough_message_get(&reply, &n), 0);
    bough_message_free(&reply);
    return n;
}

/* Until it does not grow any more. */
static int settled_how_much(struct bough_actor *river)
{
    int before = -1, now = ask_how_much(river);
    while (now != before || now == 0) {
        CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0);
        before = now;
        now = ask_how_much(river);
    }
    return now;
}

ACTOR_TEST(ten_thousand_messages_of_all_sizes_arrive_whole_and_in_order_both_ways)
{
    int rc = 0;
    unsigned wanted = test_scale(10000);
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "exchange", BOUGH_BYTES(wanted), &rc) {
            rc = both_ways(d, wanted);
            if (rc == 0)
                rc = bough_dialogue_result(d, NULL);
        }
    }
    return rc;
}

ACTOR_TEST(who_does_not_receive_bounds_what_is_sent_to_him)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "flood", BOUGH_NO_BYTES, &rc) {
            int n = settled_how_much(river);
            CHECK(n >= WINDOW / KB / 2);
            CHECK(n <= WINDOW / KB);
            for (int i = 0; i < 1000; i++) {
                struct bough_message m;
                CHECK_RC(bough_dialogue_receive(d, &m), 1);
                CHECK_EQ(m.size, KB);
                bough_message_free(&m);
            }
            n = settled_how_much(river);
            CHECK(n >= 1000 + WINDOW / KB / 2 - 64);
            CHECK(n <= 1000 + WINDOW / KB);
        }
    }
    return rc;
}

ACTOR_TEST(who_sends_to_somebody_slow_waits_and_can_be_cancelled_with_nothing_sent)
{
    int rc = 0, sent_by_us = 0, got;
    char kilobyte[KB] = {0};
    struct bough_bytes bytes = {kilobyte, KB};
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "dam", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            bough_move_on_after (50 * BOUGH_MS, &rc)
                while ((rc = bough_dialogue_send(d, bytes)) == 0)
                    sent_by_us++;
            CHECK_RC(rc, 0);
            CHECK(sent_by_us <= WINDOW / KB);
            CHECK(sent_by_us >= WINDOW / KB / 2);
            CHECK_RC(bough_call(river, "open", BOUGH_NO_BYTES, NULL), 0);
            for (int i = 0; i < 500; i++, sent_by_us++)
                CHECK_RC(bough_dialogue_send(d, bytes), 0);
            CHECK_RC(bough_dialogue_result(d, &m), 0);
            CHECK_EQ(bough_message_get(&m, &got), 0);
            CHECK_EQ(got, sent_by_us);
            bough_message_free(&m);
        }
    }
    return rc;
}

ACTOR_TEST(the_largest_message_goes_through_and_a_larger_one_is_refused_here)
{
    int rc = 0;
    size_t size = 16 << 20;
    char *much = malloc(size + 1);
    for (size_t i = 0; i <= size; i++)
        much[i] = (char)(i ^ (i >> 9));
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "mirror", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            CHECK_EQ(bough_dialogue_send(d, (struct bough_bytes){much, size + 1}), -EMSGSIZE);
            for (int i = 0; i < 3; i++) {
                CHECK_RC(bough_dialogue_send(d, (struct bough_bytes){much, size}), 0);
                CHECK_RC(bough_dialogue_receive(d, &m), 1);
                CHECK_EQ(m.size, size);
                CHECK(memcmp(m.data, much, size) == 0);
                bough_message_free(&m);
            }
        }
    }
    free(much);
    return rc;
}

ACTOR_TEST(control_passes_a_stream_that_nobody_reads)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "flood", BOUGH_NO_BYTES, &rc) {
            (void)settled_how_much(river);
            for (int i = 0; i < 10; i++)
                (void)ask_how_much(river);
        } /* and so does the cancel at its end */
        CHECK_RC(rc, 0);
        int n = ask_how_much(river);
        CHECK_EQ(bough_sleep(5 * BOUGH_MS), 0);
        CHECK_EQ(ask_how_much(river), n); /* it has ended */
    }
    return rc;
}

static int send_until_it_fails(void *arg)
{
    char kilobyte[KB] = {0};
    int rc = 0;
    while (rc == 0)
        rc = bough_dialogue_send(arg, (struct bough_bytes){kilobyte, KB});
    return rc == -EPIPE ? 0 : rc;
}

ACTOR_TEST(who_waits_to_send_learns_that_the_other_end_has_ended)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "deaf", BOUGH_NO_BYTES, &rc)
            bough_with_nursery (n, &rc) {
                rc = bough_nursery_start_soon(n, send_until_it_fails, d);
                CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0);
                CHECK_RC(bough_call(river, "open", BOUGH_NO_BYTES, NULL), 0);
            }
    }
    return rc;
}

ACTOR_TEST(a_receive_that_is_cancelled_loses_nothing)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "mirror", BOUGH_NO_BYTES, &rc) {
            int next = 0, number = -1;
            for (int i = 0; i < 300; i++)
                CHECK_RC(bough_dialogue_send(d, BOUGH_BYTES(i)), 0);
            while (next < 300) {
                struct bough_message m;
                int got = 0;
                bough_move_on_after (next % 3 * 20 * BOUGH_US, &rc)
                    rc = got = bough_dialogue_receive(d, &m);
                if (got != 1) {
                    CHECK_RC(rc, 0);
                    CHECK_EQ(bough_checkpoint(), 0);
                    if (next % 3 == 0) { /* no time at all would not get us on */
                        CHECK_RC(bough_dialogue_receive(d, &m), 1);
                        got = 1;
                    }
                }
                if (got == 1) {
                    CHECK_EQ(bough_message_get(&m, &number), 0);
                    CHECK_EQ(number, next++);
                    bough_message_free(&m);
                }
                rc = 0;
            }
        }
    }
    return rc;
}

static int receive_one(void *arg)
{
    struct bough_message m;
    int rc = bough_dialogue_receive(arg, &m);
    if (rc == 1)
        bough_message_free(&m);
    return rc < 0 ? rc : 0;
}

ACTOR_TEST(one_task_receives_at_a_time)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "mirror", BOUGH_NO_BYTES, &rc)
            bough_with_nursery (n, &rc) {
                struct bough_message m;
                rc = bough_nursery_start_soon(n, receive_one, d);
                CHECK_EQ(bough_checkpoint(), 0);
                CHECK_EQ(bough_checkpoint(), 0);
                CHECK_EQ(bough_dialogue_receive(d, &m), -EBUSY);
                CHECK_HAS(WHY, "another task");
                CHECK_RC(bough_dialogue_send(d, bough_text("for the other one")), 0);
            }
    }
    return rc;
}

ACTOR_TEST(one_task_waits_to_send_at_a_time)
{
    int rc = 0;
    char kilobyte[KB] = {0};
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "deaf", BOUGH_NO_BYTES, &rc)
            bough_with_nursery (n, &rc) {
                rc = bough_nursery_start_soon(n, send_until_it_fails, d);
                CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0);
                CHECK_EQ(bough_dialogue_send(d, (struct bough_bytes){kilobyte, KB}), -EBUSY);
                CHECK_RC(bough_call(river, "open", BOUGH_NO_BYTES, NULL), 0);
            }
    }
    return rc;
}

/* Two that take turns badly: whoever comes between a message and its receiver. */
static int receive_many(void *arg)
{
    struct bough_message m;
    int rc;
    while ((rc = bough_dialogue_receive(arg, &m)) == 1 || rc == -EBUSY) {
        if (rc == 1)
            bough_message_free(&m);
        else if ((rc = bough_checkpoint()) < 0)
            break;
    }
    return rc;
}

ACTOR_TEST(receivers_that_get_in_each_others_way_do_not_hang)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *river = start(an, .type = "river");
        bough_with_dialogue (d, river, "mirror", BOUGH_NO_BYTES, &rc)
            bough_with_nursery (n, &rc) {
                for (int i = 0; i < 3 && rc == 0; i++)
                    rc = bough_nursery_start_soon(n, receive_many, d);
                for (int i = 0; i < 300 && rc == 0; i++) {
                    rc = bough_dialogue_send(d, BOUGH_BYTES(i));
                    if (rc == 0 && i % 3 == 0)
                        rc = bough_sleep(100 * BOUGH_US);
                }
                if (rc == 0)
                    rc = bough_dialogue_finish(d);
            }
    }
    return rc;
}
