/* A port forwarder: what connects to our port is connected to another, and bytes go both ways.
 * Each connection is a nursery with a task for each direction: an end in one direction is passed on
 * and the other goes on (half-close); a failure in one ends both. Backpressure is for free: what
 * the receiver does not take is not read. At most LIMIT connections are open, the others wait in
 * the kernel's queue; fewer if there are not two descriptors for each, so that nobody is taken who
 * then cannot be connected. SIGTERM or Ctrl-C ends it: those that are open have 5 seconds.
 *
 *     ./forward 7000 example.org 80          then: curl -H 'Host: example.org' localhost:7000/
 *     ./forward 7000 example.org 80 100      at most 100 at once, not 1000
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <bough.h>

#define CONNECT (10 * BOUGH_SEC)
#define GRACE (5 * BOUGH_SEC)
enum { CHUNK = 16 * 1024, OWN_DESCRIPTORS = 32 };

struct forwarder {
    unsigned port;
    const char *to_host;
    unsigned to_port;
    unsigned limit;
    struct bough_listener *listener;
    struct bough_scope *scope; /* around the server */
    unsigned long connections, bytes;
};

/* --- one connection --- */

struct direction {
    struct forwarder *forwarder;
    struct bough_stream *from, *to;
};

static int copy(void *arg)
{
    struct direction *d = arg;
    char buffer[CHUNK];
    int n;
    while ((n = bough_stream_receive_some(d->from, buffer, sizeof(buffer))) > 0) {
        int rc = bough_stream_send_all(d->to, buffer, (size_t)n);
        if (rc < 0)
            return rc;
        d->forwarder->bytes += (unsigned long)n;
    }
    return n < 0 ? n : bough_stream_send_eof(d->to);
}

static int copy_both_ways(struct forwarder *f, struct bough_stream *a, struct bough_stream *b)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = BOUGH_START(n, copy, struct direction, .forwarder = f, .from = a, .to = b);
        if (rc == 0)
            rc = BOUGH_START(n, copy, struct direction, .forwarder = f, .from = b, .to = a);
    }
    return rc;
}

/* What is open when we are told to stop may go on for the grace. */
static int connection(struct bough_connection *c, void *arg)
{
    struct forwarder *f = arg;
    struct bough_stream *there;
    int rc = 0;
    f->connections++;
    bough_graceful (&rc) {
        bough_fail_after (CONNECT, &rc)
            rc = bough_tcp_connect(f->to_host, f->to_port, &there);
        if (rc < 0)
            break;
        rc = copy_both_ways(f, c->stream, there);
        bough_stream_free(there);
    }
    return rc;
}

/* A connection that fails is its own affair. */
static int report(int rc, void *arg)
{
    const char *message = bough_error_message(bough_error_find(bough_error_last(), rc));
    (void)arg;
    fprintf(stderr, "a connection failed: %s\n", *message ? message : bough_error_name(rc));
    return 0;
}

/* --- all of them --- */

static int wait_for_signals(void *arg)
{
    struct forwarder *f = arg;
    int rc = 0;
    bough_with_signals (signals, &rc, SIGTERM, SIGINT) {
        rc = bough_signals_receive(signals);
        if (rc < 0)
            break;
        bough_scope_shutdown(f->scope, GRACE);
        bough_listener_close(f->listener); /* who calls now is refused, and does not wait */
    }
    return rc;
}

static int serve(struct forwarder *f)
{
    struct bough_serve_options options = {.limit = f->limit, .on_error = report};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        f->scope = bough_nursery_scope(n);
        rc = bough_nursery_start_service(n, wait_for_signals, f);
        if (rc == 0)
            rc = bough_serve_with(f->listener, &options, connection, f);
    }
    return rc;
}

static int program(void *arg)
{
    struct forwarder *f = arg;
    int rc = bough_tcp_listen("localhost", f->port, &f->listener);
    if (rc < 0)
        return rc;
    printf("listening on port %u\n", bough_listener_port(f->listener));
    rc = serve(f);
    bough_listener_free(f->listener);
    printf("stopped after %lu connections and %lu bytes\n", f->connections, f->bytes);
    return rc;
}

/* As many connections as the limit of descriptors has room for, which we raise as far as we may. */
static unsigned connections_most(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 1;
    rlim_t before = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        files.rlim_cur = before;
    if (files.rlim_cur < OWN_DESCRIPTORS + 2)
        return 1;
    rlim_t most = (files.rlim_cur - OWN_DESCRIPTORS) / 2;
    return most < UINT_MAX ? (unsigned)most : UINT_MAX;
}

/* All of it is a number, and no more than 'most'. */
static bool number(const char *text, unsigned long most, unsigned *ret_number)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *ret_number = (unsigned)n;
    return isdigit((unsigned char)*text) && !*end && n <= most;
}

static bool parse(int argc, char **argv, struct forwarder *f)
{
    if (argc < 4 || argc > 5)
        return false;
    f->to_host = argv[2];
    return number(argv[1], 65535, &f->port) && number(argv[3], 65535, &f->to_port) &&
           (argc == 4 || number(argv[4], UINT_MAX, &f->limit)) && f->to_port > 0 && f->limit > 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct forwarder f = {.limit = 1000};
    if (!parse(argc, argv, &f)) {
        fprintf(stderr, "usage: %s PORT TO-HOST TO-PORT [LIMIT]\n", argv[0]);
        return 2;
    }
    unsigned most = connections_most();
    if (f.limit > most) {
        fprintf(stderr, "at most %u connections at once: descriptors (ulimit -n)\n", most);
        f.limit = most;
    }
    int rc = bough_run(program, &f);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
