/* The name server that the tests of bough-ares ask: tasks of the same run, on UDP and TCP of one
 * port on loopback. The first label of a name says how it is answered:
 *
 *     four both many  A, or A and AAAA, or many A     six      AAAA
 *     alias           CNAME to both.test              none     no such name
 *     fail, refuse    SERVFAIL, REFUSED               lost     the first question is not answered
 *     silent          never answered                  slow     when 'let_go' is set
 *     cut             truncated; whole by TCP         endless  truncated; nothing by TCP
 *     garbage         records that are none           noise    bytes that are no answer, then A
 *     service         SRV
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../io/io.h"

#include <ares.h>
#include <arpa/nameser.h>

#include <bough/ares.h>
#include <bough/udp.h>

enum { MANY = 60 };

struct dns {
    struct bough_udp *udp;
    struct bough_listener *tcp;
    unsigned port;
    unsigned asked, by_tcp, lost;
    struct bough_event was_asked, let_go;
};

struct question {
    const unsigned char *bytes;
    size_t size; /* header and question */
    char label[64];
    int type;
    bool tcp;
};

/* What is being written. */
struct answer {
    unsigned char bytes[4096];
    size_t size;
};

static inline void put(struct answer *a, const void *bytes, size_t size)
{
    CHECK(a->size + size <= sizeof(a->bytes));
    memcpy(a->bytes + a->size, bytes, size);
    a->size += size;
}

static inline void put16(struct answer *a, unsigned number)
{
    unsigned char bytes[2] = {(unsigned char)(number >> 8), (unsigned char)number};
    put(a, bytes, 2);
}

/* A record of the name that was asked for. */
static inline void put_record(struct answer *a, int type, const void *data, size_t size)
{
    put16(a, 0xc00c);
    put16(a, (unsigned)type);
    put16(a, ns_c_in);
    put16(a, 0);
    put16(a, 0); /* it may not be kept */
    put16(a, (unsigned)size);
    put(a, data, size);
    a->bytes[7]++;
}

static inline void begin_answer(struct answer *a, const struct question *q, int rcode)
{
    unsigned char head[12] = {q->bytes[0], q->bytes[1], 0x84, (unsigned char)(0x80 | rcode), 0, 1};
    a->size = 0;
    put(a, head, sizeof(head));
    put(a, q->bytes + 12, q->size - 12);
}

/* False: it makes no sense, or is no question. */
static inline bool parse_question(struct question *q, const unsigned char *bytes, size_t size)
{
    size_t at = 12;
    if (size < 17 || bytes[12] == 0 || bytes[12] > 63 || (bytes[2] & 0x80))
        return false;
    q->bytes = bytes;
    for (int i = 0; i < bytes[12]; i++)
        q->label[i] = (char)(bytes[13 + i] | 0x20);
    q->label[bytes[12]] = '\0';
    while (at < size && bytes[at] != 0)
        at += bytes[at] + 1u;
    q->size = at + 5;
    if (q->size > size)
        return false;
    q->type = bytes[at + 1] << 8 | bytes[at + 2];
    return true;
}

static inline void put_a(struct answer *a, int last)
{
    unsigned char address[4] = {127, 0, 0, (unsigned char)last};
    put_record(a, ns_t_a, address, sizeof(address));
}

static inline void put_aaaa(struct answer *a)
{
    unsigned char address[16] = {[15] = 1};
    put_record(a, ns_t_aaaa, address, sizeof(address));
}

static inline bool is(const struct question *q, const char *label)
{
    return strcmp(q->label, label) == 0;
}

static inline void put_alias(struct answer *a, const struct question *q)
{
    static const unsigned char both[] = "\4both\4test";
    unsigned char address[4] = {127, 0, 0, 1};
    put_record(a, ns_t_cname, both, sizeof(both));
    if (q->type != ns_t_a)
        return;
    put(a, both, sizeof(both)); /* whose name is the alias's own */
    put16(a, ns_t_a);
    put16(a, ns_c_in);
    put16(a, 0);
    put16(a, 0);
    put16(a, sizeof(address));
    put(a, address, sizeof(address));
    a->bytes[7]++;
}

