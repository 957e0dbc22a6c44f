/* Broadcasts: a ring of the last items, and a place in it for each subscriber.
 *
 * Items are numbered from 0 on; the ring has those of [sent - capacity, sent). A subscriber is the
 * number of the item that it reads next.
 * SPDX-License-Identifier: MIT */
#include "bough/broadcast.h"

#include <errno.h>

#include "base/sys.h"
#include "bough/channel.h"
#include "bough/error.h"
#include "sync/item.h"

struct bough_broadcast {
    size_t item_size, capacity;
    enum bough_broadcast_policy policy;
    bool closed;
    uint64_t sent;
    struct bough_list subscribers;
    struct bough_list senders; /* waits for room */
    char ring[];
};

struct bough_subscriber {
    struct bough_broadcast *broadcast;
    struct bough_list link;
    uint64_t next, lost;
    struct bough_transfer *waiting; /* the task that waits in it */
};

static struct bough_subscriber *subscriber_of(struct bough_list *node)
{
    return bough_container_of(node, struct bough_subscriber, link);
}

static char *slot(struct bough_broadcast *b, uint64_t number)
{
    return b->ring + (size_t)(number % b->capacity) * b->item_size;
}

/* End the wait in 's': whoever it was will not look at 's' again. */
static void wake_subscriber(struct bough_subscriber *s, int result)
{
    struct bough_transfer *waiting = s->waiting;
    s->waiting = NULL;
    if (waiting)
        bough_wake(&waiting->wait, result);
}

/* --- open and close --- */

int bough_broadcast_open(size_t item_size, size_t capacity, enum bough_broadcast_policy policy,
                         struct bough_broadcast **ret_broadcast)
{
    size_t bytes;
    if (capacity == 0)
        return bough_fail_text(-EINVAL, "a broadcast keeps one item at least");
    if (policy > BOUGH_BROADCAST_LAG)
        return bough_fail_text(-EINVAL, "a broadcast with a policy that means nothing");
    if (__builtin_mul_overflow(item_size, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct bough_broadcast), &bytes))
        return bough_fail_text(-EINVAL, "a broadcast larger than memory");
    struct bough_broadcast *b = sys_malloc(bytes);
    if (!b)
        return bough_fail_text(-ENOMEM, "no memory for a broadcast");
    *b = (struct bough_broadcast){.item_size = item_size, .capacity = capacity, .policy = policy};
    bough_list_init(&b->subscribers);
    bough_list_init(&b->senders);
    *ret_broadcast = b;
    return 0;
}

static void free_if_done(struct bough_broadcast *b)
{
    if (b->closed && bough_list_is_empty(&b->subscribers))
        free(b);
}

void bough_broadcast_close(struct bough_broadcast *b)
{
    if (!b)
        return;
    b->closed = true;
    bough_wake_all(&b->senders, -EBADF);
    bough_list_foreach (node, &b->subscribers)
        wake_subscriber(subscriber_of(node), 0);
    free_if_done(b);
}

int bough_broadcast_subscribe(struct bough_broadcast *b, struct bough_subscriber **ret_subscriber)
{
    if (b->closed)
        return bough_fail_text(-EBADF, "the broadcast is closed");
    struct bough_subscriber *s = sys_malloc(sizeof(*s));
    if (!s)
        return bough_fail_text(-ENOMEM, "no memory for a subscriber");
    *s = (struct bough_subscriber){.broadcast = b, .next = b->sent};
    bough_list_push(&b->subscribers, &s->link);
    *ret_subscriber = s;
    return 0;
}

/* --- sending --- */

static bool is_full(struct bough_broadcast *b)
{
    if (b->policy == BOUGH_BROADCAST_LAG)
        return false;
    bough_list_foreach (node, &b->subscribers)
        if (b->sent - subscriber_of(node)->next >= b->capacity)
            return true;
    return false;
}

static void send_now(struct bough_broadcast *b, const void *item)
{
    item_copy(slot(b, b->sent++), item, b->item_size);
    bough_list_foreach (node, &b->subscribers) {
        struct bough_subscriber *s = subscriber_of(node);
        if (s->waiting) { /* it has read all there was: hand it over */
            item_copy(s->waiting->item, item, b->item_size);
            s->next = b->sent;
            wake_subscriber(s, 1);
        }
    }
}

/* Room has come: whoever waits longest puts its item in, and so on. */
static void admit_senders(struct bough_broadcast *b)
{
    while (!bough_list_is_empty(&b->senders) && !is_full(b)) {
        struct bough_wait *wait = bough_container_of(b->senders.next, struct bough_wait, link);
        bough_wake(wait, 0);
        send_now(b, bough_container_of(wait, struct bough_transfer, wait)->item);
    }
}

int bough_broadcast_send_nowait(struct bough_broadcast *b, const void *item)
{
    if (b->closed)
        return bough_fail_text(-EBADF, "the broadcast is closed");
    if (!bough_list_is_empty(&b->senders) || is_full(b))
        return -EAGAIN;
    send_now(b, item);
    return 0;
}

int bough_broadcast_send(struct bough_broadcast *b, const void *item)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    rc = bough_broadcast_send_nowait(b, item);
    if (rc != -EAGAIN) {
        bough_passed();
        return rc;
    }
    struct bough_transfer transfer = {
        .wait = {.abort = bough_wait_leave, .what = "a slow subscriber"}, .item = (void *)item};
    bough_list_push(&b->senders, &transfer.wait.link);
    rc = bough_wait(&transfer.wait);
    return rc == -EBADF ? bough_fail_text(rc, "the broadcast was closed") : rc;
}

/* --- receiving --- */

static int receive_now(struct bough_subscriber *s, void *ret_item)
{
    struct bough_broadcast *b = s->broadcast;
    if (b->sent - s->next > b->capacity) {
        s->lost += b->sent - b->capacity - s->next;
        s->next = b->sent - b->capacity;
        return bough_fail_text(-EOVERFLOW, "a subscriber was too slow and has missed items");
    }
    if (s->next == b->sent)
        return b->closed ? 0 : -EAGAIN;
    item_copy(ret_item, slot(b, s->next++), b->item_size);
    admit_senders(b);
    return 1;
}

static bool receive_abort(struct bough_wait *wait)
{
    struct bough_transfer *transfer = bough_container_of(wait, struct bough_transfer, wait);
    ((struct bough_subscriber *)transfer->handle)->waiting = NULL;
    return true;
}

int bough_subscriber_receive_nowait(struct bough_subscriber *s, void *ret_item)
{
    return s->waiting ? bough_fail_text(-EBUSY, "another task waits in this subscriber")
                      : receive_now(s, ret_item);
}

int bough_subscriber_receive(struct bough_subscriber *s, void *ret_item)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    rc = bough_subscriber_receive_nowait(s, ret_item);
    if (rc != -EAGAIN) {
        bough_passed();
        return rc;
    }
    struct bough_transfer transfer = {
        .wait = {.abort = receive_abort, .what = "an item of a broadcast"},
        .item = ret_item,
        .handle = s,
    };
    s->waiting = &transfer;
    rc = bough_wait(&transfer.wait);
    return rc == -EBADF ? bough_fail_text(rc, "the subscriber was closed") : rc;
}

uint64_t bough_subscriber_lost(const struct bough_subscriber *s)
{
    return s->lost;
}

void bough_subscriber_close(struct bough_subscriber *s)
{
    if (!s)
        return;
    struct bough_broadcast *b = s->broadcast;
    bough_list_unlink(&s->link);
    wake_subscriber(s, -EBADF);
    free(s);
    admit_senders(b);
    free_if_done(b);
}
