/* Listening by TCP.
 * SPDX-License-Identifier: MIT */
#include "io.h"

static int accept_one(void *listener)
{
    struct bough_stream *s;
    int rc = bough_listener_accept(listener, &s);
    if (rc == 0)
        bough_stream_free(s);
    return rc;
}

/* A socket of the system's, connected to 'host' there; or -errno. */
static int call_at(const char *host, unsigned port)
{
    struct bough_address at;
    CHECK_EQ(bough_address_parse(host, port, &at), 0);
    int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&at.storage, at.size) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static bool has_ipv6(void)
{
    struct bough_address at;
    CHECK_EQ(bough_address_parse("::1", 0, &at), 0);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at.storage, at.size) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

/* --- where it listens --- */

IO_TEST(it_listens_where_it_was_told_and_nowhere_else)
{
    struct bough_listener *l = NULL;
    int fd, rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_tcp_listen("127.0.0.1", 0, &l);
    CHECK(bough_listener_port(l) != 0);
    fd = call_at("127.0.0.1", bough_listener_port(l));
    CHECK(fd >= 0);
    CHECK_EQ(call_at("127.0.0.2", bough_listener_port(l)), -ECONNREFUSED);
    CHECK_EQ(accept_one(l), 0);
    close(fd);
    bough_listener_free(l);
    return rc;
}

IO_TEST(without_a_host_it_listens_everywhere_at_one_port)
{
    const char *hosts[] = {"127.0.0.1", "127.0.0.2", "::1"};
    struct bough_listener *l;
    int count = has_ipv6() ? 3 : 2;
    CHECK_EQ(bough_tcp_listen(NULL, 0, &l), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++) {
            int fd = call_at(hosts[i], bough_listener_port(l));
            CHECK(fd >= 0);
            CHECK_EQ(accept_one(l), 0);
            close(fd);
        }
    }
    bough_listener_free(l);
    return 0;
}

IO_TEST(a_port_may_be_chosen)
{
    struct bough_listener *l, *second = NULL;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    unsigned port = bough_listener_port(l);
    CHECK_EQ(bough_tcp_listen("127.0.0.1", port, &second), -EADDRINUSE);
    CHECK(!second);
    CHECK_HAS(bough_error_message(bough_error_last()), "cannot listen on 127.0.0.1:");
    /* Used a moment ago, by a connection that we ended. */
    int fd = call_at("127.0.0.1", port);
    CHECK_EQ(accept_one(l), 0);
    bough_listener_free(l);
    close(fd);
    CHECK_EQ(bough_tcp_listen("127.0.0.1", port, &l), 0);
    CHECK_EQ(bough_listener_port(l), port);
    bough_listener_free(l);
    return 0;
}

IO_TEST(it_cannot_listen_where_others_are)
{
    struct bough_listener *l = NULL;
    CHECK_EQ(bough_tcp_listen("203.0.113.7", 0, &l), -EADDRNOTAVAIL); /* an address for documents */
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 65536, &l), -EINVAL);
    CHECK_EQ(bough_tcp_listen("", 0, &l), -EINVAL);
    CHECK(!l);
    return 0;
}

/* The port that is free for the first family may be taken for the second. */
IO_TEST(with_port_0_it_looks_on_for_one_that_is_free_for_all)
{
    int nth = 1, found = 0, before = open_descriptors();
    if (!has_ipv6())
        test_skip("needs two families");
    for (;; nth++) {
        struct bough_listener *l = NULL;
        bough_fault_set(BOUGH_FAULT_CALL, nth); /* a bind or listen fails with EADDRINUSE */
        int rc = bough_tcp_listen(NULL, 0, &l);
        bool hit = bough_fault_was_hit(BOUGH_FAULT_CALL);
        bough_fault_set(BOUGH_FAULT_CALL, 0);
        CHECK(rc == 0 || rc == -EMFILE);
        if (rc == 0) {
            int fd[2] = {call_at("127.0.0.1", bough_listener_port(l)),
                         call_at("::1", bough_listener_port(l))};
            for (int i = 0; i < 2; i++) {
                CHECK(fd[i] >= 0);
                CHECK_EQ(accept_one(l), 0);
                close(fd[i]);
            }
        }
        bough_listener_free(l);
        CHECK_EQ(open_descriptors(), before);
        if (!hit)
            break;
        found += rc == 0;
    }
    CHECK_EQ(found, 4); /* bind and listen, of each */
    return 0;
}

