/* The HTTP server: what good clients see.
 * SPDX-License-Identifier: MIT */
#include "client.h"

/* --- answers --- */

HTTP_TEST(a_request_is_answered_with_status_date_and_length)
{
    const char *all = ask(site, "GET /hello HTTP/1.1\r\n" LAST);
    CHECK(strncmp(all, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
    CHECK_HAS(all, " GMT\r\nContent-Length: 6\r\nConnection: close\r\n\r\n/hello");
    return 0;
}

HTTP_TEST(the_handler_sees_method_target_and_headers)
{
    const char *all =
        ask(site, "PUT /tell HTTP/1.1\r\nHost: x\r\nX-One:  first \t\r\nEmpty:\r\nConnection: "
                  "close\r\nContent-Length: 2\r\n\r\nab");
    CHECK_HAS(all, "PUT /tell 1.1 2|Host=x|X-One=first|Empty=|Connection=close|Content-Length=2");
    return 0;
}

HTTP_TEST(headers_are_found_in_any_case)
{
    struct bough_http_header headers[] = {{"Host", "x"}, {"ACCEPT", "all"}};
    struct bough_http_request request = {.headers = headers, .header_count = 2};
    CHECK_STR(bough_http_request_header(&request, "accept"), "all");
    CHECK(bough_http_request_header(&request, "Range") == NULL);
    return 0;
}

HTTP_TEST(a_head_gets_the_headers_of_a_get_without_the_body)
{
    CHECK_HAS(ask(site, "HEAD /hello HTTP/1.1\r\n" LAST),
              "Content-Length: 6\r\nConnection: close\r\n\r\n");
    const char *all = ask(site, "HEAD /pieces HTTP/1.1\r\n" LAST);
    CHECK_STR(strstr(all, "\r\n\r\n"), "\r\n\r\n");
    all = ask(site, "HEAD /short HTTP/1.1\r\n" LAST);
    CHECK_STR(strstr(all, "\r\n\r\n"), "\r\n\r\n");
    return 0;
}

HTTP_TEST(an_answer_without_content_has_no_length)
{
    const char *all = ask(site, "GET /nothing HTTP/1.1\r\n" LAST);
    CHECK_HAS(all, "HTTP/1.1 204 No Content\r\n");
    CHECK(!strstr(all, "Content-Length"));
    return 0;
}

HTTP_TEST(an_answer_of_unknown_length_comes_in_chunks)
{
    const char *all = ask(site, "GET /pieces HTTP/1.1\r\n" LAST);
    CHECK_HAS(all, "Transfer-Encoding: chunked\r\n");
    CHECK_HAS(all, "\r\n\r\n5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n");
    return 0;
}

HTTP_TEST(an_answer_of_known_length_comes_as_it_is)
{
    const char *all = ask(site, "GET /exact HTTP/1.1\r\n" LAST);
    CHECK_HAS(all, "Content-Length: 15\r\n");
    CHECK_HAS(all, "\r\n\r\npiecepiecepiece");
    return 0;
}

HTTP_TEST(an_old_client_gets_no_chunks_and_the_end_is_the_end)
{
    const char *all = ask(site, "GET /pieces HTTP/1.0\r\n\r\n");
    CHECK_HAS(all, "Connection: close\r\n");
    CHECK_HAS(all, "\r\n\r\npiecepiecepiece");
    CHECK(!strstr(all, "chunked"));
    return 0;
}

static int large_and_fields(const struct bough_http_request *request,
                            struct bough_http_response *response, void *arg)
{
    static char body[100000];
    (void)request, (void)arg;
    memset(body, 'x', sizeof(body));
    CHECK_EQ(bough_http_response_add(response, "X-Good", "a value"), 0);
    CHECK_EQ(bough_http_response_add(response, "X-Bad", "two\r\nX-Lines: here"), -EINVAL);
    CHECK_EQ(bough_http_response_add(response, "X Bad", "v"), -EINVAL);
    CHECK_EQ(bough_http_response_add(response, "", "v"), -EINVAL);
    CHECK_EQ(bough_http_response_add(response, "content-length", "3"), -EINVAL);
    char *long_value = calloc(1, 9000);
    memset(long_value, 'v', 8999);
    CHECK_EQ(bough_http_response_add(response, "X-Long", long_value), -EMSGSIZE);
    free(long_value);
    CHECK_EQ(bough_http_response_send(response, 99, "", 0), -EINVAL);
    CHECK_EQ(bough_http_response_send(response, 200, body, sizeof(body)), 0);
    CHECK_EQ(bough_http_response_send(response, 200, "", 0), -EBADF);
    CHECK_EQ(bough_http_response_add(response, "X-Late", "v"), -EBADF);
    struct bough_stream *out;
    CHECK_EQ(bough_http_response_begin(response, 200, -1, &out), -EBADF);
    return 0;
}

HTTP_TEST(headers_are_checked_and_large_bodies_are_whole)
{
    site->handler = large_and_fields;
    struct bough_stream *s = dial(site);
    char buffer[4096];
    size_t size = 0;
    int n;
    put(s, "GET / HTTP/1.1\r\n" MORE);
    const char *head = until(s, "\r\n\r\n");
    CHECK_HAS(head, "X-Good: a value\r\n");
    CHECK(!strstr(head, "X-Lines"));
    size = strlen(strstr(head, "\r\n\r\n") + 4);
    CHECK_EQ(bough_stream_send_eof(s), 0);
    while ((n = bough_stream_receive_some(s, buffer, sizeof(buffer))) > 0)
        size += (size_t)n;
    CHECK_EQ(size, 100000);
    bough_stream_free(s);
    return 0;
}

/* --- bodies --- */

HTTP_TEST(a_body_with_a_length_reaches_the_handler)
{
    const char *all = ask(site, "POST /echo HTTP/1.1\r\nContent-Length: 11\r\n" LAST "hello there");
    CHECK_HAS(all, "Content-Length: 11\r\n");
    CHECK_HAS(all, "\r\n\r\nhello there");
    return 0;
}

HTTP_TEST(a_body_in_chunks_reaches_the_handler)
{
    const char *all = ask(site, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST
                                "5;ext=1\r\nhello\r\n6\r\n there\r\n0\r\nTrailer: x\r\n\r\n");
    CHECK_HAS(all, "\r\n\r\nb\r\nhello there\r\n0\r\n\r\n");
    return 0;
}

struct memory_server {
    struct bough_stream *stream;
    struct site *site;
};

static int serve_memory(void *arg)
{
    struct memory_server *server = arg;
    return bough_http_serve_stream(server->stream, &server->site->options, answer, server->site);
}

HTTP_TEST(every_way_to_cut_a_request_into_packets_gives_the_same_answer)
{
    static const char request[] =
        "POST /whole HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\nGET /tell HTTP/1.1\r\n" LAST;
    for (size_t cut = 1; cut < sizeof(request) - 1; cut++) {
        struct bough_stream *ours, *theirs;
        CHECK_EQ(bough_memory_stream_pair(65536, &ours, &theirs), 0);
        CHECK_EQ(bough_stream_send_all(ours, request, cut), 0);
        int rc = 0;
        struct memory_server server = {theirs, site};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, serve_memory, &server);
            if (rc == 0)
                rc = bough_wait_all_tasks_blocked(); /* it has seen the first part alone */
            CHECK_EQ(bough_stream_send_all(ours, request + cut, sizeof(request) - 1 - cut), 0);
        }
        CHECK_EQ(rc, 0);
        bough_stream_free(theirs);
        const char *all = rest(ours);
        CHECK_HAS(all, "\r\n\r\nhelloHTTP/1.1 200 OK");
        CHECK_HAS(all, "GET /tell 1.1 0|Host=x|Connection=close");
        bough_stream_free(ours);
    }
    return 0;
}

