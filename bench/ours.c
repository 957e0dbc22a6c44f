/* Our side of the measures. Nothing here is special treatment: each measure is written as a user of
 * the library would write it, with the defaults of bough_run().
 * SPDX-License-Identifier: MIT */
#include <bough.h>
#include <bough/channel.h>
#include <bough/file.h>
#include <bough/net.h>

#include "actors.h"
#include "files.h"
#include "measure.h"
#include "system.h"

static int failed; /* of any call: the measure prints 0, which is no figure */

static void must(int rc)
{
    if (rc < 0)
        failed = rc;
}

/* Run 'fn' as a main task; it leaves its figure where 'arg' points. */
static double measure_in_run(bough_task_fn *fn)
{
    double figure = 0;
    must(bough_run(fn, &figure));
    if (failed < 0)
        fprintf(stderr, "bench-ours: %s\n", bough_error_name(failed));
    return failed < 0 ? 0 : figure;
}

#define MEASURE(name)                                                                              \
    static double name(void)                                                                       \
    {                                                                                              \
        return measure_in_run(name##_task);                                                        \
    }

/* --- switches and starts --- */

#define YIELDER(n)                                                                                 \
    static int yielder_##n(void *arg)                                                              \
    {                                                                                              \
        int rc = 0;                                                                                \
        for (long i = *(long *)arg; i > 0 && rc == 0; i--) {                                       \
            OWN_CODE(n);                                                                           \
            rc = bough_checkpoint();                                                               \
        }                                                                                          \
        return rc;                                                                                 \
    }
EIGHT_TIMES(YIELDER)
#define YIELDER_NAME(n) yielder_##n,
static bough_task_fn *const yielders[] = {EIGHT_TIMES(YIELDER_NAME)};

static void yield_all(int tasks, long each)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < tasks && rc == 0; i++)
            rc = bough_nursery_start_soon(n, yielders[i % 8], &each);
    }
    must(rc);
}

static double yield_cost(int tasks, long each)
{
    yield_all(tasks, 10);
    double start = cpu_ns();
    yield_all(tasks, each);
    return (cpu_ns() - start) / ((double)tasks * (double)each);
}

static int yield_2_task(void *figure)
{
    *(double *)figure = yield_cost(2, 10000000);
    return 0;
}
MEASURE(yield_2)

static int yield_1000_task(void *figure)
{
    *(double *)figure = yield_cost(BATCH, 10000);
    return 0;
}
MEASURE(yield_1000)

#define CHILD(n)                                                                                   \
    static int child_##n(void *arg)                                                                \
    {                                                                                              \
        OWN_CODE(n);                                                                               \
        ++*(long *)arg;                                                                            \
        return 0;                                                                                  \
    }
EIGHT_TIMES(CHILD)
#define CHILD_NAME(n) child_##n,
static bough_task_fn *const children[] = {EIGHT_TIMES(CHILD_NAME)};
static long ran, items;

#define START_JOIN(k)                                                                              \
    bough_with_nursery (n, &rc) {                                                                  \
        rc = bough_nursery_start_soon(n, child_##k, &ran);                                         \
    }

static int start_join_1_task(void *figure)
{
    long times = 500000;
    double start = 0;
    int rc = 0;
    for (long i = -1000; i < times; i++) {
        if (i == 0)
            start = cpu_ns();
        EIGHT_TIMES(START_JOIN)
    }
    *(double *)figure = (cpu_ns() - start) / (8.0 * (double)times);
    return rc;
}
MEASURE(start_join_1)

static int start_join_1000_task(void *figure)
{
    int times = 5000, rc = 0;
    double start = 0;
    for (int i = -10; i < times && rc == 0; i++) {
        if (i == 0)
            start = cpu_ns();
        bough_with_nursery (n, &rc) {
            for (int k = 0; k < BATCH && rc == 0; k++)
                rc = bough_nursery_start_soon(n, children[k % 8], &ran);
        }
    }
    *(double *)figure = (cpu_ns() - start) / ((double)times * BATCH);
    return rc;
}
MEASURE(start_join_1000)

/* --- managers --- */

static int resource(struct bough_manager *self, void *arg)
{
    return bough_yield(self, arg);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ns of 'times' rounds of 'round', each. */
static double cost_of(int (*round)(void), long times)
{
    double start = 0;
    for (long i = -times / 100; i < times; i++) {
        if (i == 0)
            start = cpu_ns();
        must(round());
    }
    return (cpu_ns() - start) / (double)times;
}

static int round_manager(void)
{
    int rc = 0;
    bough_with (void *, value, resource, NULL, &rc)
        rc = value != NULL;
    return rc;
}

static int round_pool_8(void)
{
    int rc = 0;
    struct bough_resource all[8];
    for (int i = 0; i < 8; i++)
        all[i] = (struct bough_resource){.fn = resource};
    bough_with_all (all, 8, &rc)
        rc = 0;
    return rc;
}

static int round_starts(int count)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon(n, nothing, NULL);
    }
    return rc;
}

