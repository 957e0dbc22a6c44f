/* Connections that a driver accepts ahead: none is lost, and none is kept that nobody wants.
 * SPDX-License-Identifier: MIT */
#include "driver.h"

#include <poll.h>

/* A listening socket that the driver has adopted. */
static int listen_on(struct bough_driver *d, struct sockaddr_in *ret_at)
{
    socklen_t size = sizeof(*ret_at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *ret_at =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(fd, (struct sockaddr *)ret_at, size), 0);
    CHECK_EQ(listen(fd, 4096), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)ret_at, &size), 0);
    CHECK_EQ(d->adopt(d, fd), 0);
    return fd;
}

static int connect_to(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
    return fd;
}

static bool was_closed(int client)
{
    struct pollfd now = {.fd = client, .events = POLLIN};
    return poll(&now, 1, 1000) == 1;
}

static void stop(struct bough_driver *d, int fd)
{
    d->closing(d, fd);
    close(fd);
}

URING_TEST(connections_are_accepted_before_they_are_asked_for)
{
    struct probe p = PROBE;
    struct sockaddr_in at;
    int clients[3], fd = listen_on(d, &at);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), -EBUSY);
    CHECK_EQ(look(d), 0);
    for (int i = 0; i < 3; i++)
        clients[i] = connect_to(&at);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(p.woken, 1);
    CHECK_EQ(p.result, 0);
    for (int i = 0; i < 3; i++) {
        int server = d->accept(d, fd);
        CHECK(server >= 0);
        CHECK(fcntl(server, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(server, F_GETFL) & O_NONBLOCK);
        close(server);
        CHECK(was_closed(clients[i])); /* in order */
        close(clients[i]);
    }
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    clients[0] = connect_to(&at);
    CHECK_EQ(look(d), 0); /* nobody waits */
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 1);
    stop(d, fd);
    close(clients[0]);
}

/* Before they have been heard of, and after. */
URING_TEST(what_nobody_has_taken_is_closed_with_the_socket)
{
    for (int heard = 0; heard < 2; heard++) {
        struct probe p = PROBE;
        struct sockaddr_in at;
        int before = open_descriptors(), clients[3], fd = listen_on(d, &at);
        CHECK_EQ(d->accept(d, fd), -EAGAIN);
        CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
        CHECK_EQ(look(d), 0);
        for (int i = 0; i < 3; i++)
            clients[i] = connect_to(&at);
        if (heard)
            CHECK_EQ(look(d), 1);
        stop(d, fd);
        CHECK_EQ(p.woken, 1);
        CHECK_EQ(p.result, heard ? 0 : -EBADF);
        for (int i = 0; i < 3; i++) {
            (void)look(d);
            CHECK(was_closed(clients[i]));
            close(clients[i]);
        }
        CHECK_EQ(open_descriptors(), before);
    }
}

TEST(what_nobody_has_taken_is_closed_with_the_driver)
{
    for (int heard = 0; heard < 2; heard++) {
        struct probe p = PROBE;
        struct sockaddr_in at;
        int before = open_descriptors();
        struct bough_driver *d = open_uring();
        int fd = listen_on(d, &at);
        CHECK_EQ(d->accept(d, fd), -EAGAIN);
        CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
        CHECK_EQ(look(d), 0);
        int client = connect_to(&at);
        if (heard)
            CHECK_EQ(look(d), 1);
        bough__uring_close(d);
        close(fd);
        CHECK(was_closed(client));
        close(client);
        CHECK_EQ(open_descriptors(), before);
    }
}

URING_TEST(a_watch_that_was_given_up_loses_no_connection)
{
    struct probe old = PROBE, new = PROBE;
    struct sockaddr_in at;
    int fd = listen_on(d, &at);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &old), 0);
    CHECK_EQ(look(d), 0);
    int client = connect_to(&at);
    d->unwatch(d, fd, BOUGH_READABLE);
    CHECK_EQ(d->watched, 0);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &new), 0);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(old.woken, 0);
    CHECK_EQ(new.woken, 1);
    int server = d->accept(d, fd);
    CHECK(server >= 0);
    close(server);
    stop(d, fd);
    close(client);
}

