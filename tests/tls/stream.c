/* TLS streams, both ends ours.
 * SPDX-License-Identifier: MIT */
#include "identity.h"

/* Both ends over a pair of streams in memory. */
struct ends {
    struct identity id;
    struct bough_tls *client_tls, *server_tls;
    struct bough_stream *client_transport, *server_transport;
    struct bough_stream *client, *server;
    const char *host;
    int client_rc, server_rc; /* 1: not tried; the transport is the stream's once it is 0 */
};

static int client_side(void *arg)
{
    struct ends *e = arg;
    e->client_rc = bough_tls_connect(e->client_tls, e->client_transport, e->host ? e->host : "here",
                                     &e->client);
    return e->client_rc == -ECANCELED ? -ECANCELED : 0;
}

static int server_side(void *arg)
{
    struct ends *e = arg;
    e->server_rc = bough_tls_accept(e->server_tls, e->server_transport, &e->server);
    return e->server_rc == -ECANCELED ? -ECANCELED : 0;
}

static int shake_hands(struct ends *e)
{
    int rc = bough_memory_stream_pair(4096, &e->client_transport, &e->server_transport);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, client_side, e);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, server_side, e);
    }
    if (e->client_rc != 0)
        bough_stream_free(e->client_transport);
    if (e->server_rc != 0)
        bough_stream_free(e->server_transport);
    return rc;
}

static void open_both(struct ends *e, struct bough_tls_options client,
                      struct bough_tls_options server)
{
    *e = (struct ends){.client_rc = 1, .server_rc = 1};
    identity_make(&e->id, "here", 0, 3600);
    server.certificate_file = e->id.certificate;
    server.key_file = e->id.key;
    if (!client.insecure && !client.trust_file)
        client.trust_file = e->id.certificate;
    CHECK_EQ(bough_tls_open(&client, &e->client_tls), 0);
    CHECK_EQ(bough_tls_open(&server, &e->server_tls), 0);
}

static void close_both(struct ends *e)
{
    if (e->client_rc == 0)
        bough_stream_free(e->client);
    if (e->server_rc == 0)
        bough_stream_free(e->server);
    bough_tls_close(e->client_tls);
    bough_tls_close(e->server_tls);
    identity_remove(&e->id);
}

/* Open both ends and shake hands, which must work. */
static void connect_both(struct ends *e)
{
    open_both(e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    CHECK_EQ(shake_hands(e), 0);
    CHECK_EQ(e->client_rc, 0);
    CHECK_EQ(e->server_rc, 0);
}

/* --- handshakes --- */

TASK_TEST(both_ends_agree_on_a_version_and_know_each_other)
{
    struct ends e;
    char text[128];
    connect_both(&e);
    CHECK_STR(bough_tls_version(e.client), "TLSv1.3");
    CHECK_STR(bough_tls_peer(e.client, text, sizeof(text)), "/CN=here");
    CHECK_STR(bough_tls_peer(e.server, text, sizeof(text)), "");
    CHECK_STR(bough_tls_alpn(e.client), "");
    close_both(&e);
    return 0;
}

TASK_TEST(a_certificate_that_nobody_vouches_for_is_refused)
{
    struct ends e;
    struct identity other;
    identity_make(&other, "elsewhere", 0, 3600);
    open_both(&e, (struct bough_tls_options){.trust_file = other.certificate},
              (struct bough_tls_options){0});
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, -EKEYREJECTED);
    CHECK_EQ(e.server_rc, -EPROTO); /* the alert */
    close_both(&e);
    identity_remove(&other);
    return 0;
}

TASK_TEST(a_certificate_for_another_host_is_refused_with_the_reason)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    e.host = "there";
    struct bough_stream *s;
    CHECK_EQ(bough_memory_stream_pair(4096, &e.client_transport, &e.server_transport), 0);
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, server_side, &e), 0);
        CHECK_EQ(bough_tls_connect(e.client_tls, e.client_transport, "there", &s), -EKEYREJECTED);
        CHECK_HAS(bough_error_message(bough_error_last()), "hostname mismatch");
        bough_stream_free(e.client_transport);
    }
    if (e.server_rc != 0)
        bough_stream_free(e.server_transport);
    close_both(&e);
    return rc;
}

