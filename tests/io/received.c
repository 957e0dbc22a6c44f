/* What a driver receives ahead: no byte is lost or changes places, and nothing is kept that nobody
 * wants.
 * SPDX-License-Identifier: MIT */
#include "driver.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "io/uring_parts.h"

static int connections; /* there are; each test has a process of its own */

/* A connection of which the driver has adopted the first end. */
static void adopt_tcp(struct bough_driver *d, int fds[2])
{
    need_receiving_ahead();
    make_tcp(fds);
    connections++;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
}

/* From now on, with nobody waiting. */
static void begin(struct bough_driver *d, int fd)
{
    struct probe p = PROBE;
    CHECK_EQ(d->receive_ahead(d, fd, true), 0);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 0);
    d->unwatch(d, fd, BOUGH_READABLE);
}

/* One that it receives ahead from. */
static void receive_ahead(struct bough_driver *d, int fds[2])
{
    adopt_tcp(d, fds);
    begin(d, fds[0]);
}

static void stop(struct bough_driver *d, const int fds[2])
{
    d->closing(d, fds[0]);
    close(fds[0]);
    close(fds[1]);
    if (--connections == 0) { /* what was counted is gone */
        CHECK_EQ(uring_of(d)->staying, 0);
        CHECK_EQ(uring_of(d)->buffers.taken, 0);
    }
}

static void say(int fd, const char *text)
{
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* As a stream receives. */
static int receive(struct bough_driver *d, int fd, void *buffer, size_t size)
{
    int n = d->receive(d, fd, buffer, size);
    if (n != -EOPNOTSUPP)
        return n;
    ssize_t got = recv(fd, buffer, size, 0);
    return got < 0 ? -errno : (int)got;
}

/* And waits. */
static int receive_waiting(struct bough_driver *d, int fd, void *buffer, size_t size)
{
    for (int64_t end = d->now(d) + 20 * BOUGH_SEC;;) {
        struct probe p = PROBE;
        int n = receive(d, fd, buffer, size);
        if (n != -EAGAIN)
            return n;
        int rc = watch(d, fd, BOUGH_READABLE, &p);
        CHECK(rc == 0 || rc == 1);
        while (rc == 0 && p.woken == 0) {
            CHECK(d->now(d) < end);
            CHECK(d->wait(d, end) >= 0);
        }
    }
}

static void hear(struct bough_driver *d, int fd, const char *text)
{
    char bytes[64] = "";
    size_t got = 0;
    while (got < strlen(text)) {
        int n = receive_waiting(d, fd, bytes + got, strlen(text) - got);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_STR(bytes, text);
}

/* --- what comes --- */

URING_TEST(what_comes_is_there_before_it_is_asked_for)
{
    struct probe p = PROBE;
    char bytes[8];
    int fds[2];
    receive_ahead(d, fds);
    CHECK_EQ(d->receive(d, fds[0], bytes, sizeof(bytes)), -EAGAIN);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), -EBUSY);
    CHECK_EQ(look(d), 0);
    say(fds[1], "abc");
    CHECK_EQ(look(d), 1);
    CHECK_EQ(p.woken, 1);
    CHECK_EQ(p.result, 0);
    CHECK_EQ(recv(fds[0], bytes, sizeof(bytes), 0), -1); /* not in the socket any more */
    CHECK_EQ(d->receive(d, fds[0], bytes, 2), 2);
    CHECK_EQ(memcmp(bytes, "ab", 2), 0);
    CHECK_EQ(d->receive(d, fds[0], bytes, sizeof(bytes)), 1);
    CHECK_EQ(bytes[0], 'c');
    CHECK_EQ(d->receive(d, fds[0], bytes, sizeof(bytes)), -EAGAIN);
    stop(d, fds);
}

