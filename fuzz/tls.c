/* TLS: garbage from a peer, of either kind, with the glue between OpenSSL and our streams.
 * SPDX-License-Identifier: MIT */
#include "../tests/tls/identity.h"
#undef CHECK
#include "fuzz.h"

#include <bough/tls.h>

void test_fail(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, fmt);
    abort();
}

static struct bough_tls *client, *server;

static void open_both(void)
{
    struct identity id;
    identity_make(&id, "here", 0, 1000L * 1000);
    struct bough_tls_options for_client = {.trust_file = id.certificate};
    struct bough_tls_options for_server = {.certificate_file = id.certificate, .key_file = id.key};
    CHECK(bough_tls_open(&for_client, &client) == 0);
    CHECK(bough_tls_open(&for_server, &server) == 0);
    identity_remove(&id);
}

struct talk {
    struct source source;
    bool is_client;
};

static int talk(void *arg)
{
    struct talk *t = arg;
    struct bough_stream *s = &t->source.stream;
    int rc =
        t->is_client ? bough_tls_connect(client, s, "here", &s) : bough_tls_accept(server, s, &s);
    /* Nobody guesses a handshake. */
    CHECK(rc == -EPROTO || rc == -EPIPE || rc == -EKEYREJECTED);
    CHECK(s == &t->source.stream);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct talk t = {.is_client = take_number(&in, 1)};
    if (!client)
        open_both();
    source_init(&t.source, &in, take_number(&in, 64));
    fuzz_run(talk, &t);
    free(t.source.sent);
    return 0;
}
