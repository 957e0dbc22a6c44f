/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "bough/error.h"
#include "bough/flow.h"

enum { NOT_YET = -1 };

struct waiting {
    struct bough_nursery *nursery;
    int first; /* the index of the one that returned first */
};

struct condition {
    struct waiting *waiting;
    bough_task_fn *fn;
    void *arg;
    int index;
};

static int wait_for_one(void *arg)
{
    struct condition *c = arg;
    int rc = c->fn(c->arg);
    if (rc < 0)
        return rc;
    if (c->waiting->first == NOT_YET) {
        c->waiting->first = c->index;
        bough_scope_cancel(bough_nursery_scope(c->waiting->nursery), "another one came first");
    }
    return 0;
}

static int start_one(struct waiting *w, bough_task_fn *fn, void *arg, int index,
                     const struct bough_site *site)
{
    struct condition c = {.waiting = w, .fn = fn, .arg = arg, .index = index};
    return bough_nursery_start_soon_with_at(w->nursery, wait_for_one, &c, sizeof(c), site);
}

int bough_wait_any_of(void *arg, bough_task_fn *const *fns, size_t count,
                      const struct bough_site *site)
{
    struct waiting w = {.first = NOT_YET};
    if (count == 0)
        return bough_fail_text(-EINVAL, "bough_wait_any: there is nothing to wait for");
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        w.nursery = n;
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = start_one(&w, fns[i], arg, (int)i, site);
    }
    /* As in a race: a failure on the way out is not hidden, a cancel is. */
    return w.first == NOT_YET || (rc < 0 && rc != -ECANCELED) ? rc : w.first;
}
