/* UDP: datagrams, one or many at a time.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <net/if.h>

#include <bough/udp.h>

struct ends {
    struct bough_udp *a, *b;
    struct bough_address at_a, at_b;
};

static struct bough_udp *open_at(const char *host, struct bough_address *ret_at)
{
    struct bough_address at;
    struct bough_udp *u;
    CHECK_EQ(bough_address_parse(host, 0, &at), 0);
    CHECK_EQ(bough_udp_open(&at, &u), 0);
    CHECK_EQ(bough_udp_address(u, ret_at), 0);
    CHECK(bough_address_port(ret_at) != 0);
    return u;
}

static void set_up(struct ends *e)
{
    e->a = open_at("127.0.0.1", &e->at_a);
    e->b = open_at("127.0.0.1", &e->at_b);
}

static void tear_down(struct ends *e)
{
    bough_udp_free(e->a);
    bough_udp_free(e->b);
}

static void set_up_connected(struct ends *e)
{
    set_up(e);
    CHECK_EQ(bough_udp_connect(e->a, &e->at_b), 0);
    CHECK_EQ(bough_udp_connect(e->b, &e->at_a), 0);
}

static int receive_one(void *u)
{
    char byte;
    return bough_udp_receive(u, &byte, 1, NULL);
}

/* --- one datagram --- */

IO_TEST(a_datagram_arrives_with_its_sender)
{
    struct ends e;
    struct bough_address from;
    char buffer[16] = "";
    set_up(&e);
    CHECK_EQ(bough_udp_send_to(e.a, "hello", 5, &e.at_b), 0);
    CHECK_EQ(bough_udp_receive(e.b, buffer, sizeof(buffer), &from), 5);
    CHECK_STR(buffer, "hello");
    CHECK_EQ(bough_address_port(&from), bough_address_port(&e.at_a));
    CHECK_EQ(bough_udp_send_to(e.b, "", 0, &from), 0);
    CHECK_EQ(bough_udp_receive(e.a, buffer, sizeof(buffer), NULL), 0); /* empty, not the end */
    tear_down(&e);
    return 0;
}

IO_TEST(datagrams_of_ipv6_arrive)
{
    struct bough_address at, from;
    char byte = 0;
    struct bough_udp *u;
    CHECK_EQ(bough_address_parse("::1", 0, &at), 0);
    int rc = bough_udp_open(&at, &u);
    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
        test_skip("no IPv6 here");
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_udp_address(u, &at), 0);
    CHECK_EQ(bough_udp_send_to(u, "x", 1, &at), 0);
    CHECK_EQ(bough_udp_receive(u, &byte, 1, &from), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(bough_address_port(&from), bough_address_port(&at));
    bough_udp_free(u);
    return 0;
}

IO_TEST(a_datagram_that_does_not_fit_is_an_error_and_gone)
{
    struct ends e;
    struct bough_address from = {.size = 0};
    char buffer[4];
    set_up(&e);
    CHECK_EQ(bough_udp_send_to(e.a, "12345", 5, &e.at_b), 0);
    CHECK_EQ(bough_udp_send_to(e.a, "1234", 4, &e.at_b), 0);
    CHECK_EQ(bough_udp_receive(e.b, buffer, 4, &from), -EMSGSIZE);
    CHECK_HAS(bough_error_message(bough_error_last()), "5 bytes came");
    CHECK_EQ(from.size, 0);
    CHECK_EQ(bough_udp_receive(e.b, buffer, 4, &from), 4);
    tear_down(&e);
    return 0;
}

IO_TEST(a_datagram_that_is_too_large_is_not_sent)
{
    static char data[65508];
    struct ends e;
    set_up(&e);
    CHECK_EQ(bough_udp_send_to(e.a, data, sizeof(data), &e.at_b), -EMSGSIZE);
    tear_down(&e);
    return 0;
}

/* --- a peer --- */