static inline void put_srv(struct answer *a)
{
    static const unsigned char data[] = "\0\1\0\2\x1f\x90\4four\4test"; /* 1, 2, port 8080 */
    put_record(a, ns_t_srv, data, sizeof(data));
}

/* Write what is to be sent; 0 bytes: nothing. < 0: cancelled. */
static inline int answer_question(struct dns *dns, const struct question *q, struct answer *a)
{
    dns->asked++;
    dns->by_tcp += q->tcp;
    bough_event_set(&dns->was_asked);
    a->size = 0;
    if (is(q, "silent") || (is(q, "lost") && dns->lost++ < 2) || (is(q, "endless") && q->tcp))
        return 0;
    if (is(q, "slow")) {
        int rc = bough_event_wait(&dns->let_go);
        if (rc < 0)
            return rc;
    }
    begin_answer(a, q,
                 is(q, "none")     ? ns_r_nxdomain
                 : is(q, "fail")   ? ns_r_servfail
                 : is(q, "refuse") ? ns_r_refused
                                   : ns_r_noerror);
    if ((is(q, "cut") || is(q, "endless")) && !q->tcp) {
        a->bytes[2] |= 2;
    } else if (is(q, "alias")) {
        put_alias(a, q);
    } else if (is(q, "garbage")) {
        put(a, "\xc0\x0c\0\1\0\1", 6); /* and then nothing */
        a->bytes[7] = 9;
    } else if (is(q, "service") && q->type == ns_t_srv) {
        put_srv(a);
    } else if (q->type == ns_t_aaaa && (is(q, "six") || is(q, "both"))) {
        put_aaaa(a);
    } else if (q->type == ns_t_a && is(q, "many")) {
        for (int i = 1; i <= MANY; i++)
            put_a(a, i);
    } else if (q->type == ns_t_a && !is(q, "six") && a->bytes[3] == 0x80 && !is(q, "service")) {
        put_a(a, 1);
    }
    return 0;
}

/* --- over UDP: a task for each question, as some take long --- */

struct datagram {
    struct dns *dns;
    struct bough_address from;
    size_t size;
    unsigned char bytes[512];
};

static inline int answer_datagram(void *arg)
{
    struct datagram *d = arg;
    struct question q = {0};
    struct answer a;
    if (!parse_question(&q, d->bytes, d->size))
        return 0;
    int rc = answer_question(d->dns, &q, &a);
    for (int i = 0; rc == 0 && is(&q, "noise") && i < 3; i++)
        rc = bough_udp_send_to(d->dns->udp, "what?\0\0 is \1\2\3 this", (size_t)(i * 8), &d->from);
    if (rc == 0 && a.size > 0)
        rc = bough_udp_send_to(d->dns->udp, a.bytes, a.size, &d->from);
    return rc == -ECONNREFUSED ? 0 : rc; /* it has gone */
}

static inline int serve_udp(void *arg)
{
    struct datagram d = {.dns = arg};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        while (rc == 0) {
            rc = bough_udp_receive(d.dns->udp, d.bytes, sizeof(d.bytes), &d.from);
            if (rc < 0)
                break;
            d.size = (size_t)rc;
            rc = bough_nursery_start_soon_with(n, answer_datagram, &d, sizeof(d));
        }
    }
    return rc;
}

/* --- over TCP --- */

static inline int serve_stream(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    unsigned char head[2], bytes[512];
    struct dns *dns = arg;
    int rc;
    while ((rc = receive_exactly(s, (char *)head, 2)) == 2) {
        struct question q = {.tcp = true};
        struct answer a;
        int size = head[0] << 8 | head[1];
        if (size > (int)sizeof(bytes) || receive_exactly(s, (char *)bytes, size) != size ||
            !parse_question(&q, bytes, (size_t)size))
            return 0;
        rc = answer_question(dns, &q, &a);
        head[0] = (unsigned char)(a.size >> 8);
        head[1] = (unsigned char)a.size;
        if (rc == 0 && a.size > 0 && (rc = bough_stream_send_all(s, head, 2)) == 0)
            rc = bough_stream_send_all(s, a.bytes, a.size);
        if (rc < 0)
            break;
    }
    return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc; /* the client has gone: its business */
}

