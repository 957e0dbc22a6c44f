/* Streams in memory.
 * SPDX-License-Identifier: MIT */
#include "io.h"

static int make_memory_pair(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    return bough_memory_stream_pair(*(size_t *)arg, ret_a, ret_b);
}

IO_TEST(memory_streams_keep_the_contract)
{
    size_t capacity = 4096;
    return bough_test_stream_contract(make_memory_pair, &capacity);
}

IO_TEST(memory_streams_of_an_odd_size_keep_it_too)
{
    size_t capacity = 7;
    return bough_test_stream_contract(make_memory_pair, &capacity);
}

TASK_TEST(a_buffer_of_nothing_is_invalid)
{
    struct bough_stream *a = NULL, *b = NULL;
    CHECK_EQ(bough_memory_stream_pair(0, &a, &b), -EINVAL);
    CHECK(!a && !b);
    return 0;
}

TASK_TEST(a_sender_fills_the_buffer_and_waits_for_room)
{
    struct bough_stream *a, *b;
    char buffer[8];
    int rc = 0;
    CHECK_EQ(bough_memory_stream_pair(4, &a, &b), 0);
    CHECK_EQ(bough_stream_send_all(a, "abcd", 4), 0); /* fits: does not wait */
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_stream_send_all(a, "e", 1);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(bough_stream_receive_some(b, buffer, 8), 4);
    CHECK_EQ(memcmp(buffer, "abcd", 4), 0);
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

struct sending {
    struct bough_stream *stream;
    const char *text;
    int rc;
};

static int send_text(void *arg)
{
    struct sending *s = arg;
    s->rc = bough_stream_send_all(s->stream, s->text, strlen(s->text));
    return 0;
}

TASK_TEST(bytes_go_around_the_end_of_the_buffer)
{
    struct bough_stream *a, *b;
    char buffer[16] = "";
    int rc = 0;
    CHECK_EQ(bough_memory_stream_pair(5, &a, &b), 0);
    struct sending s = {.stream = a, .text = "defghijklm"};
    CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
    CHECK_EQ(bough_stream_receive_some(b, buffer, 2), 2);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, send_text, &s), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(receive_exactly(b, buffer + 2, 11), 11);
    }
    CHECK_STR(buffer, "abcdefghijklm");
    CHECK_EQ(s.rc, 0);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}

TASK_TEST(the_directions_have_buffers_of_their_own)
{
    struct bough_stream *a, *b;
    char buffer[4];
    CHECK_EQ(bough_memory_stream_pair(4, &a, &b), 0);
    CHECK_EQ(bough_stream_send_all(a, "aaaa", 4), 0);
    CHECK_EQ(bough_stream_send_all(b, "bbbb", 4), 0);
    CHECK_EQ(bough_stream_receive_some(a, buffer, 4), 4);
    CHECK_EQ(memcmp(buffer, "bbbb", 4), 0);
    CHECK_EQ(bough_stream_receive_some(b, buffer, 4), 4);
    CHECK_EQ(memcmp(buffer, "aaaa", 4), 0);
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

TASK_TEST(closing_here_does_not_lose_what_the_peer_was_sent)
{
    struct bough_stream *a, *b;
    char buffer[8];
    CHECK_EQ(bough_memory_stream_pair(8, &a, &b), 0);
    CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
    bough_stream_free(a);
    CHECK_EQ(bough_stream_receive_some(b, buffer, 8), 3);
    CHECK_EQ(bough_stream_receive_some(b, buffer, 8), 0);
    CHECK_EQ(bough_stream_send_all(b, "x", 1), -EPIPE);
    CHECK_EQ(bough_stream_send_eof(b), 0);
    bough_stream_free(b);
    return 0;
}

TASK_TEST(a_memory_stream_has_no_descriptor)
{
    struct bough_stream *a, *b;
    CHECK_EQ(bough_memory_stream_pair(8, &a, &b), 0);
    CHECK_EQ(bough_stream_fd(a), -1);
    bough_stream_free(b);
    bough_stream_free(a);
    bough_stream_free(NULL);
    return 0;
}

struct inside {
    struct bough_stream *stream;
    bool sends;
    int rc;
};

static int be_inside(void *arg)
{
    struct inside *i = arg;
    char byte;
    i->rc = i->sends ? bough_stream_send_all(i->stream, "123456789", 9)
                     : bough_stream_receive_some(i->stream, &byte, 1);
    return 0;
}

TASK_TEST(both_sides_may_be_freed_with_tasks_in_both_directions)
{
    struct bough_stream *s[2];
    struct inside inside[4];
    int rc = 0;
    CHECK_EQ(bough_memory_stream_pair(1, &s[0], &s[1]), 0);
    bough_with_nursery (n, &rc) {
        /* 0 sends and waits for room, 1 receives, and there is nothing for it. */
        for (int i = 0; i < 2; i++) {
            inside[i] = (struct inside){.stream = s[0], .sends = i == 0, .rc = STILL_WAITING};
            CHECK_EQ(bough_nursery_start_soon(n, be_inside, &inside[i]), 0);
        }
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        bough_stream_free(s[0]);
        bough_stream_free(s[1]);
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(inside[i].rc, -EBADF);
    return rc;
}

/* Cancelled, a call lets others run before it returns: the stream may be gone by then. */
static int free_it(void *arg)
{
    bough_stream_free(arg);
    return 0;
}

TASK_TEST(a_stream_may_be_freed_while_a_cancelled_call_is_on_its_way_out)
{
    struct bough_stream *a, *b;
    char byte;
    int rc = 0;
    CHECK_EQ(bough_memory_stream_pair(1, &a, &b), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, free_it, a), 0);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        CHECK_EQ(bough_stream_receive_some(a, &byte, 1), -ECANCELED);
    }
    bough_stream_free(b);
    return rc;
}

static int pair_and_back(__attribute__((unused)) void *arg)
{
    struct bough_stream *a, *b;
    char buffer[4];
    int rc = bough_memory_stream_pair(16, &a, &b);
    if (rc < 0)
        return rc;
    rc = bough_stream_send_all(a, "x", 1);
    if (rc == 0)
        rc = bough_stream_receive_some(b, buffer, 4) == 1 ? 0 : -EIO;
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}

TEST(a_pair_survives_the_failure_of_each_allocation)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, pair_and_back, NULL) >= 5);
}
