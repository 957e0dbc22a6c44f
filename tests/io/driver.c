/* What every driver does.
 * SPDX-License-Identifier: MIT */
#include "driver.h"

#include <pthread.h>
#include <sys/mman.h>

/* --- time --- */

DRIVER_TEST(the_clocks_agree)
{
    int64_t last = d->now(d);
    CHECK(d->coarse_step > 0 && d->coarse_step <= 100 * BOUGH_MS);
    for (int i = 0; i < 1000; i++) {
        int64_t before = d->now(d), coarse = d->coarse_now(d), after = d->now(d);
        CHECK(before >= last);
        CHECK(coarse <= after);
        CHECK(coarse >= before - 2 * d->coarse_step);
        last = after;
    }
}

DRIVER_TEST(a_sleep_ends_at_its_deadline_and_not_before)
{
    const int64_t times[] = {0, 1, BOUGH_US, 300 * BOUGH_US, 2 * BOUGH_MS, 3 * BOUGH_MS + 1};
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        int64_t until = d->now(d) + times[i];
        CHECK_EQ(d->wait(d, until), 0);
        CHECK(d->now(d) >= until);
    }
    CHECK_EQ(d->wait(d, 0), 0); /* past */
    CHECK_EQ(d->wait(d, -5), 0);
}

/* --- interrupts --- */

DRIVER_TEST(an_interrupt_ends_the_next_sleep)
{
    for (int i = 0; i < 3; i++) {
        d->interrupt(d);
        d->interrupt(d);
        CHECK_EQ(d->wait(d, BOUGH_NEVER), 0);
    }
    CHECK_EQ(look(d), 0);
}

/* Whatever else has a look at the kernel meanwhile. */
DRIVER_TEST(an_interrupt_is_not_lost_in_a_close)
{
    struct probe p = PROBE;
    int fds[2];
    make_pipe(fds);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        CHECK_EQ(look(d), 0);
        d->interrupt(d);
        d->closing(d, fds[0]);
        CHECK_EQ(d->wait(d, BOUGH_NEVER), 0);
    }
    close(fds[0]);
    close(fds[1]);
}

struct interrupter {
    struct bough_driver *driver;
    int rounds;
    int asked, seen;
};

static void *interrupt_often(void *arg)
{
    struct interrupter *i = arg;
    for (int round = 1; round <= i->rounds; round++) {
        __atomic_store_n(&i->asked, round, __ATOMIC_SEQ_CST);
        i->driver->interrupt(i->driver);
        while (__atomic_load_n(&i->seen, __ATOMIC_SEQ_CST) < round)
            sched_yield();
    }
    return NULL;
}

