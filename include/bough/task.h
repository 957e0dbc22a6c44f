/* The running task: its name, and values that follow it.
 *
 *     static struct bough_local request_id;              // the address is the key
 *
 *     rc = bough_local_set(&request_id, id);           // this task and those it starts from now on
 *     ... bough_local_get(&request_id) ...
 *
 * A task local is inherited from the spawner as it was at the spawn; later changes do not flow,
 * either way. A run local is shared by all tasks of a run. Values are pointers that you own. None
 * of these calls blocks.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/list.h"

BOUGH_BEGIN_DECLS

struct bough_task;

/* The running task; panics outside a run. A handle is good while the task lives. */
struct bough_task *bough_task_current(void);

/* Its name: that of its function, unless it was given another. NULL asks for the running task. */
const char *bough_task_name(const struct bough_task *task);

/* Its function and the place where it was started; static. NULL asks for the running task. */
const struct bough_site *bough_task_site(const struct bough_task *task);

/* Name the running task, for errors and the tree. If memory is out the old name stays. */
void bough_task_set_name(const char *fmt, ...) BOUGH_PRINTF(1, 2);

/* The running task is how something works, and not what a user has started: bough_tree_print() and
 * the paths of errors leave it out. What it starts is shown below its parent. */
void bough_task_hide(void);

/* A key. Zero-initialised, usually static; 'fallback' is what an unset local gives. */
struct bough_local {
    void *fallback;
};

void *bough_local_get(const struct bough_local *key);
BOUGH_MUST_CHECK int bough_local_set(const struct bough_local *key, void *value); /* 0, -ENOMEM */

void *bough_run_local_get(const struct bough_local *key);
BOUGH_MUST_CHECK int bough_run_local_set(const struct bough_local *key, void *value);

/* Called in the loop when the running task has ended: for what a task may own and forget, such as a
 * lock. The hook is yours; take it off when it is no longer needed. Idempotent. */
struct bough_task_exit {
    struct bough_list link;
    void (*fn)(struct bough_task_exit *hook);
};
void bough_task_on_exit(struct bough_task_exit *hook);
void bough_task_off_exit(struct bough_task_exit *hook);

/* Checkpoints that the running task has passed: what tests compare (bough/testing.h). */
uint64_t bough_task_cancel_points(void);
uint64_t bough_task_schedule_points(void);

BOUGH_END_DECLS
