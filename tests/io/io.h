/* What the tests of descriptors share: each runs on the test kernel and again on each real driver,
 * and no descriptor may be left over.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sync/waiter.h"

#include <bough/io.h>
#include <bough/net.h>
#include <bough/observe.h>

#include "io/fdstream.h"

/* How many descriptors are open. */
__attribute__((unused)) static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

__attribute__((unused)) static int run_nothing(__attribute__((unused)) void *arg)
{
    return 0;
}

/* Skips the test where io_uring cannot be had. */
__attribute__((unused)) static void need_uring(void)
{
    const struct bough_run_options options = {.io = BOUGH_IO_URING};
    if (test_on_valgrind())
        test_skip("this Valgrind knows too little of io_uring");
    if (bough_run_with(&options, run_nothing, NULL) < 0)
        test_skip("%s", bough_error_message(bough_error_last()));
}

/* Calls that were abandoned to their threads may hold some for a while. How many are open then? */
__attribute__((unused)) static int wait_for_descriptors(int count)
{
    int open = open_descriptors();
    for (int i = 0; i < 5000 && open != count; i++) {
        usleep(1000);
        open = open_descriptors();
    }
    return open;
}

__attribute__((unused)) static void run_io(const char *file, int line, enum bough_io io,
                                           int (*fn)(void *arg))
{
    const struct bough_run_options options = {.io = io};
    if (io == BOUGH_IO_URING)
        need_uring();
    int before = open_descriptors();
    /* AUTO stands for the test kernel. */
    int rc =
        io == BOUGH_IO_AUTO ? bough_test_run(NULL, fn, NULL) : bough_run_with(&options, fn, NULL);
    if (rc < 0) {
        bough_error_print(bough_error_last(), stderr);
        test_fail(file, line, "the test returned %d (%s)", rc, bough_error_name(rc));
    }
    int after = wait_for_descriptors(before);
    if (after != before)
        test_fail(file, line, "%d descriptors were open before, %d are now", before, after);
}

#define IO_TEST_ON_(name, test_name, io)                                                           \
    TEST(name)                                                                                     \
    {                                                                                              \
        run_io(__FILE__, __LINE__, io, test_name##_task);                                          \
    }

/* A test that is the main task of a run on the test kernel, and the same on the real ones. */
#define IO_TEST(test_name)                                                                         \
    static int test_name##_task(void *arg);                                                        \
    IO_TEST_ON_(test_name, test_name, BOUGH_IO_AUTO)                                               \
    IO_TEST_ON_(test_name##_really, test_name, BOUGH_IO_EPOLL)                                     \
    IO_TEST_ON_(test_name##_on_io_uring, test_name, BOUGH_IO_URING)                                \
    static int test_name##_task(__attribute__((unused)) void *arg)

/* One that needs the time of the test kernel. */
#define VIRTUAL_IO_TEST(test_name)                                                                 \
    static int test_name##_task(void *arg);                                                        \
    IO_TEST_ON_(test_name, test_name, BOUGH_IO_AUTO)                                               \
    static int test_name##_task(__attribute__((unused)) void *arg)

/* --- pairs of descriptors --- */

__attribute__((unused)) static void make_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

__attribute__((unused)) static void make_socketpair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

__attribute__((unused)) static void close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        bough_notify_closing(fds[i]);
        close(fds[i]);
    }
}

/* A TCP connection without anything of the library's: blocking sockets of the system. */
__attribute__((unused)) static void make_tcp(int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, size), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fds[0], (struct sockaddr *)&at, size), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fds[1] >= 0);
    close(listener);
}

/* Fill it until it takes no more; how much it took. */
__attribute__((unused)) static size_t fill(int fd)
{
    static const char block[4096];
    size_t total = 0;
    for (;;) {
        ssize_t n = write(fd, block, sizeof(block));
        if (n < 0)
            break;
        total += (size_t)n;
    }
    CHECK_EQ(errno, EAGAIN);
    return total;
}

__attribute__((unused)) static size_t drain(int fd)
{
    char block[4096];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        if (n <= 0)
            return total;
        total += (size_t)n;
    }
}

__attribute__((unused)) static uint64_t polls(void)
{
    struct bough_run_stats stats;
    bough_run_statistics(&stats);
    return stats.polls;
}

/* --- streams --- */

__attribute__((unused)) static int make_tcp_streams(struct bough_stream **ret_a,
                                                    struct bough_stream **ret_b,
                                                    __attribute__((unused)) void *arg)
{
    int fds[2];
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], ret_a), 0);
    CHECK_EQ(bough_fd_stream_open(fds[1], ret_b), 0);
    return 0;
}

__attribute__((unused)) static int make_unix_streams(struct bough_stream **ret_a,
                                                     struct bough_stream **ret_b,
                                                     __attribute__((unused)) void *arg)
{
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], ret_a), 0);
    CHECK_EQ(bough_fd_stream_open(fds[1], ret_b), 0);
    return 0;
}

/* What 'a' sends 'b' receives. */
__attribute__((unused)) static int make_pipe_streams(struct bough_stream **ret_a,
                                                     struct bough_stream **ret_b,
                                                     __attribute__((unused)) void *arg)
{
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(bough_fd_stream_open(fds[1], ret_a), 0);
    CHECK_EQ(bough_fd_stream_open(fds[0], ret_b), 0);
    return 0;
}

/* Receive until 'size' bytes are there, or the end. How many came; < 0. */
__attribute__((unused)) static int receive_exactly(struct bough_stream *s, char *buffer, int size)
{
    int have = 0;
    while (have < size) {
        int n = bough_stream_receive_some(s, buffer + have, (size_t)(size - have));
        if (n < 0)
            return n;
        if (n == 0)
            break;
        have += n;
    }
    return have;
}

/* --- streams that a driver may receive ahead from --- */

/* Skips the test where io_uring can receive nothing ahead. */
__attribute__((unused)) static void need_receiving_ahead(void)
{
    struct utsname system;
    CHECK_EQ(uname(&system), 0);
    if (atoi(system.release) < 6)
        test_skip("Linux %s receives nothing ahead, 6.0 does", system.release);
}

__attribute__((unused)) static int receive_one_byte(void *stream)
{
    char byte;
    return bough_stream_receive_some(stream, &byte, 1);
}

/* One over 'fd' that has waited often for what its peer, the descriptor 'peer', sends. */
__attribute__((unused)) static struct bough_stream *make_chatty(int fd, int peer)
{
    enum { OFTEN = 6 };
    struct bough_stream *s;
    int rc = 0;
    CHECK_EQ(bough__fd_stream_open_private(fd, &s), 0);
    for (int i = 0; i < OFTEN; i++) {
        struct waiter w = {.call = receive_one_byte, .object = s};
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            CHECK_EQ(send(peer, "x", 1, MSG_NOSIGNAL), 1);
        }
        CHECK_EQ(rc, 0);
        CHECK_EQ(w.rc, 1);
    }
    return s;
}

__attribute__((unused)) static int make_chatty_streams(struct bough_stream **ret_a,
                                                       struct bough_stream **ret_b,
                                                       __attribute__((unused)) void *arg)
{
    int fds[2];
    make_tcp(fds);
    *ret_a = make_chatty(fds[0], fds[1]);
    *ret_b = make_chatty(fds[1], fds[0]);
    return 0;
}
