/* The contract of streams, as checks that any stream can be put to.
 *
 * A check gets a fresh pair and looks at one direction, from 'tx' to 'rx'; a pair that works both
 * ways goes through all of them in both directions. The checks know nothing of what is below: they
 * fill a stream until its sender is stuck instead of asking how much it holds, and where the
 * contract leaves a choice they take either.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bough/error.h"
#include "bough/nursery.h"
#include "bough/stream.h"
#include "bough/task.h"
#include "bough/testing.h"

struct ends {
    struct bough_stream *tx, *rx;
};

enum { ALWAYS = 0, TWO_WAY = 1, HALF_CLOSE = 2 };

struct check {
    const char *name;
    int (*fn)(struct ends *e);
    unsigned needs;
};

/* --- saying what is wrong --- */

static BOUGH_COLD int wrong(const char *call, int got, const char *wanted)
{
    return bough_fail(-EPROTO, "%s gave %d (%s), not %s", call, got, bough_error_name(got), wanted);
}

/* Leaves the check unless 'call' gives 'wanted'. */
#define WANT(call, wanted)                                                                         \
    do {                                                                                           \
        int got_ = (call);                                                                         \
        if (got_ != (wanted))                                                                      \
            return wrong(#call, got_, #wanted);                                                    \
    } while (0)

#define WANT_EITHER(call, one, other)                                                              \
    do {                                                                                           \
        int got_ = (call);                                                                         \
        if (got_ != (one) && got_ != (other))                                                      \
            return wrong(#call, got_, #one " or " #other);                                         \
    } while (0)

/* Leaves the check unless 'condition' holds. */
#define EXPECT(condition, says)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return bough_fail(-EPROTO, says);                                                      \
    } while (0)

/* The result of 'call', made in a scope that is cancelled already. */
#define CANCELLED(call)                                                                            \
    (__extension__({                                                                               \
        struct bough_scope scope_ = BOUGH_SCOPE();                                                 \
        bough_scope_cancel(&scope_, "before the call");                                            \
        bough_scope_enter(&scope_);                                                                \
        int seen_ = (call);                                                                        \
        (void)bough_scope_exit(&scope_, seen_);                                                    \
        seen_;                                                                                     \
    }))

/* Leaves the check unless 'call' gives 'wanted' and was a cancel point and a schedule point. */
#define WANT_CHECKPOINT(call, wanted)                                                              \
    do {                                                                                           \
        uint64_t cancel_ = bough_task_cancel_points(), schedule_ = bough_task_schedule_points();   \
        WANT(call, wanted);                                                                        \
        EXPECT(bough_task_cancel_points() != cancel_, #call " is no cancel point");                \
        EXPECT(bough_task_schedule_points() != schedule_, #call " is no schedule point");          \
    } while (0)

/* --- tasks that use a stream --- */

enum { STILL_INSIDE = 4321, BLOCK = 64 * 1024 };

struct user {
    struct bough_stream *stream;
    struct bough_scope scope; /* around its call */
    int rc;                   /* STILL_INSIDE, or what the call gave */
    char byte;
};

static int receive_one(void *arg)
{
    struct user *u = arg;
    bough_scope_enter(&u->scope);
    u->rc = bough_stream_receive_some(u->stream, &u->byte, 1);
    (void)bough_scope_exit(&u->scope, u->rc);
    return 0;
}

/* Until it fails: sooner or later the stream is full, and it is stuck. */
static int send_forever(void *arg)
{
    static const char block[BLOCK];
    struct user *u = arg;
    int rc = 0;
    bough_scope_enter(&u->scope);
    while (rc >= 0)
        rc = bough_stream_send_all(u->stream, block, sizeof(block));
    u->rc = rc;
    (void)bough_scope_exit(&u->scope, rc);
    return 0;
}

/* Start it, and wait until it is stuck. */
static int put_inside(struct bough_nursery *n, struct user *u, struct bough_stream *stream,
                      bough_task_fn *fn)
{
    *u = (struct user){.stream = stream, .scope = BOUGH_SCOPE(), .rc = STILL_INSIDE};
    int rc = bough_nursery_start_soon(n, fn, u);
    if (rc == 0)
        rc = bough_wait_all_tasks_blocked();
    if (rc < 0)
        return rc;
    EXPECT(u->rc == STILL_INSIDE, "a call that has nothing to return for did not wait");
    return 0;
}

/* What comes next, one byte of it. */
static int next_byte(struct ends *e)
{
    unsigned char byte;
    int rc = bough_stream_receive_some(e->rx, &byte, 1);
    return rc > 0 ? byte : rc == 0 ? -ENODATA : rc;
}

/* --- bytes --- */

static int a_byte_arrives(struct ends *e)
{
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(next_byte(e), 'x');
    return 0;
}

static int receive_waits_for_a_byte(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    }
    WANT(u.rc, 1);
    EXPECT(u.byte == 'x', "another byte arrived");
    return rc;
}

static int receive_takes_a_part_and_leaves_the_rest(struct ends *e)
{
    char buffer[8] = "........";
    WANT(bough_stream_send_all(e->tx, "abc", 3), 0);
    WANT(bough_stream_receive_some(e->rx, buffer, 2), 2);
    EXPECT(memcmp(buffer, "ab......", 8) == 0, "other bytes, or bytes behind the buffer");
    WANT(bough_stream_receive_some(e->rx, buffer, 8), 1);
    EXPECT(memcmp(buffer, "cb......", 8) == 0, "other bytes, or bytes behind the count");
    return 0;
}

static int many_small_sends_keep_their_order(struct ends *e)
{
    for (int i = 0; i < 1000; i++) {
        char byte = (char)(i % 128);
        WANT(bough_stream_send_all(e->tx, &byte, 1), 0);
        if (i % 3 == 2) {
            for (int j = i - 2; j <= i; j++)
                WANT(next_byte(e), j % 128);
        }
    }
    return 0;
}

static int an_empty_send_sends_nothing(struct ends *e)
{
    WANT(bough_stream_send_all(e->tx, "", 0), 0);
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(next_byte(e), 'x');
    return 0;
}

static int a_receive_into_nothing_is_invalid(struct ends *e)
{
    char buffer[1];
    WANT(bough_stream_receive_some(e->rx, buffer, 0), -EINVAL);
    return 0;
}

static unsigned char byte_at(size_t at)
{
    return (unsigned char)(at * 31 >> 3 ^ at);
}

enum { LARGE = 1024 * 1024 };

static int send_large(void *arg)
{
    struct ends *e = arg;
    unsigned char block[4099];
    size_t size = sizeof(block);
    for (size_t at = 0; at < LARGE; at += size) {
        size = LARGE - at < sizeof(block) ? LARGE - at : sizeof(block);
        for (size_t i = 0; i < size; i++)
            block[i] = byte_at(at + i);
        WANT(bough_stream_send_all(e->tx, block, size), 0);
    }
    return 0;
}

static int receive_large(struct ends *e)
{
    unsigned char block[3001];
    for (size_t at = 0; at < LARGE;) {
        int n = bough_stream_receive_some(e->rx, block, sizeof(block));
        if (n <= 0 || n > (int)sizeof(block))
            return wrong("receive_some", n, "a count");
        for (size_t i = 0; i < (size_t)n; i++)
            EXPECT(block[i] == byte_at(at + i), "other bytes arrived than were sent");
        at += (size_t)n;
    }
    return 0;
}

static int a_large_transfer_arrives_whole(struct ends *e)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, send_large, e);
        if (rc == 0)
            rc = receive_large(e);
    }
    return rc;
}

