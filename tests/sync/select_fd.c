/* bough_select over descriptors, which are real.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bough/io.h>
#include <bough/select.h>

struct pair {
    int fd[2];
};

static struct pair open_pair(void)
{
    struct pair p;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p.fd), 0);
    return p;
}

static void close_pair(struct pair p)
{
    for (int i = 0; i < 2; i++) {
        bough_notify_closing(p.fd[i]);
        close(p.fd[i]);
    }
}

static void put(int fd)
{
    CHECK_EQ(write(fd, "x", 1), 1);
}

static void take(int fd)
{
    char byte;
    CHECK_EQ(read(fd, &byte, 1), 1);
}

/* Until nothing more can be written to it. */
static void fill(int fd)
{
    static const char junk[65536];
    while (write(fd, junk, sizeof(junk)) > 0)
        continue;
}

/* A select by a task of its own. */
struct choice {
    struct bough_case cases[3];
    unsigned count;
};

static int call_select(void *object)
{
    struct choice *c = object;
    return bough_select(c->cases, c->count);
}

static int call_readable(void *fd)
{
    return bough_wait_readable(*(int *)fd);
}

TASK_TEST(a_descriptor_that_is_ready_happens_in_its_place_in_the_list)
{
    struct pair p = open_pair();
    struct ends ends = open_ints(1);
    int item = 0;
    struct choice c = {.cases = {bough_case_readable(p.fd[0]), bough_case_receive(ends.rx, &item),
                                 bough_case_writable(p.fd[0])},
                       .count = 3};
    CHECK_EQ(call_select(&c), 2);
    CHECK_EQ(send_nowait(ends, 7), 0);
    put(p.fd[1]);
    CHECK_EQ(call_select(&c), 0); /* a channel that always has something does not starve it */
    CHECK_EQ(c.cases[0].result, 0);
    take(p.fd[0]);
    CHECK_EQ(send_nowait(ends, 8), -EAGAIN);
    CHECK_EQ(bough_select((struct bough_case[]){c.cases[2], c.cases[1]}, 2), 0);
    CHECK_EQ(call_select(&c), 1);
    CHECK_EQ(item, 7);
    close_ends(ends);
    close_pair(p);
    return 0;
}

TASK_TEST(nowait_looks_at_descriptors)
{
    struct pair p = open_pair();
    struct bough_case cases[] = {bough_case_readable(p.fd[0])};
    int rc = 0;
    bough_assert_no_checkpoints (&rc) {
        CHECK_EQ(bough_select_nowait(cases, 1), -EAGAIN);
        put(p.fd[1]);
        CHECK_EQ(bough_select_nowait(cases, 1), 0);
        close(p.fd[1]);
        CHECK_EQ(bough_select_nowait(cases, 1), 0);
        take(p.fd[0]);
        CHECK_EQ(bough_select_nowait(cases, 1), 0); /* the end can be read */
        close(p.fd[0]);
        CHECK_EQ(bough_select_nowait(cases, 1), 0);
        CHECK_EQ(cases[0].result, -EBADF);
    }
    return rc;
}

