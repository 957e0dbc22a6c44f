/* The HTTP server: what bad clients and bad handlers get.
 * SPDX-License-Identifier: MIT */
#include "client.h"

#include <sys/socket.h>

static void is_refused(struct site *site, const char *request, const char *status)
{
    const char *all = ask(site, request);
    char begin[32];
    snprintf(begin, sizeof(begin), "HTTP/1.1 %s ", status);
    if (strncmp(all, begin, strlen(begin)) != 0)
        test_fail(__FILE__, __LINE__, "not %s for %s: %s", status, request, all);
    CHECK_HAS(all, "Connection: close\r\n");
}

/* --- bad input --- */

HTTP_TEST(what_is_not_http_gets_400_and_the_end)
{
    static const char *const bad[] = {
        "\x16\x03\x01\x02 this is TLS\r\n\r\n",
        "NONSENSE / HTTP/1.1\r\n" MORE,
        "GET / HTTP/1.1\r\nHost x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\x01"
        "b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", /* no Host */
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1x\r\n" MORE,
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n" MORE,
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n" MORE,
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" MORE,
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" MORE "0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n" MORE,
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        is_refused(site, bad[i], "400");
    CHECK_EQ(site->handled, 0);
    CHECK_EQ(site->failed, 0);
    return 0;
}

HTTP_TEST(an_encoding_that_is_not_known_gets_501)
{
    is_refused(site, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" MORE "0\r\n\r\n",
               "501");
    return 0;
}

HTTP_TEST(another_version_gets_505)
{
    is_refused(site, "GET / HTTP/3.7\r\n" MORE, "505");
    is_refused(site, "GET /\r\n\r\n", "505");
    is_refused(site, "GET / HTTP/2.0\r\n" MORE, "505");
    return 0;
}

HTTP_TEST(a_broken_chunk_is_the_clients_fault)
{
    is_refused(site, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" MORE "xyz\r\n", "400");
    CHECK_EQ(site->handled, 1);
    CHECK_EQ(site->failed, 0);
    return 0;
}

HTTP_TEST(good_requests_before_a_bad_one_are_answered)
{
    const char *all = ask(site, "GET /one HTTP/1.1\r\n" MORE "garbage\r\n\r\n");
    CHECK_HAS(all, "\r\n\r\n/one");
    CHECK_HAS(all, "HTTP/1.1 400 Bad Request\r\n");
    return 0;
}

HTTP_TEST(random_bytes_never_harm_the_server)
{
    unsigned seed = 1;
    static const char pieces[] =
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nTransfer-Encoding: chunked\r\n0\r\n:;=\0\xff";
    for (int i = 0; i < test_scale(300); i++) {
        struct bough_stream *s = dial(site);
        char noise[200];
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = pieces[(size_t)rand_r(&seed) % (sizeof(pieces) - 1)];
        memcpy(noise, "GET / HTTP/1.1\r\n", (size_t)rand_r(&seed) % 17);
        int rc = bough_stream_send_all(s, noise, sizeof(noise));
        bough_stream_free(s);
        CHECK(rc == 0 || rc == -EPIPE || rc == -ECONNRESET);
    }
    CHECK_HAS(ask(site, "GET /alive HTTP/1.1\r\n" LAST), "/alive");
    CHECK_EQ(site->failed, 0);
    return 0;
}

/* --- limits --- */

HTTP_TEST(headers_that_are_too_large_get_431, .head_size = 1000)
{
    char request[4096];
    snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nX: %0990d\r\n" MORE, 0);
    CHECK_HAS(ask(site, request), "431");
    snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nX: %0800d\r\n" LAST, 0);
    CHECK_HAS(ask(site, request), "200 OK");
    snprintf(request, sizeof(request), "GET /%01200d HTTP/1.1\r\n" MORE, 0);
    is_refused(site, request, "431");
    return 0;
}

HTTP_TEST(too_many_headers_get_431, .headers = 3)
{
    is_refused(site, "GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\n" MORE, "431");
    CHECK_HAS(ask(site, "GET / HTTP/1.1\r\nA: 1\r\n" LAST), "200 OK");
    return 0;
}

HTTP_TEST(empty_lines_without_end_are_refused, .head_size = 1000)
{
    struct bough_stream *s = dial(site);
    char lines[1000];
    int rc = 0;
    memset(lines, '\n', sizeof(lines));
    for (int i = 0; i < 4000 && rc == 0; i++)
        rc = bough_stream_send_all(s, lines, sizeof(lines));
    bough_stream_free(s);
    CHECK(rc == -EPIPE || rc == -ECONNRESET);
    return 0;
}

HTTP_TEST(a_body_that_is_announced_too_large_gets_413_unheard, .body_size = 100)
{
    is_refused(site, "POST /echo HTTP/1.1\r\nContent-Length: 101\r\n" MORE, "413");
    CHECK_EQ(site->handled, 0);
    CHECK_HAS(ask(site, "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" LAST "all"), "200 OK");
    return 0;
}

static int read_first(const struct bough_http_request *request,
                      struct bough_http_response *response, void *arg)
{
    char buffer[64];
    int n;
    (void)arg;
    while ((n = bough_stream_receive_some(request->body, buffer, sizeof(buffer))) > 0)
        ;
    return n < 0 ? n : say(response, "all read");
}

HTTP_TEST(a_body_that_grows_too_large_gets_413, .body_size = 8)
{
    site->handler = read_first;
    is_refused(site,
               "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" MORE
               "5\r\nhello\r\n5\r\nthere\r\n0\r\n\r\n",
               "413");
    CHECK_EQ(site->failed, 0);
    return 0;
}

/* --- time --- */

HTTP_TEST(a_client_that_is_slow_with_its_headers_gets_408, .head_timeout = 50 * BOUGH_MS)
{
    is_refused(site, "GET / HTTP/1.1\r\nHost:", "408");
    return 0;
}

HTTP_TEST(a_client_that_is_slow_with_its_body_gets_408, .body_timeout = 50 * BOUGH_MS)
{
    site->handler = read_first;
    is_refused(site, "POST / HTTP/1.1\r\nContent-Length: 10\r\n" MORE "half", "408");
    CHECK_EQ(site->failed, 0);
    return 0;
}

HTTP_TEST(an_idle_connection_is_closed_without_a_word, .idle_timeout = 50 * BOUGH_MS)
{
    CHECK_STR(ask(site, ""), "");
    CHECK_HAS(ask(site, "GET /one HTTP/1.1\r\n" MORE), "\r\n\r\n/one");
    return 0;
}

static int flood(const struct bough_http_request *request, struct bough_http_response *response,
                 void *arg)
{
    static char zeroes[65536];
    struct site *site = arg;
    struct bough_stream *out;
    (void)request;
    int rc = bough_http_response_begin(response, 200, -1, &out);
    while (rc == 0)
        rc = bough_stream_send_all(out, zeroes, sizeof(zeroes));
    CHECK_EQ(bough_stream_send_all(out, zeroes, 1), rc == -ECANCELED ? rc : -EPIPE);
    bough_event_set(&site->entered);
    return rc;
}

HTTP_TEST(a_client_that_takes_nothing_is_given_up, .send_timeout = 50 * BOUGH_MS)
{
    site->handler = flood;
    struct bough_stream *s = dial(site);
    put(s, "GET / HTTP/1.1\r\n" MORE);
    int rc = bough_event_wait(&site->entered);
    bough_stream_free(s);
    CHECK_EQ(site->failed, 0);
    return rc;
}

/* --- clients that go away --- */

HTTP_TEST(a_client_that_leaves_in_the_middle_of_an_answer_is_no_failure)
{
    site->handler = flood;
    struct bough_stream *s = dial(site);
    put(s, "GET / HTTP/1.1\r\n" MORE);
    until(s, "200 OK");
    bough_stream_free(s);
    int rc = bough_event_wait(&site->entered);
    CHECK_EQ(site->failed, 0);
    return rc;
}

HTTP_TEST(a_client_may_be_reset_at_every_byte)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                  "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (size_t i = 0; i < sizeof(request); i++) {
        struct bough_stream *s = dial(site);
        struct linger reset = {1, 0};
        CHECK_EQ(bough_stream_send_all(s, request, i), 0);
        if (i % 2)
            CHECK_EQ(bough_checkpoint(), 0);
        setsockopt(bough_stream_fd(s), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        bough_stream_free(s);
    }
    CHECK_HAS(ask(site, "GET /alive HTTP/1.1\r\n" LAST), "/alive");
    CHECK_EQ(site->failed, 0);
    return 0;
}

/* How many bytes came, up to 'size'. */
static size_t take(struct bough_stream *s, size_t size)
{
    char text[4096];
    size_t have = 0;
    int n = 1;
    CHECK(size <= sizeof(text));
    while (have < size && (n = bough_stream_receive_some(s, text, size - have)) > 0)
        have += (size_t)n;
    CHECK(n >= 0);
    return have;
}

HTTP_TEST(a_client_may_reset_at_every_byte_of_the_answer)
{
    size_t whole = strlen(ask(site, "GET /pieces HTTP/1.1\r\n" LAST));
    for (size_t i = 0; i <= whole; i++) {
        struct linger reset = {1, 0};
        struct bough_stream *s = dial(site);
        put(s, "GET /pieces HTTP/1.1\r\n" LAST);
        CHECK_EQ(take(s, i), i);
        setsockopt(bough_stream_fd(s), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        bough_stream_free(s);
    }
    CHECK_HAS(ask(site, "GET /alive HTTP/1.1\r\n" LAST), "/alive");
    CHECK_EQ(site->failed, 0);
    return 0;
}

HTTP_TEST(a_client_may_end_at_every_byte)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        struct bough_stream *s = dial(site);
        CHECK_EQ(bough_stream_send_all(s, request, i), 0);
        CHECK_EQ(bough_stream_send_eof(s), 0);
        CHECK(!strstr(rest(s), "hello"));
        bough_stream_free(s);
    }
    CHECK_EQ(site->failed, 0);
    return 0;
}

