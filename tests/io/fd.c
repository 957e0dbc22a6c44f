/* Waiting for descriptors: bough_wait_readable(), bough_wait_writable(), bough_notify_closing().
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/time.h>

static int readable(void *fd)
{
    return bough_wait_readable(*(int *)fd);
}

static int writable(void *fd)
{
    return bough_wait_writable(*(int *)fd);
}

/* --- what is ready --- */

IO_TEST(what_is_ready_already_is_not_waited_for)
{
    int fds[2], rc = 0;
    make_pipe(fds);
    CHECK_EQ(bough_wait_writable(fds[1]), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(bough_wait_readable(fds[0]), 0);
    bough_assert_checkpoints (&rc)
        rc = bough_wait_readable(fds[0]);
    close_both(fds);
    return rc;
}

IO_TEST(readable_is_a_level_until_all_is_read)
{
    struct waiter w = {.call = readable};
    char byte;
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[0];
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(bough_wait_readable(fds[0]), 0);
        CHECK_EQ(bough_wait_readable(fds[0]), 0);
        CHECK_EQ(read(fds[0], &byte, 1), 1);
    }
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(write(fds[1], "d", 1), 1);
    }
    CHECK_EQ(w.rc, 0);
    close_both(fds);
    return rc;
}

IO_TEST(writable_is_a_level_until_it_is_full)
{
    struct waiter w = {.call = writable};
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[1];
    CHECK_EQ(bough_wait_writable(fds[1]), 0);
    CHECK_EQ(bough_wait_writable(fds[1]), 0);
    (void)fill(fds[1]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        (void)drain(fds[0]);
    }
    CHECK_EQ(w.rc, 0);
    close_both(fds);
    return rc;
}

/* Of what is the library's, too: a stream's descriptor can be waited for without reading it dry. */
IO_TEST(it_is_a_level_for_the_descriptor_of_a_stream_too)
{
    struct bough_stream *a, *b;
    struct waiter w = {.call = readable};
    char byte;
    int rc = 0;
    CHECK_EQ(make_tcp_streams(&a, &b, NULL), 0);
    int fd = bough_stream_fd(a);
    w.object = &fd;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(bough_stream_send_all(b, "abc", 3), 0);
    }
    CHECK_EQ(w.rc, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(bough_wait_readable(fd), 0);
        CHECK_EQ(bough_wait_writable(fd), 0);
        CHECK_EQ(read(fd, &byte, 1), 1);
    }
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_stream_free(b);
    }
    CHECK_EQ(w.rc, 0);
    bough_stream_free(a);
    return rc;
}

IO_TEST(one_may_wait_for_each_direction)
{
    struct waiter in = {.call = readable}, out = {.call = writable};
    int fds[2], rc = 0;
    make_socketpair(fds);
    in.object = out.object = &fds[0];
    (void)fill(fds[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &in);
        waiter_park(n, &out);
        (void)drain(fds[1]);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(out.rc, 0);
        CHECK_EQ(in.rc, STILL_WAITING);
        CHECK_EQ(write(fds[1], "x", 1), 1);
    }
    CHECK_EQ(in.rc, 0);
    close_both(fds);
    return rc;
}

IO_TEST(a_regular_file_is_always_ready)
{
    int fd = memfd_create("file", MFD_CLOEXEC), rc = 0;
    CHECK_EQ(bough_wait_readable(fd), 0);
    CHECK_EQ(bough_wait_writable(fd), 0);
    bough_assert_checkpoints (&rc)
        rc = bough_wait_readable(fd);
    close(fd);
    fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_EQ(bough_wait_readable(fd), 0);
    close(fd);
    return rc;
}

/* --- what is not right --- */

IO_TEST(a_second_waiter_for_the_same_is_told_that_it_is_busy)
{
    struct waiter w = {.call = readable};
    int fds[2], rc = 0;
    make_socketpair(fds);
    w.object = &fds[0];
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_wait_readable(fds[0]), -EBUSY);
        CHECK_HAS(bough_error_message(bough_error_last()), "another task");
        CHECK_EQ(bough_wait_writable(fds[0]), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(write(fds[1], "x", 1), 1);
    }
    CHECK_EQ(w.rc, 0);
    close_both(fds);
    return rc;
}

IO_TEST(what_is_not_open_cannot_be_waited_for)
{
    int fds[2];
    make_pipe(fds);
    close_both(fds);
    const int bad[] = {-1, INT_MIN, fds[0], 1000, 1000000, INT_MAX};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_EQ(bough_wait_readable(bad[i]), -EBADF);
        CHECK_EQ(bough_wait_writable(bad[i]), -EBADF);
        bough_notify_closing(bad[i]);
    }
    return 0;
}

IO_TEST(a_descriptor_with_a_high_number_is_like_any_other)
{
    struct rlimit limit;
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int high = limit.rlim_cur < 5000 ? (int)limit.rlim_cur - 10 : 5000;
    CHECK_EQ(fcntl(fds[0], F_DUPFD_CLOEXEC, high), high);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(bough_wait_readable(high), 0);
    close_both(fds);
    bough_notify_closing(high);
    close(high);
    return 0;
}

/* --- cancels --- */