/* --- accepting --- */

IO_TEST(accept_waits_for_a_connection)
{
    struct bough_listener *l;
    struct waiter w = {.call = accept_one};
    int fd = -1, rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    w.object = l;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        fd = call_at("127.0.0.1", bough_listener_port(l));
    }
    CHECK_EQ(w.rc, 0);
    close(fd);
    bough_listener_free(l);
    return rc;
}

IO_TEST(what_is_accepted_is_a_stream)
{
    struct bough_listener *l;
    struct bough_stream *client, *server;
    char buffer[8];
    int rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    CHECK_EQ(bough_tcp_connect("127.0.0.1", bough_listener_port(l), &client), 0);
    bough_assert_checkpoints (&rc)
        rc = bough_listener_accept(l, &server);
    CHECK(fcntl(bough_stream_fd(server), F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(bough_stream_fd(server), F_GETFD) & FD_CLOEXEC);
    bough_listener_free(l); /* it lives on without it */
    CHECK_EQ(bough_stream_send_all(client, "hello", 5), 0);
    CHECK_EQ(bough_stream_receive_some(server, buffer, 8), 5);
    bough_stream_free(client);
    CHECK_EQ(bough_stream_receive_some(server, buffer, 8), 0);
    bough_stream_free(server);
    return rc;
}

/* Each in turn, and what came at once is not forgotten. */
static int accept_many(const char *host, const char *const *from, int families)
{
    enum { MANY = 30 };
    struct bough_listener *l;
    struct waiter w = {.call = accept_one};
    int fds[MANY], rc = 0;
    CHECK_EQ(bough_tcp_listen(host, 0, &l), 0);
    w.object = l;
    for (int round = 0; round < 3; round++) {
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            for (int i = 0; i < MANY; i++) {
                fds[i] = call_at(from[i % families], bough_listener_port(l));
                CHECK(fds[i] >= 0);
            }
        }
        CHECK_EQ(w.rc, 0);
        for (int i = 1; i < MANY; i++)
            CHECK_EQ(accept_one(l), 0);
        for (int i = 0; i < MANY; i++)
            close(fds[i]);
    }
    bough_listener_free(l);
    return rc;
}

IO_TEST(many_may_come_at_once)
{
    const char *from[] = {"127.0.0.1"};
    return accept_many("127.0.0.1", from, 1);
}

IO_TEST(many_of_two_families_may_come_at_once)
{
    const char *from[] = {"127.0.0.1", "::1"};
    return accept_many(NULL, from, has_ipv6() ? 2 : 1);
}

static int cancel_loses_nothing(const char *host)
{
    struct bough_listener *l;
    struct waiter w = {.call = accept_one};
    int fd = -1, rc = 0;
    CHECK_EQ(bough_tcp_listen(host, 0, &l), 0);
    w.object = l;
    for (int i = 0; i < 5; i++) {
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            bough_scope_cancel(&w.scope, NULL);
            fd = call_at("127.0.0.1", bough_listener_port(l));
        }
        CHECK_EQ(w.rc, -ECANCELED);
        CHECK_EQ(call_cancelled(accept_one, l), -ECANCELED);
        CHECK_EQ(accept_one(l), 0);
        close(fd);
    }
    bough_listener_free(l);
    return rc;
}

IO_TEST(a_cancelled_accept_loses_no_connection)
{
    return cancel_loses_nothing("127.0.0.1");
}

IO_TEST(a_cancelled_accept_on_two_families_loses_no_connection)
{
    return cancel_loses_nothing(NULL);
}

