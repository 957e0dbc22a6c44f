/* An HTTPS server that stops well: a TLS handshake and the requests of a connection in one task,
 * limits on all that a client can draw out, and a shutdown in three steps: at SIGTERM or Ctrl-C no
 * new connections are taken, requests that are being answered have 10 seconds to end (idle
 * connections end at once), and what is left then is cancelled. A second signal cancels at once.
 *
 *     openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 30 \
 *         -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
 *     ./https_server 8443 cert.pem key.pem   then: curl --cacert cert.pem https://localhost:8443/
 *     ./https_server 8080                    the same without TLS, behind a proxy that has it
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>
#include <bough/http.h>
#include <bough/tls.h>

#define GRACE (10 * BOUGH_SEC)
#define HANDSHAKE (10 * BOUGH_SEC)
#define GOODBYE BOUGH_SEC

struct site {
    unsigned port;
    struct bough_tls *tls; /* NULL: plain HTTP */
    struct bough_listener *listener;
    struct bough_scope *scope; /* around the server */
    unsigned long answered;
};

/* --- the pages --- */

static int hello(struct bough_http_response *response)
{
    int rc = bough_http_response_add(response, "Content-Type", "text/plain");
    return rc < 0 ? rc : bough_http_response_send(response, 200, "hello\n", 6);
}

/* What takes its time: a database, another service. A shutdown waits for it, a cancel does not. */
static int slow(struct bough_http_response *response, unsigned seconds)
{
    int rc = bough_sleep(seconds * BOUGH_SEC);
    return rc < 0 ? rc : bough_http_response_send(response, 200, "at last\n", 8);
}

static int answer(const struct bough_http_request *request, struct bough_http_response *response,
                  void *arg)
{
    struct site *site = arg;
    unsigned seconds;
    site->answered++;
    if (strcmp(request->target, "/") == 0)
        return hello(response);
    if (sscanf(request->target, "/slow/%u", &seconds) == 1)
        return slow(response, seconds);
    return bough_http_response_send(response, 404, "no such page\n", 13);
}

/* --- a connection --- */

/* What fails for one client is no reason to end the server: a handler, a handshake. */
static int report(int rc, void *arg)
{
    const char *message = bough_error_message(bough_error_find(bough_error_last(), rc));
    (void)arg;
    fprintf(stderr, "failed: %s\n", *message ? message : bough_error_name(rc));
    return 0;
}

static int connection(struct bough_connection *c, void *arg)
{
    static const struct bough_http_options options = {.body_size = 64 * 1024, .on_error = report};
    struct site *site = arg;
    int rc = 0, goodbye = 0;
    if (site->tls) {
        bough_fail_after (HANDSHAKE, &rc)
            rc = bough_tls_accept(site->tls, c->stream, &c->stream);
        if (rc < 0)
            return rc;
    }
    rc = bough_http_serve_stream(c->stream, &options, answer, site);
    bough_shielded (GOODBYE, &goodbye) /* TLS takes leave, also when we are shutting down */
        goodbye = bough_stream_close(c->stream);
    return goodbye == -EPIPE ? rc : bough_keep(rc, goodbye);
}

/* --- the server --- */

static int wait_for_signals(void *arg)
{
    struct site *site = arg;
    int rc = 0;
    bough_with_signals (signals, &rc, SIGTERM, SIGINT) {
        rc = bough_signals_receive(signals);
        if (rc < 0)
            break;
        bough_scope_shutdown(site->scope, GRACE);
        bough_listener_close(site->listener); /* who calls now is refused, and does not wait */
        printf("%s: shutting down\n", bough_signal_name(rc));
        bough_graceful (&rc)
            rc = bough_signals_receive(signals);
        if (rc > 0)
            bough_scope_cancel(site->scope, "a second %s", bough_signal_name(rc));
    }
    return rc;
}

/* The signals are a service of the server: they are waited for as long as it runs. */
static int serve(struct site *site)
{
    static const struct bough_serve_options options = {.limit = 10000, .on_error = report};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        site->scope = bough_nursery_scope(n);
        rc = bough_nursery_start_service(n, wait_for_signals, site);
        if (rc == 0)
            rc = bough_serve_with(site->listener, &options, connection, site);
    }
    return rc;
}

static int program(void *arg)
{
    struct site *site = arg;
    int rc = bough_tcp_listen(NULL, site->port, &site->listener);
    if (rc < 0)
        return rc;
    printf("listening on port %u\n", bough_listener_port(site->listener));
    rc = serve(site);
    bough_listener_free(site->listener);
    printf("stopped after %lu requests\n", site->answered);
    return rc;
}

/* All of it is a number, and one that a port can have. */
static bool parse_port(const char *text, unsigned *ret_port)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *ret_port = (unsigned)n;
    return isdigit((unsigned char)*text) && !*end && n <= 65535;
}

int main(int argc, char **argv)
{
    struct site site = {0};
    struct bough_tls_options identity = {0};
    int rc = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if ((argc != 2 && argc != 4) || !parse_port(argv[1], &site.port)) {
        fprintf(stderr, "usage: %s PORT [CERTIFICATE KEY]\n", argv[0]);
        return 2;
    }
    if (argc == 4) {
        identity.certificate_file = argv[2];
        identity.key_file = argv[3];
        rc = bough_tls_open(&identity, &site.tls);
    }
    if (rc == 0)
        rc = bough_run(program, &site);
    bough_tls_close(site.tls);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