/* --- handlers that fail --- */

HTTP_TEST(a_handler_that_fails_is_500_and_told)
{
    is_refused(site, "GET /fail HTTP/1.1\r\n" MORE, "500");
    CHECK_EQ(site->failed, -EIO);
    return 0;
}

HTTP_TEST(a_handler_that_forgets_to_answer_is_500_and_told)
{
    is_refused(site, "GET /forget HTTP/1.1\r\n" MORE, "500");
    CHECK_EQ(site->failed, -EPROTO);
    return 0;
}

HTTP_TEST(an_answer_that_is_too_short_breaks_the_connection)
{
    const char *all = ask(site, "GET /short HTTP/1.1\r\n" MORE "GET /next HTTP/1.1\r\n" MORE);
    CHECK_STR(strstr(all, "\r\n\r\n"), "\r\n\r\npiecepiece");
    CHECK_EQ(site->failed, -EPROTO);
    return 0;
}

static int fail_half_way(const struct bough_http_request *request,
                         struct bough_http_response *response, void *arg)
{
    (void)request, (void)arg;
    int rc = in_pieces(response, -1, 1);
    return rc < 0 ? rc : bough_fail(-EIO, "the disk is on fire");
}

/* To a client of HTTP/1.0 an end would mean that the body is whole. */
HTTP_TEST(an_answer_that_only_the_end_would_end_is_reset_when_it_fails)
{
    char text[1000];
    int n;
    site->handler = fail_half_way;
    struct bough_stream *s = dial(site);
    put(s, "GET / HTTP/1.0\r\n\r\n");
    while ((n = bough_stream_receive_some(s, text, sizeof(text))) > 0)
        continue;
    CHECK_EQ(n, -EPIPE);
    CHECK_EQ(site->failed, -EIO);
    bough_stream_free(s);
    return 0;
}