URING_TEST(what_came_in_pieces_is_received_as_one)
{
    char bytes[8];
    int fds[2];
    receive_ahead(d, fds);
    for (int i = 0; i < 3; i++) {
        say(fds[1], i == 0 ? "a" : i == 1 ? "bc" : "def");
        CHECK_EQ(look(d), 0);
    }
    CHECK_EQ(d->receive(d, fds[0], bytes, 4), 4);
    CHECK_EQ(memcmp(bytes, "abcd", 4), 0);
    CHECK_EQ(d->receive(d, fds[0], bytes, sizeof(bytes)), 2);
    CHECK_EQ(memcmp(bytes, "ef", 2), 0);
    stop(d, fds);
}

URING_TEST(who_comes_late_is_told_at_once)
{
    struct probe p = PROBE;
    int fds[2];
    receive_ahead(d, fds);
    for (int round = 0; round < 3; round++) {
        say(fds[1], "late");
        CHECK_EQ(look(d), 0);
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 1);
        hear(d, fds[0], "late");
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        d->unwatch(d, fds[0], BOUGH_READABLE);
    }
    CHECK_EQ(p.woken, 0);
    stop(d, fds);
}

URING_TEST(nothing_is_received_before_somebody_has_waited)
{
    char bytes[8];
    int fds[2];
    adopt_tcp(d, fds);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), 0);
    say(fds[1], "abc");
    CHECK_EQ(look(d), 0);
    CHECK_EQ(d->receive(d, fds[0], bytes, sizeof(bytes)), -EOPNOTSUPP);
    CHECK_EQ(recv(fds[0], bytes, sizeof(bytes), 0), 3);
    stop(d, fds);
}

/* Short and long, with pauses and without: whoever receives, it is the same bytes. */
struct talk {
    int fd;
    unsigned bytes;
};

static unsigned char byte_at(unsigned i)
{
    return (unsigned char)(i * 131 + (i >> 8));
}

static void *talk(void *arg)
{
    const struct talk *t = arg;
    unsigned char bytes[5000];
    unsigned seed = 1;
    for (unsigned sent = 0; sent < t->bytes;) {
        unsigned size = rand_r(&seed) % 20 ? 1 + (unsigned)rand_r(&seed) % 200
                                           : 1000 + (unsigned)rand_r(&seed) % 4000;
        size = size < t->bytes - sent ? size : t->bytes - sent;
        for (unsigned i = 0; i < size; i++)
            bytes[i] = byte_at(sent + i);
        ssize_t n = send(t->fd, bytes, size, MSG_NOSIGNAL);
        sent += n > 0 ? (unsigned)n : 0;
        if (n < 0 || rand_r(&seed) % 4 == 0)
            sched_yield();
    }
    return NULL;
}

