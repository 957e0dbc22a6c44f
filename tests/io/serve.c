/* Serving: a task for each connection.
 * SPDX-License-Identifier: MIT */
#include "io.h"

struct server {
    struct bough_listener *listener;
    struct bough_serve_options options;
    bough_serve_fn *fn;
    struct bough_scope scope; /* around it */
    int rc;                   /* what bough_serve_with() returned */
    int begun, ended, cancelled, errors;
    int last_error;
    int answer; /* of on_error */
};

static int server_main(void *arg)
{
    struct server *s = arg;
    int rc = 0;
    bough_with_scope (&s->scope, &rc)
        rc = s->rc = bough_serve_with(s->listener, &s->options, s->fn, s);
    return 0;
}

static void server_start(struct bough_nursery *n, struct server *s, bough_serve_fn *fn)
{
    s->fn = fn;
    s->scope = BOUGH_SCOPE();
    s->rc = STILL_WAITING;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &s->listener), 0);
    CHECK_EQ(bough_nursery_start_soon(n, server_main, s), 0);
}

static struct bough_stream *call_server(const struct server *s)
{
    struct bough_stream *stream;
    CHECK_EQ(bough_tcp_connect("127.0.0.1", bough_listener_port(s->listener), &stream), 0);
    return stream;
}

static int echo(struct bough_connection *c, void *arg)
{
    struct bough_stream *stream = c->stream;
    struct server *s = arg;
    char buffer[512];
    int n, rc = 0;
    s->begun++;
    while (rc == 0 && (n = bough_stream_receive_some(stream, buffer, sizeof(buffer))) != 0)
        rc = n < 0 ? n : bough_stream_send_all(stream, buffer, (size_t)n);
    s->ended++;
    s->cancelled += rc == -ECANCELED;
    return rc;
}

/* The first byte says how to end. */
static int end_as_told(struct bough_connection *c, void *arg)
{
    struct server *s = arg;
    char how = 0;
    s->begun++;
    int rc = bough_stream_receive_some(c->stream, &how, 1);
    s->ended++;
    if (rc < 0) {
        s->cancelled += rc == -ECANCELED;
        return rc;
    }
    return how == 'f'   ? bough_fail(-EIO, "told to fail")
           : how == 'g' ? bough_fail(-ENODEV, "told to, too")
                        : 0;
}

static int note_error(int rc, void *arg)
{
    struct server *s = arg;
    s->errors++;
    s->last_error = rc;
    return s->answer;
}

static void check_echo(struct bough_stream *c, const char *text)
{
    char buffer[64];
    int size = (int)strlen(text);
    CHECK_EQ(bough_stream_send_all(c, text, (size_t)size), 0);
    CHECK_EQ(receive_exactly(c, buffer, size), size);
    CHECK_EQ(memcmp(buffer, text, (size_t)size), 0);
}

/* --- serving --- */

IO_TEST(each_connection_has_a_task_of_its_own)
{
    struct server s = {0};
    struct bough_stream *c[3];
    char byte;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, echo);
        for (int i = 0; i < 3; i++)
            c[i] = call_server(&s);
        for (int i = 3; i-- > 0;)
            check_echo(c[i], "hello");
        CHECK_EQ(s.begun, 3);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(bough_stream_send_eof(c[i]), 0);
            CHECK_EQ(bough_stream_receive_some(c[i], &byte, 1), 0); /* closed after it */
            bough_stream_free(c[i]);
        }
        CHECK_EQ(s.ended, 3);
        CHECK_EQ(s.rc, STILL_WAITING);
        bough_scope_cancel(&s.scope, NULL);
    }
    CHECK_EQ(s.rc, -ECANCELED);
    bough_listener_free(s.listener);
    return rc;
}

IO_TEST(a_cancel_ends_all_connections)
{
    struct server s = {.options.on_error = note_error};
    struct bough_stream *c[5];
    char byte;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, echo);
        for (int i = 0; i < 5; i++) {
            c[i] = call_server(&s);
            check_echo(c[i], "x");
        }
        bough_scope_cancel(&s.scope, NULL);
    }
    CHECK_EQ(s.rc, -ECANCELED);
    CHECK_EQ(s.ended, 5);
    CHECK_EQ(s.cancelled, 5);
    CHECK_EQ(s.errors, 0); /* a cancel is none */
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(bough_stream_receive_some(c[i], &byte, 1), 0);
        bough_stream_free(c[i]);
    }
    bough_listener_free(s.listener);
    return rc;
}

IO_TEST(closing_the_listener_ends_the_server)
{
    struct server s = {0};
    struct bough_stream *c = NULL;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, echo);
        c = call_server(&s);
        check_echo(c, "x");
        bough_listener_close(s.listener);
    }
    CHECK_EQ(s.rc, -EBADF);
    CHECK_EQ(s.cancelled, 1);
    bough_stream_free(c);
    bough_listener_free(s.listener);
    return rc;
}

/* --- whose stream it is --- */

