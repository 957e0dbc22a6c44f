/* Servers that echo, and what clients do to them.
 * SPDX-License-Identifier: MIT */
#ifdef SOAK_TLS
#include "../tls/identity.h"
#undef CHECK /* ours is in soak.h */
#endif

#include "soak.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <bough/reader.h>
#include <bough/udp.h>
#include <bough/unix.h>

enum { MESSAGE = 8 * 1024, FLOOD = 256 * 1024 };

/* --- the servers --- */

static int echo(struct bough_connection *c, __attribute__((unused)) void *arg)
{
    char buffer[4096];
    int n, rc = 0;
    while (rc == 0 && (n = bough_stream_receive_some(c->stream, buffer, sizeof(buffer))) != 0)
        rc = n < 0 ? n : bough_stream_send_all(c->stream, buffer, (size_t)n);
    return rc < 0 ? rc : bough_stream_close(c->stream);
}

#ifdef SOAK_TLS
static int echo_tls(struct bough_connection *c, void *tls)
{
    int rc = bough_tls_accept(tls, c->stream, &c->stream);
    return rc < 0 ? rc : echo(c, NULL);
}
#endif

/* Clients go away as they please. */
static int forgive(int rc, __attribute__((unused)) void *arg)
{
    return rc == -EPIPE || rc == -EPROTO ? 0 : rc;
}

static const struct bough_serve_options forgiving = {.on_error = forgive};

static int serve_tcp(void *arg)
{
    struct site *site = arg;
    return bough_serve_with(site->tcp, &forgiving, echo, NULL);
}

static int serve_local(void *arg)
{
    struct site *site = arg;
    return bough_serve_with(site->local, &forgiving, echo, NULL);
}

static int serve_tls(__attribute__((unused)) void *arg)
{
#ifdef SOAK_TLS
    struct site *site = arg;
    return bough_serve_with(site->tls, &forgiving, echo_tls, site->server_tls);
#else
    return 0;
#endif
}

static int serve_udp(void *arg)
{
    struct site *site = arg;
    struct bough_address from;
    char buffer[2048];
    int rc = 0;
    while (rc == 0) {
        int n = bough_udp_receive(site->udp, buffer, sizeof(buffer), &from);
        rc = n < 0 ? n : bough_udp_send_to(site->udp, buffer, (size_t)n, &from);
        (void)bough_catch(&rc, -ECONNREFUSED); /* who asked is gone */
    }
    return rc;
}

int site_serve(void *arg)
{
    struct bough_job servers[] = {{.fn = serve_tcp, .arg = arg},
                                  {.fn = serve_tls, .arg = arg},
                                  {.fn = serve_local, .arg = arg},
                                  {.fn = serve_udp, .arg = arg}};
    return bough_gather(servers, sizeof(servers) / sizeof(*servers));
}

#ifdef SOAK_TLS
void test_fail(const char *file, int line, const char *fmt, ...)
{
    soak_failed("%s:%d: %s", file, line, fmt);
}

static int tls_open(struct site *site)
{
    struct identity id;
    identity_make(&id, "here", 0, 1000L * 1000);
    struct bough_tls_options client = {.trust_file = id.certificate};
    struct bough_tls_options server = {.certificate_file = id.certificate, .key_file = id.key};
    int rc = bough_tls_open(&client, &site->client_tls);
    if (rc == 0)
        rc = bough_tls_open(&server, &site->server_tls);
    identity_remove(&id);
    return rc == 0 ? bough_tcp_listen("127.0.0.1", 0, &site->tls) : rc;
}
#endif

/* A port at which nobody listens, and nobody else will. */
static int reserve_port(struct site *site)
{
    struct bough_address *at = &site->nobody_at;
    int rc = bough_address_parse("127.0.0.1", 0, at);
    if (rc < 0)
        return rc;
    site->nobody = bough_socket_open(AF_INET, SOCK_STREAM, 0);
    CHECK(site->nobody >= 0);
    CHECK(bind(site->nobody, (struct sockaddr *)&at->storage, at->size) == 0);
    at->size = sizeof(at->storage);
    CHECK(getsockname(site->nobody, (struct sockaddr *)&at->storage, &at->size) == 0);
    return 0;
}