HTTP_TEST(a_client_that_waits_is_told_to_go_on_when_the_body_is_wanted)
{
    struct bough_stream *s = dial(site);
    put(s, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" LAST);
    CHECK_STR(until(s, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    put(s, "hello");
    CHECK_HAS(rest(s), "\r\n\r\nhello");
    bough_stream_free(s);
    return 0;
}

HTTP_TEST(a_client_that_waits_is_not_told_when_the_body_is_not_wanted)
{
    const char *all =
        ask(site, "POST /other HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" MORE);
    CHECK(strncmp(all, "HTTP/1.1 200 OK", 15) == 0); /* and the connection is closed */
    CHECK_HAS(all, "Connection: close\r\n");
    return 0;
}

HTTP_TEST(a_client_that_did_not_wait_after_all_keeps_its_connection)
{
    const char *all = ask(site, "POST /other HTTP/1.1\r\nContent-Length: 5\r\nExpect: "
                                "100-continue\r\n" MORE "helloGET /tell HTTP/1.1\r\n" LAST);
    CHECK_HAS(all, "/otherHTTP/1.1 200 OK");
    CHECK(!strstr(all, "Continue"));
    return 0;
}

static int begin_and_read(const struct bough_http_request *request,
                          struct bough_http_response *response, void *arg)
{
    struct bough_stream *out;
    char text[5];
    (void)arg;
    int rc = bough_http_response_begin(response, 200, 5, &out);
    if (rc == 0)
        rc = bough_stream_receive_some(request->body, text, sizeof(text));
    return rc <= 0 ? rc : bough_stream_send_all(out, text, (size_t)rc);
}

HTTP_TEST(a_client_that_waits_is_told_before_an_answer_begins)
{
    site->handler = begin_and_read;
    struct bough_stream *s = dial(site);
    put(s, "POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" LAST);
    CHECK(strncmp(until(s, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    put(s, "hello");
    const char *all = rest(s);
    CHECK_HAS(all, "hello");
    CHECK(!strstr(all, "Continue"));
    bough_stream_free(s);
    return 0;
}

static int answer_and_read(const struct bough_http_request *request,
                           struct bough_http_response *response, void *arg)
{
    char text[5];
    (void)arg;
    CHECK_EQ(say(response, "no"), 0);
    return bough_stream_receive_some(request->body, text, sizeof(text));
}

HTTP_TEST(a_client_that_waits_is_not_told_after_the_answer)
{
    site->handler = answer_and_read;
    const char *all =
        ask(site, "POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" MORE);
    CHECK(!strstr(all, "Continue"));
    CHECK_EQ(site->failed, 0);
    return 0;
}

/* --- connections --- */

HTTP_TEST(a_connection_is_kept_for_the_next_request)
{
    struct bough_stream *s = dial(site);
    for (int i = 0; i < 5; i++) {
        put(s, "GET /again HTTP/1.1\r\n" MORE);
        CHECK_HAS(until(s, "/again"), "200 OK");
    }
    bough_stream_free(s);
    CHECK_EQ(site->handled, 5);
    return 0;
}

HTTP_TEST(an_old_client_that_asks_for_it_keeps_its_connection)
{
    struct bough_stream *s = dial(site);
    put(s, "GET /one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK_HAS(until(s, "/one"), "Connection: keep-alive\r\n");
    put(s, "GET /two HTTP/1.0\r\n\r\n");
    CHECK_HAS(rest(s), "\r\n\r\n/two");
    bough_stream_free(s);
    return 0;
}

HTTP_TEST(requests_that_come_at_once_are_answered_in_order)
{
    const char *all = ask(site, "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" MORE "one"
                                "GET /pieces HTTP/1.1\r\n" MORE "GET /three HTTP/1.1\r\n" MORE
                                "POST /skipped HTTP/1.1\r\nContent-Length: 4\r\n" MORE "body"
                                "HEAD /five HTTP/1.1\r\n" MORE "GET /six HTTP/1.1\r\n" LAST);
    const char *at = all;
    const char *const order[] = {"\r\n\r\none",
                                 "piece\r\n0\r\n\r\n",
                                 "\r\n\r\n/three",
                                 "\r\n\r\n/skipped",
                                 "Content-Length: 5\r\n\r\nHTTP/1.1 200",
                                 "\r\n\r\n/six"};
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        at = strstr(at, order[i]);
        if (!at)
            test_fail(__FILE__, __LINE__, "no %s in %s", order[i], all);
    }
    return 0;
}

HTTP_TEST(many_connections_are_served_at_once)
{
    enum { COUNT = 50 };
    struct bough_stream *streams[COUNT];
    for (int i = 0; i < COUNT; i++) {
        streams[i] = dial(site);
        put(streams[i], "GET /wait HTTP/1.1\r\n" LAST);
    }
    while (site->handled < COUNT)
        if (bough_sleep(BOUGH_MS) < 0)
            return -ECANCELED;
    bough_event_set(&site->go_on);
    for (int i = 0; i < COUNT; i++) {
        CHECK_HAS(rest(streams[i]), "at last");
        bough_stream_free(streams[i]);
    }
    return 0;
}

HTTP_TEST(an_upgrade_may_be_ignored)
{
    const char *all = ask(
        site, "GET /one HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
              "GET /two HTTP/1.1\r\n" LAST);
    CHECK_HAS(all, "\r\n\r\n/one");
    CHECK_HAS(all, "\r\n\r\n/two");
    return 0;
}

/* --- shutting down --- */

static int shut_down(void *arg)
{
    struct site *site = arg;
    int rc = bough_event_wait(&site->entered);
    if (rc == 0)
        rc = bough_sleep(10 * BOUGH_MS);
    bough_scope_shutdown(site->scope, 20 * BOUGH_SEC);
    bough_event_set(&site->go_on);
    return rc;
}

static int two_clients(struct site *site)
{
    struct bough_stream *idle = dial(site), *busy = dial(site);
    put(idle, "GET /one HTTP/1.1\r\n" MORE);
    CHECK_HAS(until(idle, "/one"), "200 OK");
    put(busy, "GET /wait HTTP/1.1\r\n" MORE);
    int rc = 0;
    bough_graceful (&rc) {
        CHECK_STR(rest(idle), "");
        CHECK_HAS(rest(busy), "\r\n\r\nat last");
    }
    bough_stream_free(idle);
    bough_stream_free(busy);
    return rc;
}

static int shutdown_body(struct site *site)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, shut_down, site);
        if (rc == 0)
            rc = two_clients(site);
    }
    return rc;
}

TEST(a_shutdown_ends_idle_connections_and_lets_the_others_finish)
{
    struct site site = {.handler = answer, .body = shutdown_body, .ends = true};
    CHECK_EQ(bough_run(with_site, &site), 0);
    CHECK_EQ(site.handled, 2);
}
