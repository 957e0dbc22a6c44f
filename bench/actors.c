/* Our side of the measures of actors. CPU time of both sides; see floor_actors.c for what it is
 * compared with.
 * SPDX-License-Identifier: MIT */
#include "actors.h"

#include <bough.h>

enum { CALLS = 20000, MESSAGES = 1000000, LARGE_MESSAGES = 200, STARTS = 100 };

/* --- the actor --- */

static int reply(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

/* Count what comes, to the end. */
static int sink(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    long count = 0;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    while (rc >= 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        bough_message_free(&m);
        count++;
    }
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(count));
}

static const struct bough_operation operations[] = {{"reply", reply}, {"sink", sink}, {0}};
BOUGH_ACTOR(bench, .operations = operations);

/* --- measuring --- */

struct work {
    enum bough_place place;
    int (*fn)(struct bough_actor *a, long times);
    long times;
    size_t size;
    double figure;
};

static char bytes[1 << 20];

static int call_it(struct bough_actor *a, long times)
{
    struct bough_bytes request = {bytes, 64};
    int rc = 0;
    for (long i = 0; rc == 0 && i < times; i++)
        rc = bough_call(a, "reply", request, NULL);
    return rc;
}

static int stream(struct bough_actor *a, long times, size_t size)
{
    struct bough_bytes item = {bytes, size};
    int rc = 0;
    bough_with_dialogue (d, a, "sink", BOUGH_NO_BYTES, &rc) {
        struct bough_message m = {0};
        long count = 0;
        for (long i = 0; rc == 0 && i < times; i++)
            rc = bough_dialogue_send(d, item);
        if (rc == 0)
            rc = bough_dialogue_result(d, &m);
        if (rc == 0)
            rc = bough_message_get(&m, &count);
        bough_message_free(&m);
        if (rc == 0 && count != times)
            rc = -EIO;
    }
    return rc;
}

static int stream_64(struct bough_actor *a, long times)
{
    return stream(a, times, 64);
}

static int stream_4k(struct bough_actor *a, long times)
{
    return stream(a, times, 4096);
}

static int stream_1m(struct bough_actor *a, long times)
{
    return stream(a, times, sizeof(bytes));
}

static int work_task(void *arg)
{
    struct work *w = arg;
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {.type = "bench", .place = w->place};
        rc = bough_actor_start(an, &spec, &a);
        if (rc == 0)
            rc = w->fn(a, w->times / 10); /* warm up */
        pid_t other = w->place == BOUGH_PLACE_PROCESS && rc == 0 ? bough_actor_pid(a) : 0;
        double before = cpu_of_both(other);
        if (rc == 0)
            rc = w->fn(a, w->times);
        w->figure = (cpu_of_both(other) - before) / (double)w->times;
    }
    return rc;
}

static double measure(enum bough_place place, int (*fn)(struct bough_actor *, long), long times)
{
    struct work w = {.place = place, .fn = fn, .times = times};
    int rc = bough_run(work_task, &w);
    if (rc < 0)
        fprintf(stderr, "bench-ours: %s\n", bough_error_name(rc));
    return rc < 0 ? 0 : w.figure;
}

double actor_call_thread(void)
{
    return measure(BOUGH_PLACE_THREAD, call_it, CALLS);
}

double actor_call_process(void)
{
    return measure(BOUGH_PLACE_PROCESS, call_it, CALLS);
}

double actor_stream_64(void)
{
    return measure(BOUGH_PLACE_PROCESS, stream_64, MESSAGES);
}

double actor_stream_64_thread(void)
{
    return measure(BOUGH_PLACE_THREAD, stream_64, MESSAGES);
}

double actor_stream_4k(void)
{
    return measure(BOUGH_PLACE_PROCESS, stream_4k, MESSAGES / 10);
}

double actor_stream_1m(void)
{
    return measure(BOUGH_PLACE_PROCESS, stream_1m, LARGE_MESSAGES);
}

/* In microseconds, real time: a start waits. */
static int starts_task(void *arg)
{
    double *figure = arg;
    int rc = 0;
    double before = real_ns();
    for (int i = 0; rc == 0 && i < STARTS; i++)
        bough_with_actors (an, &rc) {
            struct bough_actor *a;
            struct bough_actor_spec spec = {.type = "bench", .place = BOUGH_PLACE_PROCESS};
            rc = bough_actor_start(an, &spec, &a);
        }
    *figure = (real_ns() - before) / STARTS / 1000;
    return rc;
}

double actor_start(void)
{
    double figure = 0;
    return bough_run(starts_task, &figure) < 0 ? 0 : figure;
}