TASK_TEST(an_expired_certificate_is_refused)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    identity_remove(&e.id);
    bough_tls_close(e.server_tls);
    bough_tls_close(e.client_tls);
    identity_make(&e.id, "here", -7200, -3600);
    struct bough_tls_options client = {.trust_file = e.id.certificate};
    struct bough_tls_options server = {.certificate_file = e.id.certificate, .key_file = e.id.key};
    CHECK_EQ(bough_tls_open(&client, &e.client_tls), 0);
    CHECK_EQ(bough_tls_open(&server, &e.server_tls), 0);
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, -EKEYREJECTED);
    close_both(&e);
    return 0;
}

TASK_TEST(an_address_is_verified_like_a_name)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    e.host = "127.0.0.1";
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, 0);
    close_both(&e);
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    e.host = "127.0.0.2";
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, -EKEYREJECTED);
    close_both(&e);
    return 0;
}

TASK_TEST(an_insecure_client_takes_any_certificate)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){.insecure = true}, (struct bough_tls_options){0});
    e.host = "there";
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, 0);
    close_both(&e);
    return 0;
}

/* The client hears of it when it receives: in TLS 1.3 it is done before the server looks. */
TASK_TEST(an_insecure_client_is_told_what_really_went_wrong)
{
    struct ends e;
    struct identity other;
    char text[8];
    identity_make(&other, "other", 0, 3600);
    open_both(&e, (struct bough_tls_options){.insecure = true},
              (struct bough_tls_options){.require_client_certificate = true,
                                         .trust_file = other.certificate});
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, 0);
    CHECK_EQ(e.server_rc, -EKEYREJECTED);
    CHECK_EQ(bough_stream_receive_some(e.client, text, sizeof(text)), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()), "certificate required");
    CHECK_EQ(bough_stream_receive_some(e.client, text, sizeof(text)), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()), "an earlier failure");
    CHECK_EQ(bough_stream_send_eof(e.client), -EPROTO);
    CHECK_EQ(bough_stream_close(e.client), 0);
    close_both(&e);
    identity_remove(&other);
    return 0;
}

TASK_TEST(the_servers_first_common_protocol_is_chosen)
{
    struct ends e;
    const char *const ours[] = {"http/1.1", "h2", NULL}, *const theirs[] = {"h3", "h2", "http/1.1",
                                                                            NULL};
    open_both(&e, (struct bough_tls_options){.alpn = ours},
              (struct bough_tls_options){.alpn = theirs});
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_STR(bough_tls_alpn(e.client), "h2");
    CHECK_STR(bough_tls_alpn(e.server), "h2");
    close_both(&e);
    return 0;
}

TASK_TEST(a_client_without_the_required_certificate_is_refused)
{
    struct ends e;
    identity_make(&e.id, "here", 0, 3600);
    struct identity id = e.id;
    open_both(&e, (struct bough_tls_options){0},
              (struct bough_tls_options){.require_client_certificate = true,
                                         .trust_file = id.certificate});
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.server_rc, -EKEYREJECTED);
    close_both(&e);
    identity_remove(&id);
    return 0;
}

TASK_TEST(a_client_with_a_certificate_is_known_to_the_server)
{
    struct ends e;
    struct identity id;
    char text[128];
    identity_make(&id, "client", 0, 3600);
    open_both(&e,
              (struct bough_tls_options){.certificate_file = id.certificate, .key_file = id.key},
              (struct bough_tls_options){.require_client_certificate = true,
                                         .trust_file = id.certificate});
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.server_rc, 0);
    CHECK_STR(bough_tls_peer(e.server, text, sizeof(text)), "/CN=client");
    close_both(&e);
    identity_remove(&id);
    return 0;
}

