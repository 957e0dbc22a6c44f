/* Channels.
 *
 * Invariants between calls: receivers wait only when the buffer is empty and no sender waits;
 * senders wait only when the buffer is full and no receiver waits. So whoever comes finds at most
 * one of "somebody to deal with", "room" or "items", and a hand-off is one copy and one wake.
 *
 * A handle stays allocated until its channel goes, so that using one that is closed is an error,
 * not a crash; a clone takes the oldest closed one again, so that their number stays that of the
 * most that were open at a time.
 * SPDX-License-Identifier: MIT */
#include "bough/channel.h"

#include <errno.h>

#include "base/sys.h"
#include "bough/error.h"
#include "sync/item.h"

struct end;

struct channel {
    size_t item_size, capacity;
    char *buffer; /* a ring of 'slots' items, 'count' of them from 'first' on */
    size_t slots, first, count;
    struct handle *held;      /* bough_receiver_hold() */
    struct bough_list demand; /* struct bough_transfer: bough_send_wait() */
    struct end {
        struct bough_list waiting; /* struct bough_transfer */
        struct bough_list closed;  /* handles, the oldest first */
        unsigned open;
    } senders, receivers;
};

/* Both kinds of handles are this. */
struct handle {
    struct channel *channel;
    bool closed;
    struct bough_list link; /* while closed, in its end's list */
};

struct bough_sender {
    struct handle handle;
};
struct bough_receiver {
    struct handle handle;
};

/* --- the buffer --- */

/* A place in the ring; the index may be past the end once. */
static void *slot(const struct channel *ch, size_t index)
{
    if (index >= ch->slots)
        index -= ch->slots;
    return ch->buffer + index * ch->item_size;
}

static void buffer_put(struct channel *ch, const void *item)
{
    item_copy(slot(ch, ch->first + ch->count++), item, ch->item_size);
}

static void buffer_take(struct channel *ch, void *ret_item)
{
    item_copy(ret_item, slot(ch, ch->first), ch->item_size);
    ch->first = ch->first + 1 == ch->slots ? 0 : ch->first + 1;
    ch->count--;
}

/* Twice the slots of an unbounded buffer: the items at the front of the ring go behind the rest. */
static int buffer_grow(struct channel *ch)
{
    size_t slots = ch->slots ? ch->slots * 2 : 16, bytes;
    if (__builtin_mul_overflow(slots, ch->item_size, &bytes))
        return -ENOMEM;
    char *buffer = sys_realloc(ch->buffer, bytes ? bytes : 1);
    if (!buffer)
        return -ENOMEM;
    memcpy(buffer + ch->slots * ch->item_size, buffer, ch->first * ch->item_size);
    ch->buffer = buffer;
    ch->slots = slots;
    return 0;
}

static bool has_room(const struct channel *ch)
{
    return ch->count < ch->capacity;
}

/* --- open, clone, close --- */

static void end_init(struct end *end)
{
    bough_list_init(&end->waiting);
    bough_list_init(&end->closed);
    end->open = 0;
}

static void end_free_handles(struct end *end)
{
    struct bough_list *node;
    while ((node = bough_list_pop(&end->closed)))
        free(bough_container_of(node, struct handle, link));
}

static void channel_free(struct channel *ch)
{
    end_free_handles(&ch->senders);
    end_free_handles(&ch->receivers);
    free(ch->buffer);
    free(ch);
}

static void free_if_unused(struct channel *ch)
{
    if (ch->senders.open == 0 && ch->receivers.open == 0 && !ch->held)
        channel_free(ch);
}

static int handle_new(struct channel *ch, struct end *end, struct handle **ret_handle)
{
    struct bough_list *node = bough_list_pop(&end->closed);
    struct handle *handle =
        node ? bough_container_of(node, struct handle, link) : sys_malloc(sizeof(*handle));
    if (!handle)
        return -ENOMEM;
    *handle = (struct handle){.channel = ch};
    end->open++;
    *ret_handle = handle;
    return 0;
}

static const char handle_closed_text[] = "this handle of the channel is closed";
static const char no_receiver_text[] = "the channel has no receiver left";

