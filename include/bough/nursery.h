/* Nurseries: tasks that cannot outlive a block.
 *
 *     static int serve(void *arg)
 *     {
 *         int rc = 0;
 *         bough_with_nursery (n, &rc) {
 *             rc = bough_nursery_start_soon(n, accept_loop, arg);
 *             if (rc == 0)
 *                 rc = bough_nursery_start_soon(n, metrics, arg);
 *         }
 *         return rc;                       // both have ended; rc tells how
 *     }
 *
 * The rules:
 *
 *  - The block ends when its body and all its tasks have ended. The body is one more child.
 *  - The first failure (a task that returns < 0, or the body's rc) cancels the nursery's scope: the
 *    others unwind. All errors are kept, in order of completion: one comes out as itself, several
 *    as -BOUGH_EGROUP (bough/error.h). Cancels are stripped by the scope that is responsible.
 *  - The end of the body waits for the children. Leaving it early (break, return, goto) cancels
 *    them and waits. After the end and after break the result is in rc; after return and goto,
 *    whose value is fixed before, an error of the children goes to the enclosing nursery of the
 *    same task, or to the task's result.
 *  - A child is in the scopes of the nursery, not of who started it. A task that is started into a
 *    cancelled nursery runs up to its first checkpoint.
 *  - Closing waits whether cancelled or not: it only relays what the children say.
 *
 * A nursery lives on the caller's stack and allocates nothing; a task is one stack. Memory: a
 * finished child leaves nothing behind. There are no detached tasks.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/block.h"
#include "bough/scope.h"
#include "bough/wait.h"

BOUGH_BEGIN_DECLS

struct bough_error;

/* What a task runs. 0 or more: fine; < 0: failed, see bough/error.h. */
typedef int bough_task_fn(void *arg);

struct bough_nursery_options {
    /* At most so many children at once: start_soon waits for a free place. 0: no limit. */
    unsigned limit;
};

struct bough_nursery {
    /* Private. */
    unsigned limit;
    unsigned char state;         /* open, closing (the body has ended), closed */
    bool cancelled;              /* some child or the body ended with -ECANCELED */
    bool hidden;                 /* for a cancel behind a shield: not this scope's to absorb */
    unsigned running;            /* children that are not services, and places handed to starters */
    unsigned serving;            /* services */
    unsigned pending;            /* calls of bough_nursery_start() that are under way */
    unsigned lost;               /* errors whose detail could not be kept: out of memory */
    int lost_code;               /* the first of them */
    struct bough_task *task;     /* who opened it */
    struct bough_nursery *outer; /* the one around it in the same task */
    struct bough_error *errors;
    struct bough_wait *closing; /* the opener waits for the end */
    struct bough_list children; /* tasks, services among them */
    struct bough_list starters; /* waits for a free place */
    struct bough_scope scope;
};

/* Open 'n': nothing blocks, nothing allocates. From here to the close it is the innermost scope
 * of the running task. */
void bough_nursery_open(struct bough_nursery *n);
#define bough_nursery_open(n)                                                                      \
    bough_nursery_open_at(n, (const struct bough_nursery_options *)0, BOUGH_SITE("nursery"))
void bough_nursery_open_at(struct bough_nursery *n, const struct bough_nursery_options *options,
                           const struct bough_site *site);

/* Wait for all tasks and close. 'rc' is how the body ended: < 0 cancels the children first.
 * Returns the result of the block. Blocks; adds no cancel of its own. */
BOUGH_MUST_CHECK int bough_nursery_close(struct bough_nursery *n, int rc);

/* Start a task: fn(arg) runs when the running task next parks or yields, never at once. Blocks only
 * if the nursery has a limit, and is then a checkpoint, with room or without. Returns 0, -ENOMEM,
 * -EAGAIN (no stack to be had), -EBADF (the nursery is closed), -ECANCELED (while waiting for a
 * place). */
BOUGH_MUST_CHECK int bough_nursery_start_soon(struct bough_nursery *n, bough_task_fn *fn,
                                              void *arg);