int site_open(struct site *site)
{
    struct bough_address any;
    site->nobody = -1;
    bough_lock_init(&site->lock);
    snprintf(site->local_name, sizeof(site->local_name), "@bough-soak-%d", (int)getpid());
    int rc = bough_tcp_listen("127.0.0.1", 0, &site->tcp);
    if (rc == 0)
        rc = bough_unix_listen(site->local_name, &site->local);
    if (rc == 0)
        rc = bough_address_parse("127.0.0.1", 0, &any);
    if (rc == 0)
        rc = bough_udp_open(&any, &site->udp);
    if (rc == 0)
        rc = bough_udp_address(site->udp, &site->udp_at);
    if (rc == 0)
        rc = reserve_port(site);
#ifdef SOAK_TLS
    if (rc == 0)
        rc = tls_open(site);
#endif
    return rc;
}

void site_close(struct site *site)
{
    bough_listener_free(site->tcp);
    bough_listener_free(site->local);
    bough_udp_free(site->udp);
    bough_socket_close(site->nobody);
#ifdef SOAK_TLS
    bough_listener_free(site->tls);
    bough_tls_close(site->client_tls);
    bough_tls_close(site->server_tls);
#endif
}

/* --- talking --- */

static void fill(struct worker *w, char *data, size_t size)
{
    unsigned value = draw(w, 251);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(value++ % 251);
}

/* Receive exactly these bytes. */
static int hear(struct bough_stream *s, const char *expected, size_t size)
{
    char data[MESSAGE];
    for (size_t have = 0; have < size;) {
        size_t most = size - have < sizeof(data) ? size - have : sizeof(data);
        int n = bough_stream_receive_some(s, data, most);
        if (n <= 0)
            return n < 0 ? n : bough_fail(-EPROTO, "the echo ended after %zu bytes", have);
        CHECK(memcmp(data, expected + have, (size_t)n) == 0);
        have += (size_t)n;
    }
    return 0;
}

static int exchange_messages(struct worker *w, struct bough_stream *s)
{
    char data[MESSAGE];
    int rc = 0;
    for (unsigned i = draw(w, 5); rc == 0 && i > 0; i--) {
        size_t size = 1 + draw(w, sizeof(data));
        fill(w, data, size);
        rc = bough_stream_send_all(s, data, size);
        if (rc == 0)
            rc = hear(s, data, size);
    }
    return rc;
}

struct flood {
    struct bough_stream *stream;
    const char *data;
};

static int send_flood(void *arg)
{
    const struct flood *f = arg;
    return bough_stream_send_all(f->stream, f->data, FLOOD);
}

/* More than all buffers hold, sent and received at the same time. */
static int exchange_flood(struct worker *w, struct bough_stream *s)
{
    struct flood f = {s, NULL};
    char *data = malloc(FLOOD);
    CHECK(data);
    fill(w, data, FLOOD);
    f.data = data;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, send_flood, &f);
        if (rc == 0)
            rc = hear(s, data, FLOOD);
    }
    free(data);
    return rc;
}

