/* SPDX-License-Identifier: MIT */
#include "bough/flow.h"

struct map_item {
    bough_map_fn *fn;
    void *arg;
    const void *item;
    void *ret_result;
};

static int map_one(void *arg)
{
    struct map_item *m = arg;
    int rc = m->fn(m->item, m->ret_result, m->arg);
    return rc < 0 ? rc : 0;
}

int bough_map(bough_map_fn *fn, void *arg, const void *items, size_t item_size, void *results,
              size_t result_size, size_t count, unsigned limit)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc, .limit = limit) {
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = BOUGH_START(n, map_one, struct map_item, .fn = fn, .arg = arg,
                             .item = (const char *)items + i * item_size,
                             .ret_result = results ? (char *)results + i * result_size : NULL);
    }
    return rc;
}