URING_TEST(no_byte_is_lost_or_changes_places)
{
    unsigned char bytes[3000];
    struct talk t = {.bytes = (unsigned)test_scale(2000000)};
    unsigned got = 0, seed = 2;
    pthread_t thread;
    int fds[2];
    receive_ahead(d, fds);
    t.fd = fds[1];
    CHECK_EQ(pthread_create(&thread, NULL, talk, &t), 0);
    while (got < t.bytes) {
        unsigned room = 1 + (unsigned)rand_r(&seed) % (unsigned)sizeof(bytes);
        int n = receive_waiting(d, fds[0], bytes, room);
        CHECK(n > 0 && (unsigned)n <= room);
        for (int i = 0; i < n; i++)
            CHECK_EQ(bytes[i], byte_at(got + (unsigned)i));
        got += (unsigned)n;
        if (rand_r(&seed) % 50 == 0) /* it began again after long messages */
            CHECK_EQ(d->receive_ahead(d, fds[0], rand_r(&seed) % 4), 0);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    stop(d, fds);
}

/* A receive stops there, with more behind it that the kernel does not tell of. */
URING_TEST(what_follows_an_urgent_byte_is_told_within_a_second)
{
    int fds[2];
    receive_ahead(d, fds);
    say(fds[1], "before");
    CHECK_EQ(send(fds[1], "!", 1, MSG_OOB), 1);
    say(fds[1], "behind");
    hear(d, fds[0], "beforebehind");
    say(fds[1], "and as ever");
    hear(d, fds[0], "and as ever");
    stop(d, fds);
}

URING_TEST(connections_that_are_idle_let_the_driver_sleep)
{
    struct probe p = PROBE;
    int fds[2];
    receive_ahead(d, fds);
    for (int waited_for = 0; waited_for < 2; waited_for++) {
        int64_t end = d->now(d) + 10 * BOUGH_SEC, began;
        if (waited_for)
            CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        do { /* until a sleep lasts as long as was asked for */
            began = d->now(d);
            CHECK(began < end);
            CHECK_EQ(d->wait(d, began + 700 * BOUGH_MS), 0);
        } while (d->now(d) - began < 700 * BOUGH_MS);
    }
    say(fds[1], "x");
    CHECK_EQ(look(d), 1);
    hear(d, fds[0], "x");
    stop(d, fds);
}

/* The kernel has not been told yet, and receives. */
URING_TEST(what_comes_while_it_is_laid_aside_is_kept)
{
    struct uring *p = uring_of(d);
    int fds[2];
    receive_ahead(d, fds);
    p->round_began -= URING_ROUND;
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK_EQ(look(d), 0);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
    say(fds[1], "abc");
    CHECK(io_uring_get_events(&p->ring.kernel) >= 0);
    hear(d, fds[0], "abc");
    say(fds[1], "def");
    hear(d, fds[0], "def");
    stop(d, fds);
}

/* --- the end --- */

URING_TEST(the_end_comes_behind_the_last_byte)
{
    char bytes[8];
    int fds[2];
    for (int late = 0; late < 2; late++) {
        receive_ahead(d, fds);
        say(fds[1], "last");
        CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
        if (late)
            CHECK_EQ(look(d), 0);
        hear(d, fds[0], "last");
        for (int i = 0; i < 3; i++)
            CHECK_EQ(receive_waiting(d, fds[0], bytes, sizeof(bytes)), 0);
        stop(d, fds);
    }
}

URING_TEST(a_reset_comes_behind_the_last_byte_and_is_told_once)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    char bytes[8];
    int fds[2];
    receive_ahead(d, fds);
    say(fds[1], "last");
    CHECK_EQ(look(d), 0);
    CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fds[1]);
    CHECK_EQ(look(d), 0);
    hear(d, fds[0], "last");
    CHECK_EQ(receive_waiting(d, fds[0], bytes, sizeof(bytes)), -ECONNRESET);
    CHECK_EQ(receive_waiting(d, fds[0], bytes, sizeof(bytes)), 0);
    d->closing(d, fds[0]);
    close(fds[0]);
}

URING_TEST(a_reset_wakes_who_waits)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct probe p = PROBE;
    char byte;
    int fds[2];
    receive_ahead(d, fds);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fds[1]);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(p.result, 0);
    CHECK_EQ(d->receive(d, fds[0], &byte, 1), -ECONNRESET);
    d->closing(d, fds[0]);
    close(fds[0]);
}

/* --- limits --- */

/* They are better received where they are wanted. */
URING_TEST(long_messages_are_left_to_their_reader)
{
    static char bytes[3 * RING_BUFFER_SIZE];
    struct probe p = PROBE;
    size_t got = 0;
    int fds[2], n;
    receive_ahead(d, fds);
    CHECK_EQ(send(fds[1], bytes, sizeof(bytes), 0), sizeof(bytes));
    for (got = 0; got < sizeof(bytes); got += (size_t)n) {
        n = receive_waiting(d, fds[0], bytes, sizeof(bytes));
        CHECK(n > 0);
    }
    CHECK_EQ(look(d), 0); /* also after who waits anew */
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    d->unwatch(d, fds[0], BOUGH_READABLE);
    for (int round = 0; round < 3; round++) {
        say(fds[1], "x");
        CHECK_EQ(look(d), 0);
        CHECK_EQ(d->receive(d, fds[0], bytes, sizeof(bytes)), -EOPNOTSUPP);
        hear(d, fds[0], "x");
    }
    stop(d, fds);
}

