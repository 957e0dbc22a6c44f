/* Serving over TLS: who owns which stream, on every way out.
 * SPDX-License-Identifier: MIT */
#include "identity.h"

#include <dirent.h>

struct site {
    struct identity id;
    struct bough_tls *client_tls, *server_tls;
    struct bough_listener *listener;
    bough_serve_fn *handler;
    int failed; /* what on_error was told last */
};

static int open_descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = 0;
    CHECK(all);
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

/* --- the server --- */

static int note_failure(int rc, void *arg)
{
    struct site *site = arg;
    site->failed = rc;
    return 0;
}

static int serve_site(void *arg)
{
    struct site *site = arg;
    struct bough_serve_options options = {.on_error = note_failure};
    return bough_serve_with(site->listener, &options, site->handler, site);
}

static int say_hello(struct bough_connection *c, void *arg)
{
    struct site *site = arg;
    int rc = bough_tls_accept(site->server_tls, c->stream, &c->stream);
    if (rc == 0)
        rc = bough_stream_send_all(c->stream, "hello", 5);
    return rc == 0 ? bough_stream_close(c->stream) : rc;
}

/* Begins in the clear; what comes after the line is TLS, and may be read ahead already. */
static int say_hello_after_a_line(struct bough_connection *c, void *arg)
{
    struct site *site = arg;
    struct bough_reader r;
    char buffer[4096], *line;
    bough_reader_init(&r, c->stream, buffer, sizeof(buffer));
    int rc = bough_reader_line(&r, 100, &line, NULL);
    if (rc <= 0)
        return rc;
    CHECK_STR(line, "STARTTLS");
    rc = bough_tls_accept(site->server_tls, &r.stream, &c->stream);
    if (rc < 0)
        return rc;
    rc = bough_stream_send_all(c->stream, "hello", 5);
    rc = bough_keep(rc, bough_stream_close(c->stream));
    bough_stream_free(c->stream); /* before the reader goes */
    c->stream = NULL;
    return rc;
}

/* --- the client --- */

static int dial(struct site *site, struct bough_stream **ret_s)
{
    return bough_tcp_connect("127.0.0.1", bough_listener_port(site->listener), ret_s);
}

/* Frees 's', whichever it is. */
static int expect_hello(struct site *site, struct bough_stream *s)
{
    char buffer[8], text[5];
    struct bough_reader r;
    int rc = bough_tls_connect(site->client_tls, s, "here", &s);
    bough_reader_init(&r, s, buffer, sizeof(buffer));
    if (rc == 0)
        rc = bough_reader_exact(&r, text, 5);
    if (rc == 1 && memcmp(text, "hello", 5) != 0)
        rc = bough_fail(-EIO, "that is no hello");
    if (rc == 1)
        rc = bough_stream_receive_some(s, buffer, 1); /* the goodbye */
    bough_stream_free(s);
    return rc;
}

static int call_once(struct site *site)
{
    struct bough_stream *s;
    int rc = dial(site, &s);
    return rc < 0 ? rc : expect_hello(site, s);
}

/* --- both --- */

static void site_open(struct site *site, bough_serve_fn *handler)
{
    *site = (struct site){.handler = handler};
    identity_make(&site->id, "here", 0, 3600);
    struct bough_tls_options client = {.trust_file = site->id.certificate};
    struct bough_tls_options server = {.certificate_file = site->id.certificate,
                                       .key_file = site->id.key};
    CHECK_EQ(bough_tls_open(&client, &site->client_tls), 0);
    CHECK_EQ(bough_tls_open(&server, &site->server_tls), 0);
}

static void site_close(struct site *site)
{
    bough_tls_close(site->client_tls);
    bough_tls_close(site->server_tls);
    identity_remove(&site->id);
}

struct visit {
    struct site *site;
    int (*client)(struct site *site);
};

/* client(site), beside its server. */
static int visit_task(void *arg)
{
    struct visit *v = arg;
    int rc = bough_tcp_listen("127.0.0.1", 0, &v->site->listener);
    if (rc < 0)
        return rc;
    bough_fail_after (20 * BOUGH_SEC, &rc) {
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_service(n, serve_site, v->site);
            if (rc == 0)
                rc = v->client(v->site);
        }
    }
    bough_listener_free(v->site->listener);
    return rc;
}

static int visit(struct site *site, int (*client)(struct site *site))
{
    struct visit v = {.site = site, .client = client};
    return bough_run(visit_task, &v);
}

static int call_three_times(struct site *site)
{
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = call_once(site);
    return rc;
}

TEST(a_handler_may_put_the_encrypted_stream_in_the_place_of_the_plain_one)
{
    struct site site;
    site_open(&site, say_hello);
    int before = open_descriptors();
    CHECK_EQ(visit(&site, call_three_times), 0);
    CHECK_EQ(open_descriptors(), before);
    site_close(&site);
}

static int talk_nonsense(struct site *site)
{
    struct bough_stream *s;
    char byte;
    int rc = dial(site, &s);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_stream_send_all(s, "GET / HTTP/1.1\r\n\r\n", 18), 0);
    do
        rc = bough_stream_receive_some(s, &byte, 1); /* an alert, perhaps, and the end */
    while (rc > 0);
    bough_stream_free(s);
    return call_once(site); /* it goes on */
}

TEST(a_handshake_that_fails_leaves_the_plain_stream_to_the_server)
{
    struct site site;
    site_open(&site, say_hello);
    int before = open_descriptors();
    CHECK_EQ(visit(&site, talk_nonsense), 0);
    CHECK_EQ(site.failed, -EPROTO);
    CHECK_EQ(open_descriptors(), before);
    site_close(&site);
}

static int start_tls(struct site *site)
{
    struct bough_stream *s;
    int rc = dial(site, &s);
    if (rc < 0)
        return rc;
    rc = bough_stream_send_all(s, "STARTTLS\r\n", 10);
    if (rc < 0) {
        bough_stream_free(s);
        return rc;
    }
    return expect_hello(site, s);
}

TEST(a_connection_may_begin_in_the_clear_and_go_over_to_tls)
{
    struct site site;
    site_open(&site, say_hello_after_a_line);
    CHECK_EQ(visit(&site, start_tls), 0);
    site_close(&site);
}

static int call_task(void *arg)
{
    struct visit v = {.site = arg, .client = call_once};
    return visit_task(&v);
}

TEST(serving_survives_each_failing_allocation)
{
    struct site site;
    site_open(&site, say_hello);
    int before = open_descriptors();
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, call_task, &site) > 0);
    CHECK_EQ(open_descriptors(), before);
    site_close(&site);
}

TEST(serving_survives_each_failing_system_call)
{
    struct site site;
    site_open(&site, say_hello);
    int before = open_descriptors();
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, call_task, &site) > 0);
    CHECK_EQ(open_descriptors(), before);
    site_close(&site);
}
