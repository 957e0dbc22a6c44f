/* Cancel scopes: a stretch of code that can be told to stop, from inside, from
 * outside, or by the clock.
 *
 *     int rc = 0;
 *     bough_fail_after (2 * BOUGH_SEC, &rc) {
 *         rc = fetch(url);                  // any calls, any depth, any tasks below
 *     }
 *     if (rc == -ETIMEDOUT)
 *         ...
 *
 * The model:
 *
 *  - A task is in a chain of scopes, innermost first; the children of a nursery
 *    are in the scope of the nursery. So scopes form a tree.
 *  - A scope is *effectively cancelled* when it was cancelled itself, or when it is
 *    not shielded and the scope around it is effectively cancelled. In an effectively
 *    cancelled scope every checkpoint fails with -ECANCELED, again and again, until
 *    the scope is left or a shield hides it. Nothing else happens: the code
 *    unwinds by returning its error, and cleans up on the way.
 *  - A cancel belongs to no scope. When -ECANCELED arrives at the exit of a scope,
 *    the scope absorbs it (the result becomes 0, cancelled_caught is true) if it is
 *    effectively cancelled and no cancel from further out is visible through it: so the
 *    outermost visible one absorbs. From several errors only the cancelled ones are
 *    taken; real errors always pass.
 *  - A call that returned a value had it before the cancel; the next checkpoint fails.
 *    A call that returned -ECANCELED had no effect (exceptions say so).
 *  - Two strengths: a *shutdown* is soft, and hard after its grace. Only code in
 *    bough_graceful and bough_wait_shutdown() can tell them apart.
 *
 * Scopes live on the caller's stack, allocate nothing, and belong to the thread of
 * the run. None of these functions blocks. Closing scopes out of order, twice or from
 * another task is a bug of the caller: bough_panic() names both places.
 *
 * After Trio's CancelScope, with shields, soft cancel and links.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/block.h"
#include "bough/list.h"
#include "bough/time.h"
#include "bough/timer.h"

BOUGH_BEGIN_DECLS

struct bough_task;

/* Why a scope was cancelled. The first reason wins and is never overwritten. */
enum bough_cancel_kind {
    BOUGH_CANCEL_NONE,
    BOUGH_CANCEL_EXPLICIT,  /* bough_scope_cancel() */
    BOUGH_CANCEL_DEADLINE,  /* its time was up */
    BOUGH_CANCEL_SIBLING,   /* a task of the nursery failed, or its body did or was left early */
    BOUGH_CANCEL_SHUTDOWN,  /* bough_scope_shutdown() */
    BOUGH_CANCEL_SIGINT,    /* Ctrl-C */
    BOUGH_CANCEL_DEADLOCK,  /* no task of the run could ever run again */
    BOUGH_CANCEL_ELSEWHERE, /* in another run, which this one works for */
};

struct bough_scope {
    /* Set by BOUGH_SCOPE(); to change them later call the functions. */
    int64_t timeout;  /* counted from entry */
    int64_t deadline; /* absolute; the earlier of both counts */
    bool shield;

    /* Private from here on; the invariant is in src/core/scope.c. */
    bool graceful;          /* a soft cancel from outside is not felt inside */
    unsigned char state;    /* fresh, entered, left */
    unsigned char own;      /* strength of our own cancel: none, soft, hard */
    unsigned char level;    /* effective strength: what a checkpoint looks at */
    unsigned char shutting; /* strength that is visible when nothing is graceful */
    unsigned char kind;     /* enum bough_cancel_kind of our own cancel */
    bool linked;            /* in the tree, and its timer armed if it has a deadline */
    bool ready;             /* the list heads below are initialised */
    bool caught;            /* a cancel was absorbed here */
    bool queued;            /* on the work list of a cancel */
    int code;               /* the error that made a sibling cancel us */
    int64_t entered_after;  /* the entry was then, or a clock tick later */
    struct bough_scope *parent;
    struct bough_task *task;   /* who entered */
    struct bough_scope *cause; /* where the effective cancel came from: us, or a scope around us */
    struct bough_scope *link_parent, *links, *link_next; /* scopes cancelled with another */
    struct bough_scope *work;                            /* the next on that list */
    const struct bough_site *opened_at, *asked_at;
    char *text;              /* the reason's words, kept by the run */
    char asker[24];          /* the name of the task that asked */
    struct bough_list child; /* our place among the parent's children */
    struct bough_list children;
    struct bough_list members; /* tasks whose innermost scope this is, once they have parked */
    struct bough_timer timer;
};

