/* A broadcast: every subscriber sees every item that is sent after it subscribed.
 *
 *     struct bough_broadcast *ticks;
 *     rc = bough_broadcast_open(sizeof(struct tick), 64, BOUGH_BROADCAST_LAG, &ticks);
 *
 *     rc = bough_broadcast_send(ticks, &tick);                // one task
 *
 *     struct bough_subscriber *mine;                          // another
 *     rc = bough_broadcast_subscribe(ticks, &mine);
 *     while ((rc = bough_subscriber_receive(mine, &tick)) != 0) {
 *         if (rc == -EOVERFLOW)
 *             continue;                        // too slow: bough_subscriber_lost(mine) were missed
 *         ...
 *     }
 *
 * The last 'capacity' items are kept. What happens with a subscriber that has not read the oldest
 * of them is the broadcast's choice: BLOCK makes the sender wait for the slowest, LAG lets the slow
 * one miss items and tells it so. Both cost one copy for the sender and one for each reader.
 *
 * Allocated; freed when the broadcast and its last subscriber are closed. It belongs to the thread
 * of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/wait.h"

BOUGH_BEGIN_DECLS

enum bough_broadcast_policy {
    BOUGH_BROADCAST_BLOCK, /* a send waits until the slowest subscriber has room */
    /* A send never waits; who is too slow gets -EOVERFLOW once, and goes on at the oldest kept. */
    BOUGH_BROADCAST_LAG,
};

struct bough_broadcast;
struct bough_subscriber;

/* 'capacity' is at least 1. With an 'item_size' of 0 only the number of items matters, and they may
 * be NULL. 0, -ENOMEM, -EINVAL. */
BOUGH_MUST_CHECK int bough_broadcast_open(size_t item_size, size_t capacity,
                                          enum bough_broadcast_policy policy,
                                          struct bough_broadcast **ret_broadcast);

/* Send to all who have subscribed; with none the item is gone. A checkpoint. 0, -EBADF (closed),
 * -ECANCELED. */
BOUGH_MUST_CHECK int bough_broadcast_send(struct bough_broadcast *b, const void *item);
BOUGH_MUST_CHECK int bough_broadcast_send_nowait(struct bough_broadcast *b,
                                                 const void *item); /* -EAGAIN */

/* No more items: subscribers read what there is, and then the end. Senders that wait get -EBADF.
 * NULL is fine. */
void bough_broadcast_close(struct bough_broadcast *b);

/* From the next item on. 0, -ENOMEM, -EBADF. */
BOUGH_MUST_CHECK int bough_broadcast_subscribe(struct bough_broadcast *b,
                                               struct bough_subscriber **ret_subscriber);

/* The next item. A checkpoint. 1 an item; 0 the end; -EOVERFLOW: items were missed, the next call
 * goes on; -ECANCELED: nothing was taken. One task at a time: -EBUSY. */
BOUGH_MUST_CHECK int bough_subscriber_receive(struct bough_subscriber *s, void *ret_item);
BOUGH_MUST_CHECK int bough_subscriber_receive_nowait(struct bough_subscriber *s, void *ret_item);

/* How many items it has missed, ever. */
uint64_t bough_subscriber_lost(const struct bough_subscriber *s);

/* A task that waits in it gets -EBADF. It is freed: no more calls. NULL is fine. */
void bough_subscriber_close(struct bough_subscriber *s);

BOUGH_END_DECLS
