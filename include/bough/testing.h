/* Testing concurrent code: time that jumps, tasks that are all blocked, orders that replay, faults
 * on demand.
 *
 *     static int test_retry(void *arg)
 *     {
 *         int rc = 0;
 *         bough_with_nursery (n, &rc) {
 *             rc = bough_nursery_start_soon(n, fetch_with_retries, &result);
 *             if (rc == 0)
 *                 rc = bough_wait_all_tasks_blocked();   // it sleeps now, before its second try
 *             assert(result.tries == 1);
 *         }
 *         assert(bough_now() == 30 * BOUGH_SEC);         // exact, and took no time
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         return bough_test_run(NULL, test_retry, NULL) < 0;
 *     }
 *
 * Nothing here is needed to run a program, and all of it uses what a program could use.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"
#include "bough/run.h"

BOUGH_BEGIN_DECLS

/* --- the test kernel ---
 *
 * A driver whose clock starts at 0 and stands still while any task can run. When all are blocked it
 * jumps to the next deadline. Descriptors are real: what is ready comes before a jump. While a gate
 * is held (bough/entry.h: somebody may call in, as a thread that is at work) the clock does not
 * jump: a deadline comes when its time has really passed. */

/* bough_run_with() on a test kernel of its own; 'options' may be NULL, its driver is not used. */
BOUGH_MUST_CHECK int bough_test_run(const struct bough_run_options *options, bough_task_fn *fn,
                                    void *arg);

/* The parts of it. 0, -ENOMEM, -EMFILE. */
BOUGH_MUST_CHECK int bough_test_kernel_open(struct bough_driver **ret_driver);
void bough_test_kernel_close(struct bough_driver *driver); /* NULL is fine */

/* Of the current run, which must be on a test kernel: move its clock forward; what is due is looked
 * at before the next pass. Not a checkpoint. */
void bough_test_clock_advance(int64_t by);

/* Off: the clock moves only when it is told to. */
void bough_test_clock_autojump(bool on);

/* --- waiting for the others --- */

/* Until every other task is parked and nothing has come in from outside; the clock has not jumped
 * yet. 0, or -ECANCELED. On any driver. */
BOUGH_MUST_CHECK int bough_wait_all_tasks_blocked(void);

/* Makes tasks go through numbered places in order: 0, 1, 2, ... */
struct bough_sequencer {
    /* Private. */
    unsigned turn;
    bool inside; /* a task is in the place whose turn it is */
    bool broken;
    struct bough_list waiters;
};
void bough_sequencer_init(struct bough_sequencer *seq);

/* Wait for turn 'place'; bough_sequencer_leave() begins the next one. 0; -ECANCELED, which breaks
 * the sequencer; -EPIPE: it is broken. A place that has been used already is a bug: panics. */
BOUGH_MUST_CHECK int bough_sequencer_enter(struct bough_sequencer *seq, unsigned place);
void bough_sequencer_leave(struct bough_sequencer *seq);

/* --- checkpoints --- */

/* The body must pass a checkpoint (look at cancels, and let others run or count towards it) if it
 * ends with rc >= 0:
 *     bough_assert_checkpoints (&rc)
 *         rc = bough_send(tx, &item);
 * Panics otherwise. The other form: it must not. Leave the body at its end. */
#define bough_assert_checkpoints(rc)                                                               \
    BOUGH_CHECKPOINTS_BLOCK_(BOUGH_UNIQUE(points), true, rc, "bough_assert_checkpoints")
#define bough_assert_no_checkpoints(rc)                                                            \
    BOUGH_CHECKPOINTS_BLOCK_(BOUGH_UNIQUE(points), false, rc, "bough_assert_no_checkpoints")

struct bough_checkpoints_block {
    bool open, wanted;
    const int *rc;
    const struct bough_site *site;
    uint64_t cancel_points, schedule_points;
};
struct bough_checkpoints_block bough_checkpoints_block_enter(bool wanted, const int *rc,
                                                             const struct bough_site *site);
void bough_checkpoints_block_exit(struct bough_checkpoints_block *b);

#define BOUGH_CHECKPOINTS_BLOCK_(id, wanted, rc, name)                                             \
    for (struct bough_checkpoints_block id =                                                       \
             bough_checkpoints_block_enter(wanted, rc, BOUGH_SITE(name));                          \
         id.open; bough_checkpoints_block_exit(&id))

/* --- faults ---
 *
 * The library's own allocations and system calls can be made to fail. Per process. */

enum bough_fault {
    BOUGH_FAULT_MEMORY, /* malloc, calloc, realloc and mappings */
    BOUGH_FAULT_CALL,   /* system calls that make or use a descriptor */
};

/* The nth of a kind from now on fails (1: the next); 0: none. */
void bough_fault_set(enum bough_fault fault, int nth);

/* Has the one that was set last been reached? */
bool bough_fault_was_hit(enum bough_fault fault);

/* Test run after test run with the 1st, 2nd, ... one failing, until it ends without reaching it.
 * While there was a fault, fn(arg) may fail with any code; the last run must not. Returns how many
 * faults there were, or the failure of the last run. */
BOUGH_MUST_CHECK int bough_test_faults(enum bough_fault fault, bough_task_fn *fn, void *arg);

/* --- cancels --- */

/* Test run after test run in which fn(arg) is cancelled at the 1st, 2nd, ... time that a task of it
 * parks or goes on, until it ends untouched. Returns how many such points there were; or what fn
 * failed with, other than by the cancel: then it is wrong about cleaning up, or lost a cancel. */
BOUGH_MUST_CHECK int bough_test_cancels(bough_task_fn *fn, void *arg);

/* --- orders --- */

/* Test runs under the seeds 1 .. count. 0, or the failure of the first that fails; then its seed is
 * printed: it replays with BOUGH_SEED= or bough_run_options.seed. */
BOUGH_MUST_CHECK int bough_test_seeds(unsigned count, bough_task_fn *fn, void *arg);

/* --- streams --- */

struct bough_stream;

/* Does this kind of stream keep the contract of bough/stream.h? make_pair(&a, &b, arg) makes two
 * new ones, each the peer of the other, and is called for each of about 40 checks. A pair in which
 * only 'a' can send, such as a pipe, is checked one way; what cannot send_eof is checked without.
 * Run it on a run with nothing else in it. 0; -EPROTO: the detail names the check and what was
 * wrong; a call that hangs hangs in a task that is named like the check. */
BOUGH_MUST_CHECK int bough_test_stream_contract(int (*make_pair)(struct bough_stream **ret_a,
                                                                 struct bough_stream **ret_b,
                                                                 void *arg),
                                                void *arg);

BOUGH_END_DECLS