static int both_directions_at_once(struct ends *e)
{
    struct ends back = {.tx = e->rx, .rx = e->tx};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(bough_nursery_start_soon(n, send_large, e), 0);
        WANT(bough_nursery_start_soon(n, send_large, &back), 0);
        rc = receive_large(e);
        if (rc == 0)
            rc = receive_large(&back);
    }
    return rc;
}

/* A sender that nobody reads from gets stuck, and goes on when somebody does. */
static int backpressure(struct ends *e)
{
    static char block[BLOCK];
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        for (int i = 0; i < 64; i++) {
            int got = bough_stream_receive_some(e->rx, block, sizeof(block));
            if (got <= 0)
                return wrong("receive_some", got, "a count");
        }
        EXPECT(u.rc == STILL_INSIDE, "a sender that was stuck failed");
        bough_scope_cancel(&u.scope, "it is enough");
    }
    WANT(u.rc, -ECANCELED);
    return rc;
}

/* --- checkpoints and cancels --- */

static int every_call_is_a_checkpoint(struct ends *e)
{
    char buffer[2];
    WANT_CHECKPOINT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT_CHECKPOINT(bough_stream_send_all(e->tx, "", 0), 0);
    WANT_CHECKPOINT(bough_stream_receive_some(e->rx, buffer, 2), 1);
    return 0;
}

