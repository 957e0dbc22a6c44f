/* Signals: received like messages, by a task.
 *
 *     static int serve_until_told(void *arg)
 *     {
 *         int rc = 0;
 *         bough_with_signals (signals, &rc, SIGHUP, SIGTERM) {
 *             while ((rc = bough_signals_receive(signals)) == SIGHUP)
 *                 reload_configuration();
 *             if (rc == SIGTERM)
 *                 bough_scope_shutdown(arg, 10 * BOUGH_SEC);    // ten more for the connections
 *         }
 *         return rc;
 *     }
 *
 * From the opening to the close of a receiver its signals do nothing but arrive there. The rules:
 *
 *  - Each number waits at most once: a signal that comes again before it was received is one with
 *    the first. Different ones are received in the order in which they first came, so none starves
 *    another.
 *  - No signal is lost at the edges. When the last receiver of a signal closes, what was in place
 *    before is in place again, and if the signal has come and nobody has received it, it is raised
 *    once more and has its old effect: a SIGTERM that came too late for the loop above still ends
 *    the process.
 *  - Several receivers may have the same signal, in one run or in the runs of several threads: each
 *    sees it. One task at a time receives from one receiver.
 *  - SIGINT: while a receiver has it, Ctrl-C cancels nothing; it is a signal like any other.
 *    Afterwards it cancels the main task as before (bough/run.h).
 *  - Where the process blocks a signal in all its threads (sigprocmask) it does not arrive. Not to
 *    be received: SIGKILL and SIGSTOP, and those that a fault of the program's own raises (SIGSEGV,
 *    SIGBUS, SIGFPE, SIGILL, SIGTRAP).
 *  - If the program gives a signal another action while a receiver has it, that action stays.
 *
 * An open receiver means that somebody may call in: a run in which all wait for a signal is not
 * deadlocked.
 *
 * After Trio's open_signal_receiver, and as there the handler only rings; signalfd would need the
 * signals to be blocked in every thread, those of other libraries among them, and in every child.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>

#include "bough/block.h"

BOUGH_BEGIN_DECLS

struct bough_signals;

/* Receive 'count' signals from now on, those in 'numbers'; twice the same is once. Does not block.
 * 0; -EINVAL: none, or one that cannot be received; -ENOMEM. The receiver belongs to the run, and
 * must be closed in it. */
BOUGH_MUST_CHECK int bough_signals_open(const int *numbers, size_t count,
                                        struct bough_signals **ret_signals);

/* The next signal, waiting for it. A checkpoint. Its number; -EBUSY: another task is receiving;
 * -EBADF: it was closed while we waited; -ECANCELED: nothing was taken. */
BOUGH_MUST_CHECK int bough_signals_receive(struct bough_signals *s);

/* The same without waiting: -EAGAIN. Not a checkpoint. */
BOUGH_MUST_CHECK int bough_signals_receive_nowait(struct bough_signals *s);

/* Close it, and free it; NULL is fine. A task that waits gets -EBADF. What was not received is
 * raised again, see above. Does not block. */
void bough_signals_close(struct bough_signals *s);

/* "SIGTERM"; "a signal without a name" for what has none. Static. */
const char *bough_signal_name(int number);

/* A block with a receiver of the signals that follow 'rc': 's' is declared by it, a struct
 * bough_signals *. If it cannot be opened the body does not run, and *rc is the error. On success
 * *rc stays what the body left there. Ways out are those of the other blocks (bough/scope.h); the
 * close has no result, so none is lost. */
#define bough_with_signals(s, rc, ...)                                                             \
    for (struct bough_signals_block BOUGH_PASTE(bough_block_, s)                                   \
             BOUGH_CLEANUP(bough_signals_block_abandon),                                           \
         *BOUGH_PASTE(bough_open_, s) =                                                            \
             bough_signals_block_enter(&BOUGH_PASTE(bough_block_, s), (const int[]){__VA_ARGS__},  \
                                       sizeof((const int[]){__VA_ARGS__}) / sizeof(int), rc);      \
         BOUGH_PASTE(bough_open_, s);                                                              \
         BOUGH_PASTE(bough_open_, s) = bough_signals_block_exit(&BOUGH_PASTE(bough_block_, s)))    \
        BOUGH_BLOCK_GUARD_(s)                                                                      \
    for (__attribute__((unused)) struct bough_signals *s = BOUGH_PASTE(bough_block_, s).signals;   \
         !BOUGH_PASTE(bough_block_, s).ended; BOUGH_PASTE(bough_block_, s).ended = true)

/* --- what the block is made of --- */

struct bough_signals_block {
    struct bough_signals *signals; /* NULL once it is closed */
    bool ended;
};
struct bough_signals_block *bough_signals_block_enter(struct bough_signals_block *b,
                                                      const int *numbers, size_t count, int *rc);
struct bough_signals_block *bough_signals_block_exit(struct bough_signals_block *b);
void bough_signals_block_abandon(struct bough_signals_block *b);

BOUGH_END_DECLS
