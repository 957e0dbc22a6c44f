/* What a run and a task are: the data that the modules of the core share.
 *
 * Data only; each field says which module keeps it. The hot ones stand together: a switch touches
 * the first line or two of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "base/heap.h"
#include "base/mpsc.h"
#include "bough/driver.h"
#include "bough/error.h"
#include "bough/nursery.h"
#include "bough/observe.h"
#include "bough/run.h"
#include "bough/task.h"
#include "fiber/fiber.h"

struct run;
struct binding;
struct start;

/* error: the last few failures of a task. */
enum { ERROR_SLOTS = 4 };
struct error_slot {
    int code;        /* 0: empty */
    unsigned number; /* the newest has 'next' - 1 */
    const char *text;
    struct bough_error *tree;
};
struct error_slots {
    unsigned next; /* 0: there was none yet, and the slots are not cleared */
    struct error_slot slot[ERROR_SLOTS];
};

/* In order of use, as each cache line counts when there are many: a switch touches the first or
 * two, a start clears all up to the slots. */
struct bough_task {
    /* sched */
    struct fiber fiber;
    struct bough_task *ready_next;
    struct run *run;
    int wake_result; /* what its switch returns when it runs again */
    int saved_errno;
    bool yielding; /* it is ready because it yielded, so a cancel may still change the result */

    bool aborted;            /* wake: the abort of this wait has been called */
    bool was_started;        /* nursery: bough_started() has been called */
    bool service;            /* nursery */
    bool last_caught;        /* scope: cancelled_caught of the scope that was left last */
    bool has_frames;         /* frame: 'frames' is initialised */
    bool hidden;             /* task: trees and paths leave it out */
    unsigned cancel_mark;    /* wake: errors.next + 1 when the newest failure is a cancel */
    int deferred_lost;       /* error: the code of one that there was no memory for */
    struct bough_wait *wait; /* wake; NULL: it runs, or is ready to */

    /* scope */
    struct bough_scope *scope;   /* innermost; never NULL */
    struct bough_scope *settled; /* the scope whose 'members' we are on, NULL: on none */
    struct bough_list member;
    uint64_t cancel_points, schedule_points;

    /* nursery: where we belong */
    struct bough_list sibling;
    struct bough_nursery *parent;
    struct bough_nursery *nursery; /* the innermost that we have open */

    /* task */
    bough_task_fn *fn;
    void *arg;
    void *stack; /* low end of the one it stands on; NULL: the thread's, for the main task */
    const struct bough_site *site;
    int64_t since;
    struct bough_frame *frame; /* frame: the one it stands on; NULL: its own stack */
    char *name;                /* given by bough_task_set_name(), ours to free; NULL: site->what */
    struct bough_list exit_hooks; /* zero until one is added */

    struct bough_scope
        *base;           /* nursery: a scope of our own, between the parent's and ours; or NULL */
    struct start *start; /* nursery: the bough_nursery_start() that waits for us */
    struct binding *locals;       /* local */
    struct bough_error *deferred; /* error: what blocks that were left early could not report */
    struct error_slots errors;    /* only 'next' is cleared by a start */

    struct bough_list frames;                                     /* frame: all it has open */
    char wait_room[BOUGH_WAIT_ROOM] __attribute__((aligned(16))); /* wait */
};

/* scope: the strengths of a cancel, and the lives of a scope. */
enum { SCOPE_CLEAR, SCOPE_SOFT, SCOPE_HARD };
enum { SCOPE_FRESH, SCOPE_ENTERED, SCOPE_LEFT };

enum { RUN_BUDGET = 64 };

/* One bough_run(). */
struct run {
    /* sched: who runs next. 'batch' is the pass under way, 'ready' the next one. */
    struct bough_task *batch;
    struct bough_task *ready, **ready_tail;
    int *errno_here; /* &errno of the run's thread: a call of its own each time */
    int budget;      /* calls that need not wait, until the next yield */
    uint64_t switches;
    /* The rare half of a switch: the pass is over. Fills 'batch'; set by the loop. */
    void (*refill)(struct run *run);
    struct bough_instrument *instruments; /* hooks */

    /* entry */
    struct mpsc *entries; /* the queue of the gate */
    struct bough_gate *gate;

    /* loop: when to look at the kernel */
    struct heap timers;
    struct bough_driver *driver;
    int64_t now;    /* when it last looked at the clock */
    int64_t polled; /* when it last looked at the kernel */
    int64_t coarse; /* the coarse clock then */
    int steps_left; /* switches until it looks at the clock */
    int steps_between;
    uint64_t steps_at; /* 'switches' then */
    uint64_t polls;
    uint64_t random; /* state of the shuffle; 0: in order */
    bool attended;   /* each pass begins in the loop: a seed shuffles it, or the thread is shared */
    struct bough_list idle;
    int64_t trimmed; /* when stacks were last trimmed */
    enum bough_deadlock on_deadlock;
    bool deadlocked;
    bool polling; /* the test of a nested look: callbacks must not block */

    /* task */
    struct stack_pool stacks;
    struct bough_task main;
    struct annotation annotation; /* of the stack that the main task is on */
    struct bough_scope root;      /* around the main task */
    unsigned tasks, tasks_peak;
    uint64_t started;

    struct binding *locals;  /* local */
    struct bough_list words; /* reason: what cancellers said */
    char *composed;          /* scope: the reason that was composed last */
};

/* The running task of this thread; NULL outside a run. Initial-exec: one load, also in the shared
 * library. */
extern __thread struct bough_task *bough__current __attribute__((tls_model("initial-exec")));

/* The rare half of current_task(). */
void bough__outside_run(const char *function) BOUGH_NORETURN;

/* The running task, in a function that has no meaning outside a run. */
#define current_task()                                                                             \
    (__extension__({                                                                               \
        struct bough_task *task_ = bough__current;                                                 \
        if (BOUGH_UNLIKELY(!task_))                                                                \
            bough__outside_run(__func__);                                                          \
        task_;                                                                                     \
    }))
