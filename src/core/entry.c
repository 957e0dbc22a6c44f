/* SPDX-License-Identifier: MIT */
#include "core/entry.h"

#include <sched.h>

#include "base/sys.h"

struct bough_gate {
    struct mpsc queue;
    int refs;     /* holders, the run among them */
    int asleep;   /* the loop sleeps, or is about to: an entry must interrupt it */
    int entering; /* calls of bough_enter() that are between the look at 'closed' and the end */
    bool closed;
    struct run *run; /* not to be used after closing */
};

struct bough_gate *gate_new(struct run *run)
{
    struct bough_gate *gate = sys_calloc(1, sizeof(*gate));
    if (gate) {
        mpsc_init(&gate->queue);
        gate->refs = 1;
        gate->run = run;
        run->entries = &gate->queue;
    }
    return gate;
}

struct bough_gate *bough_gate_hold(void)
{
    struct bough_gate *gate = current_task()->run->gate;
    __atomic_add_fetch(&gate->refs, 1, __ATOMIC_RELAXED);
    return gate;
}

/* The loop sleeps with the count of holds in mind, so it has to look again when one goes.
 * 'entering' keeps the run from ending under us. */
static void gate_interrupt(struct bough_gate *gate)
{
    if (__atomic_exchange_n(&gate->asleep, 0, __ATOMIC_SEQ_CST)) {
        struct bough_driver *driver = gate->run->driver;
        driver->interrupt(driver);
    }
}

static bool gate_begin(struct bough_gate *gate)
{
    __atomic_add_fetch(&gate->entering, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST))
        return true;
    __atomic_sub_fetch(&gate->entering, 1, __ATOMIC_SEQ_CST);
    return false;
}

static void gate_end(struct bough_gate *gate)
{
    gate_interrupt(gate);
    __atomic_sub_fetch(&gate->entering, 1, __ATOMIC_SEQ_CST);
}

void bough_gate_release(struct bough_gate *gate)
{
    bool open = gate_begin(gate);
    if (!open) {
        if (__atomic_sub_fetch(&gate->refs, 1, __ATOMIC_ACQ_REL) == 0)
            free(gate);
        return;
    }
    /* The run still holds it, so this is not the last. */
    __atomic_sub_fetch(&gate->refs, 1, __ATOMIC_ACQ_REL);
    gate_end(gate);
}

int bough_enter(struct bough_gate *gate, struct bough_entry *entry)
{
    if (!gate_begin(gate))
        return -EPIPE;
    if (__atomic_exchange_n(&entry->queued, 1, __ATOMIC_ACQ_REL) == 0)
        mpsc_push(&gate->queue, entry);
    gate_end(gate);
    return 0;
}

bool gate_is_waiting(const struct bough_gate *gate)
{
    return !mpsc_is_empty(&gate->queue);
}

static void entry_call(struct bough_entry *entry)
{
    /* Before the call: what comes from now on is a new request. */
    __atomic_store_n(&entry->queued, 0, __ATOMIC_RELEASE);
    entry->fn(entry);
}

void gate_drain(struct bough_gate *gate)
{
    struct bough_entry *entry;
    for (int i = 0; i < GATE_BATCH && mpsc_pop(&gate->queue, &entry) == MPSC_ITEM; i++)
        entry_call(entry);
}

bool gate_sleep(struct bough_gate *gate)
{
    __atomic_store_n(&gate->asleep, 1, __ATOMIC_SEQ_CST);
    if (mpsc_is_empty(&gate->queue))
        return true;
    __atomic_store_n(&gate->asleep, 0, __ATOMIC_SEQ_CST);
    return false;
}

void gate_wake(struct bough_gate *gate)
{
    __atomic_store_n(&gate->asleep, 0, __ATOMIC_RELAXED);
}

unsigned gate_holds(const struct bough_gate *gate)
{
    return (unsigned)__atomic_load_n(&gate->refs, __ATOMIC_ACQUIRE) - 1;
}

void gate_close(struct bough_gate *gate)
{
    struct bough_entry *entry;
    __atomic_store_n(&gate->closed, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&gate->entering, __ATOMIC_SEQ_CST))
        sched_yield();
    while (mpsc_pop(&gate->queue, &entry) == MPSC_ITEM)
        entry_call(entry);
    if (__atomic_sub_fetch(&gate->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(gate);
}