TASK_TEST(a_file_that_is_missing_or_wrong_is_an_error_that_names_it)
{
    struct bough_tls *tls;
    CHECK_EQ(bough_tls_open(&(struct bough_tls_options){.trust_file = "/no/such"}, &tls), -ENOENT);
    CHECK_HAS(bough_error_message(bough_error_last()), "/no/such");
    CHECK_EQ(bough_tls_open(&(struct bough_tls_options){.certificate_file = "/dev/null"}, &tls),
             -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "/dev/null");
    CHECK_EQ(bough_tls_open(&(struct bough_tls_options){.key_file = "/dev/null"}, &tls), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "certificate_file");
    const char *const alpn[] = {"", NULL};
    CHECK_EQ(bough_tls_open(&(struct bough_tls_options){.alpn = alpn}, &tls), -EINVAL);
    return 0;
}

TASK_TEST(a_server_without_a_certificate_or_a_client_without_a_host_is_told_so)
{
    struct bough_tls *tls;
    struct bough_stream *ours, *theirs, *s;
    CHECK_EQ(bough_tls_open(NULL, &tls), 0);
    CHECK_EQ(bough_memory_stream_pair(4096, &ours, &theirs), 0);
    CHECK_EQ(bough_tls_accept(tls, ours, &s), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "certificate_file");
    CHECK_EQ(bough_tls_connect(tls, ours, NULL, &s), -EINVAL);
    CHECK_EQ(bough_tls_connect(tls, ours, "", &s), -EINVAL);
    CHECK_EQ(bough_tls_connect(tls, ours, ".", &s), -EINVAL);
    bough_stream_free(ours);
    bough_stream_free(theirs);
    bough_tls_close(tls);
    return 0;
}

/* As one who looks it up writes it: no search domains. Certificates know no such dot. */
TASK_TEST(a_dot_behind_a_hosts_name_is_not_a_part_of_it)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    e.host = "here.";
    CHECK_EQ(shake_hands(&e), 0);
    CHECK_EQ(e.client_rc, 0);
    close_both(&e);
    return 0;
}

TASK_TEST(what_handshakes_share_may_be_closed_while_they_are_under_way)
{
    struct ends e;
    const char *const alpn[] = {"h2", NULL};
    int rc = 0;
    open_both(&e, (struct bough_tls_options){.alpn = alpn},
              (struct bough_tls_options){.alpn = alpn});
    CHECK_EQ(bough_memory_stream_pair(4096, &e.client_transport, &e.server_transport), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, server_side, &e), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        bough_tls_close(e.server_tls);
        e.server_tls = NULL;
        rc = bough_nursery_start_soon(n, client_side, &e);
    }
    CHECK_EQ(e.server_rc, 0);
    CHECK_STR(bough_tls_alpn(e.server), "h2");
    close_both(&e);
    return rc;
}

TASK_TEST(a_peer_that_does_not_speak_tls_is_a_protocol_error)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    CHECK_EQ(bough_memory_stream_pair(4096, &e.client_transport, &e.server_transport), 0);
    CHECK_EQ(bough_stream_send_all(e.server_transport, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 0);
    CHECK_EQ(bough_tls_connect(e.client_tls, e.client_transport, "here", &e.client), -EPROTO);
    bough_stream_free(e.client_transport);
    bough_stream_free(e.server_transport);
    close_both(&e);
    return 0;
}

TASK_TEST(a_peer_that_closes_in_the_handshake_is_gone)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    CHECK_EQ(bough_memory_stream_pair(4096, &e.client_transport, &e.server_transport), 0);
    CHECK_EQ(bough_stream_send_eof(e.server_transport), 0);
    CHECK_EQ(bough_tls_connect(e.client_tls, e.client_transport, "here", &e.client), -EPIPE);
    bough_stream_free(e.client_transport);
    bough_stream_free(e.server_transport);
    close_both(&e);
    return 0;
}

TASK_TEST(a_handshake_with_a_silent_peer_can_be_timed_out)
{
    struct ends e;
    int rc = 0;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    CHECK_EQ(bough_memory_stream_pair(4096, &e.client_transport, &e.server_transport), 0);
    bough_fail_after (5 * BOUGH_SEC, &rc)
        rc = bough_tls_connect(e.client_tls, e.client_transport, "here", &e.client);
    CHECK_EQ(rc, -ETIMEDOUT);
    bough_stream_free(e.client_transport);
    bough_stream_free(e.server_transport);
    close_both(&e);
    return 0;
}

