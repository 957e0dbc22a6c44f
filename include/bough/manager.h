/* Managers: a function with a yield in its middle is what a block opens and closes.
 *
 *     static int connection(struct bough_manager *self, void *arg)
 *     {
 *         struct bough_stream *s;
 *         int rc = bough_tcp_connect(arg, 80, &s);           // enter
 *         if (rc < 0)
 *             return rc;                                     // the body never runs
 *         bough_with_nursery (n, &rc) {
 *             rc = bough_nursery_start_soon(n, watch, s);    // if it fails, the body is cancelled
 *             if (rc == 0)
 *                 rc = bough_yield(self, s);           // the body runs here; its result comes back
 *             bough_scope_cancel(bough_nursery_scope(n), "the body is done");
 *         }
 *         bough_stream_free(s);                              // exit, however it ended
 *         return rc;                                         // the result of the block
 *     }
 *
 *     bough_with (struct bough_stream *, s, connection, "example.org", &rc) {
 *         rc = bough_stream_send_all(s, ...);
 *     }
 *
 * The manager runs on a stack of its own, but in the same task as the body: the scopes and
 * nurseries that it has open around the yield enclose the body. So a timeout or a nursery of the
 * manager cancels the body, the body unwinds, the yield returns how the body ended, cleanup runs,
 * and what the function returns is the result of the block: it may pass the body's error on (return
 * the same rc), replace it, or suppress it (return 0).
 *
 * In a cancelled scope cleanup that has to wait needs bough_shielded. Managers nest and are left in
 * the order opposite to the one in which they were entered, by the task that entered; all else
 * panics and names both places. After Python's @asynccontextmanager.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/block.h"
#include "bough/frame.h"
#include "bough/scope.h"

BOUGH_BEGIN_DECLS

struct bough_manager;
typedef int bough_manager_fn(struct bough_manager *self, void *arg);

/* Private, but for its size. */
struct bough_manager {
    bough_manager_fn *fn;
    void *arg;
    void *value; /* what was yielded */
    int rc;      /* how the body ended; then, what fn returned */
    unsigned char state;
    bool misused; /* it yielded twice */
    int (*yield)(struct bough_manager *self, void *value);
    struct bough_frame *frame;
    const struct bough_site *site;
    struct bough_scope scope;  /* around all of it: to know the order */
    struct bough_scope *inner; /* the innermost one at the yield */
};

/* In the manager's function, or in what it calls: run the body, with 'value'. Returns how the body
 * ended: its rc, which is -ECANCELED if it was cancelled. A second yield fails with -EPROTO, and so
 * does the block then. */
BOUGH_MUST_CHECK int bough_yield(struct bough_manager *self, void *value);

/* Enter: run fn up to its yield, whose value is stored in *ret_value (may be NULL). 0; what fn
 * returned, if it failed before; -EPROTO: it ended well without a yield; -ENOMEM, -EAGAIN: no
 * stack. Not 0: there is nothing to exit. Blocks as fn does. */
BOUGH_MUST_CHECK int bough_manager_enter(struct bough_manager *m, bough_manager_fn *fn, void *arg,
                                         void **ret_value);
#define bough_manager_enter(m, fn, ...) /* arg, ret_value: a compound literal has commas */        \
    bough_manager_enter_at(m, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_manager_enter_at(struct bough_manager *m, bough_manager_fn *fn,
                                            void *arg, void **ret_value,
                                            const struct bough_site *site);

/* Exit: let the yield return 'rc', and run fn to its end. Returns what fn returns. */
BOUGH_MUST_CHECK int bough_manager_exit(struct bough_manager *m, int rc);

/* A block: 'name' is declared as a 'type', the value of the yield. If the enter fails the body does
 * not run and *rc is its error. Ways out are those of the other blocks (bough/scope.h): after
 * return and goto the yield gets 0, or -ECANCELED when the task is being cancelled, and an error of
 * the exit goes to the enclosing nursery or the task. */
#define bough_with(type, name, fn, ... /* arg, rc */)                                              \
    for (struct bough_manager_block BOUGH_PASTE(bough_block_, name)                                \
             BOUGH_CLEANUP(bough_manager_block_abandon),                                           \
         *BOUGH_PASTE(bough_open_, name) = bough_manager_block_enter(                              \
             &BOUGH_PASTE(bough_block_, name), fn, __VA_ARGS__, BOUGH_SITE(#fn));                  \
         BOUGH_PASTE(bough_open_, name);                                                           \
         BOUGH_PASTE(bough_open_, name) =                                                          \
             bough_manager_block_exit(&BOUGH_PASTE(bough_block_, name)))                           \
        BOUGH_BLOCK_GUARD_(name)                                                                   \
    for (bool BOUGH_PASTE(bough_once_, name) = true; BOUGH_PASTE(bough_once_, name);               \
         BOUGH_PASTE(bough_once_, name) = false)                                                   \
        for (__attribute__((unused))                                                               \
             type name = (type)BOUGH_PASTE(bough_block_, name).manager.value;                      \
             BOUGH_PASTE(bough_once_, name); BOUGH_PASTE(bough_once_, name) = false)

struct bough_manager_block {
    struct bough_manager manager;
    int *rc;
    bool open;
};
struct bough_manager_block *bough_manager_block_enter(struct bough_manager_block *b,
                                                      bough_manager_fn *fn, void *arg, int *rc,
                                                      const struct bough_site *site);
struct bough_manager_block *bough_manager_block_exit(struct bough_manager_block *b);
void bough_manager_block_abandon(struct bough_manager_block *b);

BOUGH_END_DECLS
