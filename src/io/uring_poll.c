/* Requests that tell when a descriptor is ready.
 *
 * Most are for one shot: they look at the state when they are armed, so no edge can be missed. Who
 * reads from a descriptor of ours has seen it drained, so for those a request stays and tells all
 * news, as epoll's edges do: what comes while nobody waits is remembered in 'pending', and after an
 * end it is one shot a watch again. But a reader can be wrong: a receive stops at an urgent byte,
 * with more behind it, and unlike epoll a request does not say truly that there is one. So a
 * request that has told nothing for a round, half a second, is laid aside for one of one shot;
 * which is also what idle connections come to. Requests that receive ahead stay in the same way.
 * SPDX-License-Identifier: MIT */
#include <poll.h>

#include "io/uring_parts.h"

static unsigned poll_events(enum bough_direction direction)
{
    return direction == BOUGH_READABLE ? POLLIN | POLLRDHUP : POLLOUT;
}

int bough__uring_poll(struct uring *p, int fd, struct entry *entry, enum bough_direction direction,
                      bool stays)
{
    const struct ring_request poll = {
        .kind = RING_POLL, .fd = fd, .direction = direction, .stays = stays};
    struct io_uring_sqe *sqe;
    unsigned at = bough__ring_request(&p->ring, &poll, &sqe);
    if (!at)
        return -ENOMEM;
    if (stays)
        io_uring_prep_poll_multishot(sqe, fd, poll_events(direction));
    else
        io_uring_prep_poll_add(sqe, fd, poll_events(direction));
    sqe->user_data = at;
    entry->requests[direction] = at;
    p->staying += stays;
    return 0;
}

void bough__uring_abandon(struct uring *p, struct entry *entry, enum bough_direction direction)
{
    unsigned at = entry->requests[direction];
    if (!at)
        return;
    entry->requests[direction] = 0;
    p->ring.requests[at].fd = -1;
    p->staying -= p->ring.requests[at].stays;
    bough__ring_cancel(&p->ring, at);
}

int bough__uring_ask_once(struct uring *p, int fd, struct entry *entry)
{
    if (!entry->watch.waiters[BOUGH_READABLE] ||
        bough__uring_poll(p, fd, entry, BOUGH_READABLE, false) == 0)
        return 0;
    return wake_waiter(p, entry, BOUGH_READABLE, 0);
}

/* --- requests that stay --- */

/* It has told nothing for a while: who waits asks for the state instead. What receives may be
 * receiving just now, and does so when its end has come. */
static int lay_aside(struct uring *p, int fd, struct entry *entry)
{
    unsigned at = entry->requests[BOUGH_READABLE];
    if (p->ring.requests[at].kind == RING_RECEIVE) {
        bough__ring_cancel(&p->ring, at);
        return 0;
    }
    bough__uring_abandon(p, entry, BOUGH_READABLE);
    entry->pending = false; /* the next watch begins with the state */
    return bough__uring_ask_once(p, fd, entry);
}

int bough__uring_look_after_staying(struct uring *p)
{
    int64_t now = p->driver.now(&p->driver);
    int woken = 0;
    if (now - p->round_began < URING_ROUND)
        return 0;
    p->round_began = now;
    for (int fd = 0; fd < p->watches.count; fd++) {
        struct entry *entry = entry_at(p, fd);
        unsigned at = entry->requests[BOUGH_READABLE];
        if (at && p->ring.requests[at].stays && entry->round != p->round)
            woken += lay_aside(p, fd, entry);
    }
    p->round++;
    return woken;
}

/* --- completions --- */

/* Of a request that stays. An end may come in one piece of news with the last data, so from then on
 * each watch asks. */
static void note_news(struct uring *p, struct entry *entry, int res, bool more)
{
    bool ended = res > 0 && (res & (POLLHUP | POLLERR | POLLRDHUP));
    entry->pending = res > 0 && !ended && !entry->watch.waiters[BOUGH_READABLE];
    entry->round = p->round;
    entry->ended |= ended;
    p->staying -= !more;
    if (ended && more)
        bough__uring_abandon(p, entry, BOUGH_READABLE);
}

/* The peer has stopped sending, and there is no room. */
static int hand_over(struct uring *p, int fd, struct entry *entry)
{
    struct bough_wait *wait = watches_remove(&p->watches, &entry->watch, BOUGH_WRITABLE);
    int rc = bough__uring_helper_watch(p, fd, entry, wait);
    if (rc != 0)
        bough_wake(wait, rc < 0 ? rc : 0);
    return rc != 0;
}

int bough__uring_reaped_poll(struct uring *p, const struct ring_request *r, int res, bool more)
{
    if (r->fd < 0)
        return 0;
    struct entry *entry = entry_at(p, r->fd);
    if (!more)
        entry->requests[r->direction] = 0;
    if (r->stays)
        note_news(p, entry, res, more);
    if (!entry->watch.waiters[r->direction])
        return 0;
    if (r->direction == BOUGH_WRITABLE && res > 0 && !(res & ~POLLRDHUP))
        return hand_over(p, r->fd, entry);
    return wake_waiter(p, entry, r->direction, res < 0 && res != -ECANCELED ? res : 0);
}
