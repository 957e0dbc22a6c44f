/* Descriptors that are closed while somebody waits for them: with notice, behind the loop's back,
 * and with the number in use again.
 * SPDX-License-Identifier: MIT */
#include "io.h"

static int readable(void *fd)
{
    return bough_wait_readable(*(int *)fd);
}

static int writable(void *fd)
{
    return bough_wait_writable(*(int *)fd);
}

/* --- with notice --- */

IO_TEST(notice_of_closing_wakes_both_directions)
{
    struct waiter in = {.call = readable}, out = {.call = writable};
    int fds[2], rc = 0;
    make_socketpair(fds);
    in.object = out.object = &fds[0];
    (void)fill(fds[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &in);
        waiter_park(n, &out);
        bough_assert_no_checkpoints (&rc)
            bough_notify_closing(fds[0]);
        CHECK_EQ(in.rc, STILL_WAITING); /* it does not switch */
        close(fds[0]);
    }
    CHECK_EQ(in.rc, -EBADF);
    CHECK_EQ(out.rc, -EBADF);
    CHECK_HAS(in.message, "closed");
    CHECK_EQ(bough_wait_readable(fds[0]), -EBADF);
    close(fds[1]);
    return rc;
}

IO_TEST(notice_of_closing_does_not_close)
{
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 3; i++) {
        bough_notify_closing(fds[0]);
        bough_notify_closing(fds[1]);
        CHECK_EQ(bough_wait_readable(fds[0]), 0);
        CHECK_EQ(bough_wait_writable(fds[1]), 0);
    }
    close_both(fds);
    return 0;
}

IO_TEST(closing_wakes_a_select_too)
{
    struct bough_event never;
    int a[2], b[2];
    bough_event_init(&never);
    make_pipe(a);
    make_pipe(b);
    struct bough_case cases[] = {bough_case_readable(a[0]), bough_case_event(&never),
                                 bough_case_readable(b[0])};
    int rc = 0, chosen = -1;
    bough_with_nursery (n, &rc) {
        struct waiter w = {.call = readable, .object = &a[0]};
        CHECK_EQ(write(b[1], "x", 1), 1);
        chosen = bough_select(cases, 3);
        CHECK_EQ(chosen, 2);
        waiter_park(n, &w); /* the select has left */
        bough_notify_closing(a[0]);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -EBADF);
    }
    close_both(a);
    close_both(b);
    return rc;
}

/* --- behind the loop's back --- */

IO_TEST(a_descriptor_closed_behind_the_loops_back_wakes_its_waiters)
{
    struct waiter in = {.call = readable}, out = {.call = writable};
    int fds[2], rc = 0;
    make_socketpair(fds);
    in.object = out.object = &fds[0];
    (void)fill(fds[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &in);
        waiter_park(n, &out);
        close(fds[0]);
    }
    CHECK_EQ(in.rc, -EBADF);
    CHECK_EQ(out.rc, -EBADF);
    close(fds[1]);
    return rc;
}

/* The other end of a registration that the kernel keeps: the open file lives on under another
 * number. */
IO_TEST(it_is_noticed_although_a_duplicate_is_open)
{
    struct waiter w = {.call = readable};
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[0];
    int copy = dup(fds[0]);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        close(fds[0]);
    }
    CHECK_EQ(w.rc, -EBADF);
    /* What the kernel still reports under the old number wakes nobody, and not for ever. */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    uint64_t before = polls();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
    CHECK(polls() - before < 60);
    CHECK_EQ(bough_wait_readable(copy), 0);
    bough_notify_closing(copy);
    close(copy);
    close(fds[1]);
    return rc;
}

static int look_around(void *arg)
{
    struct waiter *w = arg;
    while (w->rc == STILL_WAITING)
        CHECK_EQ(bough_checkpoint(), 0);
    return 0;
}

IO_TEST(it_is_noticed_while_the_loop_never_sleeps)
{
    struct waiter w = {.call = readable};
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[0];
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        close(fds[0]);
        CHECK_EQ(bough_nursery_start_soon(n, look_around, &w), 0);
    }
    CHECK_EQ(w.rc, -EBADF);
    close(fds[1]);
    return rc;
}

VIRTUAL_IO_TEST(it_is_noticed_before_the_clock_jumps)
{
    struct waiter w = {.call = readable};
    int fds[2], rc = 0;
    make_pipe(fds);
    w.object = &fds[0];
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        close(fds[0]);
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
        CHECK_EQ(w.rc, -EBADF);
    }
    close(fds[1]);
    return rc;
}

/* --- with the number in use again --- */

IO_TEST(a_new_descriptor_of_the_same_number_can_be_waited_for)
{
    struct waiter old = {.call = readable}, new = {.call = readable};
    int fds[2], other[2], rc = 0;
    make_pipe(fds);
    make_pipe(other);
    old.object = new.object = &fds[0];
    bough_with_nursery (n, &rc) {
        waiter_park(n, &old);
        CHECK_EQ(dup2(other[0], fds[0]), fds[0]);
        waiter_park(n, &new);
        CHECK_EQ(old.rc, -EBADF);
        CHECK_EQ(new.rc, STILL_WAITING);
        CHECK_EQ(write(other[1], "x", 1), 1);
    }
    CHECK_EQ(new.rc, 0);
    close_both(fds);
    close_both(other);
    return rc;
}

