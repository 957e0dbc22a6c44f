/* Select: a wait in several queues at once.
 *
 * Each case waits where it would wait alone, with a struct bough_wait whose 'woken' ends the
 * select: it takes the other cases off their queues at once, before anybody else can give them
 * something. So exactly one happens, and no queue needs to know of select.
 * SPDX-License-Identifier: MIT */
#include "bough/select.h"

#include <poll.h>

#include "bough/driver.h"
#include "bough/error.h"

struct bough_case_kind {
    /* Let it happen if it can without waiting: the result, or -EAGAIN. */
    int (*now)(struct bough_case *c);
    /* Wait for it: -EAGAIN, or the result after all. */
    int (*enqueue)(struct bough_case *c);
    void (*leave)(struct bough_case *c);
};

struct bough_select {
    struct bough_wait wait; /* of the task */
    struct bough_case *cases;
    unsigned armed; /* the first so many wait */
    int happened;   /* the index of the case that did; -EAGAIN: none yet */
};

/* --- the kinds --- */

static void leave_queue(struct bough_case *c)
{
    (void)bough_wait_leave(&c->transfer.wait);
}

static int send_now(struct bough_case *c)
{
    return bough_send_nowait(c->object, c->transfer.item);
}

static int send_enqueue(struct bough_case *c)
{
    bough_send_enqueue(c->object, &c->transfer);
    return -EAGAIN;
}

static int receive_now(struct bough_case *c)
{
    return bough_receive_nowait(c->object, c->transfer.item);
}

static int receive_enqueue(struct bough_case *c)
{
    bough_receive_enqueue(c->object, &c->transfer);
    return -EAGAIN;
}

static int event_now(struct bough_case *c)
{
    return bough_event_is_set(c->object) ? 0 : -EAGAIN;
}

static int event_enqueue(struct bough_case *c)
{
    struct bough_event *e = c->object;
    bough_list_push(&e->waiters, &c->transfer.wait.link);
    return -EAGAIN;
}

/* The driver learns of descriptors only between two passes, so this asks the kernel. */
static int look(const struct bough_case *c, short events)
{
    struct pollfd look = {.fd = c->fd, .events = events};
    if (poll(&look, 1, 0) <= 0)
        return -EAGAIN;
    return look.revents & POLLNVAL ? bough_fail(-EBADF, "descriptor %d is not open", c->fd) : 0;
}

static int readable_now(struct bough_case *c)
{
    return look(c, POLLIN | POLLRDHUP);
}

static int writable_now(struct bough_case *c)
{
    return look(c, POLLOUT);
}

static int watch(struct bough_case *c, enum bough_direction direction)
{
    struct bough_driver *driver = bough_driver_current();
    int rc = driver->watch(driver, c->fd, direction, &c->transfer.wait);
    if (rc == 1) /* an edge from before we looked, which is forgotten now */
        rc = driver->watch(driver, c->fd, direction, &c->transfer.wait);
    if (rc == 0)
        return -EAGAIN;
    return rc == 1 || rc == -EPERM ? 0 : rc; /* EPERM: a file, which is always ready */
}

static int readable_enqueue(struct bough_case *c)
{
    return watch(c, BOUGH_READABLE);
}

static int writable_enqueue(struct bough_case *c)
{
    return watch(c, BOUGH_WRITABLE);
}

static void readable_leave(struct bough_case *c)
{
    struct bough_driver *driver = bough_driver_current();
    driver->unwatch(driver, c->fd, BOUGH_READABLE);
}

static void writable_leave(struct bough_case *c)
{
    struct bough_driver *driver = bough_driver_current();
    driver->unwatch(driver, c->fd, BOUGH_WRITABLE);
}

static int deadline_now(struct bough_case *c)
{
    return c->timer.at <= bough_now() ? 0 : -EAGAIN;
}

static void deadline_passed(struct bough_timer *timer)
{
    bough_wake(&bough_container_of(timer, struct bough_case, timer)->transfer.wait, 0);
}

static int deadline_enqueue(struct bough_case *c)
{
    bough_timer_arm(&c->timer, c->timer.at);
    return -EAGAIN;
}

static void deadline_leave(struct bough_case *c)
{
    bough_timer_disarm(&c->timer);
}

static const struct bough_case_kind case_send = {send_now, send_enqueue, leave_queue};
static const struct bough_case_kind case_receive = {receive_now, receive_enqueue, leave_queue};
static const struct bough_case_kind case_event = {event_now, event_enqueue, leave_queue};
static const struct bough_case_kind case_readable = {readable_now, readable_enqueue,
                                                     readable_leave};
static const struct bough_case_kind case_writable = {writable_now, writable_enqueue,
                                                     writable_leave};
static const struct bough_case_kind case_deadline = {deadline_now, deadline_enqueue,
                                                     deadline_leave};