/* The others wait in the kernel. */
URING_TEST(only_so_many_are_accepted_that_nobody_takes)
{
    enum { MANY = 200 };
    struct probe p = PROBE;
    struct sockaddr_in at;
    int clients[MANY], got = 0, fd = listen_on(d, &at), before = open_descriptors();
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    for (int i = 0; i < MANY; i++) {
        clients[i] = connect_to(&at);
        (void)look(d);
    }
    int held = open_descriptors() - before - MANY;
    CHECK(held >= 10 && held <= 50);
    while (got < MANY) {
        int server = d->accept(d, fd);
        if (server >= 0) {
            close(server);
            got++;
            continue;
        }
        CHECK_EQ(server, -EAGAIN);
        int woken = p.woken;
        int rc = watch(d, fd, BOUGH_READABLE, &p);
        for (int64_t end = d->now(d) + 10 * BOUGH_SEC; rc == 0 && p.woken == woken;) {
            CHECK(d->now(d) < end);
            CHECK(d->wait(d, end) >= 0);
        }
    }
    for (int i = 0; i < MANY; i++) {
        CHECK(was_closed(clients[i]));
        close(clients[i]);
    }
    stop(d, fd);
}

/* --- failures --- */

/* The limit is that of the time when the request is made. */
URING_TEST(without_descriptors_it_is_a_failure_that_may_pass)
{
    struct probe p = PROBE;
    struct sockaddr_in at;
    struct rlimit limit, low;
    int fd = listen_on(d, &at), client = connect_to(&at);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){.rlim_cur = 1, .rlim_max = limit.rlim_max};
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int round = 1; round <= 3; round++) {
        CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
        CHECK_EQ(look(d), 1);
        CHECK_EQ(p.woken, round);
        CHECK_EQ(d->accept(d, fd), -EMFILE);
        CHECK_EQ(d->accept(d, fd), -EAGAIN);
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 1);
    int server = d->accept(d, fd);
    CHECK(server >= 0);
    close(server);
    close(client);
    stop(d, fd);
}

URING_TEST(without_memory_a_connection_is_closed_and_that_is_told)
{
    struct probe p = PROBE;
    struct sockaddr_in at;
    int fd = listen_on(d, &at);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 0);
    int client = connect_to(&at);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(look(d), 1);
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK(was_closed(client));
    CHECK_EQ(d->accept(d, fd), -ENOMEM);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    close(client);
    client = connect_to(&at);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 1);
    int server = d->accept(d, fd);
    CHECK(server >= 0);
    close(server);
    close(client);
    stop(d, fd);
}

URING_TEST(a_request_that_cannot_be_made_is_an_error_of_the_watch)
{
    struct probe p = PROBE;
    struct sockaddr_in at;
    int fd = listen_on(d, &at);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), -ENOMEM);
    bough_fault_set(BOUGH_FAULT_CALL, 0);
    CHECK_EQ(d->watched, 0);
    stop(d, fd);
}

/* It names a descriptor, which is another's when the kernel comes to look at it. */
URING_TEST(a_request_that_was_not_submitted_in_time_takes_nothing_from_the_next_listener)
{
    struct probe p = PROBE;
    struct sockaddr_in at;
    int fd = listen_on(d, &at);
    CHECK_EQ(d->accept(d, fd), -EAGAIN);
    CHECK_EQ(watch(d, fd, BOUGH_READABLE, &p), 0);
    d->unwatch(d, fd, BOUGH_READABLE);
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    stop(d, fd);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
    CHECK_EQ(listen_on(d, &at), fd);
    int client = connect_to(&at);
    CHECK_EQ(look(d), 0);
    int server = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    CHECK(server >= 0);
    close(server);
    close(client);
    stop(d, fd);
}