IO_TEST(who_is_connected_hears_from_one_only)
{
    struct ends e;
    struct bough_address at_c;
    char buffer[4];
    set_up(&e);
    struct bough_udp *c = open_at("127.0.0.1", &at_c);
    CHECK_EQ(bough_udp_send(e.a, "x", 1), -EDESTADDRREQ);
    CHECK_EQ(bough_udp_connect(e.b, &e.at_a), 0);
    CHECK_EQ(bough_udp_connect(e.a, &e.at_b), 0);
    CHECK_EQ(bough_udp_send_to(c, "c", 1, &e.at_b), 0);
    CHECK_EQ(bough_udp_send(e.a, "a", 1), 0);
    CHECK_EQ(bough_udp_receive(e.b, buffer, 4, NULL), 1);
    CHECK_EQ(buffer[0], 'a');
    CHECK_EQ(bough_udp_connect(e.b, NULL), 0);
    CHECK_EQ(bough_udp_send_to(c, "c", 1, &e.at_b), 0);
    CHECK_EQ(bough_udp_receive(e.b, buffer, 4, NULL), 1);
    CHECK_EQ(buffer[0], 'c');
    bough_udp_free(c);
    tear_down(&e);
    return 0;
}

IO_TEST(who_is_connected_is_told_that_nobody_is_there)
{
    struct ends e;
    int rc = 0;
    set_up_connected(&e);
    struct waiter w = {.call = receive_one, .object = e.a};
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_udp_close(e.b);
        CHECK_EQ(bough_udp_send(e.a, "x", 1), 0);
    }
    CHECK_EQ(w.rc, -ECONNREFUSED);
    tear_down(&e);
    return rc;
}

/* --- opening --- */

IO_TEST(a_port_belongs_to_one_unless_all_say_otherwise)
{
    const struct bough_udp_options shared = {.reuse_port = true}, reused = {.reuse_address = true};
    struct bough_address at;
    struct bough_udp *a = open_at("127.0.0.1", &at), *b = NULL, *c;
    CHECK_EQ(bough_udp_open(&at, &b), -EADDRINUSE);
    CHECK_EQ(bough_udp_open_with(NULL, &at, &b), -EADDRINUSE);
    CHECK_EQ(bough_udp_open_with(&shared, &at, &b), -EADDRINUSE);
    CHECK(!b);
    bough_udp_free(a);
    CHECK_EQ(bough_udp_open_with(&shared, &at, &b), 0);
    CHECK_EQ(bough_udp_open_with(&shared, &at, &c), 0);
    bough_udp_free(b);
    bough_udp_free(c);
    CHECK_EQ(bough_udp_open_with(&reused, &at, &b), 0);
    CHECK_EQ(bough_udp_open_with(&reused, &at, &c), 0);
    bough_udp_free(b);
    bough_udp_free(c);
    CHECK_EQ(bough_udp_open(&(struct bough_address){.size = 0}, &b), -EAFNOSUPPORT);
    return 0;
}

IO_TEST(what_is_closed_stays_closed)
{
    struct ends e;
    struct bough_datagram d = {.data = "x", .size = 1};
    size_t segment;
    char byte;
    set_up(&e);
    CHECK(bough_udp_fd(e.a) >= 0);
    bough_udp_close(e.a);
    bough_udp_close(e.a);
    CHECK_EQ(bough_udp_fd(e.a), -1);
    CHECK_EQ(bough_udp_send_to(e.a, "x", 1, &e.at_b), -EBADF);
    CHECK_EQ(receive_one(e.a), -EBADF);
    CHECK_EQ(bough_udp_send_batch(e.a, &d, 1), -EBADF);
    CHECK_EQ(bough_udp_receive_batch(e.a, &d, 1), -EBADF);
    CHECK_EQ(bough_udp_send_segments(e.a, "xy", 2, 1, &e.at_b), -EBADF);
    CHECK_EQ(bough_udp_receive_segments(e.a, &byte, 1, &segment, NULL), -EBADF);
    CHECK_EQ(bough_udp_connect(e.a, &e.at_b), -EBADF);
    CHECK_EQ(bough_udp_address(e.a, &e.at_b), -EBADF);
    CHECK_EQ(bough_udp_set_broadcast(e.a, true), -EBADF);
    CHECK_EQ(bough_udp_set_gro(e.a, true), -EBADF);
    (void)bough_udp_set_gro(e.b, true); /* where it can: then others than trains are -EINVAL */
    bough_udp_close(e.b);
    CHECK_EQ(receive_one(e.b), -EBADF);
    CHECK_EQ(bough_udp_receive_batch(e.b, &d, 1), -EBADF);
    tear_down(&e);
    bough_udp_free(NULL);
    return 0;
}

/* --- waiting --- */

static int receive_batch_of_two(void *u)
{
    char bytes[2];
    struct bough_datagram d[2] = {{.data = &bytes[0], .capacity = 1},
                                  {.data = &bytes[1], .capacity = 1}};
    return bough_udp_receive_batch(u, d, 2);
}

