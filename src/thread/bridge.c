/* Bridges.
 *
 * A ring under a mutex, and two queues of tasks that wait, each in a run of its own. Who deals with
 * a waiting task takes it off its queue and moves its item under the mutex; then the wake-up
 * travels into that task's run (bough_enter). So a cancel either finds the task in the queue, and
 * it is over, or a wake is on its way, with the item.
 * SPDX-License-Identifier: MIT */
#include "bough/bridge.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/sys.h"
#include "bough/entry.h"
#include "bough/error.h"
#include "bough/wait.h"

struct bough_bridge {
    pthread_mutex_t mutex;
    size_t item_size, capacity, first, count;
    bool closed;
    unsigned refs;
    struct bough_list senders, receivers; /* struct crossing */
    char ring[];
};

/* A task that waits, on its stack. */
struct crossing {
    struct bough_list link; /* off the list: the result is there, and a wake is coming */
    struct bough_wait wait;
    struct bough_entry entry;
    struct bough_gate *gate;
    struct bough_bridge *bridge;
    void *item;
    int result;
};

static void lock(struct bough_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
}

static void unlock(struct bough_bridge *b)
{
    pthread_mutex_unlock(&b->mutex);
}

/* --- open and close --- */

int bough_bridge_open(size_t item_size, size_t capacity, struct bough_bridge **ret_bridge)
{
    size_t bytes;
    if (capacity == 0 || __builtin_mul_overflow(item_size, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct bough_bridge), &bytes))
        return bough_fail(-EINVAL, "a bridge for %zu items of %zu bytes", capacity, item_size);
    struct bough_bridge *b = sys_malloc(bytes);
    if (!b)
        return bough_fail_text(-ENOMEM, "no memory for a bridge");
    *b = (struct bough_bridge){.item_size = item_size, .capacity = capacity, .refs = 1};
    pthread_mutex_init(&b->mutex, NULL);
    bough_list_init(&b->senders);
    bough_list_init(&b->receivers);
    *ret_bridge = b;
    return 0;
}

struct bough_bridge *bough_bridge_hold(struct bough_bridge *b)
{
    __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void bough_bridge_release(struct bough_bridge *b)
{
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    pthread_mutex_destroy(&b->mutex);
    free(b);
}

/* --- waking, with the mutex held --- */

/* Off its queue, with this result. The wake may come before we are back: 'c' is the other task's
 * again. */
static void crossing_end(struct crossing *c, int result)
{
    struct bough_gate *gate = c->gate;
    bough_list_unlink(&c->link);
    c->result = result;
    (void)bough_enter(gate, &c->entry); /* its run is there while the task waits */
}

static struct crossing *first_of(struct bough_list *queue)
{
    struct bough_list *node = bough_list_first(queue);
    return node ? bough_container_of(node, struct crossing, link) : NULL;
}

void bough_bridge_close(struct bough_bridge *b)
{
    struct crossing *c;
    lock(b);
    b->closed = true;
    while ((c = first_of(&b->senders)))
        crossing_end(c, -EPIPE);
    while ((c = first_of(&b->receivers))) /* so the ring is empty */
        crossing_end(c, 0);
    unlock(b);
}

/* --- the ring, with the mutex held --- */

static char *slot(struct bough_bridge *b, size_t index)
{
    return b->ring + (b->first + index) % b->capacity * b->item_size;
}

static void copy(const struct bough_bridge *b, void *to, const void *from)
{
    if (b->item_size)
        memcpy(to, from, b->item_size);
}

static int send_now(struct bough_bridge *b, const void *item)
{
    struct crossing *receiver;
    if (b->closed)
        return -EPIPE;
    if ((receiver = first_of(&b->receivers))) {
        copy(b, receiver->item, item);
        crossing_end(receiver, 1);
        return 0;
    }
    if (b->count == b->capacity)
        return -EAGAIN;
    copy(b, slot(b, b->count++), item);
    return 0;
}

static int receive_now(struct bough_bridge *b, void *ret_item)
{
    struct crossing *sender;
    if (b->count == 0)
        return b->closed ? 0 : -EAGAIN;
    copy(b, ret_item, slot(b, 0));
    b->first = (b->first + 1) % b->capacity;
    b->count--;
    if ((sender = first_of(&b->senders))) {
        copy(b, slot(b, b->count++), sender->item);
        crossing_end(sender, 0);
    }
    return 1;
}

/* --- waiting --- */

/* In the run of the task that waits. */
static void crossing_wake(struct bough_entry *entry)
{
    struct crossing *c = bough_container_of(entry, struct crossing, entry);
    bough_wake(&c->wait, c->result);
}

static bool crossing_abort(struct bough_wait *wait)
{
    struct crossing *c = bough_container_of(wait, struct crossing, wait);
    lock(c->bridge);
    bool over = !bough_list_is_empty(&c->link);
    bough_list_unlink(&c->link);
    unlock(c->bridge);
    return over;
}

static void crossing_init(struct crossing *c, struct bough_bridge *b, void *item, const char *what)
{
    *c = (struct crossing){
        .wait = {.abort = crossing_abort, .what = what},
        .entry.fn = crossing_wake,
        .bridge = b,
        .item = item,
    };
}

/* Put it into 'queue', let go of the mutex, and wait. */
static int cross(struct crossing *c, struct bough_list *queue)
{
    c->gate = bough_gate_hold(); /* somebody may call in */
    bough_list_push(queue, &c->link);
    unlock(c->bridge);
    int rc = bough_wait(&c->wait);
    bough_gate_release(c->gate);
    return rc;
}

static int closed(int rc)
{
    return rc == -EPIPE ? bough_fail_text(rc, "the bridge is closed") : rc;
}

int bough_bridge_send(struct bough_bridge *b, const void *item)
{
    struct crossing c;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    lock(b);
    rc = send_now(b, item);
    if (rc == -EAGAIN) {
        crossing_init(&c, b, (void *)item, "room in a bridge to another run");
        return closed(cross(&c, &b->senders));
    }
    unlock(b);
    bough_passed();
    return closed(rc);
}

int bough_bridge_receive(struct bough_bridge *b, void *ret_item)
{
    struct crossing c;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    lock(b);
    rc = receive_now(b, ret_item);
    if (rc == -EAGAIN) {
        crossing_init(&c, b, ret_item, "an item from a bridge");
        return cross(&c, &b->receivers);
    }
    unlock(b);
    bough_passed();
    return rc;
}

int bough_bridge_send_nowait(struct bough_bridge *b, const void *item)
{
    lock(b);
    int rc = send_now(b, item);
    unlock(b);
    return closed(rc);
}

int bough_bridge_receive_nowait(struct bough_bridge *b, void *ret_item)
{
    lock(b);
    int rc = receive_now(b, ret_item);
    unlock(b);
    return rc;
}