/* However it ends, the stream is freed. */
static int end(struct worker *w, struct bough_stream *s, int rc)
{
    char byte;
    struct linger reset = {.l_onoff = 1};
    if (rc == 0 && draw(w, 4) == 0 && bough_stream_fd(s) >= 0)
        setsockopt(bough_stream_fd(s), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    else if (rc == 0 && draw(w, 3) == 0) {
        rc = bough_stream_send_eof(s);
        if (rc == 0)
            rc = bough_stream_receive_some(s, &byte, 1);
    } else if (rc == 0 && draw(w, 2) == 0) {
        rc = bough_stream_close(s);
    }
    bough_stream_free(s);
    return rc;
}

static int talk(struct worker *w, struct bough_stream *s)
{
    return end(w, s, draw(w, 16) ? exchange_messages(w, s) : exchange_flood(w, s));
}

static int connect_to(struct worker *w, struct bough_listener *l, struct bough_stream **ret_stream)
{
    const char *host = draw(w, 16) ? "127.0.0.1" : "localhost";
    int rc = bough_tcp_connect(host, bough_listener_port(l), ret_stream);
    if (bough_catch(&rc, -EADDRNOTAVAIL)) { /* too many in a short time: the system needs a break */
        rc = bough_sleep(100 * BOUGH_MS);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

int talk_tcp(struct worker *w)
{
    struct bough_stream *s;
    int rc = connect_to(w, w->site->tcp, &s);
    return rc == 0 ? talk(w, s) : rc;
}

int talk_tls(struct worker *w)
{
#ifdef SOAK_TLS
    struct bough_stream *s;
    int rc = connect_to(w, w->site->tls, &s);
    if (rc != 0)
        return rc;
    rc = bough_tls_connect(w->site->client_tls, s, "here", &s);
    if (rc == 0)
        return talk(w, s);
    bough_stream_free(s);
    return rc;
#else
    (void)w;
    return 0;
#endif
}

int talk_unix(struct worker *w)
{
    struct bough_stream *s;
    int rc = bough_unix_connect(w->site->local_name, &s);
    return rc == 0 ? talk(w, s) : rc;
}

int knock_at_a_closed_port(struct worker *w)
{
    struct bough_stream *s;
    int rc = bough_tcp_connect_to(&w->site->nobody_at, 1, &s);
    CHECK(rc != 0);
    (void)(bough_catch(&rc, -ECONNREFUSED) || bough_catch(&rc, -EADDRNOTAVAIL));
    return rc;
}

/* --- datagrams --- */

static int ask(struct bough_udp *u, const char *data, size_t size)
{
    char reply[2048];
    int rc = bough_udp_send(u, data, size), n = 0;
    if (rc < 0)
        return rc;
    /* It may get lost. */
    bough_move_on_after (200 * BOUGH_MS, &rc)
        rc = n = bough_udp_receive(u, reply, sizeof(reply), NULL);
    if (n > 0)
        CHECK((size_t)n == size && memcmp(reply, data, size) == 0);
    return rc < 0 ? rc : 0;
}

int talk_udp(struct worker *w)
{
    struct bough_address any;
    struct bough_udp *u;
    char data[1000];
    int rc = bough_address_parse("127.0.0.1", 0, &any);
    if (rc == 0)
        rc = bough_udp_open(&any, &u);
    if (rc < 0)
        return rc;
    size_t size = 1 + draw(w, sizeof(data));
    fill(w, data, size);
    rc = bough_udp_connect(u, &w->site->udp_at);
    if (rc == 0)
        rc = ask(u, data, size);
    bough_udp_free(u);
    return rc;
}

/* --- descriptors --- */

static int through(struct bough_stream *a, struct bough_stream *b)
{
    int pipe_ends[2], got[2];
    unsigned count = 0;
    char byte;
    CHECK(pipe(pipe_ends) == 0);
    int rc = bough_unix_send_fds(a, "x", 1, pipe_ends, 2);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    if (rc == 0)
        rc = bough_unix_receive_fds(b, &byte, 1, got, 2, &count);
    if (rc < 0)
        return rc;
    CHECK(count == 2);
    CHECK(write(got[1], "y", 1) == 1 && read(got[0], &byte, 1) == 1 && byte == 'y');
    close(got[0]);
    close(got[1]);
    return 0;
}

int pass_descriptors(struct worker *w)
{
    struct bough_stream *a, *b;
    (void)w;
    int rc = bough_unix_pair(&a, &b);
    if (rc < 0)
        return rc;
    rc = through(a, b);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}