static int send_eof_is_a_checkpoint(struct ends *e)
{
    char buffer[2];
    WANT_CHECKPOINT(bough_stream_send_eof(e->tx), 0);
    WANT_CHECKPOINT(bough_stream_send_eof(e->tx), 0);
    WANT_CHECKPOINT(bough_stream_receive_some(e->rx, buffer, 2), 0);
    return 0;
}

static int a_send_in_a_cancelled_scope_sends_nothing(struct ends *e)
{
    WANT(CANCELLED(bough_stream_send_all(e->tx, "abc", 3)), -ECANCELED);
    WANT(CANCELLED(bough_stream_send_all(e->tx, "", 0)), -ECANCELED);
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(next_byte(e), 'x');
    return 0;
}

static int a_receive_in_a_cancelled_scope_takes_nothing(struct ends *e)
{
    char buffer[4];
    WANT(CANCELLED(bough_stream_receive_some(e->rx, buffer, 4)), -ECANCELED);
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(CANCELLED(bough_stream_receive_some(e->rx, buffer, 4)), -ECANCELED);
    WANT(next_byte(e), 'x');
    return 0;
}

static int a_send_eof_in_a_cancelled_scope_ends_nothing(struct ends *e)
{
    WANT(CANCELLED(bough_stream_send_eof(e->tx)), -ECANCELED);
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(next_byte(e), 'x');
    return 0;
}

static int a_receive_that_is_cancelled_while_it_waits_loses_nothing(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        bough_scope_cancel(&u.scope, NULL);
        WANT(bough_wait_all_tasks_blocked(), 0);
        WANT(u.rc, -ECANCELED);
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        bough_scope_cancel(&u.scope, NULL);
        WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    }
    WANT(u.rc, -ECANCELED);
    WANT(next_byte(e), 'x');
    return rc;
}

static int a_send_can_be_cancelled_while_it_is_stuck(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        bough_scope_cancel(&u.scope, NULL);
    }
    WANT(u.rc, -ECANCELED);
    WANT(bough_stream_close(e->tx), 0);
    return rc;
}

/* --- two in one direction --- */

static int a_second_receiver_is_told_that_it_is_busy(struct ends *e)
{
    struct user u;
    char buffer[1];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        WANT(bough_stream_receive_some(e->rx, buffer, 1), -EBUSY);
        WANT(CANCELLED(bough_stream_receive_some(e->rx, buffer, 1)), -ECANCELED);
        WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    }
    WANT(u.rc, 1);
    return rc;
}

static int a_second_sender_is_told_that_it_is_busy(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        WANT(bough_stream_send_all(e->tx, "x", 1), -EBUSY);
        WANT(bough_stream_send_all(e->tx, "", 0), -EBUSY);
        EXPECT(u.rc == STILL_INSIDE, "the first sender was disturbed");
        bough_scope_cancel(&u.scope, NULL);
    }
    return rc;
}

static int send_eof_while_another_sends_is_busy(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        WANT(bough_stream_send_eof(e->tx), -EBUSY);
        EXPECT(u.rc == STILL_INSIDE, "the sender was disturbed");
        bough_scope_cancel(&u.scope, NULL);
    }
    return rc;
}

static int one_may_send_while_another_receives(struct ends *e)
{
    struct ends back = {.tx = e->rx, .rx = e->tx};
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, receive_one), 0);
        WANT(bough_stream_send_all(e->tx, "x", 1), 0);
        WANT(next_byte(e), 'x');
        WANT(bough_stream_send_all(back.tx, "y", 1), 0);
    }
    WANT(u.rc, 1);
    EXPECT(u.byte == 'y', "another byte arrived");
    return rc;
}

/* --- closing this side --- */

static int closing_again_is_fine(struct ends *e)
{
    for (int i = 0; i < 3; i++) {
        WANT(bough_stream_close(e->tx), 0);
        WANT(bough_stream_close(e->rx), 0);
    }
    return 0;
}

static int wanted_of_eof(const struct bough_stream *s)
{
    return s->operations->send_eof ? -EBADF : -ENOTSUP;
}