static int second_is_busy_and_close_wakes(const char *host)
{
    struct bough_listener *l;
    struct waiter w = {.call = accept_one};
    int rc = 0;
    CHECK_EQ(bough_tcp_listen(host, 0, &l), 0);
    w.object = l;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(accept_one(l), -EBUSY);
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_assert_no_checkpoints (&rc)
            bough_listener_close(l);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_listener_close(l);
    CHECK_EQ(accept_one(l), -EBADF);
    CHECK_EQ(call_cancelled(accept_one, l), -ECANCELED);
    CHECK_EQ(bough_listener_port(l), 0);
    bough_listener_free(l);
    bough_listener_free(NULL);
    return rc;
}

IO_TEST(one_task_accepts_and_closing_wakes_it)
{
    return second_is_busy_and_close_wakes("127.0.0.1");
}

IO_TEST(one_task_accepts_and_closing_wakes_it_on_two_families)
{
    return second_is_busy_and_close_wakes(NULL);
}

static int count_passes(void *arg)
{
    int rc;
    while ((rc = bough_checkpoint()) == 0)
        ++*(int *)arg;
    return rc;
}

/* Connections that wait already need no wait, and yet others must run. */
static int accept_is_fair(const char *host)
{
    enum { MANY = 200 };
    struct bough_listener *l;
    int fds[MANY], passes = 0, rc = 0;
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < MANY + 50)
        test_skip("only %d descriptors may be open", (int)limit.rlim_cur);
    CHECK_EQ(bough_tcp_listen(host, 0, &l), 0);
    for (int i = 0; i < MANY; i++)
        fds[i] = call_at("127.0.0.1", bough_listener_port(l));
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_passes, &passes), 0);
        for (int i = 0; i < MANY; i++) {
            struct bough_stream *s = NULL;
            bough_assert_checkpoints (&rc)
                rc = bough_listener_accept(l, &s);
            bough_stream_free(s);
        }
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK(passes >= 1);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    bough_listener_free(l);
    return rc;
}

IO_TEST(accepting_starves_nobody)
{
    return accept_is_fair("127.0.0.1");
}

IO_TEST(accepting_on_two_families_starves_nobody)
{
    return accept_is_fair(NULL);
}

/* A connection that was given up before it was accepted is at most a stream that is broken. */
IO_TEST(a_caller_who_hangs_up_does_not_fail_the_listener)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct bough_listener *l;
    int fd;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    for (int i = 0; i < 10; i++) {
        fd = call_at("127.0.0.1", bough_listener_port(l));
        CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        close(fd);
    }
    fd = call_at("127.0.0.1", bough_listener_port(l));
    for (int i = 0; i < 11; i++) {
        struct bough_address peer = {.size = sizeof(peer.storage)};
        struct bough_stream *s;
        CHECK_EQ(bough_listener_accept(l, &s), 0);
        bool alive =
            getpeername(bough_stream_fd(s), (struct sockaddr *)&peer.storage, &peer.size) == 0;
        bough_stream_free(s);
        if (alive)
            break;
    }
    close(fd);
    bough_listener_free(l);
    return 0;
}

static int accept_without_descriptors(const char *host)
{
    struct bough_listener *l;
    struct rlimit limit, low;
    if (test_on_valgrind())
        test_skip("Valgrind accepts, and then says that it could not");
    CHECK_EQ(bough_tcp_listen(host, 0, &l), 0);
    int fd = call_at("127.0.0.1", bough_listener_port(l));
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(0);
    close(next);
    low = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(accept_one(l), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(accept_one(l), 0); /* it has waited */
    close(fd);
    bough_listener_free(l);
    return 0;
}

IO_TEST(without_a_descriptor_the_connection_waits)
{
    return accept_without_descriptors("127.0.0.1");
}

IO_TEST(without_a_descriptor_the_connection_waits_on_two_families)
{
    return accept_without_descriptors(NULL);
}