static inline int serve_tcp(void *arg)
{
    struct dns *dns = arg;
    return bough_serve(dns->tcp, serve_stream, dns);
}

/* --- both, for a test --- */

/* On a port that is free for both. < 0: what failed, when something was made to. */
static inline int dns_open(struct dns *dns)
{
    struct bough_address at;
    *dns = (struct dns){0};
    bough_event_init(&dns->was_asked);
    bough_event_init(&dns->let_go);
    for (int i = 0; i < 20; i++) {
        int rc = bough_tcp_listen("127.0.0.1", 0, &dns->tcp);
        if (rc < 0)
            return rc;
        dns->port = bough_listener_port(dns->tcp);
        CHECK_EQ(bough_address_parse("127.0.0.1", dns->port, &at), 0);
        rc = bough_udp_open(&at, &dns->udp);
        if (rc == 0)
            return 0;
        bough_listener_free(dns->tcp);
        if (rc != -EADDRINUSE)
            return rc;
    }
    test_fail(__FILE__, __LINE__, "no port for UDP and TCP");
}

static inline void dns_close(struct dns *dns)
{
    bough_udp_free(dns->udp);
    bough_listener_free(dns->tcp);
}

/* A channel that asks only this server, and nothing of this machine but its hosts file. */
static inline int channel_open(struct dns *dns, int timeout_ms, int tries, struct bough_ares **ret)
{
    static char lookups[] = "fb", nothing[] = "/dev/null";
    struct ares_options options = {
        .timeout = timeout_ms, .tries = tries, .lookups = lookups, .resolvconf_path = nothing};
    char servers[32];
    int rc = bough_ares_open(&options,
                             ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                 ARES_OPT_DOMAINS | ARES_OPT_RESOLVCONF,
                             ret);
    if (rc < 0)
        return rc;
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", dns->port);
    int status = ares_set_servers_ports_csv(bough_ares_channel(*ret), servers);
    if (status == ARES_SUCCESS)
        return 0;
    CHECK_EQ(status, ARES_ENOMEM);
    bough_ares_close(*ret);
    return bough_fail(-ENOMEM, "no memory for the servers");
}

struct dns_test {
    int (*body)(struct bough_ares *a, struct dns *dns);
    int timeout_ms, tries;
};

/* body(a, dns), with the server beside it. */
static inline int with_dns(void *arg)
{
    struct dns_test *test = arg;
    struct dns dns;
    struct bough_ares *a = NULL;
    int rc = dns_open(&dns);
    if (rc < 0)
        return rc;
    rc = channel_open(&dns, test->timeout_ms, test->tries, &a);
    if (rc == 0) {
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_service(n, serve_udp, &dns);
            if (rc == 0)
                rc = bough_nursery_start_service(n, serve_tcp, &dns);
            if (rc == 0)
                rc = test->body(a, &dns);
        }
        bough_ares_close(a);
    }
    dns_close(&dns);
    return rc;
}

/* A test with the server, on a real run: c-ares counts real time. */
#define DNS_TEST(test_name, timeout_ms, tries)                                                     \
    static int test_name##_body(struct bough_ares *a, struct dns *dns);                            \
    static int test_name##_task(void *arg)                                                         \
    {                                                                                              \
        struct dns_test test = {test_name##_body, timeout_ms, tries};                              \
        (void)arg;                                                                                 \
        return with_dns(&test);                                                                    \
    }                                                                                              \
    TEST(test_name)                                                                                \
    {                                                                                              \
        run_io(__FILE__, __LINE__, BOUGH_IO_EPOLL, test_name##_task);                              \
    }                                                                                              \
    static int test_name##_body(__attribute__((unused)) struct bough_ares *a,                      \
                                __attribute__((unused)) struct dns *dns)

/* One that never waits for c-ares to ask again. */
enum { PATIENT_MS = 20000 };
#define PATIENT_DNS_TEST(test_name) DNS_TEST(test_name, PATIENT_MS, 1)
