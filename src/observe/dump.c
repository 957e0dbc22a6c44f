/* The task tree on a signal: kill -USR1 of a program that hangs says where.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>

#include "bough/entry.h"
#include "bough/error.h"
#include "bough/observe.h"

/* A signal is the process's, so there is one of this. Written in the run's thread while the handler
 * is not in place. */
static struct {
    int signal; /* 0: not in use */
    struct bough_gate *gate;
    struct bough_entry entry;
    struct bough_instrument instrument;
    struct sigaction before;
} dump;

static void on_signal(int number)
{
    int saved_errno = errno;
    (void)number;
    (void)bough_enter(dump.gate, &dump.entry);
    errno = saved_errno;
}

static void print(struct bough_entry *entry)
{
    (void)entry;
    bough_tree_print(stderr);
    fflush(stderr);
}

static void restore(struct bough_instrument *self)
{
    (void)self;
    (void)sigaction(dump.signal, &dump.before, NULL);
    __atomic_store_n(&dump.signal, 0, __ATOMIC_RELEASE);
}

int bough_tree_on_signal(int number)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    int unused = 0;
    (void)bough_task_current();
    if (!__atomic_compare_exchange_n(&dump.signal, &unused, number, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return bough_fail_text(-EBUSY, "the task tree is printed on a signal already");
    /* Not held: somebody who may ask for a picture is no reason to wait for them. The run keeps its
     * gate until restore() has been called. */
    dump.gate = bough_gate_hold();
    bough_gate_release(dump.gate);
    dump.entry = (struct bough_entry){.fn = print};
    dump.instrument = (struct bough_instrument){.after_run = restore};
    if (sigaction(number, &ours, &dump.before) < 0) {
        __atomic_store_n(&dump.signal, 0, __ATOMIC_RELEASE);
        return bough_fail(-errno, "signal %d cannot be caught", number);
    }
    bough_instrument_add(&dump.instrument);
    return 0;
}
