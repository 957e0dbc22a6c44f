/* What is io_uring's own: requests that outlive who made them, and files that they hold.
 * SPDX-License-Identifier: MIT */
#include "driver.h"

#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Until somebody is woken. */
static void wait_for(struct bough_driver *d, const struct probe *p, int woken)
{
    for (int64_t end = d->now(d) + 10 * BOUGH_SEC; p->woken < woken;) {
        CHECK(d->now(d) < end);
        CHECK(d->wait(d, end) >= 0);
    }
}

/* --- what is ready --- */

URING_TEST(what_is_ready_already_is_told)
{
    for (int adopted = 0; adopted < 2; adopted++) {
        struct probe in = PROBE, out = PROBE;
        int fds[2];
        make_socketpair(fds);
        if (adopted)
            CHECK_EQ(d->adopt(d, fds[0]), 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        for (int round = 1; round <= 3; round++) { /* it asks for the level, mostly */
            bool reads = !adopted || round == 1;
            if (reads)
                CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
            CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &out), 0);
            CHECK_EQ(look(d), reads ? 2 : 1);
            CHECK_EQ(in.woken, adopted ? 1 : round);
            CHECK_EQ(out.woken, round);
        }
        d->closing(d, fds[0]);
        close(fds[0]);
        close(fds[1]);
    }
}

/* --- requests that stay: all that a descriptor of ours has to read --- */

URING_TEST(news_for_a_reader_are_kept_for_the_next)
{
    struct probe in = PROBE;
    char bytes[8];
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    CHECK_EQ(look(d), 0);
    for (int round = 1; round <= 3; round++) {
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(look(d), 1);
        CHECK_EQ(in.woken, round);
        CHECK_EQ(read(fds[0], bytes, sizeof(bytes)), 1);
        CHECK_EQ(write(fds[1], "yz", 2), 2); /* nobody waits */
        CHECK_EQ(look(d), 0);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 1);
        CHECK_EQ(read(fds[0], bytes, sizeof(bytes)), 2);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
        CHECK_EQ(look(d), 0);
    }
    d->closing(d, fds[0]);
    CHECK_EQ(in.result, -EBADF);
    close(fds[0]);
    close(fds[1]);
}

/* As one does who has received less than he asked for, because an urgent byte came next. */
URING_TEST(a_reader_who_was_wrong_about_the_end_is_told_within_a_second)
{
    struct probe in = PROBE;
    char byte;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(write(fds[1], "xy", 2), 2);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    int64_t began = d->now(d);
    wait_for(d, &in, 2);
    CHECK(d->now(d) - began < 5 * BOUGH_SEC); /* of a slow machine */
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0); /* and news are told as before */
    CHECK_EQ(look(d), 0);
    CHECK_EQ(write(fds[1], "z", 1), 1);
    CHECK_EQ(look(d), 1);
    d->closing(d, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* Else it would wake up every half second for ever. */
URING_TEST(connections_that_are_idle_let_the_driver_sleep)
{
    struct probe in[2] = {PROBE, PROBE};
    int fds[2];
    make_socketpair(fds);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(d->adopt(d, fds[i]), 0);
        CHECK_EQ(watch(d, fds[i], BOUGH_READABLE, &in[i]), 0);
    }
    CHECK_EQ(look(d), 0);
    d->unwatch(d, fds[1], BOUGH_READABLE); /* with nobody to be told */
    int64_t end = d->now(d) + 10 * BOUGH_SEC, began;
    do { /* until a sleep lasts as long as was asked for */
        began = d->now(d);
        CHECK(began < end);
        CHECK_EQ(d->wait(d, began + 700 * BOUGH_MS), 0);
    } while (d->now(d) - began < 700 * BOUGH_MS);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(watch(d, fds[1], BOUGH_READABLE, &in[1]), 0);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(write(fds[0], "x", 1), 1);
    CHECK_EQ(look(d), 1);
    for (int i = 0; i < 2; i++) {
        d->closing(d, fds[i]);
        close(fds[i]);
    }
}