IO_TEST(a_cancelled_wait_leaves_nothing_behind)
{
    struct waiter w[2] = {{.call = readable}, {.call = readable}};
    int fds[2], rc = 0;
    make_pipe(fds);
    w[0].object = w[1].object = &fds[0];
    CHECK_EQ(call_cancelled(readable, &fds[0]), -ECANCELED);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w[0]);
        bough_scope_cancel(&w[0].scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w[0].rc, -ECANCELED);
        waiter_park(n, &w[1]);
        CHECK_EQ(write(fds[1], "x", 1), 1);
    }
    CHECK_EQ(w[1].rc, 0);
    CHECK_EQ(call_cancelled(readable, &fds[0]), -ECANCELED); /* ready or not */
    CHECK_EQ(call_cancelled(writable, &fds[1]), -ECANCELED);
    close_both(fds);
    return rc;
}

VIRTUAL_IO_TEST(a_wait_can_time_out)
{
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(call_timed(BOUGH_SEC, readable, &fds[0]), -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_timed(BOUGH_SEC, readable, &fds[0]), 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    close_both(fds);
    return 0;
}

/* --- the other end goes --- */

IO_TEST(a_pipe_whose_writer_is_gone_is_readable)
{
    struct waiter w = {.call = readable};
    char byte;
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[0];
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        close(fds[1]);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(bough_wait_readable(fds[0]), 0);
    CHECK_EQ(read(fds[0], &byte, 1), 0);
    bough_notify_closing(fds[0]);
    close(fds[0]);
    return rc;
}

IO_TEST(a_pipe_whose_reader_is_gone_is_writable)
{
    struct waiter w = {.call = writable};
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[1];
    (void)fill(fds[1]);
    signal(SIGPIPE, SIG_IGN);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        close(fds[0]);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(bough_wait_writable(fds[1]), 0);
    CHECK_EQ(write(fds[1], "x", 1), -1);
    CHECK_EQ(errno, EPIPE);
    bough_notify_closing(fds[1]);
    close(fds[1]);
    return rc;
}

IO_TEST(a_peer_that_ends_its_half_makes_us_readable_and_not_more)
{
    struct waiter in = {.call = readable}, out = {.call = writable};
    int fds[2], rc = 0;
    make_socketpair(fds);
    in.object = out.object = &fds[0];
    (void)fill(fds[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &in);
        waiter_park(n, &out);
        CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(in.rc, 0);
        CHECK_EQ(out.rc, STILL_WAITING);
        close(fds[1]);
    }
    CHECK_EQ(out.rc, 0);
    bough_notify_closing(fds[0]);
    close(fds[0]);
    return rc;
}

/* A process of its own holds the other end; its death is the event. */
IO_TEST(a_process_that_dies_hangs_up_its_pipe)
{
    int fds[2];
    make_pipe(fds);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        for (;;)
            pause();
    }
    close(fds[1]);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(bough_wait_readable(fds[0]), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    bough_notify_closing(fds[0]);
    close(fds[0]);
    return 0;
}

/* --- it does not spin --- */

/* Hung up, with only the other direction waited for: nothing may be reported again and again. */
IO_TEST(waiting_does_not_poll_again_and_again)
{
    struct waiter w = {.call = writable};
    int fds[2], rc = 0;
    make_socketpair(fds);
    w.object = &fds[0];
    (void)fill(fds[0]);
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(bough_wait_readable(fds[0]), 0);
    uint64_t before = polls();
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        for (int i = 0; i < 100; i++)
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0); /* a look each */
        (void)drain(fds[1]);
    }
    CHECK(polls() - before < 250);
    CHECK_EQ(w.rc, 0);
    close_both(fds);
    return rc;
}

static int unread_and_asleep(__attribute__((unused)) void *arg)
{
    struct bough_stream *a, *b;
    char byte;
    int fds[2], rc;
    make_pipe(fds);
    CHECK_EQ(make_tcp_streams(&a, &b, NULL), 0);
    /* All of them have been waited for, and have something that nobody wants. */
    CHECK_EQ(bough_stream_send_all(b, "abc", 3), 0);
    CHECK_EQ(bough_stream_receive_some(a, &byte, 1), 1);
    CHECK_EQ(bough_wait_readable(bough_stream_fd(a)), 0);
    bough_stream_free(b);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(bough_wait_readable(fds[0]), 0);
    uint64_t before = polls();
    rc = bough_sleep(50 * BOUGH_MS);
    CHECK(polls() - before < 10);
    bough_stream_free(a);
    close_both(fds);
    return rc;
}

TEST(what_nobody_waits_for_does_not_wake_the_loop)
{
    run_io(__FILE__, __LINE__, true, unread_and_asleep);
}

/* --- signals --- */

static int signal_fd;
static volatile sig_atomic_t signals;

static void on_alarm(__attribute__((unused)) int signal)
{
    int saved_errno = errno;
    if (++signals == 5) {
        ssize_t ignored = write(signal_fd, "x", 1);
        (void)ignored;
    }
    errno = saved_errno;
}

IO_TEST(signals_do_not_disturb_a_wait)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    int fds[2];
    make_pipe(fds);
    signal_fd = fds[1];
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
    CHECK_EQ(bough_wait_readable(fds[0]), 0);
    CHECK(signals >= 5);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    close_both(fds);
    return 0;
}
