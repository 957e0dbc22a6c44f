/* Exit stacks: what is to be undone at the end, collected as it comes up.
 *
 *     struct bough_exit_stack st;
 *     bough_exit_stack_open(&st);
 *     for (i = 0; i < count && rc == 0; i++)
 *         rc = bough_exit_stack_enter(&st, connection, hosts[i], &streams[i], NULL);
 *     if (rc == 0)
 *         rc = bough_exit_stack_push(&st, remove_file, path, &ticket);
 *     ...
 *     if (all_is_well)
 *         bough_exit_stack_disarm(&st, ticket);              // keep the file
 *     rc = bough_exit_stack_close(&st, rc);                  // the rest, the last first
 *
 * As if the blocks were nested: the last one in is the first out, and each sees the result so far
 * and may pass it on, replace it or suppress it. The stack lives with the caller; each entry is one
 * allocation. Managers in it belong to the task that entered them, so who moves them elsewhere
 * stays in that task. After Python's AsyncExitStack.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/list.h"
#include "bough/manager.h"

BOUGH_BEGIN_DECLS

struct bough_task;

/* One entry; good until it has been run or disarmed, or the stack was closed. */
struct bough_exit_ticket;

struct bough_exit_stack {
    /* Private. */
    struct bough_list entries; /* the first in comes first */
    struct bough_task *task;
    bool open;
};

void bough_exit_stack_open(struct bough_exit_stack *st);

/* Enter a manager (bough/manager.h); it is exited in its turn. 'ret_value' and 'ret_ticket' may be
 * NULL, here and below. What bough_manager_enter() returns; -ENOMEM: it was not entered. */
BOUGH_MUST_CHECK int bough_exit_stack_enter(struct bough_exit_stack *st, bough_manager_fn *fn,
                                            void *arg, void **ret_value,
                                            struct bough_exit_ticket **ret_ticket);
#define bough_exit_stack_enter(st, fn, ...) /* arg, ret_value, ret_ticket */                       \
    bough_exit_stack_enter_at(st, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_exit_stack_enter_at(struct bough_exit_stack *st, bough_manager_fn *fn,
                                               void *arg, void **ret_value,
                                               struct bough_exit_ticket **ret_ticket,
                                               const struct bough_site *site);

/* Call fn(arg, rc) in its turn, with the result so far; what it returns is the result from then on.
 * 0, -ENOMEM (then fn will not be called: undo it yourself). Does not block. */
BOUGH_MUST_CHECK int bough_exit_stack_push(struct bough_exit_stack *st,
                                           int (*fn)(void *arg, int rc), void *arg,
                                           struct bough_exit_ticket **ret_ticket);

/* Call fn(arg) in its turn. */
BOUGH_MUST_CHECK int bough_exit_stack_defer(struct bough_exit_stack *st, void (*fn)(void *arg),
                                            void *arg, struct bough_exit_ticket **ret_ticket);

/* Forget it: it will not be called. Not for a manager, which has to be exited once it was entered
 * (panics): run it. */
void bough_exit_stack_disarm(struct bough_exit_stack *st, struct bough_exit_ticket *ticket);

/* Run it now, out of turn, with 'rc'; returns what it makes of it. A manager must be the innermost
 * thing that is open (or this panics). Blocks as it does. */
BOUGH_MUST_CHECK int bough_exit_stack_run(struct bough_exit_stack *st,
                                          struct bough_exit_ticket *ticket, int rc);

/* Append all entries of 'from' to 'to', which is open; 'from' stays open, and empty. Tickets stay
 * good, with 'to'. */
void bough_exit_stack_move(struct bough_exit_stack *from, struct bough_exit_stack *to);

/* Run all of them, the last first, with 'rc' to begin with. Returns the result. By the task that
 * opened it (panics). Whatever fails, all are run. It may be opened again. */
BOUGH_MUST_CHECK int bough_exit_stack_close(struct bough_exit_stack *st, int rc);

BOUGH_END_DECLS
