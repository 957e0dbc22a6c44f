/* What the tests of bough-curl fetch from: a small server of our own, which can be as bad as
 * wanted.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <curl/curl.h>
#include <unistd.h>

#include <bough/curl.h>

struct server {
    struct bough_listener *listener;
    unsigned connections, answered;
    struct bough_event asked; /* a request for /hang has come */
};

static inline int answer(struct bough_stream *s, const char *status, const char *body, size_t size)
{
    char head[256];
    int length =
        snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, size);
    int rc = bough_stream_send_all(s, head, (size_t)length);
    return rc == 0 ? bough_stream_send_all(s, body, size) : rc;
}

/* The first bytes of an answer of CUT bytes, and then the end, or a reset. */
enum { CUT = 43 };
static inline int cut_off(struct bough_stream *s, const char *size, bool reset)
{
    static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole";
    struct linger at_once = {.l_onoff = reset};
    _Static_assert(sizeof(whole) - 1 == CUT, "its size");
    setsockopt(bough_stream_fd(s), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return bough_stream_send_all(s, whole, strtoul(size, NULL, 10));
}

/* One request. 1: the connection goes on. */
static inline int serve_target(struct server *server, struct bough_stream *s, const char *target)
{
    int rc;
    server->answered++;
    if (strncmp(target, "/hello", 6) == 0) {
        rc = answer(s, "200 OK", "hello\n", 6);
        return rc < 0 ? rc : 1;
    }
    if (strcmp(target, "/large") == 0) {
        char *body = calloc(1, 4 << 20);
        rc = answer(s, "200 OK", body, 4 << 20);
        free(body);
        return rc < 0 ? rc : 1;
    }
    if (strcmp(target, "/hang") == 0) {
        bough_event_set(&server->asked);
        return bough_sleep_forever();
    }
    if (strcmp(target, "/short") == 0)
        return bough_stream_send_all(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all",
                                     47);
    if (strncmp(target, "/cut/", 5) == 0)
        return cut_off(s, target + 5, false);
    if (strncmp(target, "/reset/", 7) == 0)
        return cut_off(s, target + 7, true);
    if (strcmp(target, "/nothing") == 0)
        return 0;
    if (strcmp(target, "/garbage") == 0)
        return bough_stream_send_all(s, "\x01\x02\x03 this is not HTTP\r\n\r\n", 23);
    if (strcmp(target, "/around") == 0) {
        rc = bough_stream_send_all(
            s, "HTTP/1.1 302 Found\r\nLocation: /around\r\nContent-Length: 0\r\n\r\n", 61);
        return rc < 0 ? rc : 1;
    }
    rc = answer(s, "404 Not Found", "no\n", 3);
    return rc < 0 ? rc : 1;
}

static inline int serve_connection(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    struct server *server = arg;
    char buffer[8192], *head, target[128];
    struct bough_reader r;
    int rc;
    server->connections++;
    bough_reader_init(&r, s, buffer, sizeof(buffer));
    while ((rc = bough_reader_until(&r, "\r\n\r\n", 4, 0, &head, NULL)) == 1) {
        CHECK_EQ(sscanf(head, "GET %127s", target), 1);
        rc = serve_target(server, s, target);
        if (rc != 1)
            break;
    }
    return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc; /* the client has gone: its business */
}

static inline int serve(void *arg)
{
    struct server *server = arg;
    return bough_serve(server->listener, serve_connection, server);
}

/* Run body(c, server) on a real run, with the server beside it. */
struct beside {
    int (*body)(struct bough_curl *c, struct server *server);
};

static inline int with_server(void *arg)
{
    struct beside *beside = arg;
    struct server server = {0};
    struct bough_curl *c;
    int rc = 0;
    bough_event_init(&server.asked);
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &server.listener), 0);
    CHECK_EQ(bough_curl_open(&c), 0);
    bough_fail_after (25 * BOUGH_SEC, &rc) {
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_service(n, serve, &server);
            if (rc == 0)
                rc = beside->body(c, &server);
        }
    }
    bough_curl_close(c);
    bough_listener_free(server.listener);
    return rc;
}

#define CURL_TEST(test_name)                                                                       \
    static int test_name##_body(struct bough_curl *c, struct server *server);                      \
    TEST(test_name)                                                                                \
    {                                                                                              \
        struct beside beside = {test_name##_body};                                                 \
        int rc = bough_run(with_server, &beside);                                                  \
        if (rc < 0)                                                                                \
            bough_error_print(bough_error_last(), stderr);                                         \
        CHECK(rc >= 0);                                                                            \
    }                                                                                              \
    static int test_name##_body(__attribute__((unused)) struct bough_curl *c,                      \
                                __attribute__((unused)) struct server *server)

/* What came. */
struct page {
    size_t size;
    char start[64];
};

static inline size_t keep(char *data, size_t one, size_t size, void *arg)
{
    struct page *page = arg;
    (void)one;
    for (size_t i = 0; i < size && page->size + i < sizeof(page->start) - 1; i++)
        page->start[page->size + i] = data[i];
    page->size += size;
    return size;
}

/* A handle for 'path' at the port; what comes goes to 'page'. */
static inline CURL *handle(unsigned port, const char *path, struct page *page)
{
    char url[160];
    CURL *easy = curl_easy_init();
    CHECK(easy != NULL);
    *page = (struct page){0};
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, page);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return easy;
}

/* The whole of a transfer. */
static inline int get(struct bough_curl *c, struct server *server, const char *path,
                      struct page *page)
{
    CURL *easy = handle(bough_listener_port(server->listener), path, page);
    int rc = bough_curl_perform(c, easy);
    curl_easy_cleanup(easy);
    return rc;
}
