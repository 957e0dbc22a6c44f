/* Channels: values from task to task, in order, with backpressure.
 *
 *     struct bough_sender *tx;
 *     struct bough_receiver *rx;
 *     int rc = bough_channel_open(sizeof(struct job), 16, &tx, &rx);
 *     ...
 *     rc = bough_send(tx, &job);                      // one task: waits while 16 are in the buffer
 *     bough_sender_close(tx);                            // no more
 *
 *     while ((rc = bough_receive(rx, &job)) > 0)         // another task
 *         work(&job);                                    // rc: 1 an item, 0 the end, < 0 an error
 *     bough_receiver_close(rx);
 *
 * A channel has two ends, each with any number of handles (clone). When the last sender is closed,
 * receivers get what is in the buffer and then the end. When the last receiver is closed, sends
 * fail with -EPIPE; what was in the buffer is dropped.
 *
 * Hand-off is direct and first in, first out, on both sides: an item that was given to a waiting
 * receiver cannot be taken by a newcomer. A cancelled or timed-out call has sent or received
 * nothing, and loses nothing.
 *
 * Items are copied by memcpy. The handles are allocated, and freed with the channel when all of
 * them are closed. A handle that is closed may still be used while others are open: its calls fail
 * with -EBADF (until a clone takes its place). All calls belong to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/wait.h"

BOUGH_BEGIN_DECLS

struct bough_sender;
struct bough_receiver;

/* A capacity: sends never wait, memory permitting. */
#define BOUGH_UNBOUNDED SIZE_MAX

/* Make a channel of items of 'item_size' bytes (0: only their number matters, and they may be
 * NULL). 'capacity' items fit into its buffer; 0 is a rendezvous: a send ends when the item has
 * been received. 0, -ENOMEM, -EOVERFLOW. */
BOUGH_MUST_CHECK int bough_channel_open(size_t item_size, size_t capacity,
                                        struct bough_sender **ret_tx,
                                        struct bough_receiver **ret_rx);

/* Send a copy of the item, waiting for room. A checkpoint. 0; -EPIPE: no receiver is left; -EBADF:
 * this handle is closed; -ECANCELED: nothing was sent; -ENOMEM: an unbounded buffer cannot grow. */
BOUGH_MUST_CHECK int bough_send(struct bough_sender *tx, const void *item);

/* The same without waiting: -EAGAIN instead. Not a checkpoint. */
BOUGH_MUST_CHECK int bough_send_nowait(struct bough_sender *tx, const void *item);

/* Wait until a send would not have to wait: there is room, or somebody waits to receive. Then an
 * item can be made on demand. Another sender may be quicker. A checkpoint. 0, -EPIPE, -EBADF,
 * -ECANCELED. */
BOUGH_MUST_CHECK int bough_send_wait(struct bough_sender *tx);

/* Receive the next item, waiting for one. A checkpoint. 1: an item is in *ret_item; 0: the end, no
 * sender is left; -EBADF: this handle is closed; -ECANCELED: nothing was taken. */
BOUGH_MUST_CHECK int bough_receive(struct bough_receiver *rx, void *ret_item);
BOUGH_MUST_CHECK int bough_receive_nowait(struct bough_receiver *rx, void *ret_item); /* -EAGAIN */

/* Another handle of the same end. 0, -ENOMEM, -EBADF. */
BOUGH_MUST_CHECK int bough_sender_clone(struct bough_sender *tx, struct bough_sender **ret_tx);
BOUGH_MUST_CHECK int bough_receiver_clone(struct bough_receiver *rx,
                                          struct bough_receiver **ret_rx);

/* Close this handle. Tasks that wait on it get -EBADF, those on other handles do not notice, unless
 * it was the last of its end: then the other end learns of it. NULL is fine; not a checkpoint. */
void bough_sender_close(struct bough_sender *tx);
void bough_receiver_close(struct bough_receiver *rx);

struct bough_channel_stats {
    size_t capacity, buffered;
    unsigned senders, receivers;                 /* open handles */
    unsigned waiting_senders, waiting_receivers; /* tasks */
};
void bough_sender_stats(const struct bough_sender *tx, struct bough_channel_stats *ret_stats);
void bough_receiver_stats(const struct bough_receiver *rx, struct bough_channel_stats *ret_stats);