/* Hands its connection to whoever waits for it in 'taken'. */
static struct bough_stream *taken;
static int hand_on(struct bough_connection *c, __attribute__((unused)) void *arg)
{
    taken = c->stream;
    c->stream = NULL;
    return 0;
}

IO_TEST(a_handler_may_take_the_stream_and_keep_it)
{
    struct server s = {0};
    int rc = 0;
    taken = NULL;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, hand_on);
        struct bough_stream *c = call_server(&s);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(bough_stream_send_all(taken, "later", 5), 0);
        char buffer[8];
        CHECK_EQ(receive_exactly(c, buffer, 5), 5);
        bough_stream_free(taken);
        bough_stream_free(c);
        bough_scope_cancel(&s.scope, NULL);
    }
    bough_listener_free(s.listener);
    return rc;
}

/* Over the connection, as TLS would be. */
static int put_another_in_its_place(struct bough_connection *c, void *arg)
{
    struct server *s = arg;
    struct bough_stream *read, *write;
    CHECK_EQ(bough_pipe_open(&read, &write), 0);
    bough_stream_free(write);
    CHECK_EQ(bough_stapled_stream_open(c->stream, read, &c->stream), 0);
    s->begun++;
    return bough_stream_send_all(c->stream, "hello", 5);
}

IO_TEST(what_a_handler_puts_in_the_place_of_the_stream_is_freed)
{
    struct server s = {0};
    char buffer[8];
    int rc = 0, before = open_descriptors();
    bough_with_nursery (n, &rc) {
        server_start(n, &s, put_another_in_its_place);
        for (int i = 1; i <= 3; i++) {
            struct bough_stream *c = call_server(&s);
            CHECK_EQ(receive_exactly(c, buffer, 8), 5); /* and the end */
            CHECK_EQ(s.begun, i);
            bough_stream_free(c);
        }
        bough_scope_cancel(&s.scope, NULL);
    }
    bough_listener_free(s.listener);
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

/* --- connections that fail --- */

IO_TEST(a_connection_that_fails_ends_the_server)
{
    struct server s = {0};
    struct bough_stream *c[2] = {NULL, NULL};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, end_as_told);
        for (int i = 0; i < 2; i++)
            c[i] = call_server(&s);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(s.begun, 2);
        CHECK_EQ(bough_stream_send_all(c[1], "f", 1), 0);
    }
    CHECK_EQ(s.rc, -EIO);
    CHECK_EQ(s.ended, 2);
    CHECK_EQ(s.cancelled, 1);
    bough_stream_free(c[0]);
    bough_stream_free(c[1]);
    bough_listener_free(s.listener);
    return rc;
}

IO_TEST(several_failures_are_all_told)
{
    struct server s = {0};
    struct bough_stream *c[2] = {NULL, NULL};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, end_as_told);
        for (int i = 0; i < 2; i++)
            c[i] = call_server(&s);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(send(bough_stream_fd(c[0]), "f", 1, 0), 1); /* both before either is served */
        CHECK_EQ(send(bough_stream_fd(c[1]), "g", 1, 0), 1);
    }
    CHECK_EQ(s.rc, -BOUGH_EGROUP);
    bough_stream_free(c[0]);
    bough_stream_free(c[1]);
    bough_listener_free(s.listener);
    return rc;
}

IO_TEST(a_failure_may_be_forgiven)
{
    struct server s = {.options.on_error = note_error};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, end_as_told);
        for (int i = 1; i <= 3; i++) {
            struct bough_stream *c = call_server(&s);
            char byte;
            CHECK_EQ(bough_stream_send_all(c, i == 2 ? "o" : "f", 1), 0);
            CHECK_EQ(bough_stream_receive_some(c, &byte, 1), 0);
            bough_stream_free(c);
        }
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(s.errors, 2);
        CHECK_EQ(s.last_error, -EIO);
        CHECK_EQ(s.rc, STILL_WAITING);
        s.answer = -ENOSPC; /* not any more, and as something else */
        struct bough_stream *c = call_server(&s);
        CHECK_EQ(bough_stream_send_all(c, "f", 1), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(s.rc, -ENOSPC);
        bough_stream_free(c);
    }
    bough_listener_free(s.listener);
    return rc;
}

/* --- limits --- */

/* Who is above the limit stays in the kernel's queue: no descriptor, no task. */
IO_TEST(with_a_limit_the_others_wait)
{
    struct server s = {.options.limit = 2};
    struct bough_stream *c[5];
    int before = 0, rc = 0;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, echo);
        for (int i = 0; i < 5; i++)
            c[i] = call_server(&s);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(s.begun, 2);
        before = open_descriptors();
        for (int i = 0; i < 3; i++) {
            check_echo(c[i], "hello"); /* in the order in which they came */
            bough_stream_free(c[i]);
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
            CHECK_EQ(s.begun - s.ended, 2);
            CHECK_EQ(s.begun, 3 + i);
            CHECK_EQ(open_descriptors(), before - 1 - i);
        }
        bough_scope_cancel(&s.scope, NULL);
    }
    CHECK_EQ(s.rc, -ECANCELED);
    CHECK_EQ(s.begun, 5);
    bough_stream_free(c[3]);
    bough_stream_free(c[4]);
    bough_listener_free(s.listener);
    return rc;
}

