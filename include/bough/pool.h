/* Pools: a number of workers, which are actors, and calls that any of them may answer.
 *
 *     static int is_prime(struct bough_call *call, void *state)       // over there
 *     {
 *         uint64_t n;
 *         int rc = bough_bytes_get(bough_call_request(call), &n);
 *         bool prime = rc == 0 && test(n);                            // it computes for a while
 *         return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(prime));
 *     }
 *     static const struct bough_operation math_operations[] = {{"is_prime", is_prime}, {0}};
 *     BOUGH_ACTOR(math, .operations = math_operations);
 *
 *     struct bough_pool_options options = {.type = "math", .place = BOUGH_PLACE_PROCESS};
 *     bough_with_pool (p, &options, &rc) {                            // a process for each CPU
 *         struct bough_pool_map_options map = {.items = numbers,
 *                                              .item_size = sizeof(*numbers),
 *                                              .count = count,
 *                                              .results = primes,
 *                                              .result_size = sizeof(*primes)};
 *         rc = bough_pool_map(p, "is_prime", &map);                   // all of them
 *     }                                                               // the workers have ended
 *
 * The rules:
 *
 *  - A worker gets a call when it has a free slot, and not before: 'concurrency' of them, by
 *    default one, which is right for operations that compute. Those who wait get slots in the order
 *    in which they came; of several workers it is the one that has the least to do. For operations
 *    that wait for something (or take only microseconds: then many go with one system call) let
 *    there be more.
 *  - A worker that dies fails the calls that it had, at once, with -EOWNERDEAD and the reason. They
 *    are not tried again: nobody knows how far they have got. The worker is replaced, and that is
 *    all: of its death the block says nothing. What it fails with when it is told to end (its
 *    teardown, say) while the pool ends is the block's failure.
 *  - Unless that happens too often: more than 'restarts' times within 'period', or a worker cannot
 *    be started even the first time. Then the pool has failed: all who call get -EOWNERDEAD, the
 *    body is cancelled, and what comes out of the block are the causes, each with its reason.
 *  - A call that is cancelled hands the cancel on, and waits for what comes of it. Its worker's
 *    death is then no failure of it. A loop that does not even acknowledge the cancel within its
 *    grace is stuck, and that worker is killed, as any actor is; with 'kill_on_cancel' it is killed
 *    also if the operation just has not ended by then.
 *  - The end of the body lets the calls that are under way or wait for a slot end (they are of
 *    tasks that the body did not start), then the workers. A body that fails, is left early or is
 *    cancelled cancels them. When the block has ended, all calls have, and no worker is left.
 *
 * A pool belongs to the thread of its run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/actor.h"

BOUGH_BEGIN_DECLS

struct bough_pool;

struct bough_pool_stats {
    unsigned workers;  /* that are up */
    unsigned waiting;  /* calls without a slot */
    unsigned running;  /* calls that a worker has */
    uint64_t done;     /* calls that have ended, whichever way */
    uint64_t failed;   /* of them: with an error; cancelled ones are */
    uint64_t replaced; /* workers, for whatever reason */
};

/* Zero means the default for every field but the type. What it points to must stay until the end of
 * the block. */
struct bough_pool_options {
    const char *type; /* the name given to BOUGH_ACTOR */
    const char *name; /* for people; the workers are name-1, name-2, ...; default: the type */
    enum bough_place place;
    unsigned workers;            /* default: bough_cpu_count() */
    unsigned concurrency;        /* calls that a worker has at once; default 1 */
    uint64_t max_tasks;          /* a worker is replaced after so many; default: never */
    struct bough_bytes argument; /* for the setup of each worker */
    int64_t grace;               /* of each worker: see struct bough_actor_spec; default 5 s */
    bool kill_on_cancel;

    /* So many workers are replaced within 'period' because they died or could not be started again;
     * < 0: none. Default: 5, or as many as there are workers if that is more, in 10 s. So one event
     * that takes all workers at once is survived, and one that comes with every call is not: a
     * worker that cannot live costs a handful of starts, not a busy machine. */
    int restarts;
    int64_t period;

    /* Called when a call has ended, or a worker has come or gone. It must not block. */
    void (*progress)(void *arg, const struct bough_pool_stats *stats);
    void *arg; /* for it */

    const char *program;    /* as in struct bough_actor_spec */
    const char *const *env; /* likewise */
};