/* --- with a type ---
 *
 *     BOUGH_CHANNEL(jobs, struct job)
 *
 *     struct jobs_sender *tx;
 *     struct jobs_receiver *rx;
 *     rc = jobs_open(16, &tx, &rx);
 *     rc = jobs_send(tx, &job);                          // a struct job *, or it does not compile
 *
 * Declares the handles' types and _open, _send, _receive, _clone and _close functions; all inline.
 */
#define BOUGH_CHANNEL(name, type)                                                                  \
    struct name##_sender;                                                                          \
    struct name##_receiver;                                                                        \
    BOUGH_CHANNEL_FN_(int)                                                                         \
    name##_open(size_t capacity, struct name##_sender **ret_tx, struct name##_receiver **ret_rx)   \
    {                                                                                              \
        return bough_channel_open(sizeof(type), capacity, (struct bough_sender **)ret_tx,          \
                                  (struct bough_receiver **)ret_rx);                               \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(int) name##_send(struct name##_sender *tx, type const *item)                 \
    {                                                                                              \
        return bough_send((struct bough_sender *)tx, item);                                        \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(int) name##_send_nowait(struct name##_sender *tx, type const *item)          \
    {                                                                                              \
        return bough_send_nowait((struct bough_sender *)tx, item);                                 \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(int) name##_receive(struct name##_receiver *rx, type *ret_item)              \
    {                                                                                              \
        return bough_receive((struct bough_receiver *)rx, ret_item);                               \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(int) name##_receive_nowait(struct name##_receiver *rx, type *ret_item)       \
    {                                                                                              \
        return bough_receive_nowait((struct bough_receiver *)rx, ret_item);                        \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(int)                                                                         \
    name##_sender_clone(struct name##_sender *tx, struct name##_sender **ret_tx)                   \
    {                                                                                              \
        return bough_sender_clone((struct bough_sender *)tx, (struct bough_sender **)ret_tx);      \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(int)                                                                         \
    name##_receiver_clone(struct name##_receiver *rx, struct name##_receiver **ret_rx)             \
    {                                                                                              \
        return bough_receiver_clone((struct bough_receiver *)rx,                                   \
                                    (struct bough_receiver **)ret_rx);                             \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(void) name##_sender_close(struct name##_sender *tx)                          \
    {                                                                                              \
        bough_sender_close((struct bough_sender *)tx);                                             \
    }                                                                                              \
    BOUGH_CHANNEL_FN_(void) name##_receiver_close(struct name##_receiver *rx)                      \
    {                                                                                              \
        bough_receiver_close((struct bough_receiver *)rx);                                         \
    }

#define BOUGH_CHANNEL_FN_(result) __attribute__((unused)) static inline result

/* --- for primitives on top, such as bough_select --- */

/* One send or receive that waits. */
struct bough_transfer {
    struct bough_wait wait;
    void *item;         /* where the item is, or is to go */
    const void *handle; /* through which it waits */
};

/* The halves of bough_send() and bough_receive() for a wait with a 'woken' of its own:
 * bough_send_nowait(), and if that said -EAGAIN, wait in the channel. To give up:
 * bough_wait_leave(). */
void bough_send_enqueue(struct bough_sender *tx, struct bough_transfer *transfer);
void bough_receive_enqueue(struct bough_receiver *rx, struct bough_transfer *transfer);

/* For a block that hands out a handle: until the release, which closes it, the handle stays
 * allocated, even when all of the channel is closed, and is no clone's, so that the user may close
 * it first. One of a channel. */
void bough_receiver_hold(struct bough_receiver *rx);
void bough_receiver_release(struct bough_receiver *rx);

/* bough_channel_stats(tx, &stats), by either end. */
#ifdef __cplusplus
extern "C++" {
static inline void bough_channel_stats(const struct bough_sender *tx,
                                       struct bough_channel_stats *ret_stats)
{
    bough_sender_stats(tx, ret_stats);
}
static inline void bough_channel_stats(const struct bough_receiver *rx,
                                       struct bough_channel_stats *ret_stats)
{
    bough_receiver_stats(rx, ret_stats);
}
}
#else
#define bough_channel_stats(handle, ret_stats)                                                     \
    _Generic((handle),                                                                             \
        struct bough_sender *: bough_sender_stats,                                                 \
        const struct bough_sender *: bough_sender_stats,                                           \
        struct bough_receiver *: bough_receiver_stats,                                             \
        const struct bough_receiver *: bough_receiver_stats)(handle, ret_stats)
#endif

BOUGH_END_DECLS