DRIVER_TEST(an_interrupt_from_another_thread_is_never_lost)
{
    struct interrupter i = {.driver = d, .rounds = test_scale(5000)};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, interrupt_often, &i), 0);
    while (i.seen < i.rounds) {
        CHECK_EQ(d->wait(d, BOUGH_NEVER), 0);
        __atomic_store_n(&i.seen, __atomic_load_n(&i.asked, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- watching --- */

DRIVER_TEST(a_watch_is_woken_once)
{
    struct probe p = PROBE;
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(d->watched, 1);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(d->wait(d, BOUGH_NEVER), 1);
    CHECK_EQ(p.woken, 1);
    CHECK_EQ(p.result, 0);
    CHECK_EQ(d->watched, 0);
    CHECK_EQ(look(d), 0); /* there still is a byte, and nobody asks */
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(p.woken, 2);
    close(fds[0]);
    close(fds[1]);
}

DRIVER_TEST(a_watch_can_be_given_up)
{
    struct probe p = PROBE;
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    d->unwatch(d, fds[0], BOUGH_READABLE);
    CHECK_EQ(d->watched, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(p.woken, 0);
    close(fds[0]);
    close(fds[1]);
}

DRIVER_TEST(what_cannot_be_watched_is_refused)
{
    struct probe p = PROBE;
    int fds[2], file = memfd_create("file", MFD_CLOEXEC);
    make_pipe(fds);
    CHECK_EQ(watch(d, file, BOUGH_READABLE, &p), -EPERM);
    CHECK_EQ(watch(d, -1, BOUGH_READABLE, &p), -EBADF);
    CHECK_EQ(watch(d, 12345, BOUGH_READABLE, &p), -EBADF);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), -EBUSY);
    CHECK_EQ(d->watched, 1);
    d->closing(d, fds[0]);
    CHECK_EQ(p.result, -EBADF);
    close(file);
    close(fds[0]);
    close(fds[1]);
}

/* More of them than are reported at once. */
DRIVER_TEST(many_may_be_ready_at_once)
{
    enum { MANY = 400 };
    static struct probe probes[MANY];
    static int fds[MANY][2];
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * MANY + 50)
        test_skip("only %d descriptors may be open", (int)limit.rlim_cur);
    for (int i = 0; i < MANY; i++) {
        probes[i] = (struct probe)PROBE;
        make_pipe(fds[i]);
        CHECK_EQ(watch(d, fds[i][0], BOUGH_READABLE, &probes[i]), 0);
        CHECK_EQ(write(fds[i][1], "x", 1), 1);
    }
    while (d->watched)
        CHECK(look(d) > 0);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(probes[i].woken, 1);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

/* --- descriptors that are ours --- */

DRIVER_TEST(an_adopted_descriptor_that_hung_up_is_never_waited_for_in_vain)
{
    struct probe in = PROBE;
    char bytes[2];
    int fds[2];
    make_tcp(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    CHECK_EQ(write(fds[1], "xy", 2), 2);
    close(fds[1]);
    while (!in.woken) /* data and end in one edge */
        CHECK(d->wait(d, BOUGH_NEVER) >= 0);
    CHECK_EQ(read(fds[0], bytes, 2), 2);
    for (int i = 0; i < 5; i++) {
        int rc = watch(d, fds[0], BOUGH_READABLE, &in);
        CHECK(rc == 0 || rc == 1);
        if (rc == 0)
            CHECK_EQ(look(d), 1);
        (void)look(d);
    }
    CHECK_EQ(read(fds[0], bytes, 2), 0);
    d->closing(d, fds[0]);
    close(fds[0]);
}

DRIVER_TEST(adopting_forgets_what_the_number_was_before)
{
    struct probe old = PROBE, new = PROBE;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &old), 0);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(old.woken, 1);
    CHECK_EQ(old.result, -EBADF);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &new), 0);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(new.result, -EBADF);
    d->closing(d, fds[0]);
    d->closing(d, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* --- what cannot be had --- */

static void open_with_faults(int (*open_driver)(struct bough_driver **),
                             void (*close_driver)(struct bough_driver *))
{
    const enum bough_fault faults[] = {BOUGH_FAULT_CALL, BOUGH_FAULT_MEMORY};
    int before = open_descriptors();
    for (int i = 0; i < 2; i++) {
        struct bough_driver *d = NULL;
        int nth = 1;
        for (;; nth++) {
            bough_fault_set(faults[i], nth);
            int rc = open_driver(&d);
            if (!bough_fault_was_hit(faults[i])) {
                CHECK_EQ(rc, 0);
                break;
            }
            if (rc == 0) { /* it does without */
                close_driver(d);
                d = NULL;
            }
            CHECK(!d);
        }
        CHECK(nth > 1);
        bough_fault_set(faults[i], 0);
        close_driver(d);
    }
    CHECK_EQ(open_descriptors(), before);
}

TEST(opening_survives_the_failure_of_each_call_and_allocation)
{
    open_with_faults(bough__epoll_open, bough__epoll_close);
}

TEST(opening_survives_the_failure_of_each_call_and_allocation_on_io_uring)
{
    need_uring();
    open_with_faults(bough__uring_open, bough__uring_close);
}

/* One failed registration must not spoil the descriptor. */
DRIVER_TEST(a_watch_that_failed_can_be_tried_again)
{
    struct probe p = PROBE;
    int fds[2];
    make_pipe(fds);
    for (int round = 0; round < 2; round++) {
        bough_fault_set(BOUGH_FAULT_CALL, 1);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), -ENOMEM);
        CHECK_EQ(d->watched, 0);
        bough_fault_set(BOUGH_FAULT_CALL, 0);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(look(d), 1);
        (void)drain(fds[0]);
    }
    CHECK_EQ(p.woken, 2);
    close(fds[0]);
    close(fds[1]);
}