/* It was over already, and its place is another's. */
URING_TEST(the_cancel_after_a_long_message_concerns_nobody_else)
{
    static char bytes[RING_BUFFER_SIZE];
    struct probe p = PROBE;
    int fds[2], other[2];
    receive_ahead(d, fds);
    make_socketpair(other);
    CHECK_EQ(send(fds[1], bytes, sizeof(bytes), 0), sizeof(bytes));
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(look(d), 0);
    CHECK_EQ(watch(d, other[0], BOUGH_READABLE, &p), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(look(d), 0);
    d->closing(d, other[0]);
    CHECK_EQ(p.result, -EBADF);
    close(other[0]);
    close(other[1]);
    stop(d, fds);
}

/* What is received for nobody is little, and the rest waits where its peer notices. */
URING_TEST(a_peer_to_whom_nobody_listens_is_held_back)
{
    static char bytes[65536];
    size_t sent = 0, got = 0, held = 0;
    int fds[2], n, small = 4096;
    receive_ahead(d, fds);
    CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    for (int quiet = 0; quiet < 100;) {
        n = (int)send(fds[1], bytes, 100, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        CHECK_EQ(look(d), 0);
    }
    while ((n = d->receive(d, fds[0], bytes, sizeof(bytes))) > 0)
        held += (size_t)n;
    CHECK(held > 0 && held <= 40 * 100); /* the kernel does some more before it is told */
    for (got = held; got < sent; got += (size_t)n) {
        n = receive_waiting(d, fds[0], bytes, sizeof(bytes));
        CHECK(n > 0);
    }
    stop(d, fds);
}

/* More connections with something for them than there are buffers. */
URING_TEST(without_buffers_who_waits_is_told_all_the_same)
{
    enum { MANY = RING_BUFFERS_MOST + 50 };
    static struct probe probes[MANY];
    static int fds[MANY][2];
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * MANY + 50)
        test_skip("only %d descriptors may be open", (int)limit.rlim_cur);
    for (int i = 0; i < MANY; i++)
        receive_ahead(d, fds[i]);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            probes[i] = (struct probe)PROBE;
            CHECK_EQ(watch(d, fds[i][0], BOUGH_READABLE, &probes[i]), 0);
        }
        for (int i = 0; i < MANY; i++)
            say(fds[i][1], "x");
        for (int64_t end = d->now(d) + 20 * BOUGH_SEC; d->watched;) {
            CHECK(d->now(d) < end);
            CHECK(d->wait(d, end) >= 0);
        }
        for (int i = 0; i < MANY; i++) {
            CHECK_EQ(probes[i].woken, 1);
            hear(d, fds[i][0], "x");
        }
    }
    for (int i = 0; i < MANY; i++)
        stop(d, fds[i]);
}

/* All at once, more than there are buffers at first. */
static void say_to_all(struct bough_driver *d, int fds[][2], int count)
{
    static struct probe probes[RING_BUFFERS_MOST];
    for (int i = 0; i < count; i++) {
        probes[i] = (struct probe)PROBE;
        CHECK_EQ(watch(d, fds[i][0], BOUGH_READABLE, &probes[i]), 0);
    }
    for (int i = 0; i < count; i++)
        say(fds[i][1], "x");
    for (int64_t end = d->now(d) + 20 * BOUGH_SEC; d->watched;) {
        CHECK(d->now(d) < end);
        CHECK(d->wait(d, end) >= 0);
    }
}

URING_TEST(there_are_more_buffers_when_they_have_run_out)
{
    enum { MANY = 3 * RING_BUFFERS_FIRST };
    static int fds[MANY][2];
    char byte;
    for (int i = 0; i < MANY; i++)
        receive_ahead(d, fds[i]);
    say_to_all(d, fds, MANY);
    for (int i = 0; i < MANY; i++)
        hear(d, fds[i][0], "x");
    say_to_all(d, fds, MANY);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(d->receive(d, fds[i][0], &byte, 1), 1);
    for (int i = 0; i < MANY; i++)
        stop(d, fds[i]);
}