/* It comes in one piece of news with the last data. */
URING_TEST(an_end_is_told_to_all_who_ask)
{
    for (int waited_for = 0; waited_for < 2; waited_for++) {
        struct probe in = PROBE;
        int fds[2];
        make_socketpair(fds);
        CHECK_EQ(d->adopt(d, fds[0]), 0);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
        CHECK_EQ(look(d), 0);
        if (!waited_for)
            d->unwatch(d, fds[0], BOUGH_READABLE);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        if (waited_for)
            close(fds[1]);
        else
            CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
        wait_for(d, &in, waited_for);
        for (int round = 1; round <= 3; round++) {
            CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
            wait_for(d, &in, round + waited_for);
            CHECK_EQ(in.result, 0);
            (void)drain(fds[0]);
        }
        d->closing(d, fds[0]);
        close(fds[0]);
        if (!waited_for)
            close(fds[1]);
    }
}

static void *write_often(void *arg)
{
    const int *job = arg;
    for (int i = 0; i < job[1]; i++) {
        while (write(job[0], "x", 1) != 1)
            sched_yield();
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

/* As a stream receives: read until there is nothing, then wait. */
URING_TEST(no_news_is_lost)
{
    int fds[2], got = 0;
    char bytes[64];
    make_socketpair(fds);
    int job[2] = {fds[1], test_scale(50000)};
    pthread_t thread;
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(pthread_create(&thread, NULL, write_often, job), 0);
    while (got < job[1]) {
        struct probe in = PROBE;
        ssize_t n = read(fds[0], bytes, sizeof(bytes));
        if (n > 0) {
            got += (int)n;
            continue;
        }
        CHECK_EQ(errno, EAGAIN);
        if (watch(d, fds[0], BOUGH_READABLE, &in) == 0)
            wait_for(d, &in, 1);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    d->closing(d, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* --- requests that were given up --- */

URING_TEST(a_request_that_was_given_up_serves_who_waits_next)
{
    struct probe old = PROBE, new = PROBE;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &old), 0);
        if (i % 3)
            CHECK_EQ(look(d), 0);
        d->unwatch(d, fds[0], BOUGH_READABLE);
    }
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &new), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(old.woken, 0);
    CHECK_EQ(new.woken, 1);
    d->closing(d, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

URING_TEST(a_late_completion_wakes_nobody_else)
{
    struct probe old = PROBE, new = PROBE;
    int fds[2], other[2];
    make_pipe(fds);
    make_pipe(other);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &old), 0);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1); /* complete, and not reaped */
    d->unwatch(d, fds[0], BOUGH_READABLE);
    CHECK_EQ(dup2(other[0], fds[0]), fds[0]);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &new), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(look(d), 0);
    CHECK_EQ(old.woken + new.woken, 0);
    CHECK_EQ(write(other[1], "x", 1), 1);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(new.woken, 1);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(other[i]);
    }
}

/* Each takes a place in the table, and none may be left over. */
URING_TEST(waits_come_and_go_without_end)
{
    enum { PIPES = 50 };
    static struct probe probes[PIPES];
    int fds[PIPES][2], rounds = test_scale(300);
    for (int i = 0; i < PIPES; i++) {
        probes[i] = (struct probe)PROBE;
        make_pipe(fds[i]);
    }
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < PIPES; i++)
            CHECK_EQ(watch(d, fds[i][0], BOUGH_READABLE, &probes[i]), 0);
        if (round % 2)
            CHECK_EQ(look(d), 0);
        for (int i = 0; i < PIPES; i++)
            d->unwatch(d, fds[i][0], BOUGH_READABLE);
        if (round % 3)
            CHECK_EQ(look(d), 0);
    }
    CHECK_EQ(d->watched, 0);
    for (int i = 0; i < PIPES; i++) {
        CHECK_EQ(probes[i].woken, 0);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

/* More than the ring takes at once, and more completions than it has room for. */
URING_TEST(rings_that_are_full_lose_nothing)
{
    enum { MANY = 6000 };
    static struct probe probes[MANY];
    static int fds[MANY];
    int pair[2], many = test_scale(MANY);
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < (rlim_t)many + 50)
        test_skip("only %d descriptors may be open", (int)limit.rlim_cur);
    make_pipe(pair);
    for (int i = 0; i < many; i++) {
        probes[i] = (struct probe)PROBE;
        fds[i] = dup(pair[0]);
        CHECK_EQ(d->adopt(d, fds[i]), 0);
        CHECK_EQ(watch(d, fds[i], BOUGH_READABLE, &probes[i]), 0);
    }
    CHECK_EQ(look(d), 0);
    CHECK_EQ(d->watched, many);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    while (d->watched)
        CHECK(d->wait(d, d->now(d) + 10 * BOUGH_SEC) > 0);
    for (int i = 0; i < many; i++) {
        CHECK_EQ(probes[i].woken, 1);
        d->closing(d, fds[i]);
        close(fds[i]);
    }
    close(pair[0]);
    close(pair[1]);
}

