/* SPDX-License-Identifier: MIT */
#include "sync/holder.h"

#include "bough/error.h"
#include "bough/panic.h"

void holder_init(struct bough_holder *h)
{
    *h = (struct bough_holder){0};
}

void holder_set(struct bough_holder *h, struct bough_task *task, const struct bough_site *site)
{
    h->task = task;
    h->site = site;
}

void holder_arrive(struct bough_holder *h, void (*died)(struct bough_task_exit *hook))
{
    h->exit.fn = died;
    bough_task_on_exit(&h->exit);
}

void holder_leave(struct bough_holder *h)
{
    bough_task_off_exit(&h->exit);
    h->task = NULL;
}

void holder_mourn(struct bough_holder *h)
{
    /* Its name dies with it. */
    snprintf(h->dead, sizeof(h->dead), "%s", bough_task_name(h->task));
    h->task = NULL;
    h->died = true;
}

BOUGH_COLD int holder_died(const struct bough_holder *h, const struct bough_site *site)
{
    return bough_fail_at(
        -EOWNERDEAD, site,
        "the lock is broken: task %s, which took it at %s:%d, ended without releasing it", h->dead,
        h->site->file, h->site->line);
}

BOUGH_COLD void holder_is_not_us(const struct bough_holder *h, const char *what)
{
    const char *us = bough_task_name(NULL);
    if (h->died)
        bough_panic("task %s %s that is broken: task %s, which took it at %s:%d, ended without "
                    "releasing it",
                    us, what, h->dead, h->site->file, h->site->line);
    if (!h->task)
        bough_panic("task %s %s that nobody holds", us, what);
    bough_panic("task %s %s that task %s holds, which took it at %s:%d", us, what,
                bough_task_name(h->task), h->site->file, h->site->line);
}

BOUGH_COLD void holder_is_us(const struct bough_holder *h, const char *what,
                             const struct bough_site *site)
{
    bough_panic(
        "task %s %s at %s:%d that it holds already: it took it at %s:%d, and would wait for itself",
        bough_task_name(NULL), what, site->file, site->line, h->site->file, h->site->line);
}