/* Wake those who wait through 'handle'. */
static void wake_users(struct bough_list *waiting, const struct handle *handle)
{
    struct bough_list all, *node;
    bough_list_init(&all);
    bough_list_splice(&all, waiting);
    /* One wake may take others off the list: those of the same select. */
    while ((node = bough_list_pop(&all))) {
        struct bough_transfer *transfer =
            bough_container_of(node, struct bough_transfer, wait.link);
        if (transfer->handle == handle)
            bough_wake_failed(&transfer->wait, -EBADF, handle_closed_text);
        else
            bough_list_push(waiting, node);
    }
}

/* Wake those who wait for a receiver: the last has gone. */
static void wake_in_vain(struct bough_list *waiting)
{
    while (!bough_list_is_empty(waiting))
        bough_wake_failed(bough_container_of(waiting->next, struct bough_wait, link), -EPIPE,
                          no_receiver_text);
}

/* Returns true if that was the last of its end. */
static bool handle_close(struct handle *handle, struct end *end)
{
    handle->closed = true;
    if (handle != handle->channel->held)
        bough_list_push(&end->closed, &handle->link);
    wake_users(&end->waiting, handle);
    return --end->open == 0;
}

static BOUGH_COLD int out_of_memory(void)
{
    return bough_fail_text(-ENOMEM, "no memory for a channel");
}

static int channel_new(size_t item_size, size_t capacity, struct channel **ret_channel)
{
    struct channel *ch = sys_calloc(1, sizeof(*ch));
    if (!ch)
        return -ENOMEM;
    ch->item_size = item_size;
    ch->capacity = capacity;
    bough_list_init(&ch->demand);
    end_init(&ch->senders);
    end_init(&ch->receivers);
    if (capacity && capacity != BOUGH_UNBOUNDED) {
        size_t bytes = capacity * item_size;
        ch->slots = capacity;
        ch->buffer = sys_malloc(bytes ? bytes : 1);
        if (!ch->buffer) {
            free(ch);
            return -ENOMEM;
        }
    }
    *ret_channel = ch;
    return 0;
}

int bough_channel_open(size_t item_size, size_t capacity, struct bough_sender **ret_tx,
                       struct bough_receiver **ret_rx)
{
    struct channel *ch;
    struct handle *tx, *rx;
    size_t bytes;
    if (capacity != BOUGH_UNBOUNDED && __builtin_mul_overflow(item_size, capacity, &bytes))
        return bough_fail(-EOVERFLOW, "a channel of %zu items of %zu bytes is larger than memory",
                          capacity, item_size);
    if (channel_new(item_size, capacity, &ch) < 0)
        return out_of_memory();
    if (handle_new(ch, &ch->senders, &tx) < 0) {
        channel_free(ch);
        return out_of_memory();
    }
    if (handle_new(ch, &ch->receivers, &rx) < 0) {
        (void)handle_close(tx, &ch->senders);
        channel_free(ch);
        return out_of_memory();
    }
    *ret_tx = bough_container_of(tx, struct bough_sender, handle);
    *ret_rx = bough_container_of(rx, struct bough_receiver, handle);
    return 0;
}

static BOUGH_COLD int handle_is_closed(void)
{
    return bough_fail_text(-EBADF, handle_closed_text);
}

static int handle_clone(struct handle *handle, struct end *end, struct handle **ret_handle)
{
    if (handle->closed)
        return handle_is_closed();
    return handle_new(handle->channel, end, ret_handle) < 0 ? out_of_memory() : 0;
}

int bough_sender_clone(struct bough_sender *tx, struct bough_sender **ret_tx)
{
    struct handle *handle = NULL;
    int rc = handle_clone(&tx->handle, &tx->handle.channel->senders, &handle);
    if (rc == 0)
        *ret_tx = bough_container_of(handle, struct bough_sender, handle);
    return rc;
}

int bough_receiver_clone(struct bough_receiver *rx, struct bough_receiver **ret_rx)
{
    struct handle *handle = NULL;
    int rc = handle_clone(&rx->handle, &rx->handle.channel->receivers, &handle);
    if (rc == 0)
        *ret_rx = bough_container_of(handle, struct bough_receiver, handle);
    return rc;
}