#define bough_nursery_start_soon(n, fn, ...) /* arg: a compound literal in it has commas */        \
    bough_nursery_start_soon_at(n, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_nursery_start_soon_at(struct bough_nursery *n, bough_task_fn *fn,
                                                 void *arg, const struct bough_site *site);

/* The same, with 'size' bytes at 'args' copied onto the task's own stack; fn gets the copy, aligned
 * for any type. -E2BIG if they would fill a quarter of the stack. */
BOUGH_MUST_CHECK int bough_nursery_start_soon_with(struct bough_nursery *n, bough_task_fn *fn,
                                                   const void *args, size_t size);
#define bough_nursery_start_soon_with(n, fn, ...) /* args, size */                                 \
    bough_nursery_start_soon_with_at(n, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_nursery_start_soon_with_at(struct bough_nursery *n, bough_task_fn *fn,
                                                      const void *args, size_t size,
                                                      const struct bough_site *site);

/* BOUGH_START(n, serve, struct serve_args, .fd = fd, .peer = peer): the typed form of it. */
#define BOUGH_START(n, fn, type, ...)                                                              \
    bough_nursery_start_soon_with(n, fn, (&(type){__VA_ARGS__}), sizeof(type))

/* A task that serves the others: it is cancelled after the body and the other children have ended,
 * and not before, also when the nursery is cancelled (their cleanup may need it). Its failure
 * cancels the nursery like any other. */
BOUGH_MUST_CHECK int bough_nursery_start_service(struct bough_nursery *n, bough_task_fn *fn,
                                                 void *arg);
#define bough_nursery_start_service(n, fn, ...) /* arg */                                          \
    bough_nursery_start_service_at(n, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_nursery_start_service_at(struct bough_nursery *n, bough_task_fn *fn,
                                                    void *arg, const struct bough_site *site);

/* Start a task and wait until it calls bough_started(value). Until then it lives in the scopes of
 * the caller: its error comes out of this call and does not touch the nursery; if this call is
 * cancelled so is the child, and it waits for it. A child that ends without bough_started() is
 * -EPROTO. On bough_started() it moves with all below it into 'n', which may be cancelled already:
 * then its next checkpoint fails, while this still returns 0. 'ret_value' may be NULL. */
BOUGH_MUST_CHECK int bough_nursery_start(struct bough_nursery *n, bough_task_fn *fn, void *arg,
                                         void **ret_value);
#define bough_nursery_start(n, fn, ...) /* arg, ret_value */                                       \
    bough_nursery_start_at(n, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_nursery_start_at(struct bough_nursery *n, bough_task_fn *fn, void *arg,
                                            void **ret_value, const struct bough_site *site);

/* The same, with 'size' bytes at 'args' copied onto the task's own stack. */
BOUGH_MUST_CHECK int bough_nursery_start_with(struct bough_nursery *n, bough_task_fn *fn,
                                              const void *args, size_t size, void **ret_value);
#define bough_nursery_start_with(n, fn, ...) /* args, size, ret_value */                           \
    bough_nursery_start_with_at(n, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_nursery_start_with_at(struct bough_nursery *n, bough_task_fn *fn,
                                                 const void *args, size_t size, void **ret_value,
                                                 const struct bough_site *site);

/* "I am up": ends the bough_nursery_start() that started the running task, with 'value'. Does
 * nothing in a task that was started otherwise; twice is a bug and panics. If that start() is
 * being cancelled the child stays with it, and this returns false; true in all other cases. */
bool bough_started(void *value);

/* The scope around body and children: to cancel them, give them a deadline or a shield. */
struct bough_scope *bough_nursery_scope(struct bough_nursery *n);

/* Change its limit, 0: none. Raising it lets waiting starters go on; lowering it ends nobody. */
void bough_nursery_set_limit(struct bough_nursery *n, unsigned limit);

/* Tasks that have not ended, services included. */
unsigned bough_nursery_count(const struct bough_nursery *n);

/* A block with a nursery: 'n' is declared by it, a struct bough_nursery *. Options may follow:
 * bough_with_nursery (n, &rc, .limit = 8) { ... }. See "blocks" in bough/scope.h for rc, and the
 * rules above for early exits. */
#define bough_with_nursery(n, rc, ...)                                                             \
    for (struct bough_nursery_block BOUGH_PASTE(bough_block_, n)                                   \
             BOUGH_CLEANUP(bough_nursery_block_abandon),                                           \
         *BOUGH_PASTE(bough_open_, n) = bough_nursery_block_enter(                                 \
             &BOUGH_PASTE(bough_block_, n), rc, (struct bough_nursery_options){__VA_ARGS__},       \
             BOUGH_SITE("bough_with_nursery"));                                                    \
         BOUGH_PASTE(bough_open_, n);                                                              \
         BOUGH_PASTE(bough_open_, n) = bough_nursery_block_exit(&BOUGH_PASTE(bough_block_, n)))    \
    BOUGH_NURSERY_BODY_(n)

/* --- what the block is made of --- */

struct bough_nursery_block {
    struct bough_nursery nursery;
    int *rc;
    bool ended; /* the body came to its end, rather than to a break */
};

struct bough_nursery_block *bough_nursery_block_enter(struct bough_nursery_block *b, int *rc,
                                                      struct bough_nursery_options options,
                                                      const struct bough_site *site);
struct bough_nursery_block *bough_nursery_block_exit(struct bough_nursery_block *b);
void bough_nursery_block_abandon(struct bough_nursery_block *b);

#define BOUGH_NURSERY_BODY_(n)                                                                     \
    BOUGH_BLOCK_GUARD_(n)                                                                          \
    for (__attribute__((unused)) struct bough_nursery *n = &BOUGH_PASTE(bough_block_, n).nursery;  \
         !BOUGH_PASTE(bough_block_, n).ended; BOUGH_PASTE(bough_block_, n).ended = true)

BOUGH_END_DECLS
