/* The only way a task blocks: park it until someone wakes it.
 *
 * Channels, locks, sockets, sleeps and nursery joins all go through here, and
 * so can whatever you write. The protocol of one wait:
 *
 *     parked --wake--> ready      the thing happened; the result is what the waker gave
 *     parked --abort-> ready      a scope was cancelled; the result is -ECANCELED
 *
 * Exactly one of the two ever happens. A wake that came first beats a cancel:
 * the value is delivered and the next checkpoint fails instead.
 *
 * A one-shot event in full:
 *
 *     struct event { bool set; struct bough_list waiters; };
 *
 *     int event_wait(struct event *e)
 *     {
 *         if (e->set)
 *             return bough_pass();
 *         struct bough_wait wait = {.abort = bough_wait_leave, .what = "event"};
 *         bough_list_push(&e->waiters, &wait.link);
 *         return bough_wait(&wait);
 *     }
 *
 *     void event_set(struct event *e)
 *     {
 *         e->set = true;
 *         bough_wake_all(&e->waiters, 0);
 *     }
 *
 * Everything here belongs to the thread of the run. To wake a task from
 * another thread or a signal handler, see bough/entry.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/list.h"

BOUGH_BEGIN_DECLS

struct bough_task;

/* One wait of one task, on its stack. Zero-initialise what you do not set. */
struct bough_wait {
    /* Our place in the queue of the thing we wait for; that thing owns the head.
     * A wait that is in no queue leaves it zero. */
    struct bough_list link;
    /* The scope was cancelled: undo the wait. Runs inside the cancel, at most
     * once a wait, and must not block, nor enter or leave scopes. Returns true if
     * the wait is over now, false if a wake is still certain to come (a request
     * that has to be reaped before its buffer may go). NULL: cannot be undone. */
    bool (*abort)(struct bough_wait *wait);
    /* Called by bough_wake(), with 'wait' off its queue, instead of making a task ready: for a wait
     * that is one part of another (one case of bough_select). NULL for a wait of a task. */
    void (*woken)(struct bough_wait *wait, int result);
    /* What the task waits for, for the task tree: "receive from a channel". */
    const char *what;
    /* Private: the task while it is parked. NULL once it has been woken. */
    struct bough_task *task;
    /* Private: it is a shutdown that we wait for. */
    bool for_shutdown;
};

/* Park the running task until bough_wake() or a cancel. A checkpoint: when the
 * scope is cancelled already, 'abort' is called at once and, if it says over,
 * the result is -ECANCELED without parking. 'wait' is off its queue again when
 * this returns, on every path. Returns what the waker gave, or -ECANCELED. */
BOUGH_MUST_CHECK int bough_wait(struct bough_wait *wait);

/* Take 'wait' off its queue and make its task ready, with 'result' to return. The
 * task runs later: this never switches, so the caller's invariants hold across
 * the call. Waking what was woken already does nothing. */
void bough_wake(struct bough_wait *wait, int result);

/* Wake it with a failure that has words (a constant): what bough_fail_text() is for whoever fails
 * himself. */
void bough_wake_failed(struct bough_wait *wait, int code, const char *text);

/* Wake every wait on the list, in order. */
void bough_wake_all(struct bough_list *waiters, int result);

/* The usual abort: leave the queue, over. */
bool bough_wait_leave(struct bough_wait *wait);

/* Memory of the running task for its next wait, and for what the wait has beside it:
 * BOUGH_WAIT_ROOM bytes, not cleared, until that bough_wait() returns. For a function that ends
 * with `return bough_wait(wait)`: with nothing left on its stack the call becomes a jump, and the
 * task comes back straight to the function's caller. A return that follows a switch is always
 * mispredicted, which costs more than the switch. */
#define BOUGH_WAIT_ROOM 96
void *bough_wait_room(void);

/* Is a task parked on it (and not woken yet)? */
static inline bool bough_wait_is_parked(const struct bough_wait *wait)
{
    return wait->task != NULL;
}

/* --- checkpoints --- */

/* Let the other tasks that are ready run, then check for a cancel: 0, or
 * -ECANCELED. A cancel that comes during the yield is seen. */
BOUGH_MUST_CHECK int bough_checkpoint(void);

/* -ECANCELED if cancelled now (others run first), else 0 at once. */
BOUGH_MUST_CHECK int bough_checkpoint_if_cancelled(void);

/* Yield only; no cancel is looked at. Always 0. */
BOUGH_MUST_CHECK int bough_shielded_checkpoint(void);

/* The two halves of a checkpoint for a call that may not have to wait:
 *
 *     rc = bough_checkpoint_if_cancelled();   // cancelled: nothing has happened
 *     if (rc < 0)
 *         return rc;
 *     if (take(resource)) {
 *         bough_passed();                     // it has happened: only be fair
 *         return 0;
 *     }
 *     ... park ...
 *
 * bough_passed() counts; once in a budget of such calls it lets the other tasks
 * run, so that a loop whose calls never wait starves nobody. It looks at no
 * cancel: what has happened is reported. bough_pass() is both halves in one call, for
 * when nothing has happened yet: a cancel that comes while the others run is
 * seen. What begins with it looks at its state afterwards. */
void bough_passed(void);
BOUGH_MUST_CHECK int bough_pass(void);

BOUGH_END_DECLS