void bough_sender_close(struct bough_sender *tx)
{
    if (!tx || tx->handle.closed)
        return;
    struct channel *ch = tx->handle.channel;
    bool last = handle_close(&tx->handle, &ch->senders);
    wake_users(&ch->demand, &tx->handle);
    if (!last)
        return;
    if (ch->receivers.open == 0)
        free_if_unused(ch);
    else
        bough_wake_all(&ch->receivers.waiting, 0); /* the buffer is empty if they wait */
}

void bough_receiver_close(struct bough_receiver *rx)
{
    if (!rx || rx->handle.closed)
        return;
    struct channel *ch = rx->handle.channel;
    if (!handle_close(&rx->handle, &ch->receivers))
        return;
    if (ch->senders.open == 0) {
        free_if_unused(ch);
        return;
    }
    ch->count = 0; /* nobody will come for these */
    wake_in_vain(&ch->senders.waiting);
    wake_in_vain(&ch->demand);
}

void bough_receiver_hold(struct bough_receiver *rx)
{
    rx->handle.channel->held = &rx->handle;
}

void bough_receiver_release(struct bough_receiver *rx)
{
    struct channel *ch = rx->handle.channel;
    bough_receiver_close(rx);
    ch->held = NULL;
    bough_list_push(&ch->receivers.closed, &rx->handle.link);
    free_if_unused(ch);
}

/* --- send and receive --- */

static struct bough_transfer *first_waiting(const struct end *end)
{
    return bough_container_of(end->waiting.next, struct bough_transfer, wait.link);
}

/* Send if it needs no wait: 0, -EAGAIN, or an error without its detail. */
static BOUGH_ALWAYS_INLINE int send_now(const struct bough_sender *tx, const void *item)
{
    struct channel *ch = tx->handle.channel;
    if (BOUGH_UNLIKELY(tx->handle.closed))
        return -EBADF;
    if (BOUGH_UNLIKELY(ch->receivers.open == 0))
        return -EPIPE;
    if (!bough_list_is_empty(&ch->receivers.waiting)) {
        struct bough_transfer *receiver = first_waiting(&ch->receivers);
        item_copy(receiver->item, item, ch->item_size);
        bough_wake(&receiver->wait, 1);
        return 0;
    }
    if (!has_room(ch))
        return -EAGAIN;
    if (BOUGH_UNLIKELY(ch->count == ch->slots) && buffer_grow(ch) < 0)
        return -ENOMEM;
    buffer_put(ch, item);
    return 0;
}

/* There is room in the buffer now: take the item of the sender that waits longest into it. */
static void admit_sender(struct channel *ch)
{
    struct bough_transfer *sender = first_waiting(&ch->senders);
    buffer_put(ch, sender->item);
    bough_wake(&sender->wait, 0);
}

/* A send need not wait now. */
static inline void wake_demand(struct channel *ch)
{
    if (BOUGH_UNLIKELY(!bough_list_is_empty(&ch->demand)))
        bough_wake_all(&ch->demand, 0);
}

/* Receive if it needs no wait: 1, 0, -EAGAIN, -EBADF. */
static BOUGH_ALWAYS_INLINE int receive_now(const struct bough_receiver *rx, void *ret_item)
{
    struct channel *ch = rx->handle.channel;
    if (BOUGH_UNLIKELY(rx->handle.closed))
        return -EBADF;
    if (ch->count) {
        buffer_take(ch, ret_item);
        if (!bough_list_is_empty(&ch->senders.waiting))
            admit_sender(ch);
        else
            wake_demand(ch);
        return 1;
    }
    if (!bough_list_is_empty(&ch->senders.waiting)) { /* a rendezvous */
        struct bough_transfer *sender = first_waiting(&ch->senders);
        item_copy(ret_item, sender->item, ch->item_size);
        bough_wake(&sender->wait, 0);
        return 1;
    }
    return ch->senders.open ? -EAGAIN : 0;
}

/* Give an error its detail. */
static BOUGH_COLD int transfer_failed(int rc)
{
    switch (rc) {
    case -EPIPE:
        return bough_fail_text(rc, no_receiver_text);
    case -EBADF:
        return handle_is_closed();
    case -ENOMEM:
        return out_of_memory();
    default:
        return rc;
    }
}