URING_TEST(and_when_nobody_takes_what_is_in_them)
{
    enum { MANY = RING_BUFFERS_FIRST };
    static int fds[MANY][2];
    int last[2];
    char byte;
    for (int i = 0; i < MANY; i++) {
        receive_ahead(d, fds[i]);
        say(fds[i][1], "x");
        CHECK_EQ(look(d), 0);
    }
    receive_ahead(d, last);
    say(last[1], "x");
    CHECK_EQ(look(d), 0);
    CHECK_EQ(d->receive(d, last[0], &byte, 1), 1);
    for (int i = 0; i < MANY; i++)
        stop(d, fds[i]);
    stop(d, last);
}

/* Else there would be none in the end. */
URING_TEST(buffers_of_what_nobody_took_are_used_again)
{
    int fds[2];
    for (int i = 0; i < 3 * RING_BUFFERS_MOST; i++) {
        receive_ahead(d, fds);
        say(fds[1], "nobody wants this");
        if (i % 2)
            CHECK_EQ(look(d), 0);
        stop(d, fds);
    }
    (void)look(d);
    receive_ahead(d, fds);
    say(fds[1], "x");
    CHECK_EQ(look(d), 0);
    char byte;
    CHECK_EQ(d->receive(d, fds[0], &byte, 1), 1);
    stop(d, fds);
}

/* --- no more --- */

URING_TEST(who_takes_the_socket_back_has_all_that_comes_from_then_on)
{
    struct probe p = PROBE;
    char bytes[16];
    int fds[2];
    receive_ahead(d, fds);
    for (int heard = 0; heard < 2; heard++) {
        say(fds[1], "before");
        if (heard)
            CHECK_EQ(look(d), 0);
        CHECK_EQ(d->receive_ahead(d, fds[0], false), 0);
        say(fds[1], "after");
        CHECK_EQ(look(d), 0);
        if (heard) {
            CHECK_EQ(recv(fds[0], bytes, sizeof(bytes), 0), 5);
            CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 1);
            hear(d, fds[0], "before");
        } else {
            hear(d, fds[0], "beforeafter");
            begin(d, fds[0]);
        }
    }
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    say(fds[1], "x");
    CHECK_EQ(look(d), 1);
    CHECK_EQ(recv(fds[0], bytes, sizeof(bytes), 0), 1);
    stop(d, fds);
}

URING_TEST(who_waits_goes_on_waiting_when_it_is_taken_back)
{
    struct probe p = PROBE;
    int fds[2];
    receive_ahead(d, fds);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(d->receive_ahead(d, fds[0], false), 0);
    CHECK_EQ(look(d), 0);
    say(fds[1], "x");
    CHECK_EQ(look(d), 1);
    hear(d, fds[0], "x");
    stop(d, fds);
}

TEST(the_driver_drops_what_nobody_has_taken)
{
    for (int heard = 0; heard < 2; heard++) {
        struct bough_driver *d = open_uring();
        int fds[2];
        receive_ahead(d, fds);
        say(fds[1], "nobody wants this");
        if (heard)
            CHECK_EQ(look(d), 0);
        bough__uring_close(d);
        close(fds[0]);
        close(fds[1]);
    }
}

/* --- failures --- */

URING_TEST(where_there_is_no_memory_it_is_not_done)
{
    struct probe p = PROBE;
    int fds[2];
    adopt_tcp(d, fds);
    for (int i = 1; i <= 3; i++) {
        bough_fault_set(BOUGH_FAULT_MEMORY, i);
        CHECK_EQ(d->receive_ahead(d, fds[0], true), -EOPNOTSUPP);
        CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
        bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    }
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), -EOPNOTSUPP);
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    say(fds[1], "x");
    CHECK_EQ(look(d), 1);
    CHECK_EQ(recv(fds[0], &(char){0}, 1, 0), 1);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), 0); /* that has passed */
    stop(d, fds);
}