/* A scope that is not entered yet: BOUGH_SCOPE(.timeout = 5 * BOUGH_SEC). Fields:
 * .timeout (from entry; 0 or less: expired on entry), .deadline (absolute),
 * .shield. In functions only, not for static objects. */
/* clang-format off */
#define BOUGH_SCOPE(...)                                                                           \
    (__extension__({                                                                               \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"")       \
        struct bough_scope bough_scope_ = {                                                        \
            .timeout = BOUGH_NEVER, .deadline = BOUGH_NEVER, ##__VA_ARGS__};                       \
        _Pragma("GCC diagnostic pop") bough_scope_;                                                \
    }))
/* clang-format on */

/* Enter 's', made by BOUGH_SCOPE(): it is the innermost scope of the running task until
 * bough_scope_exit(). Entered once, by one task. It may have been cancelled before, or be past
 * its deadline: the body starts and its first checkpoint fails. */
void bough_scope_enter(struct bough_scope *s);
#define bough_scope_enter(s) bough_scope_enter_at(s, BOUGH_SITE("bough_scope_enter"))
void bough_scope_enter_at(struct bough_scope *s, const struct bough_site *site);

/* Leave 's', the innermost scope of the running task. 'rc' is how the body ended; returns it,
 * less a cancel that 's' absorbs (see above). */
BOUGH_MUST_CHECK int bough_scope_exit(struct bough_scope *s, int rc);

/* Cancel 's' and all under it, for ever. Idempotent; not a checkpoint: the caller goes on. The
 * reason is a printf format, NULL for none. Any task of the run may cancel any scope. */
void bough_scope_cancel(struct bough_scope *s, const char *reason_fmt, ...) BOUGH_PRINTF(2, 3);
#define bough_scope_cancel(s, ...)                                                                 \
    bough_scope_cancel_at(s, BOUGH_SITE("bough_scope_cancel"), __VA_ARGS__)
void bough_scope_cancel_at(struct bough_scope *s, const struct bough_site *site,
                           const char *reason_fmt, ...) BOUGH_PRINTF(3, 4);

/* The same for a cancel that began in another run: the words are the whole reason, as that run has
 * given it, and no task or place of this one is added. */
void bough_scope_cancel_elsewhere(struct bough_scope *s, const char *reason_fmt, ...)
    BOUGH_PRINTF(2, 3);

/* Ask for an end, softly now and hard after 'grace' (0: hard now; BOUGH_NEVER: never). */
void bough_scope_shutdown(struct bough_scope *s, int64_t grace);
#define bough_scope_shutdown(s, grace)                                                             \
    bough_scope_shutdown_at(s, BOUGH_SITE("bough_scope_shutdown"), grace)
void bough_scope_shutdown_at(struct bough_scope *s, const struct bough_site *site, int64_t grace);

/* Cancelling 'parent' cancels 'child' too, wherever it is in the tree: one handle for several
 * pieces of work. A scope is linked to one other at a time; NULL unlinks. */
void bough_scope_link(struct bough_scope *parent, struct bough_scope *child);

/* Has a cancel of this scope itself been asked for, or has its deadline passed? (An entered
 * scope that is past its deadline is cancelled by the question.) */
bool bough_scope_cancel_called(struct bough_scope *s);

/* Did 's' absorb a cancel? The right test for "did this time out": true only when the body
 * really was cut short. NULL: the scope that the running task left last. */
bool bough_scope_cancelled_caught(const struct bough_scope *s);

/* Absolute, BOUGH_NEVER if none. The getter of a scope that was not entered yet counts its
 * timeout from now. Setting it replaces the timeout as well, takes effect at once, and never
 * undoes a cancel. O(log n). */
int64_t bough_scope_deadline(const struct bough_scope *s);
void bough_scope_set_deadline(struct bough_scope *s, int64_t at);

/* While on, cancels from outside are invisible inside. Off over a pending cancel wakes the
 * sleepers under it at once. */
void bough_scope_set_shield(struct bough_scope *s, bool on);

/* Why it is effectively cancelled, in words that name kind, text, task and place; NULL if it is
 * not. Valid until
 * the scope is left or the next call. */
const char *bough_scope_reason(const struct bough_scope *s);
enum bough_cancel_kind bough_scope_reason_kind(const struct bough_scope *s);