void bough_send_enqueue(struct bough_sender *tx, struct bough_transfer *transfer)
{
    transfer->handle = &tx->handle;
    bough_list_push(&tx->handle.channel->senders.waiting, &transfer->wait.link);
}

void bough_receive_enqueue(struct bough_receiver *rx, struct bough_transfer *transfer)
{
    transfer->handle = &rx->handle;
    bough_list_push(&rx->handle.channel->receivers.waiting, &transfer->wait.link);
    wake_demand(rx->handle.channel);
}

_Static_assert(sizeof(struct bough_transfer) <= BOUGH_WAIT_ROOM, "");

static struct bough_transfer *transfer_new(const char *what, void *item)
{
    struct bough_transfer *transfer = bough_wait_room();
    transfer->wait = (struct bough_wait){.abort = bough_wait_leave, .what = what};
    transfer->item = item;
    return transfer;
}

static int send_waiting(struct bough_sender *tx, const void *item)
{
    struct bough_transfer *transfer = transfer_new("room in a channel", (void *)item);
    bough_send_enqueue(tx, transfer);
    return bough_wait(&transfer->wait);
}

int bough_send(struct bough_sender *tx, const void *item)
{
    int rc = bough_pass();
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    rc = send_now(tx, item);
    if (rc == -EAGAIN)
        return send_waiting(tx, item);
    return BOUGH_LIKELY(rc >= 0) ? rc : transfer_failed(rc);
}

int bough_send_nowait(struct bough_sender *tx, const void *item)
{
    int rc = send_now(tx, item);
    return BOUGH_LIKELY(rc >= 0) ? rc : transfer_failed(rc);
}

/* Would a send wait? Or its error. */
static int send_would_wait(const struct bough_sender *tx)
{
    const struct channel *ch = tx->handle.channel;
    if (tx->handle.closed)
        return -EBADF;
    if (ch->receivers.open == 0)
        return -EPIPE;
    return has_room(ch) || !bough_list_is_empty(&ch->receivers.waiting) ? 0 : -EAGAIN;
}

int bough_send_wait(struct bough_sender *tx)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    rc = send_would_wait(tx);
    if (rc != -EAGAIN)
        return rc >= 0 ? rc : transfer_failed(rc);
    struct bough_transfer *transfer = transfer_new("somebody who receives from a channel", NULL);
    transfer->handle = &tx->handle;
    bough_list_push(&tx->handle.channel->demand, &transfer->wait.link);
    return bough_wait(&transfer->wait);
}

static int receive_waiting(struct bough_receiver *rx, void *ret_item)
{
    struct bough_transfer *transfer = transfer_new("an item from a channel", ret_item);
    bough_receive_enqueue(rx, transfer);
    return bough_wait(&transfer->wait);
}

int bough_receive(struct bough_receiver *rx, void *ret_item)
{
    int rc = bough_pass();
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    rc = receive_now(rx, ret_item);
    if (rc == -EAGAIN)
        return receive_waiting(rx, ret_item);
    return BOUGH_LIKELY(rc >= 0) ? rc : transfer_failed(rc);
}

int bough_receive_nowait(struct bough_receiver *rx, void *ret_item)
{
    int rc = receive_now(rx, ret_item);
    return BOUGH_LIKELY(rc >= 0) ? rc : transfer_failed(rc);
}

/* --- stats --- */

static unsigned count_waiting(const struct end *end)
{
    unsigned count = 0;
    bough_list_foreach (node, &end->waiting)
        count++;
    return count;
}

static void channel_stats(const struct channel *ch, struct bough_channel_stats *ret_stats)
{
    *ret_stats = (struct bough_channel_stats){
        .capacity = ch->capacity,
        .buffered = ch->count,
        .senders = ch->senders.open,
        .receivers = ch->receivers.open,
        .waiting_senders = count_waiting(&ch->senders),
        .waiting_receivers = count_waiting(&ch->receivers),
    };
}

void bough_sender_stats(const struct bough_sender *tx, struct bough_channel_stats *ret_stats)
{
    channel_stats(tx->handle.channel, ret_stats);
}

void bough_receiver_stats(const struct bough_receiver *rx, struct bough_channel_stats *ret_stats)
{
    channel_stats(rx->handle.channel, ret_stats);
}
