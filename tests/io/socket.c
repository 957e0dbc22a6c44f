/* Sockets: the system's calls as calls that wait.
 * SPDX-License-Identifier: MIT */
#include "io.h"

static struct bough_address address_of(int fd)
{
    struct bough_address address = {.size = sizeof(address.storage)};
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&address.storage, &address.size), 0);
    return address;
}

/* On 127.0.0.1, at a port of its own. */
static int open_bound(int type, struct bough_address *ret_at)
{
    struct bough_address at;
    int fd = bough_socket_open(AF_INET, type, 0);
    CHECK(fd >= 0);
    CHECK_EQ(bough_address_parse("127.0.0.1", 0, &at), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at.storage, at.size), 0);
    *ret_at = address_of(fd);
    return fd;
}

static int open_listening(struct bough_address *ret_at)
{
    int fd = open_bound(SOCK_STREAM, ret_at);
    CHECK_EQ(listen(fd, 10), 0);
    return fd;
}

static void connect_both(int *ret_client, int *ret_server)
{
    struct bough_address at;
    int listener = open_listening(&at);
    *ret_client = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bough_socket_connect(*ret_client, &at), 0);
    *ret_server = bough_socket_accept(listener, NULL);
    CHECK(*ret_server >= 0);
    bough_socket_close(listener);
}

struct call {
    int fd;
    int flags;
    struct bough_address address;
};

static int receive_some(void *arg)
{
    char buffer[16];
    return bough_socket_receive(((struct call *)arg)->fd, buffer, sizeof(buffer), 0);
}

static int send_until_it_fails(void *arg)
{
    static const char block[64 * 1024];
    int rc = 0;
    while (rc >= 0)
        rc = bough_socket_send(((struct call *)arg)->fd, block, sizeof(block), 0);
    return rc;
}

static int accept_one(void *arg)
{
    int fd = bough_socket_accept(((struct call *)arg)->fd, NULL);
    bough_socket_close(fd);
    return fd < 0 ? fd : 0;
}

static int connect_it(void *arg)
{
    struct call *c = arg;
    return bough_socket_connect(c->fd, &c->address);
}

/* --- making and closing --- */

IO_TEST(a_socket_is_non_blocking_and_closed_on_exec)
{
    int fd = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    bough_socket_close(fd);
    bough_socket_close(-1);
    bough_socket_close(-EMFILE);
    return 0;
}

IO_TEST(a_family_that_there_is_not_is_an_error)
{
    CHECK_EQ(bough_socket_open(AF_MAX + 3, SOCK_STREAM, 0), -EAFNOSUPPORT);
    return 0;
}

IO_TEST(a_socket_made_elsewhere_can_be_adopted)
{
    struct waiter w = {.call = receive_some};
    struct call c;
    int fds[2], rc = 0;
    make_socketpair(fds);
    (void)fcntl(fds[0], F_SETFL, 0);
    CHECK_EQ(bough_socket_adopt(fds[0]), 0);
    CHECK(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    c.fd = fds[0];
    w.object = &c;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(write(fds[1], "abc", 3), 3);
    }
    CHECK_EQ(w.rc, 3);
    bough_socket_close(fds[0]);
    close(fds[1]);
    CHECK_EQ(bough_socket_adopt(fds[0]), -EBADF);
    CHECK_EQ(bough_socket_adopt(-1), -EBADF);
    return rc;
}

/* --- connecting and accepting --- */

IO_TEST(a_connection_carries_bytes_both_ways)
{
    char buffer[8];
    int client, server;
    connect_both(&client, &server);
    CHECK_EQ(bough_socket_send(client, "ping", 4, 0), 4);
    CHECK_EQ(bough_socket_receive(server, buffer, 8, 0), 4);
    CHECK_EQ(bough_socket_send(server, "pong!", 5, 0), 5);
    CHECK_EQ(bough_socket_receive(client, buffer, 2, MSG_PEEK), 2);
    CHECK_EQ(bough_socket_receive(client, buffer, 8, 0), 5);
    bough_socket_close(client);
    CHECK_EQ(bough_socket_receive(server, buffer, 8, 0), 0);
    bough_socket_close(server);
    return 0;
}

