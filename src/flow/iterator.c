/* Iterators: a frame of the consumer's task.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bough/error.h"
#include "bough/generator.h"
#include "bough/panic.h"
#include "bough/scope.h"
#include "bough/task.h"

static BOUGH_COLD void in_open_scope(const struct bough_iterator *it, const char *does)
{
    const struct bough_site *open = bough_scope_current()->opened_at;
    bough_panic("the iterator %s (opened at %s:%d) %s inside %s, opened at %s:%d: that scope would "
                "enclose what "
                "its consumer does next; close it first, or use bough_with_generator",
                it->site->what, it->site->file, it->site->line, does, open ? open->what : "a scope",
                open ? open->file : "?", open ? open->line : 0);
}

static void check_no_scope(const struct bough_iterator *it, const char *does)
{
    if (BOUGH_UNLIKELY(bough_scope_current() != it->outside))
        in_open_scope(it, does);
}

static void iterator_main(struct bough_frame *frame, void *arg)
{
    struct bough_iterator *it = arg;
    (void)frame;
    it->rc = it->closing ? 0 : it->fn(it, it->arg); /* closed before it began */
    check_no_scope(it, "ends");
}

int bough_iterator_open_at(struct bough_iterator *it, bough_iterator_fn *fn, void *arg,
                           size_t item_size, const struct bough_site *site)
{
    *it = (struct bough_iterator){.fn = fn, .arg = arg, .item_size = item_size, .site = site};
    return bough_frame_open(iterator_main, it, site, &it->frame);
}

int(bough_iterator_open)(struct bough_iterator *it, bough_iterator_fn *fn, void *arg,
                         size_t item_size)
{
    return bough_iterator_open_at(it, fn, arg, item_size, BOUGH_SITE("iterator"));
}

/* Go on with it; false: it has ended. */
static bool iterator_resume(struct bough_iterator *it)
{
    it->outside = bough_scope_current();
    if (bough_frame_resume(it->frame))
        return true;
    it->frame = NULL;
    return false;
}

int bough_next(struct bough_iterator *it, void *ret_item)
{
    if (!it->frame)
        return 0;
    if (!iterator_resume(it))
        return it->rc < 0 ? it->rc : 0;
    if (it->item_size)
        memcpy(ret_item, it->item, it->item_size);
    return 1;
}

int bough_iterator_emit(struct bough_iterator *self, const void *item)
{
    check_no_scope(self, "emits");
    if (!self->closing) {
        self->item = item;
        bough_frame_suspend(self->frame);
    }
    return self->closing ? bough_echo(-EPIPE) : 0;
}

int bough_iterator_close(struct bough_iterator *it, int rc)
{
    if (!it->frame)
        return rc;
    it->closing = true;
    (void)iterator_resume(it);               /* to its end: it cannot suspend again */
    (void)bough_catch_echo(&it->rc, -EPIPE); /* that it was told to end is no failure */
    return bough_keep(rc, it->rc);
}
