/* Our side of the measures of HTTP and processes, with the defaults of all of them.
 * SPDX-License-Identifier: MIT */
#include "system.h"

#include <bough.h>
#include <bough/process.h>

static double run_measure(bough_task_fn *fn)
{
    double figure = 0;
    int rc = bough_run(fn, &figure);
    if (rc < 0)
        fprintf(stderr, "bench-ours: %s\n", bough_error_name(rc));
    return rc < 0 ? 0 : figure;
}

/* --- HTTP --- */

#ifndef BENCH_WITHOUT_HTTP
#include <bough/http.h>

static int page(const struct bough_http_request *request, struct bough_http_response *response,
                void *arg)
{
    static const char hello[] = "Hello, world!\n";
    (void)request;
    (void)arg;
    int rc = bough_http_response_add(response, "Content-Type", "text/plain");
    return rc < 0 ? rc : bough_http_response_send(response, 200, hello, sizeof(hello) - 1);
}

static int http_task(void *arg)
{
    struct bough_listener *listener;
    int rc = bough_tcp_listen("127.0.0.1", 0, &listener);
    (void)arg;
    if (rc < 0)
        return rc;
    printf("port %u\n", bough_listener_port(listener));
    fflush(stdout);
    rc = bough_http_serve(listener, page, NULL);
    bough_listener_free(listener);
    return rc;
}

double http(void)
{
    return run_measure(http_task);
}
#endif

/* --- processes --- */

static int process_start_task(void *figure)
{
    struct bough_process_options options = {.argv = BOUGH_ARGV(nothing_path())};
    double start = real_ns();
    int rc = 0;
    for (int i = 0; i < PROCESSES && rc == 0; i++)
        rc = bough_process_run(&options, NULL);
    *(double *)figure = (real_ns() - start) / PROCESSES / 1000;
    return rc;
}

double process_start(void)
{
    return run_measure(process_start_task);
}