/* As a kernel says that knows no such request, or a policy. */
URING_TEST(where_it_is_refused_we_accept_for_ourselves)
{
    struct probe p = PROBE;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(d->adopt(d, fds[0]), 0);
    CHECK_EQ(d->accept(d, fds[0]), -EAGAIN);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(p.result, 0);
    CHECK_EQ(d->accept(d, fds[0]), -EOPNOTSUPP);
    CHECK_EQ(watch(d, fds[0], BOUGH_READABLE, &p), 0); /* a plain one */
    CHECK_EQ(look(d), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(look(d), 1);
    stop(d, fds[0]);
    close(fds[1]);
}

URING_TEST(only_sockets_of_ours_are_accepted_from)
{
    struct sockaddr_in at;
    int fd = listen_on(d, &at);
    d->closing(d, fd);
    CHECK_EQ(d->accept(d, fd), -EOPNOTSUPP);
    CHECK_EQ(d->accept(d, 1000), -EOPNOTSUPP);
    close(fd);
}

/* --- servers --- */

struct service {
    struct bough_listener *listener;
    struct bough_serve_options options;
    int served;
};

static int answer(struct bough_connection *c, void *arg)
{
    char byte;
    int rc = bough_stream_receive_some(c->stream, &byte, 1);
    ((struct service *)arg)->served += rc == 1;
    return 0;
}

static int serve_it(void *arg)
{
    struct service *s = arg;
    return bough_serve_with(s->listener, &s->options, answer, s);
}

static void wait_until_served(const struct service *s, int count)
{
    for (int64_t end = bough_now() + 10 * BOUGH_SEC; s->served < count;) {
        CHECK(bough_now() < end);
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
    }
}

static int connect_to_port(int family, unsigned port)
{
    struct bough_address at;
    CHECK_EQ(bough_address_parse(family == AF_INET ? "127.0.0.1" : "::1", port, &at), 0);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at.storage, at.size) < 0)
        test_skip("not both families here");
    CHECK_EQ(write(fd, "x", 1), 1);
    return fd;
}

IO_TEST(a_server_on_several_sockets_hears_them_all)
{
    enum { EACH = 20 };
    struct service s = {.served = 0};
    int clients[2 * EACH], rc = 0;
    CHECK_EQ(bough_tcp_listen(NULL, 0, &s.listener), 0);
    unsigned port = bough_listener_port(s.listener);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, serve_it, &s), 0);
        for (int i = 0; i < 2 * EACH; i++) {
            clients[i] = connect_to_port(i % 2 ? AF_INET6 : AF_INET, port);
            if (i % 3 == 0)
                CHECK_EQ(bough_checkpoint(), 0);
            if (i % 10 == 0)
                wait_until_served(&s, i + 1);
        }
        wait_until_served(&s, 2 * EACH);
        bough_scope_cancel(bough_nursery_scope(n), "enough");
    }
    for (int i = 0; i < 2 * EACH; i++)
        close(clients[i]);
    bough_listener_free(s.listener);
    return rc;
}

IO_TEST(a_server_that_follows_another_loses_no_connection)
{
    struct service s = {.served = 0};
    int clients[10], rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &s.listener), 0);
    unsigned port = bough_listener_port(s.listener);
    for (int i = 0; i < 10; i++) {
        bough_with_nursery (n, &rc) {
            CHECK_EQ(bough_nursery_start_soon(n, serve_it, &s), 0);
            wait_until_served(&s, i);
            CHECK_EQ(bough_sleep(i % 2 ? BOUGH_MS : 0), 0);
            bough_scope_cancel(bough_nursery_scope(n), "enough");
        }
        clients[i] = connect_to_port(AF_INET, port);
    }
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, serve_it, &s), 0);
        wait_until_served(&s, 10);
        bough_scope_cancel(bough_nursery_scope(n), "enough");
    }
    for (int i = 0; i < 10; i++)
        close(clients[i]);
    bough_listener_free(s.listener);
    return rc;
}

/* A limit is a limit of what is accepted. */
IO_TEST(what_waits_for_a_place_waits_in_the_kernel)
{
    enum { MANY = 20 };
    struct service s = {.options.limit = 2};
    int clients[MANY], rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &s.listener), 0);
    struct bough_address at;
    CHECK_EQ(bough_address_parse("127.0.0.1", bough_listener_port(s.listener), &at), 0);
    bough_with_nursery (n, &rc) {
        int before = open_descriptors();
        CHECK_EQ(bough_nursery_start_soon(n, serve_it, &s), 0);
        for (int i = 0; i < MANY; i++)
            clients[i] = connect_to((struct sockaddr_in *)&at.storage);
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bough_sleep(BOUGH_MS), 0);
        CHECK_EQ(open_descriptors(), before + MANY + 2);
        for (int i = 0; i < MANY; i++)
            CHECK_EQ(write(clients[i], "x", 1), 1);
        wait_until_served(&s, MANY);
        bough_scope_cancel(bough_nursery_scope(n), "enough");
    }
    for (int i = 0; i < MANY; i++)
        close(clients[i]);
    bough_listener_free(s.listener);
    return rc;
}
