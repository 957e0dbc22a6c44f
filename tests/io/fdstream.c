/* Streams over descriptors: sockets, pipes; what TCP may do to one.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <netinet/tcp.h>

IO_TEST(tcp_streams_keep_the_contract)
{
    return bough_test_stream_contract(make_tcp_streams, NULL);
}

IO_TEST(so_do_those_that_are_received_ahead_from)
{
    return bough_test_stream_contract(make_chatty_streams, NULL);
}

IO_TEST(unix_streams_keep_the_contract)
{
    return bough_test_stream_contract(make_unix_streams, NULL);
}

IO_TEST(pipes_keep_the_contract_one_way)
{
    return bough_test_stream_contract(make_pipe_streams, NULL);
}

/* --- opening --- */

IO_TEST(a_stream_takes_its_descriptor_over)
{
    struct bough_stream *a;
    int fds[2];
    make_socketpair(fds);
    (void)fcntl(fds[0], F_SETFL, 0);
    CHECK_EQ(bough_fd_stream_open(fds[0], &a), 0);
    CHECK_EQ(bough_stream_fd(a), fds[0]);
    CHECK(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    CHECK_EQ(bough_stream_close(a), 0);
    CHECK_EQ(bough_stream_fd(a), -1);
    CHECK_EQ(fcntl(fds[0], F_GETFD), -1);
    CHECK_EQ(errno, EBADF);
    bough_stream_free(a);
    close(fds[1]);
    return 0;
}

IO_TEST(what_is_not_open_cannot_be_a_stream)
{
    struct bough_stream *s = NULL;
    int fds[2];
    make_pipe(fds);
    close_both(fds);
    CHECK_EQ(bough_fd_stream_open(-1, &s), -EBADF);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), -EBADF);
    CHECK(!s);
    return 0;
}

/* The number may belong to something else by then. */
IO_TEST(closing_twice_does_not_close_who_got_the_number_next)
{
    struct bough_stream *a, *b;
    CHECK_EQ(make_unix_streams(&a, &b, NULL), 0);
    int fd = bough_stream_fd(a);
    CHECK_EQ(bough_stream_close(a), 0);
    CHECK_EQ(dup(STDIN_FILENO), fd);
    CHECK_EQ(bough_stream_close(a), 0);
    bough_stream_free(a);
    CHECK(fcntl(fd, F_GETFD) >= 0);
    close(fd);
    bough_stream_free(b);
    return 0;
}

static int receive_byte(void *stream)
{
    char byte;
    return bough_stream_receive_some(stream, &byte, 1);
}

/* Closed between the wake-up and the system call, and the number given to another. */
IO_TEST(a_receiver_that_was_woken_does_not_read_from_who_got_the_number_next)
{
    struct bough_stream *a, *b, *c, *d;
    struct waiter w = {.call = receive_byte};
    int rc = 0;
    CHECK_EQ(make_unix_streams(&a, &b, NULL), 0);
    int fd = bough_stream_fd(a);
    w.object = a;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_stream_send_all(b, "x", 1), 0);
        CHECK_EQ(bough_stream_close(a), 0);
        CHECK_EQ(make_unix_streams(&c, &d, NULL), 0);
        CHECK_EQ(bough_stream_fd(c), fd);
        CHECK_EQ(bough_stream_send_all(d, "y", 1), 0);
    }
    CHECK_EQ(w.rc, -EBADF);
    CHECK_EQ(receive_byte(c), 1);
    bough_stream_free(a);
    bough_stream_free(b);
    bough_stream_free(c);
    bough_stream_free(d);
    return rc;
}

/* --- the end of a TCP connection --- */

enum end { FIN_WITH_THE_DATA, FIN_AFTER_THE_DATA, FIN_WHILE_WAITING };

