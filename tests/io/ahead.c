/* Streams that a driver may receive ahead from: nothing of that shows.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <bough/unix.h>

static int receive_hundred(void *stream)
{
    char bytes[100];
    return bough_stream_receive_some(stream, bytes, sizeof(bytes));
}

/* Time enough for a driver to receive what has come. */
static void let_it_come(void)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
}

IO_TEST(who_is_cancelled_loses_nothing)
{
    struct bough_stream *a, *b;
    char bytes[8] = "";
    int rc = 0;
    CHECK_EQ(make_chatty_streams(&a, &b, NULL), 0);
    for (int round = 0; round < 4; round++) {
        struct waiter w = {.call = receive_hundred, .object = b};
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            if (round % 2)
                CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
            bough_scope_cancel(&w.scope, "the test is over");
        }
        CHECK_EQ(rc, 0);
        CHECK(w.rc == -ECANCELED || w.rc == 3);
        if (round % 2 == 0)
            CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
        if (round >= 2)
            let_it_come();
        if (w.rc == -ECANCELED)
            CHECK_EQ(receive_exactly(b, bytes, 3), 3);
    }
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

static int is_ahead_task(__attribute__((unused)) void *arg)
{
    struct bough_stream *a, *b;
    char bytes[8] = "";
    need_receiving_ahead();
    CHECK_EQ(make_chatty_streams(&a, &b, NULL), 0);
    CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
    let_it_come();
    CHECK_EQ(recv(bough__fd_stream_fd(b), bytes, sizeof(bytes), MSG_DONTWAIT), -1);
    CHECK_EQ(receive_exactly(b, bytes, 3), 3);
    CHECK_STR(bytes, "abc");
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

IO_TEST_ON_(it_is_done_on_io_uring, is_ahead, BOUGH_IO_URING)

/* A socket that others know is not touched. */
IO_TEST(it_is_not_done_where_the_descriptor_was_asked_for)
{
    struct bough_stream *b;
    char bytes[8];
    int fds[2], rc = 0;
    make_tcp(fds);
    CHECK_EQ(bough__fd_stream_open_private(fds[0], &b), 0);
    CHECK_EQ(bough_stream_fd(b), fds[0]);
    for (int i = 0; i < 10; i++) {
        struct waiter w = {.call = receive_hundred, .object = b};
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            CHECK_EQ(send(fds[1], "x", 1, 0), 1);
        }
        CHECK_EQ(w.rc, 1);
    }
    CHECK_EQ(send(fds[1], "abc", 3, 0), 3);
    let_it_come();
    CHECK_EQ(recv(fds[0], bytes, sizeof(bytes), 0), 3);
    bough_stream_free(b);
    close(fds[1]);
    return rc;
}

/* Descriptors would be lost. */
IO_TEST(it_is_not_done_with_unix_sockets)
{
    struct bough_stream *a, *b;
    char bytes[8];
    int fds[2], sent[2], got = -1;
    unsigned count = 0;
    make_socketpair(fds);
    b = make_chatty(fds[0], fds[1]);
    CHECK_EQ(bough_fd_stream_open(fds[1], &a), 0);
    make_pipe(sent);
    CHECK_EQ(bough_unix_send_fds(a, "abc", 3, sent, 1), 0);
    let_it_come();
    CHECK_EQ(bough_unix_receive_fds(b, bytes, sizeof(bytes), &got, 1, &count), 3);
    CHECK_EQ(count, 1);
    close(got);
    close_both(sent);
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

IO_TEST(who_asks_for_the_descriptor_may_receive_from_it)
{
    struct bough_stream *a, *b;
    char bytes[8];
    CHECK_EQ(make_chatty_streams(&a, &b, NULL), 0);
    int fd = bough_stream_fd(b);
    CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
    let_it_come();
    CHECK_EQ(bough_wait_readable(fd), 0);
    CHECK_EQ(recv(fd, bytes, 2, 0), 2);
    CHECK_EQ(receive_hundred(b), 1);
    struct waiter w = {.call = receive_hundred, .object = b};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
    }
    CHECK_EQ(w.rc, 3);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}

IO_TEST(what_came_before_that_is_still_the_streams)
{
    struct bough_stream *a, *b;
    char bytes[8] = "";
    CHECK_EQ(make_chatty_streams(&a, &b, NULL), 0);
    CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
    let_it_come();
    int fd = bough_stream_fd(b);
    CHECK_EQ(bough_wait_readable(fd), 0);
    CHECK_EQ(receive_exactly(b, bytes, 3), 3);
    CHECK_STR(bytes, "abc");
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

IO_TEST(what_nobody_receives_is_forgotten_with_the_stream)
{
    for (int i = 0; i < 20; i++) {
        struct bough_stream *a, *b;
        CHECK_EQ(make_chatty_streams(&a, &b, NULL), 0);
        CHECK_EQ(bough_stream_send_all(a, "abc", 3), 0);
        if (i % 2)
            let_it_come();
        bough_stream_free(b);
        bough_stream_free(a);
    }
    return 0;
}

/* Short ones are received ahead, long ones are not, and the stream goes from one to the other. */
static int talk(void *stream)
{
    static char bytes[20000];
    unsigned seed = 3;
    int rc = 0;
    for (int i = 0, sent = 0; i < test_scale(3000) && rc == 0; i++) {
        size_t size = i % 100 ? 1 + (size_t)rand_r(&seed) % 300 : sizeof(bytes);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (char)(sent++ * 7 % 127);
        rc = bough_stream_send_all(stream, bytes, size);
        if (rc == 0 && rand_r(&seed) % 3 == 0)
            rc = bough_checkpoint();
    }
    return rc < 0 ? rc : bough_stream_send_eof(stream);
}

IO_TEST(every_byte_comes_in_its_turn)
{
    struct bough_stream *a, *b;
    char bytes[700];
    unsigned seed = 4;
    int rc = 0, got = 0, size = 1;
    CHECK_EQ(make_chatty_streams(&a, &b, NULL), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, talk, a), 0);
        while (size > 0) {
            size = bough_stream_receive_some(b, bytes, 1 + (size_t)rand_r(&seed) % sizeof(bytes));
            for (int i = 0; i < size; i++)
                CHECK_EQ(bytes[i], got++ * 7 % 127);
        }
        CHECK_EQ(size, 0);
    }
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}

/* --- another run --- */

struct kept {
    struct bough_stream *stream;
    int peer;
};

static int keep_stream(void *arg)
{
    struct kept *k = arg;
    int fds[2];
    make_tcp(fds);
    k->stream = make_chatty(fds[0], fds[1]);
    k->peer = fds[1];
    return 0;
}

static int receive_from_it(void *arg)
{
    struct kept *k = arg;
    CHECK_EQ(send(k->peer, "x", 1, MSG_NOSIGNAL), 1);
    return receive_one_byte(k->stream);
}

static void use_in_another_run(enum bough_io other)
{
    const struct bough_run_options first = {.io = BOUGH_IO_URING}, second = {.io = other};
    struct kept k;
    need_uring();
    need_receiving_ahead();
    CHECK_EQ(bough_run_with(&first, keep_stream, &k), 0);
    CHECK_EQ(bough_run_with(&second, receive_from_it, &k), 1);
}

TEST_DIES(a_stream_that_was_received_ahead_from_is_not_for_another_run, SIGABRT, "in another run")
{
    use_in_another_run(BOUGH_IO_URING);
}

TEST_DIES(nor_for_one_on_another_driver, SIGABRT, "in another run")
{
    use_in_another_run(BOUGH_IO_EPOLL);
}
