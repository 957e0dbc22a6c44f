/* An HTTP server: a page, an echo of what is posted, and a stream of ticks. Ctrl-C lets the answers
 * that are under way come to their end, for at most 5 seconds.
 *
 *     ./http_hello 8080          then: curl localhost:8080/, curl -d text localhost:8080/echo,
 *                                curl localhost:8080/ticks
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>
#include <bough/http.h>
#include <bough/signal.h>

static int echo(const struct bough_http_request *request, struct bough_http_response *response)
{
    char buffer[4096];
    struct bough_stream *out;
    int n, rc = bough_http_response_begin(response, 200, request->body_size, &out);
    if (rc < 0)
        return rc;
    while ((n = bough_stream_receive_some(request->body, buffer, sizeof(buffer))) > 0)
        if ((rc = bough_stream_send_all(out, buffer, (size_t)n)) < 0)
            return rc;
    return n;
}

/* Each line is on its way as soon as it is sent. */
static int ticks(struct bough_http_response *response)
{
    struct bough_stream *out;
    int rc = bough_http_response_begin(response, 200, -1, &out);
    for (int i = 1; i <= 5 && rc == 0; i++) {
        char line[32];
        rc = bough_sleep(100 * BOUGH_MS);
        if (rc == 0)
            rc = bough_stream_send_all(out, line,
                                       (size_t)snprintf(line, sizeof(line), "tick %d\n", i));
    }
    return rc;
}

static int answer(const struct bough_http_request *request, struct bough_http_response *response,
                  void *arg)
{
    (void)arg;
    if (strcmp(request->target, "/echo") == 0)
        return echo(request, response);
    if (strcmp(request->target, "/ticks") == 0)
        return ticks(response);
    if (strcmp(request->target, "/") != 0)
        return bough_http_response_send(response, 404, "no such page\n", 13);
    int rc = bough_http_response_add(response, "Content-Type", "text/plain");
    return rc < 0 ? rc : bough_http_response_send(response, 200, "hello\n", 6);
}

/* A handler that fails is no reason to end the server. */
static int report(int rc, void *arg)
{
    (void)arg;
    fprintf(stderr, "a request failed: %s\n", bough_error_name(rc));
    return 0;
}

static int wait_for_signal(void *arg)
{
    int rc = 0;
    bough_with_signals (signals, &rc, SIGINT, SIGTERM) {
        rc = bough_signals_receive(signals);
        if (rc > 0)
            bough_scope_shutdown(arg, 5 * BOUGH_SEC);
    }
    return rc;
}

static int server(void *arg)
{
    struct bough_listener *listener;
    struct bough_http_options options = {.limit = 10000, .on_error = report};
    unsigned *port = arg;
    int rc = bough_tcp_listen(NULL, *port, &listener);
    if (rc < 0)
        return rc;
    printf("listening on port %u\n", bough_listener_port(listener));
    fflush(stdout);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, wait_for_signal, bough_nursery_scope(n));
        if (rc == 0)
            rc = bough_http_serve_with(listener, &options, answer, NULL);
    }
    bough_listener_free(listener);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned port = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    int rc = bough_run(server, &port);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    else
        printf("stopped\n");
    return rc < 0;
}
