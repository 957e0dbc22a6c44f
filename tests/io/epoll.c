/* What is epoll's own: edges.
 * SPDX-License-Identifier: MIT */
#include "driver.h"

/* They report edges: an edge that nobody waits for is kept for who comes next. */
EPOLL_TEST(news_of_an_adopted_descriptor_are_kept)
{
    struct probe in = PROBE, out = PROBE;
    char byte;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    CHECK_EQ(look(d), 0); /* writable it is, but nobody asked */
    CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &out), 0);
    CHECK_EQ(look(d), 1); /* who asks is told what is so already */
    CHECK_EQ(out.woken, 1);
    CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &out), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(look(d) >= 1, 1);
    CHECK_EQ(in.woken, 1);
    CHECK_EQ(read(fds[0], &byte, 1), 1);

    CHECK_EQ(write(fds[1], "y", 1), 1);
    (void)look(d);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 1);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), -EBUSY);
    d->closing(d, fds[0]);
    CHECK_EQ(in.woken, 2);
    CHECK_EQ(in.result, -EBADF);
    close(fds[0]);
    close(fds[1]);
}

/* Room to write is no news to who only reads: a Unix socket has some whenever its peer has read. */
EPOLL_TEST(a_peer_that_reads_wakes_nobody_who_does_not_wait_to_write)
{
    struct probe in = PROBE, out = PROBE;
    char byte;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    for (int i = 0; i < 3; i++) {
        int64_t until = d->now(d) + BOUGH_MS;
        CHECK_EQ(write(fds[0], "x", 1), 1);
        CHECK_EQ(read(fds[1], &byte, 1), 1);
        CHECK_EQ(d->wait(d, until), 0);
        CHECK(d->now(d) >= until);
        /* Also after somebody did wait for it. */
        if (i == 0) {
            CHECK_EQ(watch(d, fds[0], BOUGH_WRITABLE, &out), 0);
            CHECK_EQ(look(d), 1);
            CHECK_EQ(write(fds[0], "x", 1), 1);
            CHECK_EQ(read(fds[1], &byte, 1), 1);
            CHECK_EQ(look(d), 0);
        }
    }
    CHECK_EQ(in.woken, 0);
    d->closing(d, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

EPOLL_TEST(what_nobody_waits_for_does_not_end_a_sleep)
{
    struct probe in = PROBE;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &in), 0);
    d->unwatch(d, fds[0], BOUGH_READABLE);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    close(fds[1]);
    CHECK_EQ(look(d), 0);
    int64_t until = d->now(d) + 5 * BOUGH_MS;
    CHECK_EQ(d->wait(d, until), 0);
    CHECK(d->now(d) >= until); /* hung up as it is */
    d->closing(d, fds[0]);
    close(fds[0]);
}