IO_TEST(after_a_wait_the_number_may_change_its_meaning_any_time)
{
    int fds[2], other[2];
    make_pipe(fds);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(bough_wait_readable(fds[0]), 0);
        make_pipe(other);
        CHECK_EQ(dup2(other[0], fds[0]), fds[0]);
        CHECK_EQ(dup2(other[1], fds[1]), fds[1]);
        close_both(other);
    }
    close_both(fds);
    return 0;
}

IO_TEST(a_stream_may_get_a_number_that_was_waited_for)
{
    struct waiter old = {.call = readable};
    struct bough_stream *a, *b;
    char byte;
    int fds[2], rc = 0;
    make_socketpair(fds);
    old.object = &fds[0];
    bough_with_nursery (n, &rc) {
        waiter_park(n, &old);
        close(fds[0]); /* without notice */
        close(fds[1]);
        CHECK_EQ(make_unix_streams(&a, &b, NULL), 0);
        CHECK_EQ(bough_stream_fd(a), fds[0]);
        CHECK_EQ(bough_stream_send_all(b, "x", 1), 0);
        CHECK_EQ(bough_stream_receive_some(a, &byte, 1), 1);
    }
    CHECK_EQ(old.rc, -EBADF);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}

/* --- between the wake-up and the call --- */

struct close_at_a_bad_time {
    int first[2];  /* readable first: so who waits for it runs first */
    int second_fd; /* then this */
    struct waiter w;
};

/* Make both ready at once, for tasks that are parked. */
static int write_both(void *arg)
{
    struct close_at_a_bad_time *t = arg;
    CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
    CHECK_EQ(write(t->first[1], "x", 1), 1);
    CHECK_EQ(write(t->second_fd, "x", 1), 1);
    return 0;
}

static int receive_byte(void *stream)
{
    char byte;
    return bough_stream_receive_some(stream, &byte, 1);
}

IO_TEST(a_receiver_that_was_woken_does_not_read_from_who_got_the_number_next)
{
    struct close_at_a_bad_time t;
    struct bough_stream *a, *b, *c, *d;
    int rc = 0;
    make_pipe(t.first);
    CHECK_EQ(make_unix_streams(&a, &b, NULL), 0);
    int fd = bough_stream_fd(a);
    t.second_fd = bough_stream_fd(b);
    t.w = (struct waiter){.call = receive_byte, .object = a};
    bough_with_nursery (n, &rc) {
        waiter_park(n, &t.w);
        CHECK_EQ(bough_nursery_start_soon(n, write_both, &t), 0);
        CHECK_EQ(bough_wait_readable(t.first[0]), 0);
        CHECK_EQ(t.w.rc, STILL_WAITING);
        CHECK_EQ(bough_stream_close(a), 0);
        CHECK_EQ(make_unix_streams(&c, &d, NULL), 0);
        CHECK_EQ(bough_stream_fd(c), fd);
        CHECK_EQ(bough_stream_send_all(d, "y", 1), 0);
    }
    CHECK_EQ(t.w.rc, -EBADF);
    CHECK_EQ(receive_byte(c), 1);
    bough_stream_free(a);
    bough_stream_free(b);
    bough_stream_free(c);
    bough_stream_free(d);
    close_both(t.first);
    return rc;
}

static int accept_one(void *listener)
{
    struct bough_stream *s;
    int rc = bough_listener_accept(listener, &s);
    if (rc == 0)
        bough_stream_free(s);
    return rc;
}

struct dial {
    struct close_at_a_bad_time *t;
    struct bough_address to;
    int fd;
};

static int write_and_dial(void *arg)
{
    struct dial *d = arg;
    CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
    CHECK_EQ(write(d->t->first[1], "x", 1), 1);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(d->fd, (struct sockaddr *)&d->to.storage, d->to.size), 0);
    return 0;
}

static int closed_while_accepting(const char *host)
{
    struct close_at_a_bad_time t;
    struct bough_listener *l;
    int rc = 0;
    make_pipe(t.first);
    CHECK_EQ(bough_tcp_listen(host, 0, &l), 0);
    struct dial d = {.t = &t};
    CHECK_EQ(bough_address_parse("127.0.0.1", bough_listener_port(l), &d.to), 0);
    t.w = (struct waiter){.call = accept_one, .object = l};
    bough_with_nursery (n, &rc) {
        waiter_park(n, &t.w);
        CHECK_EQ(bough_nursery_start_soon(n, write_and_dial, &d), 0);
        CHECK_EQ(bough_wait_readable(t.first[0]), 0);
        CHECK_EQ(t.w.rc, STILL_WAITING);
        bough_listener_close(l);
    }
    CHECK_EQ(t.w.rc, -EBADF);
    CHECK_HAS(t.w.message, "closed");
    bough_listener_free(l);
    close(d.fd);
    close_both(t.first);
    return rc;
}

IO_TEST(a_listener_may_be_closed_when_its_acceptor_was_woken)
{
    return closed_while_accepting("127.0.0.1");
}

IO_TEST(a_listener_of_two_families_may_be_closed_when_its_acceptor_was_woken)
{
    return closed_while_accepting(NULL);
}
