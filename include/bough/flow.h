/* Several calls at once, in one call: all of them, the first of them, one for each item of an
 * array.
 *
 *     struct bough_job jobs[] = {{.fn = fetch_user, .arg = &user},
 *                                {.fn = fetch_orders, .arg = &orders}};
 *     int rc = bough_gather(jobs, 2);                 // both have ended; jobs[i].result
 *
 *     rc = bough_race(mirrors, 3, &which); // the first answer; the others have ended
 *
 *     rc = bough_map(thumbnail, NULL, paths, sizeof(*paths), images, sizeof(*images), count, 8);
 *
 *     rc = bough_wait_any(&link, hung_up, told_to_stop);    // which one: 0, 1
 *
 * All are a nursery and a few lines: a failure cancels the rest, everything has ended when the call
 * returns, no error is lost (one comes out as itself, several as -BOUGH_EGROUP). They block, and
 * are checkpoints: cancelled before they begin they call nothing; later a cancel reaches all the
 * jobs.
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

/* Run all jobs at once. The first that ends well wins: the others are cancelled and waited for, and
 * its result is returned, its index in *ret_winner (may be NULL). One that fails ends the race: its
 * error is returned. If the race is won, a cancel that comes while the losers end shows at the next
 * checkpoint. -EINVAL: no jobs. */
BOUGH_MUST_CHECK int bough_race(struct bough_job *jobs, size_t count, size_t *ret_winner);

/* Called for one item: reads it, writes the result. */
typedef int bough_map_fn(const void *item, void *ret_result, void *arg);

/* Call fn for each of 'count' items, at most 'limit' at once (0: all); results[i] is that of
 * items[i]. 'results' may be NULL. A failure cancels the rest. 0, or the failures; then the results
 * are not all there. */
BOUGH_MUST_CHECK int bough_map(bough_map_fn *fn, void *arg, const void *items, size_t item_size,
                               void *results, size_t result_size, size_t count, unsigned limit);

/* --- waiting for conditions ---
 *
 *     static int hung_up(void *arg)
 *     {
 *         return bough_event_wait(&((struct link *)arg)->closed);
 *     }
 *
 *     switch (rc = bough_wait_any(link, hung_up, told_to_stop)) {
 *     case 0: ...                           // it hung up
 *     case 1: ...                           // we were told to stop
 *     default: return rc;                   // cancelled, or one of them failed
 *     }
 *     rc = bough_wait_all(service, is_listening, database_is_up, cache_is_warm);
 *
 * Plain functions that wait for something, all about the same thing, so they share one argument and
 * need no table of jobs. What they return says only "it is so"; for answers there are bough_race()
 * and bough_gather(). For conditions on one variable, see bough/value.h. */

/* Run all functions at once, each in a task, until the first of them returns 0 or more; then the
 * others are cancelled and waited for. Returns which one it was, counted from 0. One that fails
 * ends the waiting with its error, also one that fails while it is being cancelled. If a cancel
 * comes while the others end, what has come stands, and the next checkpoint fails. */
#define bough_wait_any(arg, ...)                                                                   \
    bough_wait_any_of(arg, BOUGH_WAIT_LIST_(__VA_ARGS__), BOUGH_SITE("bough_wait_any"))

/* Run all functions at once, each in a task, and wait until each has returned 0 or more: 0. A
 * failure cancels the rest and comes out. Each was so at some time: when the last has become true
 * the first need not be so any more. */
#define bough_wait_all(arg, ...)                                                                   \
    bough_wait_all_of(arg, BOUGH_WAIT_LIST_(__VA_ARGS__), BOUGH_SITE("bough_wait_all"))

/* The same for an array, which must stay as it is until the call returns. 'site' names the tasks.
 * No functions: -EINVAL (any), 0 (all). */
BOUGH_MUST_CHECK int bough_wait_any_of(void *arg, bough_task_fn *const *fns, size_t count,
                                       const struct bough_site *site);
BOUGH_MUST_CHECK int bough_wait_all_of(void *arg, bough_task_fn *const *fns, size_t count,
                                       const struct bough_site *site);

#define BOUGH_WAIT_LIST_(...)                                                                      \
    ((bough_task_fn *const[]){__VA_ARGS__}),                                                       \
        sizeof((bough_task_fn *const[]){__VA_ARGS__}) / sizeof(bough_task_fn *)

BOUGH_END_DECLS