URING_TEST(a_request_that_cannot_be_made_is_an_error_of_the_watch)
{
    struct probe p = PROBE;
    int fds[2];
    adopt_tcp(d, fds);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), 0);
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), -ENOMEM);
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    CHECK_EQ(d->watched, 0);
    stop(d, fds);
}

/* It names a descriptor, which is another's when the kernel comes to look at it. */
URING_TEST(a_request_that_was_not_submitted_in_time_takes_nothing_from_the_next_socket)
{
    struct probe p = PROBE;
    int fds[2], next[2];
    char bytes[8];
    adopt_tcp(d, fds);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), 0);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    d->unwatch(d, fds[0], BOUGH_READABLE);
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    d->closing(d, fds[0]);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
    make_tcp(next);
    CHECK_EQ(dup2(next[0], fds[0]), fds[0]);
    close(next[0]);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    say(next[1], "abc");
    CHECK_EQ(look(d), 0);
    CHECK_EQ(recv(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT), 3);
    close(next[1]);
    stop(d, fds);
}

/* As a kernel says that knows no such request. */
URING_TEST(where_it_is_refused_we_receive_for_ourselves)
{
    struct probe p = PROBE;
    int unconnected = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fds[2];
    char byte;
    adopt_tcp(d, fds);
    CHECK_EQ(d->adopt(d, unconnected), 0);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), 0);
    CHECK_EQ(d->receive_ahead(d, unconnected, true), 0);
    CHECK_EQ(watch(d, unconnected, BOUGH_READABLE, &p), 0);
    for (int64_t end = d->now(d) + 10 * BOUGH_SEC; p.woken == 0;) {
        CHECK(d->now(d) < end);
        CHECK(d->wait(d, end) >= 0);
    }
    CHECK_EQ(d->receive(d, unconnected, &byte, 1), -EOPNOTSUPP);
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
        say(fds[1], "x");
        CHECK_EQ(look(d), 1);
        CHECK_EQ(d->receive(d, fds[0], &byte, 1), -EOPNOTSUPP);
        CHECK_EQ(recv(fds[0], &byte, 1, 0), 1);
    }
    CHECK_EQ(d->receive_ahead(d, fds[0], true), -EOPNOTSUPP);
    stop(d, fds);
    d->closing(d, unconnected);
    close(unconnected);
}

/* Since then such an answer is about that socket. */
URING_TEST(where_it_was_done_once_a_refusal_is_a_failure)
{
    struct probe p = PROBE;
    int unconnected = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fds[2];
    char byte;
    receive_ahead(d, fds);
    say(fds[1], "x");
    CHECK_EQ(look(d), 0);
    CHECK_EQ(d->adopt(d, unconnected), 0);
    CHECK_EQ(d->receive_ahead(d, unconnected, true), 0);
    CHECK_EQ(watch(d, unconnected, BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(d->receive(d, unconnected, &byte, 1), -EINVAL);
    CHECK_EQ(d->receive(d, unconnected, &byte, 1), -EOPNOTSUPP);
    CHECK_EQ(d->receive(d, fds[0], &byte, 1), 1);
    CHECK_EQ(d->receive_ahead(d, fds[0], true), 0);
    d->closing(d, unconnected);
    close(unconnected);
    stop(d, fds);
}

TEST(where_no_buffers_may_be_registered_we_receive_for_ourselves)
{
    int fds[2];
    need_uring();
    forbid(SYS_io_uring_register, EPERM);
    struct bough_driver *d = open_uring();
    adopt_tcp(d, fds);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(d->receive_ahead(d, fds[0], true), -EOPNOTSUPP);
    CHECK(!uring_of(d)->receives); /* nor is it tried again */
    say(fds[1], "x");
    CHECK_EQ(recv(fds[0], &(char){0}, 1, 0), 1);
    stop(d, fds);
    bough__uring_close(d);
}