/* A receive that did not fill its buffer means that nothing is left: but the end may be. */
static int receive_to_the_end(enum end when, int in_front)
{
    struct bough_stream *s;
    struct waiter w = {.call = receive_byte};
    char buffer[16];
    int fds[2], rc = 0;
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    w.object = s;
    for (int i = 0; i < in_front; i++) { /* so that the descriptor is known to the loop */
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            CHECK_EQ(write(fds[1], "x", 1), 1);
        }
        CHECK_EQ(w.rc, 1);
    }
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    if (when == FIN_WITH_THE_DATA)
        close(fds[1]);
    CHECK_EQ(receive_exactly(s, buffer, 3), 3);
    if (when == FIN_AFTER_THE_DATA)
        close(fds[1]);
    bough_with_nursery (n, &rc) {
        if (when == FIN_WHILE_WAITING) {
            waiter_park(n, &w);
            close(fds[1]);
        }
    }
    if (when == FIN_WHILE_WAITING)
        CHECK_EQ(w.rc, 0);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), 0);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), 0);
    bough_stream_free(s);
    return rc;
}

IO_TEST(data_and_the_end_may_come_together)
{
    return receive_to_the_end(FIN_WITH_THE_DATA, 0);
}

IO_TEST(data_and_the_end_may_come_together_later_on)
{
    return receive_to_the_end(FIN_WITH_THE_DATA, 3);
}

IO_TEST(the_end_may_come_after_a_short_read)
{
    return receive_to_the_end(FIN_AFTER_THE_DATA, 0);
}

IO_TEST(the_end_may_come_after_a_short_read_later_on)
{
    return receive_to_the_end(FIN_AFTER_THE_DATA, 3);
}

IO_TEST(the_end_may_come_while_we_wait_after_a_short_read)
{
    return receive_to_the_end(FIN_WHILE_WAITING, 3);
}

IO_TEST(many_small_messages_are_echoed)
{
    struct bough_stream *s;
    char buffer[64];
    int fds[2];
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    for (int i = 0; i < test_scale(5000); i++) {
        int size = i % 7 + 1;
        CHECK_EQ(write(fds[1], "1234567", (size_t)size), size);
        CHECK_EQ(receive_exactly(s, buffer, size), size);
        CHECK_EQ(bough_stream_send_all(s, buffer, (size_t)size), 0);
        CHECK_EQ(recv(fds[1], buffer, (size_t)size, MSG_WAITALL), size);
        CHECK_EQ(memcmp(buffer, "1234567", (size_t)size), 0);
    }
    bough_stream_free(s);
    close(fds[1]);
    return 0;
}

/* A receive stops short at an urgent byte, although more is there. */
IO_TEST(urgent_data_does_not_hide_what_comes_after_it)
{
    struct bough_stream *s;
    struct waiter w = {.call = receive_byte};
    char buffer[64];
    int fds[2], rc = 0;
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    w.object = s;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(write(fds[1], "xab", 3), 3);
        CHECK_EQ(send(fds[1], "!", 1, MSG_OOB), 1);
        CHECK_EQ(write(fds[1], "cd", 2), 2);
    }
    CHECK_EQ(w.rc, 1);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), 2);
    CHECK_EQ(memcmp(buffer, "ab", 2), 0);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), 2);
    CHECK_EQ(memcmp(buffer, "cd", 2), 0);
    bough_stream_free(s);
    close(fds[1]);
    return rc;
}

/* --- sending --- */

static int drain_slowly(void *arg)
{
    int fd = *(int *)arg;
    char block[1000];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        if (n == 0)
            return (int)total;
        if (n > 0) {
            for (ssize_t i = 0; i < n; i++)
                CHECK_EQ((unsigned char)block[i], (total + (size_t)i) % 251);
            total += (size_t)n;
        } else {
            CHECK_EQ(errno, EAGAIN);
            CHECK_EQ(bough_wait_readable(fd), 0);
        }
    }
}

