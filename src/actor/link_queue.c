/* Frames between two threads of a process: a queue each way, and no copy but the first.
 *
 * The pair is shared by both ends, which count it, and so does a look that is on its way into a
 * run. Each end has a queue that the other one pushes to, from its thread, and the gate into its
 * run. An end that is freed is closed: the other one receives what had been sent before, and then
 * the end. What was sent to an end that is closed is freed with the pair. There is no lock: who
 * sends pushes and then looks for the gate, who opens sets the gate and then looks at the queue.
 * SPDX-License-Identifier: MIT */
#include <errno.h>

#include "actor/link.h"
#include "base/mpsc.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/time.h"
#include "bough/wait.h"

struct parcel {
    struct bough_entry node; /* in the mpsc */
    struct frame frame;
};

struct pair;

struct queue_link {
    struct link link;
    struct pair *pair;
    struct mpsc arrived;     /* parcels; pushed by the other end */
    struct bough_gate *gate; /* set once, by the run that has opened this end */
    bool closed;
    struct bough_entry look; /* "something has arrived, or the other end is closed" */
    bool looking;            /* it is on its way, and holds the pair */
    struct bough_wait *reader;
};

struct pair {
    unsigned held;
    struct queue_link ends[2];
};

static struct queue_link *other_end(struct queue_link *q)
{
    return &q->pair->ends[q == &q->pair->ends[0]];
}

static void parcel_free(struct parcel *p)
{
    frame_release(&p->frame);
    free(p);
}

static bool take(struct queue_link *q, struct parcel **ret_parcel)
{
    struct bough_entry *node;
    enum mpsc_result found = mpsc_pop(&q->arrived, &node);
    if (found != MPSC_ITEM) /* after a gap the other end calls in */
        return false;
    *ret_parcel = bough_container_of(node, struct parcel, node);
    return true;
}

static void pair_release(struct pair *pair)
{
    struct parcel *p;
    if (__atomic_sub_fetch(&pair->held, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (int i = 0; i < 2; i++) {
        while (take(&pair->ends[i], &p))
            parcel_free(p);
        if (pair->ends[i].gate)
            bough_gate_release(pair->ends[i].gate);
    }
    free(pair);
}

/* Have the other end look, if it has been opened. */
static void call_in(struct queue_link *to)
{
    struct bough_gate *gate = __atomic_load_n(&to->gate, __ATOMIC_SEQ_CST);
    if (!gate || __atomic_exchange_n(&to->looking, true, __ATOMIC_SEQ_CST))
        return;
    __atomic_add_fetch(&to->pair->held, 1, __ATOMIC_RELAXED);
    if (bough_enter(gate, &to->look) < 0) /* that run has ended */
        pair_release(to->pair);
}

static void something_arrived(struct bough_entry *entry)
{
    struct queue_link *q = bough_container_of(entry, struct queue_link, look);
    __atomic_store_n(&q->looking, false, __ATOMIC_SEQ_CST);
    if (q->reader)
        bough_wake(q->reader, 0);
    q->reader = NULL;
    pair_release(q->pair);
}

/* --- sending --- */

static int queue_send(struct link *link, const struct frame_head *head,
                      const struct bough_bytes *parts, int fd)
{
    struct queue_link *q = bough_container_of(link, struct queue_link, link), *to = other_end(q);
    struct parcel *p = sys_malloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->frame = (struct frame){.head = *head, .fd = fd};
    if (head->size && !(p->frame.data = frame_data_new(head->size))) {
        free(p);
        return -ENOMEM;
    }
    if (parts[0].size)
        memcpy(p->frame.data->bytes, parts[0].data, parts[0].size);
    if (parts[1].size)
        memcpy(p->frame.data->bytes + parts[0].size, parts[1].data, parts[1].size);

    if (__atomic_load_n(&to->closed, __ATOMIC_ACQUIRE)) {
        p->frame.fd = -1;
        parcel_free(p);
        return -EPIPE;
    }
    mpsc_push(&to->arrived, &p->node);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    call_in(to);
    return 0;
}

/* Its reader takes it as fast as it runs: there is always room, and nothing to pump. */
static int queue_wait_room(struct link *link)
{
    (void)link;
    return 0;
}

static int queue_pump(struct link *link)
{
    (void)link;
    return bough_sleep_forever();
}

static int queue_drain(struct link *link)
{
    (void)link;
    return 0;
}

/* --- receiving --- */

static int queue_receive(struct link *link, struct frame *ret_frame)
{
    struct queue_link *q = bough_container_of(link, struct queue_link, link);
    struct parcel *p;
    for (;;) {
        /* Then nothing comes after what is there now. */
        bool last = __atomic_load_n(&other_end(q)->closed, __ATOMIC_ACQUIRE) || q->closed;
        if (take(q, &p)) {
            *ret_frame = p->frame;
            free(p);
            bough_passed();
            return 1;
        }
        if (last)
            return 0;
        struct bough_wait wait = {.abort = bough_wait_leave, .what = "something from an actor"};
        q->reader = &wait;
        int rc = bough_wait(&wait);
        q->reader = NULL;
        if (rc < 0)
            return rc;
    }
}

/* --- open, hang up, free --- */

static void queue_open(struct link *link)
{
    struct queue_link *q = bough_container_of(link, struct queue_link, link);
    __atomic_store_n(&q->gate, bough_gate_hold(), __ATOMIC_SEQ_CST);
}

static void queue_hang_up(struct link *link)
{
    struct queue_link *q = bough_container_of(link, struct queue_link, link);
    __atomic_store_n(&q->closed, true, __ATOMIC_SEQ_CST);
    call_in(other_end(q));
    if (q->reader)
        bough_wake(q->reader, 0);
    q->reader = NULL;
}

static void queue_free(struct link *link)
{
    struct queue_link *q = bough_container_of(link, struct queue_link, link);
    queue_hang_up(link);
    pair_release(q->pair);
}

static const struct link_kind queue_kind = {
    .open = queue_open,
    .send = queue_send,
    .receive = queue_receive,
    .wait_room = queue_wait_room,
    .pump = queue_pump,
    .drain = queue_drain,
    .hang_up = queue_hang_up,
    .free = queue_free,
};

int link_queue_pair(struct link **ret_a, struct link **ret_b)
{
    struct pair *pair = sys_calloc(1, sizeof(*pair));
    if (!pair)
        return bough_fail_text(-ENOMEM, "no memory for a link to an actor");
    pair->held = 2;
    for (int i = 0; i < 2; i++) {
        pair->ends[i].link.kind = &queue_kind;
        pair->ends[i].pair = pair;
        pair->ends[i].look.fn = something_arrived;
        mpsc_init(&pair->ends[i].arrived);
    }
    *ret_a = &pair->ends[0].link;
    *ret_b = &pair->ends[1].link;
    return 0;
}
