/* PostgreSQL servers that are silent, break off, or talk nonsense: played by a task.
 * SPDX-License-Identifier: MIT */
#include "../io/io.h"

#include <libpq-fe.h>

#include <bough/postgres.h>

/* "You are in", "how to cancel", "go ahead"; and the answer to a query: one row, complete. */
static const char greeting[] = "R\0\0\0\10\0\0\0\0"
                               "K\0\0\0\14\0\0\0\1\0\0\0\2"
                               "Z\0\0\0\5I";
static const char rows[] = "T\0\0\0\32\0\1n\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"
                           "D\0\0\0\13\0\1\0\0\0\1"
                           "7"
                           "C\0\0\0\15SELECT 1\0"
                           "Z\0\0\0\5I";
enum { GREETING = sizeof(greeting) - 1, ROWS = sizeof(rows) - 1 };

struct server {
    struct bough_listener *listener;
    const char *says;
    size_t greeting, rows; /* so many bytes of them */
    bool resets, is_silent;
};

/* Wait until the client has said something. */
static int listen_to(struct bough_stream *s)
{
    char text[1024];
    int n = bough_stream_receive_some(s, text, sizeof(text));
    return n > 0 ? 0 : n < 0 ? n : -EPIPE;
}

static int serve_one(struct bough_connection *c, void *arg)
{
    struct server *server = arg;
    struct linger at_once = {.l_onoff = server->resets};
    setsockopt(bough_stream_fd(c->stream), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    int rc = listen_to(c->stream);
    if (rc == 0)
        rc = bough_stream_send_all(c->stream, server->says ? server->says : greeting,
                                   server->greeting);
    if (rc == 0 && server->is_silent)
        rc = bough_sleep_forever();
    if (rc == 0 && server->greeting == GREETING)
        rc = listen_to(c->stream);
    if (rc == 0 && server->greeting == GREETING)
        rc = bough_stream_send_all(c->stream, rows, server->rows);
    return rc == -EPIPE ? 0 : rc;
}

static int serve(void *arg)
{
    struct server *server = arg;
    return bough_serve(server->listener, serve_one, server);
}

/* Connect to it and ask for a row. */
static int ask(struct server *server)
{
    struct bough_postgres *p;
    struct pg_result *result = NULL;
    char where[128];
    snprintf(where, sizeof(where),
             "host=127.0.0.1 port=%u user=x dbname=x sslmode=disable gssencmode=disable",
             bough_listener_port(server->listener));
    int rc = bough_postgres_connect(where, &p);
    if (rc < 0)
        return rc;
    rc = bough_postgres_query(p, "SELECT 7 AS n", 0, NULL, &result);
    PQclear(result);
    bough_postgres_close(p);
    return rc;
}

static int with_server(struct server *server, int (*body)(struct server *server))
{
    int rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &server->listener), 0);
    bough_with_background (serve, server, &rc)
        rc = body(server);
    bough_listener_free(server->listener);
    return rc;
}

static int cut_everywhere(struct server *server)
{
    for (int i = 0; i < 2; i++) {
        server->resets = i;
        for (server->rows = 0, server->greeting = 0; server->greeting < GREETING;
             server->greeting++)
            CHECK_EQ(ask(server), -ECONNREFUSED);
        for (; server->rows < ROWS; server->rows++) {
            CHECK_EQ(ask(server), -EPIPE);
            CHECK(strlen(bough_error_message(bough_error_last())) > 10);
        }
        CHECK_EQ(ask(server), 0);
    }
    return 0;
}

VIRTUAL_IO_TEST(a_server_may_end_or_reset_at_every_byte)
{
    return with_server(&(struct server){0}, cut_everywhere);
}

static int time_out(struct server *server)
{
    int rc = 0;
    int64_t start = bough_now();
    bough_fail_after (BOUGH_MINUTE, &rc)
        rc = ask(server);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(bough_now() - start, BOUGH_MINUTE);
    return 0;
}

VIRTUAL_IO_TEST(a_server_that_never_answers_is_timed_out)
{
    return with_server(&(struct server){.is_silent = true}, time_out);
}

VIRTUAL_IO_TEST(a_server_that_stops_in_the_middle_is_timed_out)
{
    return with_server(&(struct server){.is_silent = true, .greeting = 12}, time_out);
}

static int is_refused(struct server *server)
{
    CHECK_EQ(ask(server), -ECONNREFUSED);
    CHECK(strlen(bough_error_message(bough_error_last())) > 10);
    return 0;
}

VIRTUAL_IO_TEST(nonsense_is_refused)
{
    static const char *const nonsense[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "R\377\377\377\377",
                                           "Z", "\26\3\1\2\0\1"};
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
        struct server server = {.says = nonsense[i], .greeting = strlen(nonsense[i])};
        CHECK_EQ(with_server(&server, is_refused), 0);
    }
    return 0;
}

VIRTUAL_IO_TEST(a_name_that_is_too_long_is_invalid_and_not_cut)
{
    struct bough_postgres *p;
    char where[512];
    snprintf(where, sizeof(where), "host=localhost,%0300d", 1);
    CHECK_EQ(bough_postgres_connect(where, &p), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "as long as");
    return 0;
}
