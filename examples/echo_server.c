/* An echo server: a task for each connection, a time limit for the idle, Ctrl-C ends it.
 *
 *     ./echo_server 7777          then: nc localhost 7777
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <bough.h>

static int echo(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    char buffer[4096];
    (void)arg;
    for (;;) {
        int n = 0;
        bough_fail_after (BOUGH_MINUTE, &n)
            n = bough_stream_receive_some(s, buffer, sizeof(buffer));
        if (n <= 0)
            return n;
        int rc = bough_stream_send_all(s, buffer, (size_t)n);
        if (rc < 0)
            return rc;
    }
}

/* One connection that fails is no reason to end the others. */
static int report(int rc, void *arg)
{
    (void)arg;
    fprintf(stderr, "a connection failed: %s\n", bough_error_name(rc));
    return 0;
}

static int server(void *arg)
{
    struct bough_listener *listener;
    unsigned *port = arg;
    int rc = bough_tcp_listen(NULL, *port, &listener);
    if (rc < 0)
        return rc;
    printf("listening on port %u\n", bough_listener_port(listener));
    fflush(stdout);
    struct bough_serve_options options = {.limit = 10000, .on_error = report};
    rc = bough_serve_with(listener, &options, echo, NULL);
    bough_listener_free(listener);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned port = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    int rc = bough_run(server, &port);
    if (rc == -EINTR) {
        printf("stopped by Ctrl-C\n");
        return 0;
    }
    bough_error_print(bough_error_last(), stderr);
    return 1;
}
