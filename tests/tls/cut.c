/* TLS over a connection that is cut off, or changed, at each byte in turn.
 * SPDX-License-Identifier: MIT */
#include "identity.h"

#include <sys/resource.h>

#include <bough/stream.h>
#include <bough/testing.h>

/* --- a transport that goes wrong --- */

enum fault { CUT_OFF, CHANGED, RESET };

struct transport {
    struct bough_stream stream;
    struct bough_stream *below;
    enum fault fault;
    size_t at, received; /* the fault comes with this byte; so many have come */
};

static struct transport *transport_of(struct bough_stream *s)
{
    return bough_container_of(s, struct transport, stream);
}

static int transport_send_all(struct bough_stream *s, const void *data, size_t size)
{
    return bough_stream_send_all(transport_of(s)->below, data, size);
}

static int transport_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct transport *t = transport_of(s);
    size_t left = t->at - t->received;
    if (left == 0 && t->fault != CHANGED)
        return t->fault == CUT_OFF ? 0 : bough_fail(-EPIPE, "the transport was reset");
    if (t->fault != CHANGED && size > left)
        size = left;
    int n = bough_stream_receive_some(t->below, ret_buffer, size);
    if (n > 0 && t->at < t->received + (size_t)n && t->at >= t->received)
        ((unsigned char *)ret_buffer)[t->at - t->received] ^= 1u << t->at % 8;
    t->received += n > 0 ? (size_t)n : 0;
    return n;
}

static int transport_close(struct bough_stream *s)
{
    return bough_stream_close(transport_of(s)->below);
}

static void transport_free(struct bough_stream *s)
{
    bough_stream_free(transport_of(s)->below);
}

static const struct bough_stream_operations transport_operations = {
    .name = "bad transport",
    .send_all = transport_send_all,
    .receive_some = transport_receive_some,
    .close = transport_close,
    .free = transport_free,
};

/* --- a conversation --- */

static const char question[] = "What is the answer?", reply[] = "Forty-two.";

struct side {
    struct bough_tls *tls;
    struct transport transport;
    struct bough_stream *stream;
    const char *says, *hears;
    bool is_client;
    int rc; /* 0: all was said, heard, and ended well */
};

/* Receive to the end. What comes must be what was sent, or the beginning of it, with an error. */
static int hear(struct side *side)
{
    char heard[64];
    size_t size = 0;
    int n;
    while ((n = bough_stream_receive_some(side->stream, heard + size, sizeof(heard) - size)) > 0) {
        size += (size_t)n;
        CHECK(size <= strlen(side->hears) && memcmp(heard, side->hears, size) == 0);
    }
    if (n == 0)
        CHECK_EQ(size, strlen(side->hears));
    return n;
}

static int say(struct side *side)
{
    int rc = bough_stream_send_all(side->stream, side->says, strlen(side->says));
    return rc == 0 ? bough_stream_send_eof(side->stream) : rc;
}

static int talk(struct side *side)
{
    side->stream = &side->transport.stream;
    int rc = side->is_client ? bough_tls_connect(side->tls, side->stream, "here", &side->stream)
                             : bough_tls_accept(side->tls, side->stream, &side->stream);
    if (rc == 0)
        rc = side->is_client ? say(side) : hear(side);
    if (rc == 0)
        rc = side->is_client ? hear(side) : say(side);
    bough_stream_free(side->stream);
    return rc;
}

static int side_task(void *arg)
{
    struct side *side = arg;
    int rc = 0;
    bough_fail_after (BOUGH_MINUTE, &rc)
        rc = talk(side);
    if (rc < 0)
        CHECK(strlen(bough_error_message(bough_error_last())) > 10); /* in words */
    side->rc = rc;
    return 0;
}

struct conversation {
    struct identity id;
    struct side client, server;
};