static int receive_train(void *u)
{
    size_t segment;
    char bytes[8];
    return bough_udp_receive_segments(u, bytes, sizeof(bytes), &segment, NULL);
}

static int check_waiting(int (*call)(void *u))
{
    struct ends e;
    int rc = 0;
    set_up(&e);
    struct waiter w = {.call = call, .object = e.b};
    CHECK_EQ(bough_udp_send_to(e.a, "x", 1, &e.at_b), 0);
    CHECK_EQ(call_cancelled(call, e.b), -ECANCELED); /* took nothing */
    CHECK_EQ(call(e.b), 1);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(call(e.b), -EBUSY);
        CHECK_EQ(receive_one(e.b), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -ECANCELED);
        waiter_park(n, &w);
        CHECK_EQ(bough_udp_send_to(e.a, "x", 1, &e.at_b), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, 1);
        waiter_park(n, &w);
        bough_udp_close(e.b);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_assert_checkpoints (&rc)
        rc = bough_udp_send_to(e.a, "x", 1, &e.at_a);
    bough_assert_checkpoints (&rc)
        rc = call(e.a);
    tear_down(&e);
    return rc;
}

IO_TEST(a_receive_waits_and_may_be_cancelled_and_closed)
{
    return check_waiting(receive_one);
}

IO_TEST(a_receive_of_a_batch_waits_and_may_be_cancelled_and_closed)
{
    return check_waiting(receive_batch_of_two);
}

IO_TEST(a_receive_of_a_train_waits_and_may_be_cancelled_and_closed)
{
    return check_waiting(receive_train);
}

static int send_one(void *u)
{
    return bough_udp_send(u, "x", 1);
}

/* The loopback never makes a sender wait, so put a socket pair in the place of it: its buffer fills
 * up. */
IO_TEST(a_send_waits_for_room_and_may_be_cancelled_and_closed)
{
    struct ends e;
    int fds[2], rc = 0;
    set_up_connected(&e);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(dup3(fds[0], bough_udp_fd(e.a), O_CLOEXEC), bough_udp_fd(e.a));
    close(fds[0]);
    struct waiter w = {.call = send_one, .object = e.a};
    CHECK_EQ(call_cancelled(send_one, e.a), -ECANCELED);
    while (send(bough_udp_fd(e.a), "y", 1, 0) == 1)
        ;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(send_one(e.a), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -ECANCELED);
        waiter_park(n, &w);
        char byte;
        while (recv(fds[1], &byte, 1, 0) == 1)
            ;
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, 0);
        while (send(bough_udp_fd(e.a), "y", 1, 0) == 1)
            ;
        waiter_park(n, &w);
        bough_udp_close(e.a);
    }
    CHECK_EQ(w.rc, -EBADF);
    close(fds[1]);
    tear_down(&e);
    return rc;
}

/* --- many --- */

enum { MANY = 150 };

IO_TEST(a_batch_is_sent_in_order_and_received_as_it_comes)
{
    struct ends e;
    struct bough_datagram out[MANY], in[MANY];
    char data[MANY], back[MANY][4];
    int received = 0;
    set_up(&e);
    for (int i = 0; i < MANY; i++) {
        data[i] = (char)i;
        out[i] = (struct bough_datagram){.data = &data[i], .size = 1, .address = e.at_b};
        in[i] = (struct bough_datagram){.data = back[i], .capacity = 4};
    }
    CHECK_EQ(bough_udp_send_batch(e.a, out, MANY), MANY);
    CHECK_EQ(bough_udp_send_batch(e.a, out, 0), 0);
    CHECK_EQ(bough_udp_receive_batch(e.b, in, 0), -EINVAL);
    while (received < MANY) {
        int n = bough_udp_receive_batch(e.b, in + received, (unsigned)(MANY - received));
        CHECK(n > 0 && n <= 64);
        received += n;
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(in[i].size, 1);
        CHECK(!in[i].truncated);
        CHECK_EQ(back[i][0], (char)i);
        CHECK_EQ(bough_address_port(&in[i].address), bough_address_port(&e.at_a));
    }
    tear_down(&e);
    return 0;
}