/* --- files that requests hold --- */

static bool has_hung_up(int fd)
{
    struct pollfd now = {.fd = fd, .events = POLLIN};
    return poll(&now, 1, 0) == 1 && (now.revents & POLLHUP);
}

/* A request holds the open file: it would stay open. */
URING_TEST(what_is_closed_with_notice_is_closed_at_once)
{
    for (int kind = 0; kind < 6; kind++) {
        struct probe p = PROBE;
        int fds[2];
        make_pipe(fds); /* the end that is watched is the one that writes: nothing comes of it */
        (void)fill(fds[1]);
        if (kind % 2)
            CHECK_EQ(d->adopt(d, fds[1]), 0);
        CHECK_EQ(watch(d, fds[1], BOUGH_WRITABLE, &p), 0);
        if (kind / 2 != 1) /* submitted, or not even that */
            CHECK_EQ(look(d), 0);
        if (kind / 2 == 2) /* or given up before */
            d->unwatch(d, fds[1], BOUGH_WRITABLE);
        d->closing(d, fds[1]);
        CHECK_EQ(p.woken, kind / 2 == 2 ? 0 : 1);
        (void)drain(fds[0]);
        close(fds[1]);
        CHECK(has_hung_up(fds[0]));
        close(fds[0]);
        (void)look(d);
    }
}

TEST(the_driver_lets_go_of_all_files_when_it_is_closed)
{
    struct probe p = PROBE;
    int fds[2];
    struct bough_driver *d = open_uring();
    make_pipe(fds);
    (void)fill(fds[1]);
    CHECK_EQ(watch(d, fds[1], BOUGH_WRITABLE, &p), 0);
    CHECK_EQ(look(d), 0);
    d->unwatch(d, fds[1], BOUGH_WRITABLE);
    bough__uring_close(d);
    (void)drain(fds[0]);
    close(fds[1]);
    CHECK(has_hung_up(fds[0]));
    close(fds[0]);
}

/* --- a peer that has stopped sending --- */

/* The kernel tells a writer of it, asked or not: he would be woken again and again. */
static void half_closed(struct bough_driver *d, bool adopt)
{
    struct probe p = PROBE;
    int fds[2];
    make_socketpair(fds);
    if (adopt)
        CHECK_EQ(d->adopt(d, fds[0]), 0);
    (void)fill(fds[0]);
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    for (int round = 1; round <= 3; round++) {
        CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &p), 0);
        CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &p), -EBUSY);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(look(d), 0);
        int64_t until = d->now(d) + 2 * BOUGH_MS;
        while (d->now(d) < until)
            CHECK_EQ(d->wait(d, until), 0);
        CHECK_EQ(d->watched, 1);
        CHECK_EQ(p.woken, round - 1);
        (void)drain(fds[1]);
        wait_for(d, &p, round);
        CHECK_EQ(p.result, 0);
        (void)fill(fds[0]);
    }
    CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &p), 0);
    (void)look(d);
    d->unwatch(d, fds[0], BOUGH_WRITABLE);
    CHECK_EQ(d->watched, 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &p), 0);
    (void)look(d);
    CHECK_EQ(p.woken, 3);
    d->closing(d, fds[0]);
    CHECK_EQ(p.woken, 4);
    CHECK_EQ(p.result, -EBADF);
    close(fds[0]);
    close(fds[1]);
}

