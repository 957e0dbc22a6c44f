/* Seeing what a run does: the tree of its tasks, and instruments.
 *
 *     bough_tree_print(stderr);
 *
 *     main                        runs
 *       nursery serve.c:12
 *         accept_loop serve.c:14  waits for fd 5 readable, for 1.2 s
 *         conn-1 serve.c:31       waits: an item from a channel, for 12 ms; fail_after serve.c:40
 *
 * All of it belongs to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "bough/scope.h"
#include "bough/task.h"

BOUGH_BEGIN_DECLS

struct bough_nursery;

/* Print every task of the current run: name, function, the place where it was started, what it
 * waits for and since when, its scopes with deadlines. Never blocks; outside a run it says so. */
void bough_tree_print(FILE *to);

/* Print the tree to stderr whenever 'signal' (SIGUSR1, usually) arrives, until the run ends. */
BOUGH_MUST_CHECK int bough_tree_on_signal(int signal);

/* What there is to know about a task that is not running through your hands. */
struct bough_task_info {
    struct bough_task *task;
    struct bough_task *parent; /* who opened its nursery; NULL for the main task */
    const char *name;
    const struct bough_site *started_at; /* what: the function */
    const char *waits_for;               /* NULL: it runs, or is ready to */
    int64_t since;                       /* when it began to wait */
    bool ready;
    bool running;
    const struct bough_scope *scope; /* innermost; follow ->parent up to ->parent == NULL */
    unsigned depth;                  /* in the tree as it is printed: hidden parents do not count */
    bool hidden;                     /* bough_task_hide() */
};

/* Walk the tasks in the order of the tree: the main task first, children after their parent. Start
 * with info->task == NULL; false when there are no more. Do not start or end tasks meanwhile. */
bool bough_task_next(struct bough_task_info *info);

/* Its line in bough_tree_print(). For trees that have more in them. */
void bough_task_print(const struct bough_task_info *info, FILE *to);

/* The frames that a task has open (bough/frame.h: managers, iterators), the oldest is number 0:
 * where it was opened, and its function. NULL: there are not so many. */
const struct bough_site *bough_task_frame(const struct bough_task *task, unsigned number);

/* What a run counts. */
struct bough_run_stats {
    unsigned tasks; /* living, the main task included */
    unsigned tasks_peak;
    uint64_t started; /* tasks, ever */
    uint64_t switches;
    uint64_t polls;   /* looks at the kernel */
    unsigned timers;  /* armed */
    unsigned watched; /* waits for descriptors */
    size_t stack_size;
    unsigned stacks_free;  /* kept for reuse */
    int64_t next_deadline; /* BOUGH_NEVER if none */
};
void bough_run_statistics(struct bough_run_stats *ret_stats);

/* An observer of a run. Leave out (NULL) what you do not care for: it then costs nothing. The calls
 * are made in the loop or in the task concerned; they must not block nor start anything. */
struct bough_instrument {
    void (*before_run)(struct bough_instrument *self);
    void (*after_run)(struct bough_instrument *self);
    void (*task_spawned)(struct bough_instrument *self, struct bough_task *task);
    void (*task_parked)(struct bough_instrument *self, struct bough_task *task, const char *what);
    void (*task_woken)(struct bough_instrument *self, struct bough_task *task, int result);
    void (*task_resumed)(struct bough_instrument *self, struct bough_task *task);
    void (*task_exited)(struct bough_instrument *self, struct bough_task *task, int rc);
    void (*scope_cancelled)(struct bough_instrument *self, struct bough_scope *scope);
    void (*before_io_wait)(struct bough_instrument *self, int64_t deadline);
    void (*after_io_wait)(struct bough_instrument *self, int woken);
    struct bough_instrument *next; /* private */
};

/* Add to, or take from, the current run. Adding twice is once; taking what is not there is nothing.
 */
void bough_instrument_add(struct bough_instrument *instrument);
void bough_instrument_remove(struct bough_instrument *instrument);

BOUGH_END_DECLS