IO_TEST(in_a_batch_each_says_whether_it_was_cut)
{
    struct ends e;
    char back[2][3];
    struct bough_datagram in[2] = {{.data = back[0], .capacity = 3},
                                   {.data = back[1], .capacity = 3}};
    set_up(&e);
    CHECK_EQ(bough_udp_send_to(e.a, "1234", 4, &e.at_b), 0);
    CHECK_EQ(bough_udp_send_to(e.a, "123", 3, &e.at_b), 0);
    CHECK_EQ(bough_udp_receive_batch(e.b, in, 2), 2);
    CHECK(in[0].truncated);
    CHECK(!in[1].truncated);
    CHECK_EQ(in[0].size, 3);
    CHECK_EQ(in[1].size, 3);
    tear_down(&e);
    return 0;
}

IO_TEST(a_batch_that_fails_in_its_middle_tells_how_far_it_came)
{
    static char large[65508];
    struct ends e;
    struct bough_datagram out[3] = {{.data = large, .size = 1},
                                    {.data = large, .size = sizeof(large)}};
    set_up_connected(&e);
    CHECK_EQ(bough_udp_send_batch(e.a, out, 3), 1);
    CHECK_EQ(bough_udp_send_batch(e.a, out + 1, 2), -EMSGSIZE);
    tear_down(&e);
    return 0;
}

/* --- segments --- */

static int receive_all(struct bough_udp *u, char *data, int size, size_t segment)
{
    int have = 0;
    while (have < size) {
        size_t got = 0;
        int n = bough_udp_receive_segments(u, data + have, 65536, &got, NULL);
        CHECK(n > 0);
        CHECK(got == segment || (n < (int)segment && (int)got == n));
        have += n;
    }
    return have;
}

static int check_train(bool connected, bool gro)
{
    enum { SIZE = 100 * 1000 + 7, SEGMENT = 1000 };
    struct ends e;
    char *data = malloc(SIZE), *back = calloc(1, SIZE + 65536);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i % 253);
    set_up(&e);
    if (connected)
        CHECK_EQ(bough_udp_connect(e.a, &e.at_b), 0);
    if (gro) {
        int rc = bough_udp_set_gro(e.b, true);
        CHECK(rc == 0 || rc == -ENOTSUP);
        if (rc == 0) {
            CHECK_EQ(receive_one(e.b), -EINVAL);
            CHECK_EQ(receive_batch_of_two(e.b), -EINVAL);
        }
    }
    for (int at = 0; at < SIZE; at += 50000) { /* fits into the receiver's buffer */
        int size = SIZE - at < 50000 ? SIZE - at : 50000;
        CHECK_EQ(bough_udp_send_segments(e.a, data + at, (size_t)size, SEGMENT,
                                         connected ? NULL : &e.at_b),
                 0);
        CHECK_EQ(receive_all(e.b, back + at, size, SEGMENT), size);
    }
    CHECK_EQ(memcmp(data, back, SIZE), 0);
    tear_down(&e);
    free(data);
    free(back);
    return 0;
}

IO_TEST(a_train_arrives_as_datagrams)
{
    return check_train(false, false);
}

IO_TEST(a_train_to_the_connected_peer_arrives)
{
    return check_train(true, false);
}

IO_TEST(a_train_may_arrive_coupled)
{
    return check_train(false, true);
}

IO_TEST(without_gso_a_train_is_a_batch)
{
    struct ends e;
    char bytes[4];
    set_up(&e);
    bough_fault_set(BOUGH_FAULT_CALL, 1); /* the kernel does not know it */
    CHECK_EQ(bough_udp_send_segments(e.a, "abcde", 5, 2, &e.at_b), 0);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bough_udp_receive(e.b, bytes, 4, NULL), i < 2 ? 2 : 1);
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    tear_down(&e);
    return 0;
}

IO_TEST(if_the_device_refuses_a_train_it_is_a_batch)
{
    struct ends e;
    char bytes[4];
    set_up(&e);
    bough_fault_set(BOUGH_FAULT_CALL, 2); /* the first send of it */
    CHECK_EQ(bough_udp_send_segments(e.a, "abcd", 4, 2, &e.at_b), 0);
    CHECK_EQ(bough_udp_receive(e.b, bytes, 4, NULL), 2);
    CHECK_EQ(bough_udp_receive(e.b, bytes, 4, NULL), 2);
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    tear_down(&e);
    return 0;
}