URING_TEST(a_writer_whose_peer_has_stopped_sending_does_not_spin)
{
    half_closed(d, false);
}

URING_TEST(neither_does_one_on_a_descriptor_of_ours)
{
    half_closed(d, true);
}

URING_TEST(such_a_writers_descriptor_may_be_closed_behind_its_back)
{
    struct probe p = PROBE;
    int fds[2];
    make_socketpair(fds);
    (void)fill(fds[0]);
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &p), 0);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(look(d), 0);
    close(fds[0]);
    int64_t began = d->now(d);
    wait_for(d, &p, 1);
    CHECK(d->now(d) - began < 5 * BOUGH_SEC);
    CHECK_EQ(p.result, -EBADF);
    close(fds[1]);
}

/* --- several of them --- */

static void *run_often(__attribute__((unused)) void *arg)
{
    for (int i = 0; i < 20; i++) {
        struct probe p = PROBE;
        struct bough_driver *d = open_uring();
        int fds[2];
        make_pipe(fds);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        wait_for(d, &p, 1);
        bough__uring_close(d);
        close(fds[0]);
        close(fds[1]);
    }
    return NULL;
}

TEST(each_thread_may_have_one)
{
    pthread_t threads[4];
    need_uring();
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_often, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* --- where there is none --- */

static int stat_root(void *ret_stat)
{
    return bough_path_stat("/", ret_stat);
}

static void refused(unsigned call, int error, const char *said)
{
    const struct bough_run_options options = {.io = BOUGH_IO_URING};
    need_uring();
    forbid(call, error);
    CHECK_EQ(bough_run_with(&options, run_nothing, NULL), -error);
    CHECK_HAS(bough_error_message(bough_error_last()), said);
    setenv("BOUGH_IO", "io_uring", 1);
    CHECK_EQ(bough_run(run_nothing, NULL), -error);
    setenv("BOUGH_IO", "auto", 1);
    CHECK_EQ(bough_run(run_nothing, NULL), 0);
}

TEST(a_filter_that_forbids_it_is_an_error_only_for_who_asked)
{
    refused(SYS_io_uring_setup, EPERM, "forbidden");
}

TEST(so_is_a_kernel_without_it)
{
    refused(SYS_io_uring_setup, ENOSYS, "kernel has no io_uring");
}

TEST(so_is_a_filter_that_lets_us_have_a_ring_and_not_use_it)
{
    refused(SYS_io_uring_enter, EPERM, "forbidden");
}

/* What the kernel knows cannot be asked then. */
TEST(a_filter_that_lets_us_register_nothing_leaves_files_to_threads)
{
    struct probe p = PROBE;
    struct stat st;
    int fds[2];
    need_uring();
    forbid(SYS_io_uring_register, EPERM);
    struct bough_driver *d = open_uring();
    for (int kind = 0; kind < BOUGH_OPERATION_KINDS; kind++) {
        struct bough_io_operation o = {.kind = (enum bough_operation_kind)kind, .wait = &p.wait};
        CHECK_EQ(d->submit(d, &o), -ENOSYS);
    }
    make_pipe(fds);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_for(d, &p, 1);
    bough__uring_close(d);
    const struct bough_run_options options = {.io = BOUGH_IO_URING};
    CHECK_EQ(bough_run_with(&options, stat_root, &st), 0);
    CHECK(S_ISDIR(st.st_mode));
}

/* --- calls of the kernel that fail --- */

URING_TEST(a_wait_that_failed_loses_no_request)
{
    struct probe p = PROBE;
    int fds[2];
    make_pipe(fds);
    for (int round = 1; round <= 3; round++) {
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        bough_fault_set(BOUGH_FAULT_CALL, 1);
        CHECK_EQ(look(d), 0);
        CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
        bough_fault_set(BOUGH_FAULT_CALL, 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(look(d), 1);
        CHECK_EQ(p.woken, round);
        (void)drain(fds[0]);
    }
    close(fds[0]);
    close(fds[1]);
}

/* The ring takes so many before it has to be submitted. */
enum { FULL = 256 };

URING_TEST(a_ring_that_is_full_and_cannot_be_submitted_takes_no_watch)
{
    static struct probe probes[FULL + 1];
    static int fds[FULL + 1];
    int pair[2], at = 0, rc;
    make_pipe(pair);
    for (int i = 0; i <= FULL; i++) {
        probes[i] = (struct probe)PROBE;
        CHECK((fds[i] = dup(pair[0])) >= 0);
    }
    (void)look(d);
    do {
        bough_fault_set(BOUGH_FAULT_CALL, 2); /* the first is the request itself */
        rc = watch(d, fds[at], BOUGH_READABLE, &probes[at]);
        at += rc == 0;
    } while (rc == 0 && at <= FULL);
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    CHECK_EQ(rc, -ENOMEM);
    CHECK_EQ(d->watched, at);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(watch(d, fds[at], BOUGH_READABLE, &probes[at]), 0);
    while (d->watched)
        CHECK(d->wait(d, d->now(d) + 10 * BOUGH_SEC) > 0);
    for (int i = 0; i <= FULL; i++) {
        CHECK_EQ(probes[i].woken, i <= at);
        close(fds[i]);
    }
    close(pair[0]);
    close(pair[1]);
}

/* The cancels that the ring does not take are made later, and the files let go of. */
URING_TEST(a_ring_that_is_full_and_cannot_be_submitted_forgets_no_cancel)
{
    enum { MANY = FULL + 50 };
    static struct probe probes[MANY];
    static int fds[MANY];
    int pair[2];
    make_pipe(pair);
    (void)fill(pair[1]);
    for (int i = 0; i < MANY; i++) {
        probes[i] = (struct probe)PROBE;
        CHECK((fds[i] = dup(pair[1])) >= 0);
        CHECK_EQ(watch(d, fds[i], BOUGH_WRITABLE, &probes[i]), 0);
    }
    CHECK_EQ(look(d), 0);
    for (int i = 0; i < MANY; i++) {
        d->unwatch(d, fds[i], BOUGH_WRITABLE);
        close(fds[i]);
    }
    close(pair[1]);
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK_EQ(look(d), 0);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    (void)drain(pair[0]);
    for (int i = 0; i < 100 && !has_hung_up(pair[0]); i++)
        CHECK_EQ(look(d), 0); /* the kernel does a few at a time */
    CHECK(has_hung_up(pair[0]));
    close(pair[0]);
}

/* Also when there is much else for the kernel to do first. */
URING_TEST(what_is_closed_in_a_crowd_is_closed_at_once)
{
    enum { MANY = 100 };
    static struct probe probes[MANY];
    static int crowd[MANY][2];
    struct probe p = PROBE;
    int fds[2];
    for (int i = 0; i < MANY; i++) {
        probes[i] = (struct probe)PROBE;
        make_pipe(crowd[i]);
        CHECK_EQ(watch(d, crowd[i][0], BOUGH_READABLE, &probes[i]), 0);
    }
    make_pipe(fds);
    (void)fill(fds[1]);
    CHECK_EQ(watch(d, fds[1], BOUGH_WRITABLE, &p), 0);
    CHECK_EQ(look(d), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(write(crowd[i][1], "x", 1), 1);
    d->closing(d, fds[1]);
    close(fds[1]);
    (void)drain(fds[0]);
    CHECK(has_hung_up(fds[0]));
    close(fds[0]);
    while (d->watched)
        CHECK(d->wait(d, d->now(d) + 10 * BOUGH_SEC) > 0);
    for (int i = 0; i < MANY; i++) {
        close(crowd[i][0]);
        close(crowd[i][1]);
    }
}