TASK_TEST(a_descriptor_that_becomes_ready_ends_the_wait)
{
    struct pair p = open_pair(), q = open_pair();
    struct choice c = {.cases = {bough_case_readable(p.fd[0]), bough_case_writable(q.fd[0]),
                                 bough_case_deadline(BOUGH_MINUTE)},
                       .count = 3};
    struct waiter w = {.call = call_select, .object = &c};
    int rc = 0;
    fill(q.fd[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        put(p.fd[1]);
    }
    CHECK_EQ(w.rc, 0);
    take(p.fd[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        char junk[65536];
        while (read(q.fd[1], junk, sizeof(junk)) > 0)
            continue;
    }
    CHECK_EQ(w.rc, 1);
    CHECK_EQ(bough_now(), 0);
    close_pair(p);
    close_pair(q);
    return rc;
}

TASK_TEST(a_descriptor_that_was_left_can_be_waited_for_again)
{
    struct pair p = open_pair();
    struct choice c = {.cases = {bough_case_readable(p.fd[0]), bough_case_deadline(BOUGH_SEC)},
                       .count = 2};
    struct waiter w = {.call = call_readable, .object = &p.fd[0]};
    int rc = 0;
    CHECK_EQ(call_select(&c), 1); /* time is up */
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(call_timed(BOUGH_SEC, call_readable, &p.fd[0]), -ETIMEDOUT);
    c.count = 1;
    CHECK_EQ(call_timed(BOUGH_SEC, call_select, &c), -ETIMEDOUT); /* cancelled */
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        put(p.fd[1]);
    }
    CHECK_EQ(w.rc, 0);
    close_pair(p);
    return rc;
}

TASK_TEST(both_directions_of_one_descriptor_may_be_waited_for)
{
    struct pair p = open_pair();
    struct choice c = {.cases = {bough_case_writable(p.fd[0]), bough_case_readable(p.fd[0])},
                       .count = 2};
    struct waiter w = {.call = call_select, .object = &c};
    int rc = 0;
    fill(p.fd[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        put(p.fd[1]);
    }
    CHECK_EQ(w.rc, 1);
    take(p.fd[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        close(p.fd[1]); /* wakes both directions: one of them happens */
    }
    CHECK(w.rc == 0 || w.rc == 1);
    CHECK_EQ(c.cases[w.rc].result, 0);
    bough_notify_closing(p.fd[0]);
    close(p.fd[0]);
    return rc;
}

TASK_TEST(one_waits_for_a_descriptor_in_a_direction)
{
    struct pair p = open_pair();
    struct ends ends = open_ints(0);
    int item;
    struct choice c = {.cases = {bough_case_receive(ends.rx, &item), bough_case_readable(p.fd[0])},
                       .count = 2};
    struct waiter w = {.call = call_readable, .object = &p.fd[0]};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(call_select(&c), 1);
        CHECK_EQ(c.cases[1].result, -EBUSY);
        CHECK_EQ(stats_of(ends).waiting_receivers, 0); /* it had queued there already */
        CHECK_HAS(bough_error_message(bough_error_last()), "cannot wait for a case");
        CHECK_EQ(w.rc, STILL_WAITING);
        put(p.fd[1]);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(bough_now(), 0);
    close_ends(ends);
    close_pair(p);
    return rc;
}

TASK_TEST(closing_a_descriptor_ends_the_wait_with_its_error)
{
    struct pair p = open_pair();
    struct choice c = {.cases = {bough_case_readable(p.fd[0]), bough_case_readable(p.fd[1])},
                       .count = 2};
    struct waiter w = {.call = call_select, .object = &c};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_notify_closing(p.fd[1]);
        close(p.fd[1]);
    }
    CHECK_EQ(w.rc, 1);
    CHECK_EQ(c.cases[1].result, -EBADF);
    CHECK_EQ(c.cases[0].result, 0);
    CHECK_EQ(call_select(&c), 0); /* the peer is gone: readable */
    bough_notify_closing(p.fd[0]);
    close(p.fd[0]);
    CHECK_EQ(call_select(&c), 0);
    CHECK_EQ(c.cases[0].result, -EBADF);
    CHECK_HAS(bough_error_message(bough_error_last()), "is not open");
    return rc;
}

TASK_TEST(a_regular_file_is_always_ready)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct bough_case cases[] = {bough_case_readable(fd)};
    CHECK(fd >= 0);
    CHECK_EQ(bough_select(cases, 1), 0);
    CHECK_EQ(cases[0].result, 0);
    close(fd);
    return 0;
}

static int take_one(void *arg)
{
    struct pair *p = arg;
    struct bough_case cases[] = {bough_case_readable(p[0].fd[0]), bough_case_readable(p[1].fd[0])};
    for (int i = 0; i < 20; i++) {
        int rc = bough_select(cases, 2);
        if (rc < 0)
            return rc;
        CHECK_EQ(cases[rc].result, 0);
        take(p[rc].fd[0]); /* it is readable, or this fails */
    }
    return 0;
}

static int put_many(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < 20; i++) {
        int rc = i % 3 ? bough_checkpoint() : bough_sleep(BOUGH_MS);
        if (rc < 0)
            return rc;
        put(p[i / 4 % 2].fd[1]);
    }
    return 0;
}

static int two_sources(__attribute__((unused)) void *arg)
{
    struct pair p[2] = {open_pair(), open_pair()};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, take_one, p), 0);
        CHECK_EQ(bough_nursery_start_soon(n, put_many, p), 0);
    }
    close_pair(p[0]);
    close_pair(p[1]);
    return rc;
}

TEST(what_select_says_is_readable_is)
{
    CHECK_EQ(bough_test_seeds(test_on_valgrind() ? 5 : 40, two_sources, NULL), 0);
}

/* Descriptors that the library owns are registered for edges. An edge that came and went by must
 * not be taken for data, and data that was there before must not be missed. */
TASK_TEST(a_descriptor_of_the_library_is_ready_when_it_is)
{
    struct pair p = open_pair();
    struct bough_driver *driver = bough_driver_current();
    struct choice c = {.cases = {bough_case_readable(p.fd[0]), bough_case_deadline(BOUGH_SEC)},
                       .count = 2};
    CHECK_EQ(driver->adopt(driver, p.fd[0]), 0);
    CHECK_EQ(call_timed(0, call_readable, &p.fd[0]), -ETIMEDOUT); /* nobody has registered it yet */
    c.cases[1] = bough_case_deadline(BOUGH_MS);
    CHECK_EQ(call_select(&c), 1);
    put(p.fd[1]);
    CHECK_EQ(bough_sleep(BOUGH_MS), 0); /* the edge comes, and finds nobody */
    take(p.fd[0]);
    c.cases[1] = bough_case_deadline(BOUGH_SEC);
    CHECK_EQ(call_select(&c), 1);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    put(p.fd[1]);
    put(p.fd[1]);
    c.cases[1] = bough_case_deadline(BOUGH_MINUTE);
    CHECK_EQ(call_select(&c), 0);
    take(p.fd[0]); /* one of two: no further edge will come */
    CHECK_EQ(call_select(&c), 0);
    close_pair(p);
    return 0;
}
