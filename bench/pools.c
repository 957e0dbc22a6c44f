/* Our side of the measures of pools: a process for each processor, real time.
 *
 * The heavy items are compared with the same done by bare processes, forked, which take them from a
 * counter in shared memory: nothing can do it faster. Before, pool, pool, after, so that a machine
 * that becomes slower or faster meanwhile is so for both.
 * SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <bough.h>
#include <bough/pool.h>

#include "actors.h"

enum { ITEMS = 10000, HEAVY_ITEMS = 200, HEAVY_STEPS = 4000000, CPUS_MOST = 1024 };

/* --- the work --- */

static int trivial(struct bough_call *call, void *state)
{
    long item;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &item);
    item++;
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(item));
}

/* About 5 ms. */
static long work(long item)
{
    uint32_t x = (uint32_t)item;
    for (long i = 0; i < HEAVY_STEPS; i++) {
        x = x * 1103515245 + 12345;
        OWN_CODE(0);
    }
    return (long)x;
}

static int heavy(struct bough_call *call, void *state)
{
    long item;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &item);
    item = work(item);
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(item));
}

static const struct bough_operation operations[] = {{"trivial", trivial}, {"heavy", heavy}, {0}};
BOUGH_ACTOR(worker, .operations = operations);

/* --- maps --- */

static long items[ITEMS], results[ITEMS];

/* Real time in ns. */
static int map(struct bough_pool *p, const char *operation, size_t count, double *ret_ns)
{
    struct bough_pool_map_options options = {.items = items,
                                             .item_size = sizeof(*items),
                                             .count = count,
                                             .results = results,
                                             .result_size = sizeof(*results)};
    double start = real_ns();
    int rc = bough_pool_map(p, operation, &options);
    *ret_ns = real_ns() - start;
    return rc;
}

/* As pool.h advises for operations that take only microseconds: many at once. */
static int pool_map_task(void *figure)
{
    struct bough_pool_options options = {
        .type = "worker", .place = BOUGH_PLACE_PROCESS, .concurrency = 64};
    double ns = 0;
    int rc = 0;
    bough_with_pool (p, &options, &rc) {
        rc = map(p, "trivial", ITEMS / 10, &ns);
        if (rc == 0)
            rc = map(p, "trivial", ITEMS, &ns);
    }
    *(double *)figure = ns / ITEMS / 1000;
    return rc;
}

static void drain(atomic_int *left)
{
    int item;
    while ((item = atomic_fetch_sub(left, 1)) > 0)
        results[item % ITEMS] = work(item);
    _exit(0);
}

static double ideal_ns(void)
{
    atomic_int *left =
        mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned workers = bough_cpu_count();
    double start = real_ns();
    if (left == MAP_FAILED)
        exit(1);
    atomic_init(left, HEAVY_ITEMS);
    pid_t pids[CPUS_MOST];
    workers = workers < CPUS_MOST ? workers : CPUS_MOST;
    for (unsigned i = 0; i < workers; i++)
        if ((pids[i] = fork()) == 0)
            drain(left);
    for (unsigned i = 0; i < workers; i++)
        waitpid(pids[i], NULL, 0);
    munmap(left, sizeof(*left));
    return real_ns() - start;
}

static int pool_heavy_task(void *figure)
{
    struct bough_pool_options options = {.type = "worker", .place = BOUGH_PLACE_PROCESS};
    double warm, first = 0, second = 0, ideal = 0;
    int rc = 0;
    bough_with_pool (p, &options, &rc) {
        rc = map(p, "trivial", 10, &warm);
        ideal = ideal_ns();
        if (rc == 0)
            rc = map(p, "heavy", HEAVY_ITEMS, &first);
        if (rc == 0)
            rc = map(p, "heavy", HEAVY_ITEMS, &second);
        ideal += ideal_ns();
    }
    *(double *)figure = (first + second) / ideal;
    return rc;
}

static double measure(bough_task_fn *fn)
{
    double figure = 0;
    int rc = bough_run(fn, &figure);
    if (rc < 0)
        fprintf(stderr, "bench-ours: %s\n", bough_error_name(rc));
    return rc < 0 ? 0 : figure;
}

double pool_map(void)
{
    return measure(pool_map_task);
}

double pool_heavy(void)
{
    return measure(pool_heavy_task);
}