IO_TEST(accept_tells_who_called)
{
    struct bough_address at, from;
    int listener = open_listening(&at), client = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bough_socket_connect(client, &at), 0);
    int server = bough_socket_accept(listener, &from);
    struct bough_address wanted = address_of(client);
    CHECK_EQ(from.size, wanted.size);
    CHECK_EQ(memcmp(&from.storage, &wanted.storage, from.size), 0);
    CHECK(fcntl(server, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(server, F_GETFD) & FD_CLOEXEC);
    bough_socket_close(server);
    bough_socket_close(client);
    bough_socket_close(listener);
    return 0;
}

/* Bound and not listening: the port is nobody else's, and refuses. */
IO_TEST(a_refused_connection_says_by_whom)
{
    struct bough_address at;
    char text[BOUGH_ADDRESS_TEXT];
    int silent = open_bound(SOCK_STREAM, &at), fd = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bough_socket_connect(fd, &at), -ECONNREFUSED);
    CHECK_HAS(bough_error_message(bough_error_last()),
              bough_address_format(&at, text, sizeof(text)));
    bough_socket_close(fd);
    bough_socket_close(silent);
    return 0;
}

/* The first attempt has left its mark on the socket; the second is not done because of it. */
IO_TEST(a_socket_may_try_again_after_it_was_refused)
{
    struct bough_address at;
    int silent = open_bound(SOCK_STREAM, &at), fd = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bough_socket_connect(fd, &at), -ECONNREFUSED);
    CHECK_EQ(listen(silent, 1), 0);
    CHECK_EQ(bough_socket_connect(fd, &at), 0);
    CHECK_EQ(bough_socket_send(fd, "x", 1, 0), 1);
    CHECK_EQ(bough_socket_connect(fd, &at), -EISCONN);
    bough_socket_close(fd);
    bough_socket_close(silent);
    return 0;
}

/* Two of a backlog of none: the kernel drops what comes. */
static int open_blackhole(struct bough_address *ret_at, int ret_fillers[2])
{
    int fd = open_bound(SOCK_STREAM, ret_at);
    CHECK_EQ(listen(fd, 0), 0);
    for (int i = 0; i < 2; i++) {
        ret_fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(ret_fillers[i], (struct sockaddr *)&ret_at->storage, ret_at->size);
    }
    return fd;
}

VIRTUAL_IO_TEST(connecting_can_be_cancelled_and_can_time_out)
{
    struct call c[2];
    struct waiter w = {.call = connect_it, .object = &c[0]};
    int fillers[2], rc = 0;
    int hole = open_blackhole(&c[0].address, fillers);
    c[1] = c[0];
    for (int i = 0; i < 2; i++)
        c[i].fd = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(call_cancelled(connect_it, &c[0]), -ECANCELED);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_scope_cancel(&w.scope, NULL);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(call_timed(BOUGH_SEC, connect_it, &c[1]), -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    for (int i = 0; i < 2; i++) {
        bough_socket_close(c[i].fd);
        close(fillers[i]);
    }
    bough_socket_close(hole);
    return rc;
}

IO_TEST(a_cancelled_accept_loses_no_connection)
{
    struct call c;
    struct waiter w = {.call = accept_one, .object = &c};
    struct bough_address at;
    int rc = 0, client = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    c.fd = open_listening(&at);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_socket_connect(client, &at), 0);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(call_cancelled(accept_one, &c), -ECANCELED);
    CHECK_EQ(accept_one(&c), 0);
    bough_socket_close(client);
    bough_socket_close(c.fd);
    return rc;
}

IO_TEST(what_does_not_listen_cannot_accept)
{
    int fd = bough_socket_open(AF_INET, SOCK_STREAM, 0),
        udp = bough_socket_open(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(bough_socket_accept(fd, NULL), -EINVAL);
    CHECK_EQ(bough_socket_accept(udp, NULL), -EOPNOTSUPP);
    bough_socket_close(udp);
    bough_socket_close(fd);
    CHECK_EQ(bough_socket_accept(fd, NULL), -EBADF);
    return 0;
}

/* --- waiting --- */

IO_TEST(closing_wakes_who_receives_and_who_sends)
{
    struct call c;
    struct waiter in = {.call = receive_some, .object = &c},
                  out = {.call = send_until_it_fails, .object = &c};
    int server, rc = 0;
    connect_both(&c.fd, &server);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &in);
        waiter_park(n, &out);
        CHECK_EQ(receive_some(&c), -EBUSY);
        CHECK_EQ(out.rc, STILL_WAITING);
        bough_socket_close(c.fd);
    }
    CHECK_EQ(in.rc, -EBADF);
    CHECK_EQ(out.rc, -EBADF);
    bough_socket_close(server);
    return rc;
}