static int closed_is_closed(struct bough_stream *s)
{
    char buffer[1];
    WANT(bough_stream_send_all(s, "x", 1), -EBADF);
    WANT(bough_stream_send_all(s, "", 0), -EBADF);
    WANT(bough_stream_receive_some(s, buffer, 1), -EBADF);
    WANT(bough_stream_send_eof(s), wanted_of_eof(s));
    return 0;
}

static int after_a_close_every_call_fails(struct ends *e)
{
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(bough_stream_close(e->rx), 0);
    WANT(closed_is_closed(e->rx), 0);
    WANT(bough_stream_close(e->tx), 0);
    WANT(closed_is_closed(e->tx), 0);
    WANT(closed_is_closed(e->tx), 0);
    return 0;
}

static int closing_works_when_cancelled(struct ends *e)
{
    (void)CANCELLED(bough_stream_close(e->tx));
    WANT(bough_stream_send_all(e->tx, "x", 1), -EBADF);
    WANT_EITHER(next_byte(e), -ENODATA, -EPIPE);
    (void)CANCELLED(bough_stream_close(e->rx));
    WANT(closed_is_closed(e->rx), 0);
    return 0;
}

static int closing_wakes_the_receiver(struct ends *e)
{
    struct user u;
    char buffer[1];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        WANT(bough_stream_close(e->rx), 0);
        WANT(bough_stream_receive_some(e->rx, buffer, 1), -EBADF);
    }
    WANT(u.rc, -EBADF);
    return rc;
}

static int closing_wakes_the_sender(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        WANT(bough_stream_close(e->tx), 0);
        WANT(bough_stream_send_all(e->tx, "x", 1), -EBADF);
    }
    WANT(u.rc, -EBADF);
    return rc;
}

static int closing_wakes_both(struct ends *e)
{
    struct user in, out;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &in, e->tx, receive_one), 0);
        WANT(put_inside(n, &out, e->tx, send_forever), 0);
        WANT(bough_stream_close(e->tx), 0);
    }
    WANT(in.rc, -EBADF);
    WANT(out.rc, -EBADF);
    return rc;
}

/* The receiver has been woken, and has not run yet. */
static int closing_between_wake_up_and_receive(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        WANT(bough_stream_send_all(e->tx, "x", 1), 0);
        WANT(bough_stream_close(e->rx), 0);
    }
    WANT_EITHER(u.rc, 1, -EBADF);
    return rc;
}

/* The sender has been woken, and has not run yet. */
static int closing_between_wake_up_and_send(struct ends *e)
{
    static char block[BLOCK];
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        if (bough_stream_receive_some(e->rx, block, sizeof(block)) <= 0)
            return bough_fail(-EPROTO, "nothing came out of a full stream");
        WANT(bough_stream_close(e->tx), 0);
    }
    WANT(u.rc, -EBADF);
    return rc;
}

static int freeing_wakes_the_receiver(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        bough_stream_free(e->rx);
        e->rx = NULL;
    }
    WANT(u.rc, -EBADF);
    return rc;
}

static int freeing_wakes_the_sender(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        bough_stream_free(e->tx);
        e->tx = NULL;
        bough_stream_free(e->rx);
        e->rx = NULL;
    }
    WANT(u.rc, -EBADF);
    return rc;
}

/* --- closing the other side --- */

static int what_was_sent_arrives_although_the_sender_has_closed(struct ends *e)
{
    WANT(bough_stream_send_all(e->tx, "ab", 2), 0);
    WANT(bough_stream_close(e->tx), 0);
    WANT(next_byte(e), 'a');
    WANT(next_byte(e), 'b');
    WANT_EITHER(next_byte(e), -ENODATA, -EPIPE);
    return 0;
}

static int the_end_stays_the_end(struct ends *e)
{
    bough_stream_free(e->tx);
    e->tx = NULL;
    for (int i = 0; i < 3; i++)
        WANT_EITHER(next_byte(e), -ENODATA, -EPIPE);
    WANT(bough_stream_close(e->rx), 0);
    return 0;
}

static int the_end_wakes_the_receiver(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        WANT(bough_stream_close(e->tx), 0);
    }
    WANT_EITHER(u.rc, 0, -EPIPE);
    return rc;
}