static void conversation_open(struct conversation *c)
{
    *c = (struct conversation){.client = {.says = question, .hears = reply, .is_client = true},
                               .server = {.says = reply, .hears = question}};
    identity_make(&c->id, "here", 0, 3600);
    struct bough_tls_options client = {.trust_file = c->id.certificate};
    struct bough_tls_options server = {.certificate_file = c->id.certificate,
                                       .key_file = c->id.key};
    CHECK_EQ(bough_tls_open(&client, &c->client.tls), 0);
    CHECK_EQ(bough_tls_open(&server, &c->server.tls), 0);
}

static void conversation_close(struct conversation *c)
{
    bough_tls_close(c->client.tls);
    bough_tls_close(c->server.tls);
    identity_remove(&c->id);
}

/* Talk, while what 'victim' receives has a fault at byte 'at'. How many bytes it received. */
static size_t converse(struct conversation *c, struct side *victim, enum fault fault, size_t at)
{
    struct side *both[] = {&c->client, &c->server};
    struct bough_stream *below[2];
    int rc = 0;
    CHECK_EQ(bough_memory_stream_pair(8192, &below[0], &below[1]), 0);
    for (int i = 0; i < 2; i++)
        both[i]->transport = (struct transport){.stream.operations = &transport_operations,
                                                .below = below[i],
                                                .fault = both[i] == victim ? fault : CHANGED,
                                                .at = both[i] == victim ? at : SIZE_MAX};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, side_task, &c->client), 0);
        CHECK_EQ(bough_nursery_start_soon(n, side_task, &c->server), 0);
    }
    CHECK_EQ(rc, 0);
    return victim->transport.received;
}

static bool is_failure(int rc)
{
    return rc == -EPIPE || rc == -EPROTO || rc == -EKEYREJECTED;
}

static size_t stride(void)
{
    return test_on_valgrind() ? 101 : test_is_sanitized() ? 11 : 1;
}

static void at_every_byte(struct conversation *c, struct side *victim, enum fault fault)
{
    size_t total = converse(c, victim, CHANGED, SIZE_MAX);
    CHECK_EQ(c->client.rc, 0);
    CHECK_EQ(c->server.rc, 0);
    CHECK(total > 200);
    int just_ended = 0;
    for (size_t at = 0; at < total; at += stride()) {
        struct side *other = victim == &c->client ? &c->server : &c->client;
        (void)converse(c, victim, fault, at);
        if (fault != CHANGED && victim->rc == 0) {
            /* Signatures and tickets vary in length, so this conversation may have been shorter
             * than the first, and over before the fault; or, now and then, just then. */
            CHECK(at > total - 64);
            CHECK(victim->transport.received < at || ++just_ended < 12);
        } else if (fault == CHANGED) {
            /* A length that is too large waits for what never comes. */
            CHECK(victim->rc == 0 || victim->rc == -ETIMEDOUT || is_failure(victim->rc));
            CHECK(other->rc == 0 || other->rc == -ETIMEDOUT || is_failure(other->rc));
        } else {
            CHECK(is_failure(victim->rc));
            CHECK(other->rc == 0 || is_failure(other->rc));
        }
    }
}

/* A test of what the client, or the server, receives. */
#define CUT_TEST(name, side, fault)                                                                \
    TASK_TEST(name)                                                                                \
    {                                                                                              \
        struct conversation c;                                                                     \
        conversation_open(&c);                                                                     \
        at_every_byte(&c, &c.side, fault);                                                         \
        conversation_close(&c);                                                                    \
        return 0;                                                                                  \
    }

CUT_TEST(what_the_client_gets_may_be_cut_off_at_every_byte, client, CUT_OFF)
CUT_TEST(what_the_server_gets_may_be_cut_off_at_every_byte, server, CUT_OFF)
CUT_TEST(the_client_may_be_reset_at_every_byte, client, RESET)
CUT_TEST(the_server_may_be_reset_at_every_byte, server, RESET)
CUT_TEST(what_the_client_gets_may_be_changed_at_every_byte, client, CHANGED)
CUT_TEST(what_the_server_gets_may_be_changed_at_every_byte, server, CHANGED)