IO_TEST(a_cancelled_receive_loses_nothing)
{
    struct call c;
    struct waiter w = {.call = receive_some, .object = &c};
    int server, rc = 0;
    connect_both(&c.fd, &server);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_socket_send(server, "abc", 3, 0), 3);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(call_cancelled(receive_some, &c), -ECANCELED);
    CHECK_EQ(receive_some(&c), 3);
    bough_socket_close(c.fd);
    bough_socket_close(server);
    return rc;
}

IO_TEST(every_call_is_a_checkpoint)
{
    struct bough_address at;
    char byte;
    int fd = -1, rc = 0, client = bough_socket_open(AF_INET, SOCK_STREAM, 0),
        listener = open_listening(&at);
    bough_assert_checkpoints (&rc)
        rc = bough_socket_connect(client, &at);
    bough_assert_checkpoints (&rc)
        rc = fd = bough_socket_accept(listener, NULL);
    bough_assert_checkpoints (&rc)
        rc = bough_socket_send(fd, "x", 1, 0);
    bough_assert_checkpoints (&rc)
        rc = bough_socket_receive(client, &byte, 1, 0);
    CHECK_EQ(rc, 1);
    bough_assert_no_checkpoints (&rc) {
        bough_socket_close(fd);
        bough_socket_close(client);
        bough_socket_close(listener);
    }
    return 0;
}

/* --- datagrams --- */

IO_TEST(datagrams_have_a_sender_and_an_end)
{
    struct bough_address at[2], from;
    char buffer[8];
    int fds[2];
    for (int i = 0; i < 2; i++)
        fds[i] = open_bound(SOCK_DGRAM, &at[i]);
    CHECK_EQ(bough_socket_send_to(fds[0], "hello", 5, 0, &at[1]), 5);
    CHECK_EQ(bough_socket_send_to(fds[0], "", 0, 0, &at[1]), 0);
    CHECK_EQ(bough_socket_send_to(fds[0], "cut here", 8, 0, &at[1]), 8);
    CHECK_EQ(bough_socket_receive_from(fds[1], buffer, 8, 0, &from), 5);
    CHECK_EQ(bough_address_port(&from), bough_address_port(&at[0]));
    CHECK_EQ(bough_socket_receive_from(fds[1], buffer, 8, 0, NULL), 0);
    CHECK_EQ(bough_socket_receive_from(fds[1], buffer, 3, MSG_TRUNC, NULL), 8);
    CHECK_EQ(memcmp(buffer, "cut", 3), 0);
    bough_socket_close(fds[0]);
    bough_socket_close(fds[1]);
    return 0;
}

IO_TEST(a_datagram_wakes_who_waits_for_it)
{
    struct call c;
    struct waiter w = {.call = receive_some, .object = &c};
    struct bough_address from;
    int rc = 0, fd = open_bound(SOCK_DGRAM, &from);
    c.fd = open_bound(SOCK_DGRAM, &c.address);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_socket_send_to(fd, "hello", 5, 0, &c.address), 5);
    }
    CHECK_EQ(w.rc, 5);
    bough_socket_close(fd);
    bough_socket_close(c.fd);
    return rc;
}

/* A failed call must not touch what it would have returned. */
IO_TEST(who_sent_stays_untouched_when_nothing_came)
{
    struct bough_address from = {.size = 77}, at;
    struct bough_scope scope = BOUGH_SCOPE();
    char buffer[8] = "abcdefg";
    int rc, fd = open_bound(SOCK_DGRAM, &at);
    bough_scope_cancel(&scope, NULL);
    bough_scope_enter(&scope);
    rc = bough_socket_receive_from(fd, buffer, 8, 0, &from);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(bough_scope_exit(&scope, rc), 0);
    CHECK_EQ(bough_socket_receive_from(-1, buffer, 8, 0, &from), -EBADF);
    CHECK_EQ(from.size, 77);
    CHECK_STR(buffer, "abcdefg");
    bough_socket_close(fd);
    return 0;
}
