/* SPDX-License-Identifier: MIT */
#include "bough/exit_stack.h"

#include <errno.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/task.h"

struct bough_exit_ticket {
    struct bough_list link;
    int (*exit)(struct bough_exit_ticket *ticket, int rc);
    union {
        int (*push)(void *arg, int rc);
        void (*defer)(void *arg);
    } fn;
    void *arg;
    struct bough_manager managers[]; /* one, or none */
};

/* --- the three kinds --- */

static int exit_manager(struct bough_exit_ticket *ticket, int rc)
{
    return bough_manager_exit(ticket->managers, rc);
}

static int exit_pushed(struct bough_exit_ticket *ticket, int rc)
{
    return ticket->fn.push(ticket->arg, rc);
}

static int exit_deferred(struct bough_exit_ticket *ticket, int rc)
{
    ticket->fn.defer(ticket->arg);
    return rc;
}

/* --- adding --- */

static void check_open(const struct bough_exit_stack *st, const char *what)
{
    if (BOUGH_UNLIKELY(!st->open))
        bough_panic("bough_exit_stack_%s: the stack is not open", what);
}

static struct bough_exit_ticket *ticket_new(size_t managers)
{
    struct bough_exit_ticket *ticket =
        sys_malloc(sizeof(*ticket) + managers * sizeof(struct bough_manager));
    if (!ticket)
        (void)bough_fail_text(-ENOMEM, "no memory for an entry of an exit stack");
    return ticket;
}

static int add(struct bough_exit_stack *st, struct bough_exit_ticket *ticket,
               int (*exit)(struct bough_exit_ticket *, int), struct bough_exit_ticket **ret_ticket)
{
    ticket->exit = exit;
    bough_list_push(&st->entries, &ticket->link);
    if (ret_ticket)
        *ret_ticket = ticket;
    return 0;
}

void bough_exit_stack_open(struct bough_exit_stack *st)
{
    bough_list_init(&st->entries);
    st->task = bough_task_current();
    st->open = true;
}

int bough_exit_stack_enter_at(struct bough_exit_stack *st, bough_manager_fn *fn, void *arg,
                              void **ret_value, struct bough_exit_ticket **ret_ticket,
                              const struct bough_site *site)
{
    check_open(st, "enter");
    struct bough_exit_ticket *ticket = ticket_new(1);
    if (!ticket)
        return -ENOMEM;
    int rc = bough_manager_enter_at(ticket->managers, fn, arg, ret_value, site);
    if (rc < 0) {
        free(ticket);
        return rc;
    }
    return add(st, ticket, exit_manager, ret_ticket);
}

int(bough_exit_stack_enter)(struct bough_exit_stack *st, bough_manager_fn *fn, void *arg,
                            void **ret_value, struct bough_exit_ticket **ret_ticket)
{
    return bough_exit_stack_enter_at(st, fn, arg, ret_value, ret_ticket, BOUGH_SITE("manager"));
}

int bough_exit_stack_push(struct bough_exit_stack *st, int (*fn)(void *arg, int rc), void *arg,
                          struct bough_exit_ticket **ret_ticket)
{
    check_open(st, "push");
    struct bough_exit_ticket *ticket = ticket_new(0);
    if (!ticket)
        return -ENOMEM;
    ticket->fn.push = fn;
    ticket->arg = arg;
    return add(st, ticket, exit_pushed, ret_ticket);
}

int bough_exit_stack_defer(struct bough_exit_stack *st, void (*fn)(void *arg), void *arg,
                           struct bough_exit_ticket **ret_ticket)
{
    check_open(st, "defer");
    struct bough_exit_ticket *ticket = ticket_new(0);
    if (!ticket)
        return -ENOMEM;
    ticket->fn.defer = fn;
    ticket->arg = arg;
    return add(st, ticket, exit_deferred, ret_ticket);
}

/* --- taking off --- */

void bough_exit_stack_disarm(struct bough_exit_stack *st, struct bough_exit_ticket *ticket)
{
    check_open(st, "disarm");
    if (ticket->exit == exit_manager)
        bough_panic("a manager (%s, entered at %s:%d) cannot be disarmed: it has to be exited, so "
                    "run it early "
                    "or move it",
                    ticket->managers->site->what, ticket->managers->site->file,
                    ticket->managers->site->line);
    bough_list_unlink(&ticket->link);
    free(ticket);
}

int bough_exit_stack_run(struct bough_exit_stack *st, struct bough_exit_ticket *ticket, int rc)
{
    check_open(st, "run");
    bough_list_unlink(&ticket->link);
    rc = ticket->exit(ticket, rc);
    free(ticket);
    return rc;
}

void bough_exit_stack_move(struct bough_exit_stack *from, struct bough_exit_stack *to)
{
    check_open(from, "move");
    check_open(to, "move");
    if (from != to)
        bough_list_splice(&to->entries, &from->entries);
}

int bough_exit_stack_close(struct bough_exit_stack *st, int rc)
{
    check_open(st, "close");
    if (st->task != bough_task_current())
        bough_panic(
            "an exit stack that task %s opened is closed by task %s: move its entries to a stack "
            "of the task that is to run them",
            bough_task_name(st->task), bough_task_name(NULL));
    /* One that is run may add others: they come next. */
    while (!bough_list_is_empty(&st->entries))
        rc = bough_exit_stack_run(
            st, bough_container_of(st->entries.prev, struct bough_exit_ticket, link), rc);
    st->open = false;
    return rc;
}
