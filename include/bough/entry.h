/* Into a run from elsewhere: from other threads and from signal handlers.
 *
 *     struct job {
 *         struct bough_entry entry;
 *         struct bough_wait wait;
 *     };
 *
 *     static void job_done(struct bough_entry *entry)       // runs in the loop
 *     {
 *         struct job *job = bough_container_of(entry, struct job, entry);
 *         bough_wake(&job->wait, 0);
 *     }
 *
 *     // in the run: job.entry.fn = job_done; gate = bough_gate_hold();
 *     // in the thread, when it is done: bough_enter(gate, &job->entry); bough_gate_release(gate);
 *
 * A gate is the way into one run. It outlives the run while somebody holds it, and says so: after
 * the run has ended bough_enter() returns -EPIPE. A held gate means that somebody may call in, so
 * the run does not take itself for deadlocked.
 *
 * One lock-free queue of many producers (Dmitry Vyukov's intrusive MPSC queue) and one wake-up of
 * the driver, written only when the loop sleeps.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_gate;

/* A call into the loop. Yours; it must stay until 'fn' has been called. */
struct bough_entry {
    void (*fn)(struct bough_entry *entry);
    /* Private. */
    struct bough_entry *next;
    int queued;
};

/* The gate of the current run, held once more. Only in the run's thread. */
struct bough_gate *bough_gate_hold(void);

/* Let it go. From any thread; not from a signal handler. */
void bough_gate_release(struct bough_gate *gate);

/* Have entry->fn(entry) called in the loop, soon, between two tasks. From any thread or signal
 * handler; entries of one thread are called in order. An entry that is queued already stays where
 * it is, once: so an entry with a fixed fn is an idempotent "look here". Returns 0 (it will be
 * called for certain), or -EPIPE (the run has ended; it was not and will not be called). */
int bough_enter(struct bough_gate *gate, struct bough_entry *entry);

BOUGH_END_DECLS