static int sending_to_nobody_fails_in_the_end_and_for_good(struct ends *e)
{
    struct user u = {.stream = e->tx, .scope = BOUGH_SCOPE()};
    WANT(bough_stream_close(e->rx), 0);
    (void)send_forever(&u);
    WANT(u.rc, -EPIPE);
    WANT(bough_stream_send_all(e->tx, "x", 1), -EPIPE);
    WANT(bough_stream_close(e->tx), 0);
    return 0;
}

static int a_sender_that_is_stuck_is_told_that_nobody_is_left(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, send_forever), 0);
        bough_stream_free(e->rx);
        e->rx = NULL;
    }
    WANT(u.rc, -EPIPE);
    return rc;
}

/* --- ending one half --- */

static int the_end_is_received_after_what_was_sent(struct ends *e)
{
    WANT(bough_stream_send_all(e->tx, "x", 1), 0);
    WANT(bough_stream_send_eof(e->tx), 0);
    WANT(next_byte(e), 'x');
    WANT(next_byte(e), -ENODATA);
    WANT(next_byte(e), -ENODATA);
    return 0;
}

static int send_eof_wakes_the_receiver(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->rx, receive_one), 0);
        WANT(bough_stream_send_eof(e->tx), 0);
    }
    WANT(u.rc, 0);
    return rc;
}

static int after_send_eof_sending_fails(struct ends *e)
{
    WANT(bough_stream_send_eof(e->tx), 0);
    WANT(bough_stream_send_all(e->tx, "x", 1), -EBADF);
    WANT(bough_stream_send_all(e->tx, "", 0), -EBADF);
    WANT(bough_stream_send_eof(e->tx), 0);
    WANT(next_byte(e), -ENODATA);
    return 0;
}

static int after_send_eof_receiving_goes_on(struct ends *e)
{
    struct ends back = {.tx = e->rx, .rx = e->tx};
    WANT(bough_stream_send_eof(e->tx), 0);
    WANT(next_byte(e), -ENODATA);
    WANT(bough_stream_send_all(back.tx, "x", 1), 0);
    WANT(next_byte(&back), 'x');
    WANT(bough_stream_send_eof(back.tx), 0);
    WANT(next_byte(&back), -ENODATA);
    WANT(next_byte(e), -ENODATA);
    return 0;
}

static int send_eof_does_not_disturb_a_receiver(struct ends *e)
{
    struct user u;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        WANT(put_inside(n, &u, e->tx, receive_one), 0);
        WANT(bough_stream_send_eof(e->tx), 0);
        WANT(bough_wait_all_tasks_blocked(), 0);
        WANT(u.rc, STILL_INSIDE);
        WANT(bough_stream_send_all(e->rx, "x", 1), 0);
    }
    WANT(u.rc, 1);
    return rc;
}

static int send_eof_to_nobody_returns(struct ends *e)
{
    WANT(bough_stream_close(e->rx), 0);
    WANT_EITHER(bough_stream_send_eof(e->tx), 0, -EPIPE);
    WANT(bough_stream_close(e->tx), 0);
    return 0;
}

/* --- all of it --- */

#define CHECK(name, needs)                                                                         \
    {                                                                                              \
#name, name, needs                                                                         \
    }

