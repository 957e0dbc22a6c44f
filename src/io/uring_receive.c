/* What is received ahead: one request for all that comes to a socket, which puts it into buffers of
 * ours before anybody asks.
 *
 * That saves a call for each message, and is for short ones. Who receives much at a time has a
 * buffer of his own, into which the kernel may as well put it at once: a message that fills a
 * buffer of ours, or more of them than anybody should have waiting, end it for that socket.
 *
 * While a request is in flight nobody else receives from its socket, or bytes would change places;
 * and when there are no buffers, or no more of this, who waits is told when there is something.
 * SPDX-License-Identifier: MIT */
#include "io/uring_parts.h"

enum { QUEUE_MOST = 16 };

static bool is_receiving(const struct uring *p, const struct entry *entry)
{
    unsigned at = entry->requests[BOUGH_READABLE];
    return at && p->ring.requests[at].kind == RING_RECEIVE;
}

int bough__uring_receive_ahead(struct bough_driver *driver, int fd, bool ahead)
{
    struct uring *p = uring_of(driver);
    struct entry *entry = adopted_at(p, fd);
    if (!entry)
        return -EOPNOTSUPP;
    if (ahead) {
        int rc = p->receives ? bough__ring_buffers_open(&p->buffers, &p->ring) : -EOPNOTSUPP;
        p->receives &= rc == 0 || rc == -ENOMEM;
        if (rc < 0)
            return -EOPNOTSUPP;
    }
    entry->ahead = ahead;
    if (!ahead && is_receiving(p, entry)) {
        bough__ring_cancel(&p->ring, entry->requests[BOUGH_READABLE]);
        bough__ring_settle(&p->ring);
    }
    return 0;
}

int bough__uring_receive(struct bough_driver *driver, int fd, void *ret_buffer, size_t size)
{
    struct uring *p = uring_of(driver);
    struct entry *entry = adopted_at(p, fd);
    if (BOUGH_UNLIKELY(!entry))
        return -ESTALE;
    int rc = bough__received_take(&entry->received, &p->buffers, ret_buffer, size);
    return rc == -EAGAIN && !is_receiving(p, entry) ? -EOPNOTSUPP : rc;
}

int bough__uring_request_receive(struct uring *p, int fd, struct entry *entry)
{
    const struct ring_request receive = {
        .kind = RING_RECEIVE, .fd = fd, .direction = BOUGH_READABLE, .stays = true};
    struct io_uring_sqe *sqe;
    if (is_receiving(p, entry))
        return 0;
    if (!entry->ahead || !p->receives || !bough__ring_buffers_left(&p->buffers))
        return -EOPNOTSUPP;
    bough__uring_abandon(p, entry, BOUGH_READABLE);
    unsigned at = bough__ring_request(&p->ring, &receive, &sqe);
    if (!at)
        return -ENOMEM;
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_GROUP;
    sqe->user_data = at;
    entry->requests[BOUGH_READABLE] = at;
    p->staying++;
    p->ahead_in_flight++;
    return 0;
}

void bough__uring_drop_received(struct uring *p, struct entry *entry)
{
    bough__received_drop(&entry->received, &p->buffers);
}

/* --- completions --- */

static void keep(struct uring *p, struct entry *entry, unsigned id, int size)
{
    unsigned at = entry->requests[BOUGH_READABLE];
    p->receives_proven = true;
    entry->round = p->round;
    bough__received_add(&entry->received, &p->buffers, id, (unsigned)size);
    if (size < RING_BUFFER_SIZE && entry->received.count <= QUEUE_MOST)
        return;
    entry->ahead = false;
    if (at)
        bough__ring_cancel(&p->ring, at);
}

/* 0: the end, which recv(2) tells again. */
static void note_end(struct uring *p, struct entry *entry, int res)
{
    if (res == -ECANCELED)
        return;
    if (res == -ENOBUFS) {
        bough__ring_buffers_more(&p->buffers);
        return;
    }
    if (!p->receives_proven && (res == -EINVAL || res == -EACCES || res == -EPERM))
        p->receives = false; /* perhaps; a kernel older than 6.0, or a policy */
    else
        entry->received.failure = res;
}

int bough__uring_reaped_receive(struct uring *p, const struct ring_request *r,
                                const struct io_uring_cqe *cqe)
{
    const bool more = cqe->flags & IORING_CQE_F_MORE;
    const unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    const bool is_wanted = r->fd >= 0;
    p->ahead_in_flight -= !more;
    if ((cqe->flags & IORING_CQE_F_BUFFER) && (!is_wanted || cqe->res <= 0))
        bough__ring_buffers_give_back(&p->buffers, id);
    if (!is_wanted)
        return 0;
    struct entry *entry = entry_at(p, r->fd);
    if (!more) {
        entry->requests[BOUGH_READABLE] = 0;
        p->staying--;
    }
    if (cqe->res > 0)
        keep(p, entry, id, cqe->res);
    else
        note_end(p, entry, cqe->res);
    if (cqe->res == 0 || received_has_news(&entry->received))
        return wake_waiter(p, entry, BOUGH_READABLE, 0);
    return bough__uring_ask_once(p, r->fd, entry);
}
