/* Our side of the measures of pools: a process for each processor, real time.
 *
 * A heavy item answers how long it took. The ideal is that time of all items, spread evenly over
 * the processors; less what this process computed meanwhile, as if it had kept an item waiting. So
 * a neighbour who slows the items down slows the ideal down, too.
 * SPDX-License-Identifier: MIT */
#include <bough.h>
#include <bough/pool.h>

#include "actors.h"

enum { ITEMS = 10000, HEAVY_ITEMS = 200, HEAVY_STEPS = 4000000 };

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
static int heavy(struct bough_call *call, void *state)
{
    unsigned long item;
    (void)state;
    double start = real_ns();
    int rc = bough_bytes_get(bough_call_request(call), &item);
    for (long i = 0; i < HEAVY_STEPS; i++) {
        item = item * 1103515245 + 12345;
        OWN_CODE(0);
    }
    long took = (long)(real_ns() - start);
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(took));
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

static int pool_heavy_task(void *figure)
{
    struct bough_pool_options options = {.type = "worker", .place = BOUGH_PLACE_PROCESS};
    double ns = 0, cpu = 0, work = 0;
    int rc = 0;
    bough_with_pool (p, &options, &rc) {
        rc = map(p, "heavy", bough_cpu_count(), &ns); /* all have started */
        cpu = cpu_ns();
        if (rc == 0)
            rc = map(p, "heavy", HEAVY_ITEMS, &ns);
        cpu = cpu_ns() - cpu;
    }
    for (int i = 0; i < HEAVY_ITEMS; i++)
        work += (double)results[i];
    *(double *)figure = ns * bough_cpu_count() / (work - cpu);
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
