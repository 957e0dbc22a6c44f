/* How fast pools are: prints it, and checks only what would be absurd.
 * SPDX-License-Identifier: MIT */
#include "pool_crew.h"

enum { TRIVIAL = 10000, HEAVY = 40 };

static int map_squares(struct bough_pool *p, long *items, long *results, int count)
{
    struct bough_pool_map_options map = {.items = items,
                                         .item_size = sizeof(*items),
                                         .count = (size_t)count,
                                         .results = results,
                                         .result_size = sizeof(*results)};
    return bough_pool_map(p, "square", &map);
}

static int trivial(enum bough_place place, unsigned workers, unsigned concurrency)
{
    static long items[TRIVIAL], results[TRIVIAL];
    int rc = 0, count = test_scale(TRIVIAL);
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = workers, .concurrency = concurrency};
    for (long i = 0; i < count; i++)
        items[i] = i;
    bough_with_pool (p, &options, &rc) {
        while (stats_of(p).workers < workers && rc == 0)
            rc = bough_sleep(BOUGH_MS);
        if (rc == 0)
            rc = map_squares(p, items, results, count);
        int64_t began = bough_now();
        if (rc == 0)
            rc = map_squares(p, items, results, count);
        printf("%d trivial items, %u %s, %u at once each: %.2f us an item\n", count, workers,
               place ? "processes" : "threads", concurrency,
               (double)(bough_now() - began) / count / 1000);
    }
    for (long i = 0; i < count; i++)
        CHECK_EQ(results[i], i * i);
    return rc;
}

ACTOR_TEST(trivial_items_take_microseconds)
{
    static const unsigned windows[] = {1, 4, 16, 64};
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = trivial(place, 1, windows[i]);
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = trivial(place, 2, windows[i]);
    return rc;
}

/* What one worker takes for it is the ideal for one, whatever else the machine does. */
ACTOR_TEST(heavy_items_take_little_more_than_their_own_time)
{
    int rc = 0;
    int64_t times[HEAVY];
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    for (int i = 0; i < HEAVY; i++)
        times[i] = 10 * BOUGH_MS;
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {
            .items = times, .item_size = sizeof(*times), .count = HEAVY};
        while (stats_of(p).workers < 2 && rc == 0)
            rc = bough_sleep(BOUGH_MS);
        int64_t began = bough_now();
        rc = bough_pool_map(p, "compute", &map);
        int64_t took = bough_now() - began, ideal = HEAVY / 2 * 10 * BOUGH_MS;
        printf("%d items of 10 ms, 2 %s: %.1f ms, %.3f of the ideal\n", HEAVY,
               place ? "processes" : "threads", (double)took / BOUGH_MS,
               (double)took / (double)ideal);
        CHECK(took >= ideal);
    }
    return rc;
}