static int round_start_1(void)
{
    return round_starts(1);
}

static int round_starts_8(void)
{
    return round_starts(8);
}

static int manager_task(void *figure)
{
    *(double *)figure = cost_of(round_manager, 1000000);
    return 0;
}
MEASURE(manager)

static int manager_ratio_task(void *figure)
{
    *(double *)figure = cost_of(round_manager, 500000) / cost_of(round_start_1, 500000);
    return 0;
}
MEASURE(manager_ratio)

static int exit_pool_8_task(void *figure)
{
    *(double *)figure = cost_of(round_pool_8, 100000);
    return 0;
}
MEASURE(exit_pool_8)

static int exit_pool_8_ratio_task(void *figure)
{
    *(double *)figure = cost_of(round_pool_8, 50000) / cost_of(round_starts_8, 50000);
    return 0;
}
MEASURE(exit_pool_8_ratio)

/* --- channels --- */

BOUGH_CHANNEL(longs, long)

static int sender(void *arg)
{
    struct longs_sender *tx = arg;
    int rc = 0;
    for (long i = items; i > 0 && rc == 0; i--)
        rc = longs_send(tx, &i);
    longs_sender_close(tx);
    return rc;
}

static int receiver(void *arg)
{
    struct longs_receiver *rx = arg;
    long item, sum = 0;
    int rc;
    while ((rc = longs_receive(rx, &item)) > 0)
        sum += item;
    ran = sum;
    longs_receiver_close(rx);
    return rc;
}

static int channel_cost(size_t capacity, long count, double *ret_ns)
{
    struct longs_sender *tx;
    struct longs_receiver *rx;
    int rc = longs_open(capacity, &tx, &rx);
    if (rc < 0)
        return rc;
    items = count;
    double start = cpu_ns();
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sender, tx);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, receiver, rx);
    }
    *ret_ns = (cpu_ns() - start) / (double)count;
    return rc;
}

static int rendezvous_task(void *figure)
{
    return channel_cost(0, 5000000, figure);
}
MEASURE(rendezvous)

static int channel_64_task(void *figure)
{
    return channel_cost(CAPACITY, 10000000, figure);
}
MEASURE(channel_64)

/* --- scopes and time --- */

static int scope_task(void *figure)
{
    long times = 5000000;
    int rc = 0;
    double start = cpu_ns();
    for (long i = 0; i < times && rc == 0; i++) {
        struct bough_scope s = BOUGH_SCOPE();
        bough_scope_enter(&s);
        rc = bough_scope_exit(&s, rc);
    }
    *(double *)figure = (cpu_ns() - start) / (double)times;
    return rc;
}
MEASURE(scope)

static int timeout_task(void *figure)
{
    long times = 5000000;
    int rc = 0;
    double start = cpu_ns();
    for (long i = 0; i < times && rc == 0; i++) {
        bough_fail_after (BOUGH_SEC, &rc) {
            rc = bough_pass();
        }
    }
    *(double *)figure = (cpu_ns() - start) / (double)times;
    return rc;
}
MEASURE(timeout)

static int sleeper(void *arg)
{
    return bough_sleep(sleep_us((intptr_t)arg) * BOUGH_US);
}

static int sleepers_100k_task(void *figure)
{
    int rc = 0;
    double start = cpu_ns();
    bough_with_nursery (n, &rc) {
        for (intptr_t i = 0; i < MANY && rc == 0; i++)
            rc = bough_nursery_start_soon(n, sleeper, (void *)i);
    }
    *(double *)figure = (cpu_ns() - start) / MANY;
    return rc;
}
MEASURE(sleepers_100k)

/* --- many parked tasks --- */

static int parked(void *arg)
{
    (void)arg;
    return bough_sleep_forever();
}

/* 'tasks' tasks, parked, and then cancelled: what a task holds and what ending it costs. */
static int park_and_cancel(int tasks, double *ret_bytes, double *ret_ns)
{
    double before = resident(), start = 0;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < tasks && rc == 0; i++)
            rc = bough_nursery_start_soon(n, parked, NULL);
        if (rc == 0)
            rc = bough_checkpoint(); /* a pass: they all run, and park */
        *ret_bytes = (resident() - before) / tasks;
        start = cpu_ns();
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    *ret_ns = (cpu_ns() - start) / tasks;
    return rc;
}

