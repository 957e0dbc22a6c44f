/* Exit pools: managers that are entered and exited in parallel.
 *
 *     struct bough_resource all[] = {
 *         {.fn = database, .arg = &config},
 *         {.fn = upstream, .arg = "a"},
 *         {.fn = upstream, .arg = "b"},
 *     };
 *     bough_with_all (all, 3, &rc) {
 *         rc = work(all[0].value, all[1].value, all[2].value);
 *     }
 *
 * Each manager (bough/manager.h) lives its whole life in a task of its own:
 *
 *  - The enters run at once. If one fails the others are cancelled, those already entered are
 *    exited, the body does not run, and the error comes out.
 *  - If a manager's own scope fails or times out while the body runs, the body is cancelled, and
 *    the manager's yield returns when the body has left: cleanup never runs under a body that is
 *    still using the resource.
 *  - If an enter failed there was no body; those that were entered see that failure as the result
 *    of their yield.
 *  - The exits run at once, and all of them to their end, whichever fail. Each sees how the body
 *    ended.
 *  - The errors are grouped: the body's, unless every manager suppresses it, and what managers add
 *    to it. A manager that returns the rc that its yield returned adds nothing.
 *
 * A cancel of a scope around all of it reaches body and managers, as ever; then cleanup that waits
 * needs bough_shielded.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/manager.h"
#include "bough/nursery.h"

BOUGH_BEGIN_DECLS

struct bough_exit_pool {
    /* Private. */
    struct bough_nursery nursery; /* the managers' tasks */
    struct bough_scope body;      /* inside it, around the body */
    int rc;                       /* how the body ended */
    bool left;                    /* it has */
    bool no_body;                 /* an enter failed: that is for nobody to suppress */
    unsigned entered;             /* managers that have yielded, ever */
    unsigned exiting;             /* and have not come to their end */
    unsigned suppressed;          /* that returned 0 or more for a body that failed */
    struct bough_list yields;     /* waits for the body to leave */
    struct bough_list ends;       /* waits for all managers to have ended */
};

/* Open it: what follows is the body. Nothing blocks, nothing allocates. */
void bough_exit_pool_open(struct bough_exit_pool *p);
#define bough_exit_pool_open(p) bough_exit_pool_open_at(p, BOUGH_SITE("exit pool"))
void bough_exit_pool_open_at(struct bough_exit_pool *p, const struct bough_site *site);

/* Enter a manager, and wait until it has yielded; from the body, or from tasks below it, also
 * several at once. 0, and its value in *ret_value (may be NULL); its failure, which touches nothing
 * else; -EPROTO: it did not yield; -EBADF: the body has left. A cancel of the caller cancels the
 * manager, and waits for it; if it yields all the same, that returns -ECANCELED at once, and the
 * enter fails. */
BOUGH_MUST_CHECK int bough_exit_pool_enter(struct bough_exit_pool *p, bough_manager_fn *fn,
                                           void *arg, void **ret_value);
#define bough_exit_pool_enter(p, fn, ...) /* arg, ret_value */                                     \
    bough_exit_pool_enter_at(p, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_exit_pool_enter_at(struct bough_exit_pool *p, bough_manager_fn *fn,
                                              void *arg, void **ret_value,
                                              const struct bough_site *site);

/* The body has ended with 'rc': exit all managers at once, wait for all. Returns the result of the
 * block. */
BOUGH_MUST_CHECK int bough_exit_pool_close(struct bough_exit_pool *p, int rc);

/* One of several for bough_with_all. */
struct bough_resource {
    bough_manager_fn *fn;
    void *arg;
    void *value;      /* what it yielded */
    const char *name; /* of its task, for errors and the task tree; NULL: that of the block */
};

/* Enter all resources at once, in the pool 'p', which is open: 0, or the failures of those that
 * failed, when the others have been cancelled. What was entered already stays entered, until the
 * pool is closed. */
BOUGH_MUST_CHECK int bough_exit_pool_enter_all(struct bough_exit_pool *p,
                                               struct bough_resource *resources, size_t count);

/* A block with a pool, empty at first: 'p' is declared by it, a struct bough_exit_pool *. Ways out
 * are those of bough_with. */
#define bough_with_exit_pool(p, rc)                                                                \
    for (struct bough_exit_pool_block BOUGH_PASTE(bough_block_, p)                                 \
             BOUGH_CLEANUP(bough_exit_pool_block_abandon),                                         \
         *BOUGH_PASTE(bough_open_, p) = bough_exit_pool_block_enter(                               \
             &BOUGH_PASTE(bough_block_, p), (struct bough_resource *)0, 0, rc,                     \
             BOUGH_SITE("bough_with_exit_pool"));                                                  \
         BOUGH_PASTE(bough_open_, p);                                                              \
         BOUGH_PASTE(bough_open_, p) = bough_exit_pool_block_exit(&BOUGH_PASTE(bough_block_, p)))  \
        BOUGH_BLOCK_GUARD_(p)                                                                      \
    for (__attribute__((unused)) struct bough_exit_pool *p = &BOUGH_PASTE(bough_block_, p).pool;   \
         !BOUGH_PASTE(bough_block_, p).ended; BOUGH_PASTE(bough_block_, p).ended = true)

/* A block around 'count' managers, entered at once and exited at once. If an enter fails the body
 * does not run. Ways out are those of bough_with. */
#define bough_with_all(... /* resources, count, rc */)                                             \
    BOUGH_WITH_ALL_(BOUGH_UNIQUE(all), __VA_ARGS__)
#define BOUGH_WITH_ALL_(id, ...)                                                                   \
    for (struct bough_exit_pool_block id BOUGH_CLEANUP(bough_exit_pool_block_abandon),             \
         *BOUGH_PASTE(id, open) =                                                                  \
             bough_exit_pool_block_enter(&id, __VA_ARGS__, BOUGH_SITE("bough_with_all"));          \
         BOUGH_PASTE(id, open); BOUGH_PASTE(id, open) = bough_exit_pool_block_exit(&id))           \
    BOUGH_BLOCK_BODY_(id)

struct bough_exit_pool_block {
    struct bough_exit_pool pool;
    int *rc;
    bool open, ended;
};
struct bough_exit_pool_block *bough_exit_pool_block_enter(struct bough_exit_pool_block *b,
                                                          struct bough_resource *resources,
                                                          size_t count, int *rc,
                                                          const struct bough_site *site);
struct bough_exit_pool_block *bough_exit_pool_block_exit(struct bough_exit_pool_block *b);
void bough_exit_pool_block_abandon(struct bough_exit_pool_block *b);

BOUGH_END_DECLS