IO_TEST(segments_have_a_size)
{
    struct ends e;
    char bytes[2];
    size_t segment;
    set_up(&e);
    CHECK_EQ(bough_udp_send_segments(e.a, "abc", 3, 0, &e.at_b), -EINVAL);
    CHECK_EQ(bough_udp_send_segments(e.a, "abc", 3, 65508, &e.at_b), -EINVAL);
    CHECK_EQ(bough_udp_send_segments(e.a, "", 0, 1, &e.at_b), 0);
    CHECK_EQ(bough_udp_send_segments(e.a, "abc", 3, 1000, &e.at_b), 0);
    CHECK_EQ(bough_udp_receive_segments(e.b, bytes, 2, &segment, NULL), -EMSGSIZE);
    tear_down(&e);
    return 0;
}

/* --- broadcast, multicast --- */

IO_TEST(a_broadcast_has_to_be_allowed)
{
    struct ends e;
    struct bough_address all;
    set_up(&e);
    CHECK_EQ(bough_address_parse("127.255.255.255", bough_address_port(&e.at_b), &all), 0);
    CHECK_EQ(bough_udp_send_to(e.a, "x", 1, &all), -EACCES);
    CHECK_EQ(bough_udp_set_broadcast(e.a, true), 0);
    CHECK_EQ(bough_udp_send_to(e.a, "x", 1, &all), 0);
    tear_down(&e);
    return 0;
}

IO_TEST(members_of_a_group_hear_it)
{
    struct bough_address group, at, at_b;
    struct bough_udp *member, *b = open_at("127.0.0.1", &at_b);
    unsigned loopback = if_nametoindex("lo");
    char byte = 0;
    int rc = 0;
    CHECK_EQ(bough_address_parse("0.0.0.0", 0, &at), 0);
    CHECK_EQ(bough_udp_open(&at, &member), 0);
    CHECK_EQ(bough_udp_address(member, &at), 0);
    CHECK_EQ(bough_address_parse("239.1.2.3", bough_address_port(&at), &group), 0);
    CHECK_EQ(bough_udp_set_multicast_hops(b, 256), -EINVAL);
    CHECK_EQ(bough_udp_set_multicast_hops(b, 0), 0);
    CHECK_EQ(bough_udp_set_multicast_loop(b, true), 0);
    rc = bough_udp_join(member, &group, loopback);
    if (rc == 0)
        rc = bough_udp_set_multicast_interface(b, loopback);
    if (rc < 0)
        test_skip("no multicast here: %s", bough_error_name(rc));
    CHECK_EQ(bough_udp_send_to(b, "m", 1, &group), 0);
    bough_fail_after (5 * BOUGH_SEC, &rc)
        rc = bough_udp_receive(member, &byte, 1, NULL);
    CHECK_EQ(rc, 1);
    CHECK_EQ(byte, 'm');
    CHECK_EQ(bough_udp_leave(member, &group, loopback), 0);
    CHECK_EQ(bough_udp_leave(member, &group, loopback), -EADDRNOTAVAIL);
    bough_udp_free(member);
    bough_udp_free(b);
    return 0;
}

/* --- faults --- */

static int exchange(struct bough_udp *a, struct bough_udp *b)
{
    struct bough_address at;
    struct bough_datagram d = {.data = (char[4]){0}, .capacity = 4, .size = 1};
    int rc = bough_udp_address(b, &at);
    if (rc == 0)
        rc = bough_udp_connect(a, &at);
    if (rc == 0)
        rc = bough_udp_send(a, "x", 1);
    if (rc == 0)
        rc = receive_one(b);
    if (rc >= 0)
        rc = bough_udp_send_batch(a, &d, 1);
    if (rc >= 0)
        rc = bough_udp_receive_batch(b, &d, 1);
    if (rc >= 0)
        rc = bough_udp_send_segments(a, "xy", 2, 1, NULL);
    if (rc >= 0)
        rc = receive_train(b);
    return rc;
}

static int small_program(void *arg)
{
    struct bough_udp *a = NULL, *b = NULL;
    struct bough_address at;
    int before = open_descriptors(), rc = bough_address_parse("127.0.0.1", 0, &at);
    (void)arg;
    if (rc == 0)
        rc = bough_udp_open(&at, &a);
    if (rc == 0)
        rc = bough_udp_open(&at, &b);
    if (rc == 0)
        rc = exchange(a, b);
    bough_udp_free(a);
    bough_udp_free(b);
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

TEST(a_program_survives_the_failure_of_each_allocation_and_call)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, small_program, NULL) > 3);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, small_program, NULL) > 10);
}