/* A block with a pool: 'p' is declared by it, a struct bough_pool *. It begins at once: the workers
 * start meanwhile, and calls wait for them. If there can be none the body does not run, and *rc is
 * why: -EINVAL; -ENOENT: no such type; -ENOMEM, -EAGAIN. Its ways out are those of
 * bough_with_nursery. */
#define bough_with_pool(p, ... /* options, rc */)                                                  \
    for (struct bough_pool_block BOUGH_PASTE(bough_block_, p)                                      \
             BOUGH_CLEANUP(bough_pool_block_abandon),                                              \
         *BOUGH_PASTE(bough_open_, p) = bough_pool_block_enter(                                    \
             &BOUGH_PASTE(bough_block_, p), __VA_ARGS__, BOUGH_SITE("bough_with_pool"));           \
         BOUGH_PASTE(bough_open_, p);                                                              \
         BOUGH_PASTE(bough_open_, p) = bough_pool_block_exit(&BOUGH_PASTE(bough_block_, p)))       \
        BOUGH_BLOCK_GUARD_(p)                                                                      \
    for (__attribute__((unused)) struct bough_pool *p = BOUGH_PASTE(bough_block_, p).pool;         \
         !BOUGH_PASTE(bough_block_, p).ended; BOUGH_PASTE(bough_block_, p).ended = true)

/* Ask one of the workers for 'operation': wait for a free slot, and for the reply, which is to be
 * freed ('ret_reply' may be NULL). From any task of the run. A checkpoint. As bough_call(), and
 * -EOWNERDEAD: the worker died, or the pool has failed; -ECANCELED: we were cancelled, or the pool
 * was (then with words); -EBADF: its body has ended. */
BOUGH_MUST_CHECK int bough_pool_call(struct bough_pool *p, const char *operation,
                                     struct bough_bytes request, struct bough_message *ret_reply);

/* The input is an array (items) or a function (next), the output an array (results), a function
 * (each), or both. */
struct bough_pool_map_options {
    const void *items;
    size_t item_size, count;

    /* Gives the next request: 1; 0: there are no more; < 0: the map fails with that. It is copied.
     * Called as late as the window allows, one call at a time; may block. */
    int (*next)(void *arg, struct bough_bytes *ret_request);

    /* results[i] is the reply to item i; a reply of another size is -EPROTO. Of 'count' items. */
    void *results;
    size_t result_size;

    /* Gets the reply to the index-th item, and may take it over (copy the struct, empty this one).
     * In the order of the input; with 'unordered' as they come. One call at a time; may block. < 0:
     * the map fails with that. 'rc' is 0, except with 'all': */
    int (*each)(void *arg, size_t index, int rc, struct bough_message *reply);
    bool unordered;

    /* An item that fails does not end the map, which is what it does by default: 'each' gets the
     * error in 'rc' (and may read bough_error_last()), and decides. */
    bool all;

    /* At most so many items are taken from the input and not yet given to 'each'. Default: two for
     * each slot of the pool, so that a free slot never waits for input. In order, one item that
     * takes long stops the others when the window is full. */
    unsigned window;

    /* Called when an item has been answered, in any order. It must not block. count: 0 if it is not
     * known. */
    void (*progress)(void *arg, size_t done, size_t count);
    void *arg; /* for all of them */
};

/* Call 'operation' for each item, as many at once as the pool has slots. Returns when all calls
 * have ended. The first failure cancels the rest. A checkpoint. 0, or the failures: those of
 * bough_pool_call(), of the functions, -EINVAL: no input, or two. */
BOUGH_MUST_CHECK int bough_pool_map(struct bough_pool *p, const char *operation,
                                    const struct bough_pool_map_options *options);

void bough_pool_stats(const struct bough_pool *p, struct bough_pool_stats *ret_stats);

/* How many CPUs this process may use, at least 1: those of its affinity, less if a control group
 * above it (cpu.max) allows less than that. Reads small files of the kernel. */
unsigned bough_cpu_count(void);

/* --- what the block is made of --- */

struct bough_pool_block {
    struct bough_pool *pool; /* NULL once it is closed */
    int *rc;
    bool ended;
};
struct bough_pool_block *bough_pool_block_enter(struct bough_pool_block *b,
                                                const struct bough_pool_options *options, int *rc,
                                                const struct bough_site *site);
struct bough_pool_block *bough_pool_block_exit(struct bough_pool_block *b);
void bough_pool_block_abandon(struct bough_pool_block *b);

BOUGH_END_DECLS