/* --- garbage --- */

TASK_TEST(garbage_instead_of_a_handshake_is_refused)
{
    struct conversation c;
    unsigned seed = 1;
    conversation_open(&c);
    for (int i = 0; i < test_scale(2000); i++) {
        struct side *side = i % 2 ? &c.client : &c.server;
        struct bough_stream *below, *peer;
        unsigned char noise[300];
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (unsigned char)rand_r(&seed);
        if (i % 3) { /* as if it were a record of a handshake */
            noise[0] = 22;
            noise[1] = 3;
            noise[2] = (unsigned char)(1 + i % 3);
            noise[3] = 0;
        }
        CHECK_EQ(bough_memory_stream_pair(8192, &below, &peer), 0);
        side->transport = (struct transport){.stream.operations = &transport_operations,
                                             .below = below,
                                             .fault = CHANGED,
                                             .at = SIZE_MAX};
        CHECK_EQ(bough_stream_send_all(peer, noise, sizeof(noise)), 0);
        CHECK_EQ(bough_stream_send_eof(peer), 0);
        CHECK_EQ(side_task(side), 0);
        CHECK(is_failure(side->rc));
        bough_stream_free(peer);
    }
    conversation_close(&c);
    return 0;
}

/* --- peers that are silent --- */

static int just_connect(void *arg)
{
    struct side *side = arg;
    return side->is_client
               ? bough_tls_connect(side->tls, side->transport.below, "here", &side->stream)
               : bough_tls_accept(side->tls, side->transport.below, &side->stream);
}

TASK_TEST(a_peer_that_neither_answers_nor_takes_anything_is_timed_out_in_each_call)
{
    static const char much[64 * 1024];
    struct conversation c;
    char byte;
    int rc = 0;
    conversation_open(&c);
    CHECK_EQ(bough_memory_stream_pair(8192, &c.client.transport.below, &c.server.transport.below),
             0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, just_connect, &c.client), 0);
        CHECK_EQ(bough_nursery_start_soon(n, just_connect, &c.server), 0);
    }
    CHECK_EQ(rc, 0);
    int64_t start = bough_now();
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_stream_receive_some(c.client.stream, &byte, 1);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(bough_now() - start, BOUGH_SEC);
    /* Nobody reads: its goodbye does not get through either. */
    CHECK_EQ(bough_stream_send_all(c.server.transport.below, much, 8192 - 10), 0);
    rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_stream_close(c.server.stream);
    CHECK_EQ(rc, -ETIMEDOUT);
    rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_stream_send_all(c.client.stream, much, sizeof(much));
    CHECK_EQ(rc, -EPIPE); /* its peer is closed, although it could not say so */
    bough_stream_free(c.client.stream);
    bough_stream_free(c.server.stream);
    conversation_close(&c);
    return 0;
}

/* --- no descriptors --- */

TASK_TEST(without_descriptors_no_certificate_is_read_and_that_is_said)
{
    struct identity id;
    struct rlimit limit, low;
    struct bough_tls *tls;
    struct bough_tls_options trust, own;
    identity_make(&id, "here", 0, 3600);
    trust = (struct bough_tls_options){.trust_file = id.certificate};
    own = (struct bough_tls_options){.certificate_file = id.certificate, .key_file = id.key};
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    CHECK_EQ(bough_tls_open(&trust, &tls), -EMFILE);
    CHECK_HAS(bough_error_message(bough_error_last()), id.certificate);
    CHECK_EQ(bough_tls_open(&own, &tls), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(bough_tls_open(&own, &tls), 0);
    bough_tls_close(tls);
    CHECK_EQ(bough_tls_open(NULL, &tls), 0); /* as without options */
    bough_tls_close(tls);
    identity_remove(&id);
    return 0;
}