IO_TEST(a_large_send_goes_through_a_small_buffer_in_parts)
{
    enum { SIZE = 300000 };
    struct bough_stream *s;
    int fds[2], small = 4096, rc = 0;
    unsigned char *data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i % 251);
    make_socketpair(fds);
    CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, drain_slowly, &fds[1]), 0);
        rc = bough_stream_send_all(s, data, SIZE);
        CHECK_EQ(bough_stream_close(s), 0);
    }
    bough_stream_free(s);
    bough_notify_closing(fds[1]);
    close(fds[1]);
    free(data);
    return rc;
}

/* --- a peer that goes --- */

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

IO_TEST(a_reset_is_a_broken_pipe)
{
    struct bough_stream *s;
    struct waiter w = {.call = receive_byte};
    int fds[2], rc = 0;
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    w.object = s;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        reset(fds[1]);
    }
    CHECK_EQ(w.rc, -EPIPE);
    CHECK_HAS(w.message, "reset");
    CHECK_EQ(bough_stream_send_all(s, "x", 1), -EPIPE);
    CHECK_EQ(bough_stream_send_eof(s), 0);
    CHECK_EQ(bough_stream_close(s), 0);
    bough_stream_free(s);
    return rc;
}

IO_TEST(a_reset_after_a_short_read_is_noticed)
{
    struct bough_stream *s;
    char buffer[8];
    int fds[2];
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), 1);
    reset(fds[1]);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), -EPIPE);
    bough_stream_free(s);
    return 0;
}

static int send_much(void *stream)
{
    static const char block[64 * 1024];
    int rc = 0;
    while (rc == 0)
        rc = bough_stream_send_all(stream, block, sizeof(block));
    return rc;
}

/* A process that holds 'fd' and does nothing, until it is killed. */
static pid_t hold_in_a_process(int fd, int other)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 3; i < 256; i++)
            if (i != fd)
                close(i);
        for (;;)
            pause();
    }
    (void)other;
    close(fd);
    return pid;
}

static int peer_is_killed(int fds[2])
{
    struct bough_stream *s;
    struct waiter in = {.call = receive_byte}, out = {.call = send_much};
    int rc = 0;
    pid_t pid = hold_in_a_process(fds[1], fds[0]);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    in.object = out.object = s;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &in);
        waiter_park(n, &out);
        CHECK_EQ(in.rc, STILL_WAITING);
        CHECK_EQ(out.rc, STILL_WAITING);
        CHECK_EQ(kill(pid, SIGKILL), 0);
    }
    CHECK(in.rc == 0 || in.rc == -EPIPE);
    CHECK_EQ(out.rc, -EPIPE);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    bough_stream_free(s);
    return rc;
}

IO_TEST(a_tcp_peer_that_is_killed_wakes_sender_and_receiver)
{
    int fds[2];
    make_tcp(fds);
    return peer_is_killed(fds);
}

IO_TEST(a_unix_peer_that_is_killed_wakes_sender_and_receiver)
{
    int fds[2];
    make_socketpair(fds);
    return peer_is_killed(fds);
}

IO_TEST(writing_into_a_broken_pipe_kills_nobody)
{
    struct bough_stream *in, *out;
    CHECK_EQ(make_pipe_streams(&out, &in, NULL), 0);
    bough_stream_free(in);
    CHECK_EQ(bough_stream_send_all(out, "x", 1), -EPIPE);
    CHECK_EQ(bough_stream_send_eof(out), -ENOTSUP);
    bough_stream_free(out);
    return 0;
}

/* --- fairness --- */

static int count_passes(void *arg)
{
    int rc;
    while ((rc = bough_checkpoint()) == 0)
        ++*(int *)arg;
    return rc;
}

IO_TEST(a_stream_that_is_always_ready_starves_nobody)
{
    struct bough_stream *a, *b;
    char byte = 'x';
    int passes = 0, rc = 0;
    CHECK_EQ(make_unix_streams(&a, &b, NULL), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_passes, &passes), 0);
        for (int i = 0; i < 10000; i++) {
            CHECK_EQ(bough_stream_send_all(a, &byte, 1), 0);
            CHECK_EQ(bough_stream_receive_some(b, &byte, 1), 1);
        }
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK(passes >= 10);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}