static const struct check checks[] = {
    CHECK(a_byte_arrives, ALWAYS),
    CHECK(receive_waits_for_a_byte, ALWAYS),
    CHECK(receive_takes_a_part_and_leaves_the_rest, ALWAYS),
    CHECK(many_small_sends_keep_their_order, ALWAYS),
    CHECK(an_empty_send_sends_nothing, ALWAYS),
    CHECK(a_receive_into_nothing_is_invalid, ALWAYS),
    CHECK(a_large_transfer_arrives_whole, ALWAYS),
    CHECK(both_directions_at_once, TWO_WAY),
    CHECK(backpressure, ALWAYS),
    CHECK(every_call_is_a_checkpoint, ALWAYS),
    CHECK(send_eof_is_a_checkpoint, HALF_CLOSE),
    CHECK(a_send_in_a_cancelled_scope_sends_nothing, ALWAYS),
    CHECK(a_receive_in_a_cancelled_scope_takes_nothing, ALWAYS),
    CHECK(a_send_eof_in_a_cancelled_scope_ends_nothing, HALF_CLOSE),
    CHECK(a_receive_that_is_cancelled_while_it_waits_loses_nothing, ALWAYS),
    CHECK(a_send_can_be_cancelled_while_it_is_stuck, ALWAYS),
    CHECK(a_second_receiver_is_told_that_it_is_busy, ALWAYS),
    CHECK(a_second_sender_is_told_that_it_is_busy, ALWAYS),
    CHECK(send_eof_while_another_sends_is_busy, HALF_CLOSE),
    CHECK(one_may_send_while_another_receives, TWO_WAY),
    CHECK(closing_again_is_fine, ALWAYS),
    CHECK(after_a_close_every_call_fails, ALWAYS),
    CHECK(closing_works_when_cancelled, ALWAYS),
    CHECK(closing_wakes_the_receiver, ALWAYS),
    CHECK(closing_wakes_the_sender, ALWAYS),
    CHECK(closing_wakes_both, TWO_WAY),
    CHECK(closing_between_wake_up_and_receive, ALWAYS),
    CHECK(closing_between_wake_up_and_send, ALWAYS),
    CHECK(freeing_wakes_the_receiver, ALWAYS),
    CHECK(freeing_wakes_the_sender, ALWAYS),
    CHECK(what_was_sent_arrives_although_the_sender_has_closed, ALWAYS),
    CHECK(the_end_stays_the_end, ALWAYS),
    CHECK(the_end_wakes_the_receiver, ALWAYS),
    CHECK(sending_to_nobody_fails_in_the_end_and_for_good, ALWAYS),
    CHECK(a_sender_that_is_stuck_is_told_that_nobody_is_left, ALWAYS),
    CHECK(the_end_is_received_after_what_was_sent, HALF_CLOSE),
    CHECK(send_eof_wakes_the_receiver, HALF_CLOSE),
    CHECK(after_send_eof_sending_fails, HALF_CLOSE),
    CHECK(after_send_eof_receiving_goes_on, HALF_CLOSE | TWO_WAY),
    CHECK(send_eof_does_not_disturb_a_receiver, HALF_CLOSE | TWO_WAY),
    CHECK(send_eof_to_nobody_returns, HALF_CLOSE),
};

struct trial {
    const struct check *check;
    struct ends ends;
};

/* In a task that is called like the check, so that the tree shows where it hangs if it does. */
static int trial_main(void *arg)
{
    struct trial *t = arg;
    bough_task_set_name("%s", t->check->name);
    return t->check->fn(&t->ends);
}

typedef int make_pair_fn(struct bough_stream **a, struct bough_stream **b, void *arg);

static int run_check(const struct check *check, bool back, make_pair_fn *make_pair, void *arg)
{
    struct bough_stream *a, *b;
    int rc = make_pair(&a, &b, arg);
    if (rc < 0)
        return rc;
    struct trial trial = {.check = check, .ends = {.tx = back ? b : a, .rx = back ? a : b}};
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, trial_main, &trial);
    bough_stream_free(trial.ends.tx);
    bough_stream_free(trial.ends.rx);
    if (rc < 0 && rc != -ECANCELED) {
        const struct bough_error *e = bough_error_last();
        return bough_fail(rc, "the contract of streams, %s%s: %s", check->name,
                          back ? " (from b to a)" : "", e ? bough_error_message(e) : "failed");
    }
    return rc;
}

/* What can a pair of this kind do? */
static int probe(make_pair_fn *make_pair, void *arg, unsigned *ret_can)
{
    struct bough_stream *a, *b;
    int rc = make_pair(&a, &b, arg);
    if (rc < 0)
        return rc;
    rc = bough_stream_send_all(b, "x", 1);
    *ret_can = rc == 0 ? TWO_WAY : 0;
    if (rc != -ECANCELED) {
        rc = bough_stream_send_eof(a);
        *ret_can |= rc == 0 ? HALF_CLOSE : 0;
    }
    bough_stream_free(a);
    bough_stream_free(b);
    return rc == -ECANCELED ? rc : 0;
}

int bough_test_stream_contract(make_pair_fn *make_pair, void *arg)
{
    unsigned can;
    int rc = probe(make_pair, arg, &can);
    for (size_t i = 0; rc == 0 && i < sizeof(checks) / sizeof(*checks); i++) {
        if (checks[i].needs & ~can)
            continue;
        rc = run_check(&checks[i], false, make_pair, arg);
        if (rc == 0 && (can & TWO_WAY))
            rc = run_check(&checks[i], true, make_pair, arg);
    }
    return rc;
}
