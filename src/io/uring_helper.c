/* Writers whose peer has stopped sending.
 *
 * The kernel adds POLLRDHUP to all that is asked for. A writer whose peer has stopped sending would
 * be told so again and again while there is no room: from then on he waits in an epoll driver,
 * whose descriptor is polled by the ring.
 * SPDX-License-Identifier: MIT */
#include "io/epoll.h"
#include "io/uring_parts.h"

/* After each call of it. */
static void settle(struct uring *p)
{
    p->driver.watched += p->helper->watched - p->helper_watched;
    p->helper_watched = p->helper->watched;
}

int bough__uring_helper_watch(struct uring *p, int fd, struct entry *entry, struct bough_wait *wait)
{
    int rc = p->helper ? 0 : bough__epoll_open(&p->helper);
    if (rc == 0 && !entry->helped && entry->watch.adopted)
        rc = p->helper->adopt(p->helper, fd);
    if (rc < 0)
        return rc;
    entry->helped = true;
    rc = p->helper->watch(p->helper, fd, BOUGH_WRITABLE, wait);
    settle(p);
    return rc;
}

void bough__uring_helper_unwatch(struct uring *p, int fd)
{
    p->helper->unwatch(p->helper, fd, BOUGH_WRITABLE);
    settle(p);
}

void bough__uring_helper_forget(struct uring *p, int fd, struct entry *entry)
{
    if (!entry->helped)
        return;
    entry->helped = false;
    p->helper->closing(p->helper, fd);
    settle(p);
}

int bough__uring_helper_look(struct uring *p)
{
    int woken = p->helper->wait(p->helper, INT64_MIN);
    settle(p);
    return woken > 0 ? woken : 0;
}
