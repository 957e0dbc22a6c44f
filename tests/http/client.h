/* What the tests of bough-http talk to the server with: bytes, by hand.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <unistd.h>

#include <bough/http.h>

struct site {
    struct bough_listener *listener;
    struct bough_http_options options;
    bough_http_handler_fn *handler;
    unsigned handled;           /* requests that have come to a handler */
    int failed;                 /* what on_error was told last */
    struct bough_event entered; /* a handler waits */
    struct bough_event go_on;   /* for this */
    struct bough_scope *scope;  /* around the server */
    bool ends;                  /* the server is to end by itself */
    int (*body)(struct site *site);
};

/* --- answers --- */

static inline int say(struct bough_http_response *response, const char *text)
{
    return bough_http_response_send(response, 200, text, strlen(text));
}

static inline int echo(const struct bough_http_request *request,
                       struct bough_http_response *response)
{
    char buffer[1000];
    struct bough_stream *out;
    int n, rc = 0;
    bool begun = false;
    while ((n = bough_stream_receive_some(request->body, buffer, sizeof(buffer))) > 0) {
        if (!begun && (rc = bough_http_response_begin(response, 200, request->body_size, &out)) < 0)
            return rc;
        begun = true;
        if ((rc = bough_stream_send_all(out, buffer, (size_t)n)) < 0)
            return rc;
    }
    return n < 0 || begun ? n : say(response, "");
}

static inline int echo_whole(const struct bough_http_request *request,
                             struct bough_http_response *response)
{
    char buffer[100];
    size_t size = 0;
    int n;
    while ((n = bough_stream_receive_some(request->body, buffer + size, sizeof(buffer) - size)) > 0)
        size += (size_t)n;
    return n < 0 ? n : bough_http_response_send(response, 200, buffer, size);
}

/* Method, target, and all headers. */
static inline int tell(const struct bough_http_request *request,
                       struct bough_http_response *response)
{
    char text[4096];
    int n = snprintf(text, sizeof(text), "%s %s 1.%u %jd", request->method, request->target,
                     request->minor, (intmax_t)request->body_size);
    for (unsigned i = 0; i < request->header_count; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "|%s=%s", request->headers[i].name,
                      request->headers[i].value);
    return say(response, text);
}

static inline int in_pieces(struct bough_http_response *response, int64_t size, int pieces)
{
    struct bough_stream *out;
    int rc = bough_http_response_begin(response, 200, size, &out);
    for (int i = 0; i < pieces && rc == 0; i++)
        rc = bough_stream_send_all(out, "piece", 5);
    return rc;
}

static inline int wait_inside(struct site *site, struct bough_http_response *response)
{
    bough_event_set(&site->entered);
    int rc = bough_event_wait(&site->go_on);
    return rc < 0 ? rc : say(response, "at last");
}

static inline int answer(const struct bough_http_request *request,
                         struct bough_http_response *response, void *arg)
{
    struct site *site = arg;
    const char *target = request->target;
    site->handled++;
    if (strcmp(target, "/echo") == 0)
        return echo(request, response);
    if (strcmp(target, "/whole") == 0)
        return echo_whole(request, response);
    if (strcmp(target, "/tell") == 0)
        return tell(request, response);
    if (strcmp(target, "/pieces") == 0)
        return in_pieces(response, -1, 3);
    if (strcmp(target, "/exact") == 0)
        return in_pieces(response, 15, 3);
    if (strcmp(target, "/short") == 0)
        return in_pieces(response, 15, 2);
    if (strcmp(target, "/fail") == 0)
        return bough_fail(-EIO, "the disk is on fire");
    if (strcmp(target, "/forget") == 0)
        return 0;
    if (strcmp(target, "/nothing") == 0)
        return bough_http_response_send(response, 204, NULL, 0);
    if (strcmp(target, "/wait") == 0)
        return wait_inside(site, response);
    return say(response, target);
}

/* --- the run --- */

static inline int serve_site(void *arg)
{
    struct site *site = arg;
    return bough_http_serve_with(site->listener, &site->options, site->handler, site);
}

static inline int note_failure(int rc, void *arg)
{
    struct site *site = arg;
    site->failed = rc;
    return 0;
}

static inline int with_site(void *arg)
{
    struct site *site = arg;
    struct bough_scope scope = BOUGH_SCOPE();
    int rc = 0;
    bough_event_init(&site->entered);
    bough_event_init(&site->go_on);
    site->scope = &scope;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &site->listener), 0);
    bough_fail_after (25 * BOUGH_SEC, &rc) {
        bough_with_scope (&scope, &rc) {
            bough_with_nursery (n, &rc) {
                rc = site->ends ? bough_nursery_start_soon(n, serve_site, site)
                                : bough_nursery_start_service(n, serve_site, site);
                if (rc == 0)
                    rc = site->body(site);
            }
        }
    }
    bough_listener_free(site->listener);
    return rc;
}

/* A test whose body has a server beside it, on a real run; options may follow. */
#define HTTP_TEST(test_name, ...)                                                                  \
    static int test_name##_body(struct site *site);                                                \
    TEST(test_name)                                                                                \
    {                                                                                              \
        struct site site = {.options = {.on_error = note_failure, ##__VA_ARGS__},                  \
                            .handler = answer,                                                     \
                            .body = test_name##_body};                                             \
        int rc = bough_run(with_site, &site);                                                      \
        if (rc < 0)                                                                                \
            bough_error_print(bough_error_last(), stderr);                                         \
        CHECK(rc >= 0);                                                                            \
    }                                                                                              \
    static int test_name##_body(__attribute__((unused)) struct site *site)

/* --- the client --- */

static inline struct bough_stream *dial(struct site *site)
{
    struct bough_stream *s;
    CHECK_EQ(bough_tcp_connect("127.0.0.1", bough_listener_port(site->listener), &s), 0);
    return s;
}

static inline void put(struct bough_stream *s, const char *text)
{
    CHECK_EQ(bough_stream_send_all(s, text, strlen(text)), 0);
}

/* All that comes until the end. */
static inline const char *rest(struct bough_stream *s)
{
    static char text[1 << 16];
    size_t size = 0;
    int n;
    while ((n = bough_stream_receive_some(s, text + size, sizeof(text) - 1 - size)) > 0)
        size += (size_t)n;
    text[size] = '\0';
    CHECK_EQ(n, 0);
    return text;
}

/* What comes, until 'end' is in it. */
static inline const char *until(struct bough_stream *s, const char *end)
{
    static char text[1 << 16];
    size_t size = 0;
    text[0] = '\0';
    while (!strstr(text, end)) {
        int n = bough_stream_receive_some(s, text + size, sizeof(text) - 1 - size);
        if (n <= 0)
            test_fail(__FILE__, __LINE__, "it ended (%d) without \"%s\": %s", n, end, text);
        size += (size_t)n;
        text[size] = '\0';
    }
    return text;
}

/* Say this on a connection of its own, and get all that comes back. */
static inline const char *ask(struct site *site, const char *text)
{
    struct bough_stream *s = dial(site);
    put(s, text);
    const char *all = rest(s);
    bough_stream_free(s);
    return all;
}

#define LAST "Host: x\r\nConnection: close\r\n\r\n"
#define MORE "Host: x\r\n\r\n"