static int cancel_100k_task(void *figure)
{
    double bytes;
    return park_and_cancel(MANY, &bytes, figure);
}
MEASURE(cancel_100k)

static int memory_100k_task(void *figure)
{
    double ns;
    return park_and_cancel(MANY, figure, &ns);
}
MEASURE(memory_100k)

static int memory_1m_task(void *figure)
{
    double ns;
    return park_and_cancel(MILLION, figure, &ns);
}
MEASURE(memory_1m)

/* --- files --- */

static struct bough_file *open_file(void)
{
    struct bough_file *file = NULL;
    int fd = file_anonymous();
    must(fd < 0 ? -EIO : bough_file_adopt(fd, &file));
    return file;
}

static int read_cached_task(void *figure)
{
    struct bough_file *file = open_file();
    char block[FILE_BLOCK];
    double start = cpu_ns();
    for (long i = 0; i < FILE_READS && failed == 0; i++)
        must(bough_file_pread(file, block, sizeof(block), file_offset(i)));
    *(double *)figure = (cpu_ns() - start) / FILE_READS;
    bough_file_free(file);
    return 0;
}
MEASURE(read_cached)

static int write_blocks(void *file)
{
    static const char block[FILE_BLOCK];
    int rc = 0;
    for (long i = 0; i < FILE_CALLS / FILE_TASKS && rc >= 0; i++)
        rc = bough_file_pwrite(file, block, sizeof(block), file_offset(i));
    return rc < 0 ? rc : 0;
}

static int stat_root(void *arg)
{
    struct stat st;
    int rc = 0;
    (void)arg;
    for (long i = 0; i < FILE_CALLS / FILE_TASKS && rc == 0; i++)
        rc = bough_path_stat("/", &st);
    return rc;
}

static double cost_at_once(bough_task_fn *fn, void *arg)
{
    double start = 0;
    for (int round = 0; round < 2; round++) { /* the first is to warm up */
        int rc = 0;
        start = cpu_ns();
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < FILE_TASKS && rc == 0; i++)
                rc = bough_nursery_start_soon(n, fn, arg);
        }
        must(rc);
    }
    return (cpu_ns() - start) / FILE_CALLS;
}

static int write_64_task(void *figure)
{
    struct bough_file *file = open_file();
    if (failed == 0)
        *(double *)figure = cost_at_once(write_blocks, file);
    bough_file_free(file);
    return 0;
}
MEASURE(write_64)

static int stat_64_task(void *figure)
{
    *(double *)figure = cost_at_once(stat_root, NULL);
    return 0;
}
MEASURE(stat_64)

/* --- the echo server --- */

static int serve(struct bough_connection *c, void *arg)
{
    struct bough_stream *stream = c->stream;
    char buffer[4096];
    int n;
    (void)arg;
    while ((n = bough_stream_receive_some(stream, buffer, sizeof(buffer))) > 0) {
        int rc = bough_stream_send_all(stream, buffer, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return n;
}

static int echo_task(void *arg)
{
    struct bough_listener *listener;
    int rc = bough_tcp_listen("127.0.0.1", 0, &listener);
    (void)arg;
    if (rc < 0)
        return rc;
    printf("port %u\n", bough_listener_port(listener));
    fflush(stdout);
    rc = bough_serve(listener, serve, NULL);
    bough_listener_free(listener);
    return rc;
}
MEASURE(echo)

static const struct measure measures[] = {
    {"yield-2", yield_2},
    {"yield-1000", yield_1000},
    {"start-join-1", start_join_1},
    {"start-join-1000", start_join_1000},
    {"manager", manager},
    {"manager-ratio", manager_ratio},
    {"exit-pool-8", exit_pool_8},
    {"exit-pool-8-ratio", exit_pool_8_ratio},
    {"rendezvous", rendezvous},
    {"channel-64", channel_64},
    {"scope", scope},
    {"timeout", timeout},
    {"sleepers-100k", sleepers_100k},
    {"cancel-100k", cancel_100k},
    {"memory-100k", memory_100k},
    {"memory-1m", memory_1m},
    {"read-cached", read_cached},
    {"write-64", write_64},
    {"stat-64", stat_64},
    {"echo", echo},
    SYSTEM_MEASURES,
    ACTOR_MEASURES,
    {"actor-stream-64-thread", actor_stream_64_thread},
    {"pool-map", pool_map},
    {"pool-heavy", pool_heavy},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return measure_main(argc, argv, measures);
}