VIRTUAL_IO_TEST(a_server_survives_a_shortage_of_descriptors)
{
    struct server s = {0};
    struct bough_stream *c = NULL;
    struct bough_address at;
    struct rlimit limit, low;
    int rc = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (test_on_valgrind())
        test_skip("Valgrind accepts, and then says that it could not");
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    bough_with_nursery (n, &rc) {
        server_start(n, &s, echo);
        CHECK_EQ(bough_address_parse("127.0.0.1", bough_listener_port(s.listener), &at), 0);
        CHECK_EQ(connect(fd, (struct sockaddr *)&at.storage, at.size),
                 0); /* and nobody else runs */
        CHECK_EQ(bough_fd_stream_open(fd, &c), 0);
        int next = dup(0);
        close(next);
        low = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        uint64_t before = polls();
        CHECK_EQ(bough_sleep(10 * BOUGH_SEC), 0);
        CHECK(polls() - before < 500); /* it does not try all the time */
        CHECK_EQ(s.begun, 0);
        CHECK_EQ(s.rc, STILL_WAITING);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        check_echo(c, "hello");
        CHECK(bough_now() <= 10 * BOUGH_SEC + 100 * BOUGH_MS);
        bough_scope_cancel(&s.scope, NULL);
    }
    bough_stream_free(c);
    bough_listener_free(s.listener);
    return rc;
}

/* --- many --- */

struct client {
    const struct server *server;
    int *done;
};

static int client_main(void *arg)
{
    struct client *c = arg;
    struct bough_stream *s = call_server(c->server);
    check_echo(s, "one of many");
    check_echo(s, "and again");
    bough_stream_free(s);
    ++*c->done;
    return 0;
}

static int serve_many(unsigned limit)
{
    struct server s = {.options.limit = limit};
    struct rlimit open_most;
    int count = test_scale(1000), done = 0, rc = 0;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &open_most), 0);
    if (open_most.rlim_cur < (rlim_t)(2 * count + 50))
        count = ((int)open_most.rlim_cur - 50) / 2;
    bough_with_nursery (n, &rc) {
        server_start(n, &s, echo);
        bough_with_nursery (clients, &rc)
            for (int i = 0; i < count; i++)
                CHECK_EQ(
                    BOUGH_START(clients, client_main, struct client, .server = &s, .done = &done),
                    0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(s.ended, count);
        bough_scope_cancel(&s.scope, NULL);
    }
    CHECK_EQ(done, count);
    CHECK_EQ(s.begun, count);
    bough_listener_free(s.listener);
    return rc;
}

IO_TEST(a_thousand_connections_are_served)
{
    return serve_many(0);
}

IO_TEST(a_thousand_connections_are_served_a_few_at_a_time)
{
    return serve_many(7);
}

/* --- what cannot be had --- */

static int serve_it(void *arg)
{
    struct server *s = arg;
    return bough_serve_with(s->listener, &s->options, s->fn, s);
}

static int talk(unsigned port)
{
    struct bough_stream *s;
    char buffer[8];
    int rc = bough_tcp_connect("localhost", port, &s);
    if (rc < 0)
        return rc;
    rc = bough_stream_send_all(s, "hello", 5);
    if (rc == 0)
        rc = bough_stream_send_eof(s);
    if (rc == 0) {
        rc = receive_exactly(s, buffer, 8);
        rc = rc < 0 ? rc : rc == 5 ? 0 : bough_fail(-EIO, "%d bytes came back", rc);
    }
    rc = bough_keep(rc, bough_stream_close(s));
    bough_stream_free(s);
    return rc;
}

/* Listens, connects by name, echoes, closes. */
static int small_program(void *arg)
{
    struct server s = {.fn = echo, .options.limit = (unsigned)(uintptr_t)arg};
    int before = open_descriptors(), rc = bough_tcp_listen("localhost", 0, &s.listener);
    if (rc < 0) {
        CHECK_EQ(open_descriptors(), before);
        return rc;
    }
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, serve_it, &s);
        if (rc == 0)
            rc = talk(bough_listener_port(s.listener));
        bough_scope_cancel(bough_nursery_scope(n), "enough");
    }
    bough_listener_free(s.listener);
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

static void check_faults(enum bough_fault fault, unsigned limit)
{
    int before = open_descriptors();
    int faults = bough_test_faults(fault, small_program, (void *)(uintptr_t)limit);
    if (faults < 0)
        bough_error_print(bough_error_last(), stderr);
    CHECK(faults > 10);
    CHECK_EQ(open_descriptors(), before);
}

TEST(a_program_survives_the_failure_of_each_allocation)
{
    check_faults(BOUGH_FAULT_MEMORY, 0);
    check_faults(BOUGH_FAULT_MEMORY, 1);
}

TEST(a_program_survives_the_failure_of_each_system_call)
{
    check_faults(BOUGH_FAULT_CALL, 0);
    check_faults(BOUGH_FAULT_CALL, 1);
}
