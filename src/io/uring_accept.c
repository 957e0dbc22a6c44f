/* Connections that are accepted ahead: one request for all that come to a listening socket.
 *
 * When more wait to be taken than anybody should have waiting, it is cancelled until they are.
 * SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "io/uring_parts.h"

static int request_accept(struct uring *p, int fd, struct accepted *accepted)
{
    const struct ring_request accept = {.kind = RING_ACCEPT, .fd = fd};
    struct io_uring_sqe *sqe;
    unsigned at = bough__ring_request(&p->ring, &accept, &sqe);
    if (!at)
        return -ENOMEM;
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    sqe->user_data = at;
    accepted->request = at;
    p->ahead_in_flight++;
    return 0;
}

/* What is accepted until the cancel has come is closed when it is reaped. */
void bough__uring_abandon_accepts(struct uring *p, struct entry *entry)
{
    struct accepted *accepted = entry->accepted;
    entry->accepted = NULL;
    if (accepted && accepted->request) {
        p->ring.requests[accepted->request].fd = -1;
        bough__ring_cancel(&p->ring, accepted->request);
    }
    bough__accepted_free(accepted);
}

int bough__uring_accept(struct bough_driver *driver, int fd)
{
    struct uring *p = uring_of(driver);
    struct entry *entry = adopted_at(p, fd);
    if (!entry || (!entry->accepted && !p->accepts))
        return -EOPNOTSUPP;
    if (!entry->accepted && !(entry->accepted = bough__accepted_new()))
        return -EOPNOTSUPP;
    int rc = bough__accepted_take(entry->accepted);
    return rc == -EAGAIN && !p->accepts ? -EOPNOTSUPP : rc;
}

int bough__uring_watch_accepted(struct uring *p, int fd, struct entry *entry,
                                struct bough_wait *wait)
{
    if (bough__accepted_has_news(entry->accepted))
        return 1;
    int rc = entry->accepted->request ? 0 : request_accept(p, fd, entry->accepted);
    if (rc == 0)
        watches_add(&p->watches, &entry->watch, BOUGH_READABLE, wait);
    return rc;
}

/* The request has ended: it failed, or there were too many. */
static int reaped_last(struct uring *p, int fd, struct entry *entry, int res)
{
    entry->accepted->request = 0;
    if (!p->accepts_proven && (res == -EINVAL || res == -EACCES || res == -EPERM))
        p->accepts = false; /* perhaps; a kernel older than 5.19, or a policy */
    else if (res < 0 && res != -ECANCELED)
        entry->accepted->failure = res;
    else if (!entry->watch.waiters[BOUGH_READABLE] || request_accept(p, fd, entry->accepted) == 0)
        return 0;
    return wake_waiter(p, entry, BOUGH_READABLE, 0);
}

int bough__uring_reaped_accept(struct uring *p, const struct ring_request *r, int res, bool more)
{
    p->ahead_in_flight -= !more;
    if (r->fd < 0) {
        if (res >= 0)
            close(res);
        return 0;
    }
    struct entry *entry = entry_at(p, r->fd);
    int woken = 0;
    if (res >= 0) {
        p->accepts_proven = true;
        bough__accepted_add(entry->accepted, res);
        woken = wake_waiter(p, entry, BOUGH_READABLE, 0);
    }
    if (!more)
        return woken + reaped_last(p, r->fd, entry, res);
    if (bough__accepted_is_full(entry->accepted))
        bough__ring_cancel(&p->ring, entry->accepted->request);
    return woken;
}