struct bough_case bough_case_send(struct bough_sender *tx, const void *item)
{
    return (struct bough_case){
        .kind = tx ? &case_send : NULL, .object = tx, .transfer.item = (void *)item};
}

struct bough_case bough_case_receive(struct bough_receiver *rx, void *ret_item)
{
    return (struct bough_case){
        .kind = rx ? &case_receive : NULL, .object = rx, .transfer.item = ret_item};
}

struct bough_case bough_case_event(struct bough_event *e)
{
    return (struct bough_case){.kind = e ? &case_event : NULL, .object = e};
}

struct bough_case bough_case_readable(int fd)
{
    return (struct bough_case){.kind = fd >= 0 ? &case_readable : NULL, .fd = fd};
}

struct bough_case bough_case_writable(int fd)
{
    return (struct bough_case){.kind = fd >= 0 ? &case_writable : NULL, .fd = fd};
}

struct bough_case bough_case_deadline(int64_t at)
{
    return (struct bough_case){.kind = at != BOUGH_NEVER ? &case_deadline : NULL,
                               .timer = {.at = at, .fire = deadline_passed}};
}

/* --- select --- */

static void leave_all_but(struct bough_select *select, const struct bough_case *happened)
{
    for (unsigned i = 0; i < select->armed; i++) {
        struct bough_case *c = &select->cases[i];
        if (c != happened && c->kind)
            c->kind->leave(c);
    }
    select->armed = 0;
}

static void case_happened(struct bough_wait *wait, int result)
{
    struct bough_case *c = bough_container_of(wait, struct bough_case, transfer.wait);
    struct bough_select *select = c->select;
    c->result = result;
    leave_all_but(select, c);
    select->happened = (int)(c - select->cases);
    bough_wake(&select->wait, select->happened);
}

static bool select_abort(struct bough_wait *wait)
{
    leave_all_but(bough_container_of(wait, struct bough_select, wait), NULL);
    return true;
}

/* Forget earlier results. Is there any case that could ever happen? */
static bool prepare(struct bough_case *cases, unsigned count)
{
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        cases[i].result = 0;
        any |= cases[i].kind != NULL;
    }
    return any;
}

/* Give the result of a case that failed while it waited its detail. */
static BOUGH_COLD void case_failed(int result)
{
    switch (result) {
    case -EPIPE:
        (void)bough_fail_text(result, "the channel has no receiver left");
        return;
    case -EBADF:
        (void)bough_fail_text(result, "the handle or descriptor of a case was closed");
        return;
    default:
        (void)bough_fail_text(result, "cannot wait for a case of bough_select");
    }
}

/* The index of the first case that can happen now and did, or -EAGAIN. */
static int first_now(struct bough_case *cases, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int result = cases[i].kind ? cases[i].kind->now(&cases[i]) : -EAGAIN;
        if (result != -EAGAIN) {
            cases[i].result = result;
            return (int)i;
        }
    }
    return -EAGAIN;
}

/* Put every case in its queue. The index of one that happens after all, or -EAGAIN. (One may make
 * another happen: a watch that finds a descriptor's number in use again wakes who still waited for
 * the old one.) */
static int enqueue_all(struct bough_select *select, unsigned count)
{
    for (unsigned i = 0; i < count && select->happened < 0; i++) {
        struct bough_case *c = &select->cases[i];
        if (!c->kind)
            continue;
        c->select = select;
        c->transfer.wait = (struct bough_wait){.woken = case_happened};
        int result = c->kind->enqueue(c);
        if (select->happened >= 0) {
            if (result == -EAGAIN)
                c->kind->leave(c);
        } else if (result != -EAGAIN) {
            c->result = result;
            leave_all_but(select, NULL);
            return (int)i;
        } else {
            select->armed = i + 1;
        }
    }
    return select->happened;
}

static int wait_for_first(struct bough_case *cases, unsigned count)
{
    struct bough_select select = {.cases = cases,
                                  .happened = -EAGAIN,
                                  .wait = {.abort = select_abort, .what = "one of several things"}};
    int rc = enqueue_all(&select, count);
    if (rc == -EAGAIN)
        rc = bough_wait(&select.wait);
    else
        bough_passed();
    if (rc >= 0 && cases[rc].result < 0)
        case_failed(cases[rc].result);
    return rc;
}

int bough_select(struct bough_case *cases, unsigned count)
{
    if (!prepare(cases, count))
        return bough_fail_text(-EINVAL, "bough_select: no case that could ever happen");
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    rc = first_now(cases, count);
    if (rc == -EAGAIN)
        return wait_for_first(cases, count);
    bough_passed();
    return rc;
}

int bough_select_nowait(struct bough_case *cases, unsigned count)
{
    (void)prepare(cases, count);
    return first_now(cases, count);
}