TASK_TEST(the_transport_of_a_failed_handshake_stays_the_callers)
{
    struct ends e;
    struct bough_stream *s;
    char buffer[8];
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    CHECK_EQ(bough_memory_stream_pair(4096, &e.client_transport, &e.server_transport), 0);
    s = e.client_transport;
    CHECK_EQ(bough_stream_send_all(e.server_transport, "not TLS, and more", 17), 0);
    CHECK_EQ(bough_tls_connect(e.client_tls, s, "here", &s), -EPROTO);
    CHECK(s == e.client_transport);
    CHECK_EQ(bough_stream_send_all(e.server_transport, "still", 5), 0);
    CHECK_EQ(bough_stream_receive_some(s, buffer, sizeof(buffer)), 5);
    CHECK_EQ(bough_tls_connect(e.client_tls, s, "", &s), -EINVAL); /* before it begins */
    CHECK_EQ(bough_stream_close(s), 0);
    bough_stream_free(s);
    bough_stream_free(e.server_transport);
    close_both(&e);
    return 0;
}

/* --- the stream --- */

static struct ends contract_ends[64];
static int contract_count;

static int make_pair(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    struct ends *e = &contract_ends[contract_count++ % 64];
    struct ends *like = arg;
    *e = *like;
    int rc = shake_hands(e);
    *ret_a = e->client;
    *ret_b = e->server;
    return rc;
}

TASK_TEST(it_keeps_what_every_stream_has_to)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    int rc = bough_test_stream_contract(make_pair, &e);
    close_both(&e);
    return rc;
}

TASK_TEST(a_connection_that_just_ends_is_truncated_and_not_an_end)
{
    struct ends e;
    char buffer[16];
    connect_both(&e);
    CHECK_EQ(bough_stream_send_all(e.server, "half a", 6), 0);
    CHECK_EQ(bough_stream_send_eof(e.server_transport),
             0); /* below the TLS, as an attacker could */
    CHECK_EQ(bough_stream_receive_some(e.client, buffer, sizeof(buffer)), 6);
    CHECK_EQ(bough_stream_receive_some(e.client, buffer, sizeof(buffer)), -EPIPE);
    CHECK_HAS(bough_error_message(bough_error_last()), "truncated");
    close_both(&e);
    return 0;
}

TASK_TEST(a_goodbye_is_an_end_and_the_other_direction_goes_on)
{
    struct ends e;
    char buffer[16];
    connect_both(&e);
    CHECK_EQ(bough_stream_send_eof(e.server), 0);
    CHECK_EQ(bough_stream_receive_some(e.client, buffer, sizeof(buffer)), 0);
    CHECK_EQ(bough_stream_send_all(e.client, "still", 5), 0);
    CHECK_EQ(bough_stream_receive_some(e.server, buffer, sizeof(buffer)), 5);
    close_both(&e);
    return 0;
}

TASK_TEST(a_send_that_was_cancelled_half_way_breaks_the_stream)
{
    struct ends e;
    int rc = 0;
    static char big[100000];
    connect_both(&e);
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_stream_send_all(e.client, big, sizeof(big)); /* nobody receives */
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_stream_send_all(e.client, "x", 1), -EPIPE);
    CHECK_EQ(bough_stream_close(e.client), 0);
    close_both(&e);
    return rc;
}

TEST_AS_(handshake_survives_each_failing_allocation, 0, NULL)
static int handshake(__attribute__((unused)) void *arg)
{
    struct ends e;
    open_both(&e, (struct bough_tls_options){0}, (struct bough_tls_options){0});
    int rc = shake_hands(&e);
    close_both(&e);
    return rc < 0 ? rc : 0;
}
static void handshake_survives_each_failing_allocation(void)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, handshake, NULL) > 0);
}

TEST(a_handshake_may_be_cancelled_at_every_point)
{
    CHECK_CANCELS(handshake, NULL, 1);
}
