/* Bridges: channels between runs, that is between threads.
 *
 *     struct bough_bridge *jobs;
 *     rc = bough_bridge_open(sizeof(struct job), 64, &jobs);
 *     ...
 *     rc = bough_bridge_send(jobs, &job);                  // a task of one run: waits for room
 *
 *     while ((rc = bough_bridge_receive(jobs, &job)) > 0)  // a task of another: waits for an item
 *         work(&job);
 *
 * What bough/channel.h is within a run; that one is far cheaper, so use a bridge only where threads
 * meet. Items are copied, in order, first come first served on both sides. Any thread may send and
 * receive without waiting, also one that has no run.
 *
 * A bridge is counted: each thread that uses it holds it (bough_bridge_hold) and releases it. All
 * calls are for any thread; those that wait are for tasks.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_bridge;

/* Make one for items of 'item_size' bytes, with room for 'capacity' (at least 1) of them; held
 * once. 0, -ENOMEM, -EINVAL. */
BOUGH_MUST_CHECK int bough_bridge_open(size_t item_size, size_t capacity,
                                       struct bough_bridge **ret_bridge);
struct bough_bridge *bough_bridge_hold(struct bough_bridge *b);
void bough_bridge_release(struct bough_bridge *b); /* the last one frees it; NULL is fine */

/* Send a copy, waiting for room. A checkpoint. 0; -EPIPE: it is closed; -ECANCELED: nothing was
 * sent. */
BOUGH_MUST_CHECK int bough_bridge_send(struct bough_bridge *b, const void *item);
BOUGH_MUST_CHECK int bough_bridge_send_nowait(struct bough_bridge *b,
                                              const void *item); /* -EAGAIN */

/* Receive the next item, waiting for one. A checkpoint. 1 an item; 0 the end: it is closed and
 * empty; -ECANCELED: nothing was taken. */
BOUGH_MUST_CHECK int bough_bridge_receive(struct bough_bridge *b, void *ret_item);
BOUGH_MUST_CHECK int bough_bridge_receive_nowait(struct bough_bridge *b,
                                                 void *ret_item); /* -EAGAIN */

/* No more sends: who waits to send gets -EPIPE, receivers get what is left and then the end.
 * Idempotent. */
void bough_bridge_close(struct bough_bridge *b);

BOUGH_END_DECLS
