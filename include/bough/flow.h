/* Several calls at once, in one call: all of them, the first of them, one for each item of an array.
 *
 *     struct bough_job jobs[] = {{.fn = fetch_user, .arg = &user}, {.fn = fetch_orders, .arg = &orders}};
 *     int rc = bough_gather(jobs, 2);                 // both have ended; jobs[i].result
 *
 *     rc = bough_race(mirrors, 3, &which);            // the first answer; the others are cancelled and have ended
 *
 *     rc = bough_map(thumbnail, NULL, paths, sizeof(*paths), images, sizeof(*images), count, 8);
 *
 * All three are a nursery and a few lines: a failure cancels the rest, everything has ended when the call returns, no
 * error is lost (one comes out as itself, several as -BOUGH_EGROUP). They block, and are checkpoints: cancelled before they
 * begin they call nothing; later a cancel reaches all the jobs.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/nursery.h"

BOUGH_BEGIN_DECLS

struct bough_job {
    bough_task_fn *fn;
    void *arg;
    int result; /* what fn returned; -ECANCELED: it never began, or was cancelled */
};

/* Run all jobs at once, each in a task; wait for all. 0, or the failures. */
BOUGH_MUST_CHECK int bough_gather(struct bough_job *jobs, size_t count);

/* Run all jobs at once. The first that ends well wins: the others are cancelled and waited for, and its result is returned,
 * its index in *ret_winner (may be NULL). One that fails ends the race: its error is returned. If the race is won, a cancel that
 * comes while the losers end shows at the next checkpoint. -EINVAL: no jobs. */
BOUGH_MUST_CHECK int bough_race(struct bough_job *jobs, size_t count, size_t *ret_winner);

/* Called for one item: reads it, writes the result. */
typedef int bough_map_fn(const void *item, void *ret_result, void *arg);

/* Call fn for each of 'count' items, at most 'limit' at once (0: all); results[i] is that of items[i]. 'results' may be NULL. A
 * failure cancels the rest. 0, or the failures; then the results are not all there. */
BOUGH_MUST_CHECK int bough_map(bough_map_fn *fn, void *arg, const void *items, size_t item_size,
                               void *results, size_t result_size, size_t count, unsigned limit);

BOUGH_END_DECLS
