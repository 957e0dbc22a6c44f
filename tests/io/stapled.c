/* Two streams, one a direction, as one.
 * SPDX-License-Identifier: MIT */
#include "io.h"

/* Two pipes, crossed. */
static int make_stapled_pipes(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    struct bough_stream *in[2], *out[2];
    (void)arg;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(bough_pipe_open(&in[i], &out[i]), 0);
    CHECK_EQ(bough_stapled_stream_open(out[0], in[1], ret_a), 0);
    CHECK_EQ(bough_stapled_stream_open(out[1], in[0], ret_b), 0);
    return 0;
}

IO_TEST(stapled_pipes_keep_the_contract)
{
    return bough_test_stream_contract(make_stapled_pipes, NULL);
}

/* Halves that can do both, and end one direction alone. */
static int make_stapled_sockets(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    struct bough_stream *one[2], *two[2];
    CHECK_EQ(make_unix_streams(&one[0], &one[1], arg), 0);
    CHECK_EQ(make_unix_streams(&two[0], &two[1], arg), 0);
    CHECK_EQ(bough_stapled_stream_open(one[0], two[0], ret_a), 0);
    CHECK_EQ(bough_stapled_stream_open(two[1], one[1], ret_b), 0);
    return 0;
}

IO_TEST(stapled_sockets_keep_the_contract)
{
    return bough_test_stream_contract(make_stapled_sockets, NULL);
}

/* --- halves that see what is done to them --- */

struct half {
    struct bough_stream stream;
    int close_rc;
    int closed, freed, sent, received;
};

static struct half *half_of(struct bough_stream *s)
{
    return (struct half *)s;
}

static int half_send_all(struct bough_stream *s, const void *data, size_t size)
{
    (void)data;
    half_of(s)->sent += (int)size;
    return 0;
}

static int half_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    half_of(s)->received++;
    memset(ret_buffer, 'x', size);
    return (int)size;
}

static int half_close(struct bough_stream *s)
{
    half_of(s)->closed++;
    return half_of(s)->close_rc;
}

static void half_free(struct bough_stream *s)
{
    half_of(s)->freed++;
}

static const struct bough_stream_operations half_operations = {
    .name = "half",
    .send_all = half_send_all,
    .receive_some = half_receive_some,
    .close = half_close,
    .free = half_free,
};

static struct bough_stream *staple(struct half *tx, struct half *rx)
{
    struct bough_stream *s;
    *tx = *rx = (struct half){.stream.operations = &half_operations};
    CHECK_EQ(bough_stapled_stream_open(&tx->stream, &rx->stream, &s), 0);
    return s;
}

TASK_TEST(each_half_does_its_half)
{
    struct half tx, rx;
    struct bough_stream *s = staple(&tx, &rx);
    char buffer[4];
    CHECK_EQ(bough_stream_send_all(s, "abc", 3), 0);
    CHECK_EQ(bough_stream_receive_some(s, buffer, 4), 4);
    CHECK_EQ(tx.sent, 3);
    CHECK_EQ(rx.sent, 0);
    CHECK_EQ(tx.received, 0);
    CHECK_EQ(rx.received, 1);
    CHECK_EQ(bough_stream_fd(s), -1);
    bough_stream_free(s);
    CHECK_EQ(tx.freed, 1);
    CHECK_EQ(rx.freed, 1);
    return 0;
}

TASK_TEST(a_half_that_cannot_end_is_closed_instead_once)
{
    struct half tx, rx;
    struct bough_stream *s = staple(&tx, &rx);
    char byte;
    CHECK_EQ(bough_stream_send_eof(s), 0);
    CHECK_EQ(bough_stream_send_eof(s), 0);
    CHECK_EQ(tx.closed, 1);
    CHECK_EQ(rx.closed, 0);
    CHECK_EQ(bough_stream_send_all(s, "x", 1), -EBADF);
    CHECK_EQ(bough_stream_receive_some(s, &byte, 1), 1);
    bough_stream_free(s);
    return 0;
}

TASK_TEST(both_halves_are_closed_even_if_the_first_fails)
{
    struct half tx, rx;
    struct bough_stream *s = staple(&tx, &rx);
    tx.close_rc = -EIO;
    CHECK_EQ(bough_stream_close(s), -EIO);
    CHECK_EQ(tx.closed, 1);
    CHECK_EQ(rx.closed, 1);
    bough_stream_free(s);
    return 0;
}

TASK_TEST(the_failures_of_both_closes_are_kept)
{
    struct half tx, rx;
    struct bough_stream *s = staple(&tx, &rx);
    tx.close_rc = -EIO;
    rx.close_rc = -ENOSPC;
    int rc = bough_stream_close(s);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EIO));
    CHECK(bough_catch(&rc, -ENOSPC));
    CHECK_EQ(rc, 0);
    bough_stream_free(s);
    return 0;
}

/* --- memory --- */

TASK_TEST(if_there_is_no_memory_the_halves_are_freed)
{
    struct half tx = {.stream.operations = &half_operations}, rx = tx;
    struct bough_stream *s = NULL;
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_stapled_stream_open(&tx.stream, &rx.stream, &s), -ENOMEM);
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK(!s);
    CHECK_EQ(tx.freed, 1);
    CHECK_EQ(rx.freed, 1);
    return 0;
}

static int send_much(void *stream)
{
    static const char block[256 * 1024];
    return bough_stream_send_all(stream, block, sizeof(block));
}

IO_TEST(freeing_it_while_a_task_sends_wakes_that_task)
{
    struct bough_stream *a, *b;
    int rc = 0;
    CHECK_EQ(make_stapled_pipes(&a, &b, NULL), 0);
    struct waiter w = {.call = send_much, .object = a};
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_stream_free(a);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_stream_free(b);
    return rc;
}

IO_TEST(the_end_of_sending_has_to_wait_for_nobody)
{
    struct bough_stream *a, *b;
    int rc = 0;
    CHECK_EQ(make_stapled_pipes(&a, &b, NULL), 0);
    struct waiter w = {.call = send_much, .object = a};
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_stream_send_eof(a), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(bough_stream_send_eof(a), 0);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}
