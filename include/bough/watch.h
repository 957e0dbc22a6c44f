/* A watched value: many tasks wait for it to change, and see the latest.
 *
 *     struct config config = {...};
 *     struct bough_watch watch;
 *     bough_watch_init(&watch, &config, sizeof(config));
 *
 *     bough_watch_set(&watch, &newer);                     // one task
 *
 *     uint64_t seen = 0;                      // another: the current value first, then each change
 *     struct config mine;
 *     while ((rc = bough_watch_next(&watch, &seen, &mine)) > 0)
 *         apply(&mine);
 *
 * Values in between may be missed by a slow reader, the latest never. The value stands where you
 * put it; nothing is allocated. All of it belongs to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/wait.h"

BOUGH_BEGIN_DECLS

struct bough_watch {
    /* Private. */
    void *value; /* yours */
    size_t size;
    uint64_t version; /* 1 from the start */
    bool closed;
    struct bough_list waiters;
};

/* 'value' is the first value; its storage is the watch's until the watch is no longer used. */
void bough_watch_init(struct bough_watch *w, void *value, size_t size);

/* A new value, copied; wakes all who wait. Setting what is equal counts, too. After
 * bough_watch_close() it changes the value, and nobody waits. */
void bough_watch_set(struct bough_watch *w, const void *value);

void bough_watch_get(const struct bough_watch *w, void *ret_value);

/* Wait for a value that is newer than *seen (0: any), copy it and update *seen. A checkpoint. 1; 0:
 * there is none and the watch is closed; -ECANCELED. */
BOUGH_MUST_CHECK int bough_watch_next(struct bough_watch *w, uint64_t *seen, void *ret_value);

/* There will be no more values: who waits gets 0. Idempotent. */
void bough_watch_close(struct bough_watch *w);

BOUGH_END_DECLS