static int begin_wrongly(const struct bough_http_request *request,
                         struct bough_http_response *response, void *arg)
{
    struct bough_stream *out;
    (void)request, (void)arg;
    CHECK_EQ(bough_http_response_begin(response, 200, -2, &out), -EINVAL);
    return say(response, "");
}

HTTP_TEST(an_answer_cannot_have_less_than_nothing)
{
    site->handler = begin_wrongly;
    CHECK_HAS(ask(site, "GET / HTTP/1.1\r\n" LAST), "Content-Length: 0\r\n");
    return 0;
}

static int too_long(const struct bough_http_request *request, struct bough_http_response *response,
                    void *arg)
{
    struct bough_stream *out;
    char byte;
    (void)arg;
    CHECK_EQ(bough_http_response_begin(response, 200, 3, &out), 0);
    CHECK_EQ(bough_stream_send_all(out, "four", 4), -EMSGSIZE);
    CHECK_EQ(bough_stream_send_all(out, "all", 3), 0);
    CHECK_EQ(bough_stream_receive_some(out, &byte, 1), -ENOTSUP);
    CHECK_EQ(bough_stream_send_all(request->body, "x", 1), -ENOTSUP);
    CHECK_EQ(bough_stream_close(out), 0);
    CHECK_EQ(bough_stream_send_all(out, "", 0), -EBADF);
    return 0;
}

HTTP_TEST(an_answer_cannot_be_longer_than_announced)
{
    site->handler = too_long;
    CHECK_HAS(ask(site, "GET / HTTP/1.1\r\n" LAST), "\r\n\r\nall");
    CHECK_EQ(site->failed, 0);
    return 0;
}

static int fail_at_once(__attribute__((unused)) struct site *site)
{
    struct bough_stream *s = dial(site);
    put(s, "GET /fail HTTP/1.1\r\n" MORE);
    int rc = bough_sleep(20 * BOUGH_SEC);
    bough_stream_free(s);
    return rc;
}

TEST(without_on_error_a_handler_that_fails_ends_the_server)
{
    struct site site = {.handler = answer, .body = fail_at_once};
    CHECK_EQ(bough_run(with_site, &site), -EIO);
    CHECK_HAS(bough_error_message(bough_error_last()), "on fire");
}

/* --- cancels and faults --- */

static int one_request(struct site *site)
{
    struct bough_stream *s;
    char buffer[512];
    int n, rc = bough_tcp_connect("127.0.0.1", bough_listener_port(site->listener), &s);
    if (rc < 0)
        return rc;
    static const char request[] = "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n" LAST "ab";
    rc = bough_stream_send_all(s, request, sizeof(request) - 1);
    while (rc == 0 && (n = bough_stream_receive_some(s, buffer, sizeof(buffer))) != 0)
        rc = n < 0 ? n : 0;
    bough_stream_free(s);
    return rc;
}

static int serve_once(void *arg)
{
    struct site site = {.handler = answer, .body = one_request};
    (void)arg;
    int rc = bough_tcp_listen("127.0.0.1", 0, &site.listener);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, serve_site, &site);
        if (rc == 0)
            rc = one_request(&site);
    }
    bough_listener_free(site.listener);
    return rc;
}

TEST(a_request_may_be_cancelled_at_every_point)
{
    CHECK_CANCELS(serve_once, NULL, 1);
}