/* The innermost scope of the running task. */
struct bough_scope *bough_scope_current(void);

/* Does the running task run inside 's', at whatever depth of scopes and tasks? O(depth). */
bool bough_scope_is_around(const struct bough_scope *s);

/* The earliest deadline that is visible here: INT64_MIN when cancelled already, BOUGH_NEVER
 * when there is none. To hand a deadline on to a remote call. */
int64_t bough_effective_deadline(void);

/* Wait for a shutdown of a scope around: 0 when one was asked for, -ECANCELED when the cancel
 * is hard. The usual place is a task that stops accepting work and then returns. */
BOUGH_MUST_CHECK int bough_wait_shutdown(void);

/* --- blocks ---
 *
 * 'rc' points at an int that the body leaves its result in; after the block it is the result of
 * the block. It must be initialised. `break` leaves the block (not a loop around it), with the
 * scope closed and the result in rc; `continue` is the end of the block. `return` and `goto` out
 * of it close the scope too, but their value is fixed before: a timeout of bough_fail_after then
 * goes to the enclosing nursery or the task's result. */

/* The scope 's', made by BOUGH_SCOPE(), around the body. */
#define bough_with_scope(s, rc) BOUGH_SCOPE_BLOCK_(s, BOUGH_NEVER, 0, rc, "bough_with_scope")

/* The body may take 'duration'; after that it is cancelled and rc is -ETIMEDOUT (fail_after), or 0
 * and bough_scope_cancelled_caught(NULL) is true (move_on_after). */
#define bough_fail_after(duration, rc)                                                             \
    BOUGH_SCOPE_BLOCK_(NULL, duration, BOUGH_BLOCK_FAIL, rc, "bough_fail_after")
#define bough_move_on_after(duration, rc)                                                          \
    BOUGH_SCOPE_BLOCK_(NULL, duration, 0, rc, "bough_move_on_after")

/* The body does not feel cancels from outside, for 'duration' at most: for cleanup that has
 * to wait for something. When that time is up it is cancelled after all. */
#define bough_shielded(duration, rc)                                                               \
    BOUGH_SCOPE_BLOCK_(NULL, duration, BOUGH_BLOCK_SHIELD, rc, "bough_shielded")

/* The body does not feel a soft cancel (bough_scope_shutdown) from outside. */
#define bough_graceful(rc)                                                                         \
    BOUGH_SCOPE_BLOCK_(NULL, BOUGH_NEVER, BOUGH_BLOCK_GRACEFUL, rc, "bough_graceful")

/* --- what the blocks are made of --- */

enum { BOUGH_BLOCK_FAIL = 1, BOUGH_BLOCK_SHIELD = 2, BOUGH_BLOCK_GRACEFUL = 4 };

struct bough_scope_block {
    struct bough_scope *scope; /* the caller's, or our own; NULL once it is closed */
    int *rc;
    unsigned flags;
    struct bough_scope own;
};

/* Enter 's', or a scope of the block's own; returns 'b'. */
struct bough_scope_block *bough_scope_block_enter(struct bough_scope_block *b,
                                                  struct bough_scope *s, int64_t timeout,
                                                  unsigned flags, int *rc,
                                                  const struct bough_site *site);
/* Exit with the result into *rc; returns NULL. */
struct bough_scope_block *bough_scope_block_exit(struct bough_scope_block *b);
/* Cleanup: if the block is still open it was left by return or goto. */
void bough_scope_block_abandon(struct bough_scope_block *b);

/* Outer loop: the block. Inner loop: the body, so that `break` reaches the outer loop's third
 * expression, and return does not. The guard is for BOUGH_STRICT_BLOCKS. */
#define BOUGH_SCOPE_BLOCK_(s, timeout, flags, rc, name)                                            \
    BOUGH_SCOPE_BLOCK_AS_(BOUGH_UNIQUE(block), s, timeout, flags, rc, name)
#define BOUGH_SCOPE_BLOCK_AS_(id, s, timeout, flags, rc, name)                                     \
    for (struct bough_scope_block id BOUGH_CLEANUP(bough_scope_block_abandon),                     \
         *BOUGH_PASTE(id, open) =                                                                  \
             bough_scope_block_enter(&id, s, timeout, flags, rc, BOUGH_SITE(name));                \
         BOUGH_PASTE(id, open); BOUGH_PASTE(id, open) = bough_scope_block_exit(&id))               \
    BOUGH_BLOCK_BODY_(id)

BOUGH_END_DECLS
