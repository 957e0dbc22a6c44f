/* The driver over io_uring.
 *
 * A watch is a request, and costs no system call, since requests are submitted with the next
 * wait(), in the call that sleeps. Completions are reaped before that. A look that finds nothing to
 * submit and no completion announced makes no call at all.
 *
 * Who gives up a watch abandons its request: what comes of it then concerns nobody. (Not so an
 * operation on a file: its task stays until the kernel has answered.) The request for an adopted
 * descriptor stays armed meanwhile, for who waits next; one for a foreign descriptor is cancelled,
 * for a request holds the open file: while there is one, close() does not close. That is also why
 * closing() makes a system call, which takes the requests back before the descriptor goes.
 * SPDX-License-Identifier: MIT */
#include "io/uring.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/time.h"
#include "io/clock.h"
#include "io/epoll.h"
#include "io/uring_parts.h"

/* --- descriptors that were closed behind our back --- */

static bool is_same_file(const struct entry *entry, const struct stat *st)
{
    return entry->device == st->st_dev && entry->inode == st->st_ino;
}

static bool uring_is_alive(struct bough_driver *driver, int fd, struct watch_entry *watch)
{
    struct stat st;
    (void)driver;
    return fstat(fd, &st) == 0 && is_same_file(entry_of(watch), &st);
}

/* Whatever the kernel holds of this descriptor, it lets go now. */
static void cancel_all_of(struct uring *p, struct entry *entry)
{
    bough__uring_abandon(p, entry, BOUGH_READABLE);
    bough__uring_abandon(p, entry, BOUGH_WRITABLE);
    if (!p->ring.to_cancel) /* which may be of an earlier waiter */
        return;
    bough__ring_settle(&p->ring);
    bough__ring_disarm(&p->ring);
}

static int uring_lost(struct bough_driver *driver, int fd, struct watch_entry *watch)
{
    struct uring *p = uring_of(driver);
    bough__uring_abandon_accepts(p, entry_of(watch));
    bough__uring_drop_received(p, entry_of(watch));
    cancel_all_of(p, entry_of(watch));
    bough__uring_helper_forget(p, fd, entry_of(watch));
    return bough__watches_wake_both(&p->watches, watch, -EBADF);
}

/* --- waiting --- */

static int reaped_interrupt(struct uring *p, const struct io_uring_cqe *cqe)
{
    uint64_t ticks;
    p->interrupted = true;
    if (cqe->flags & IORING_CQE_F_MORE)
        return 0;
    p->interrupt_armed = false;
    ssize_t ignored = read(p->event_fd, &ticks, sizeof(ticks));
    (void)ignored;
    return 0;
}

static int reaped_operation(struct uring *p, struct bough_io_operation *operation, int res)
{
    p->driver.watched--;
    bough_wake(operation->wait, bough__ring_files_result(&p->files, operation, res));
    return 1;
}

static int reaped_request(struct uring *p, unsigned at, const struct io_uring_cqe *cqe)
{
    const struct ring_request r = p->ring.requests[at];
    const bool more = cqe->flags & IORING_CQE_F_MORE;
    if (!more)
        bough__ring_release(&p->ring, at);
    switch (r.kind) {
    case RING_POLL:
        return bough__uring_reaped_poll(p, &r, cqe->res, more);
    case RING_ACCEPT:
        return bough__uring_reaped_accept(p, &r, cqe->res, more);
    case RING_RECEIVE:
        return bough__uring_reaped_receive(p, &r, cqe);
    default:
        return reaped_operation(p, r.operation, cqe->res);
    }
}

static int reaped(struct uring *p, const struct io_uring_cqe *cqe)
{
    switch (cqe->user_data) {
    case ABOUT_NOTHING:
        return 0;
    case ABOUT_INTERRUPT:
        return reaped_interrupt(p, cqe);
    case ABOUT_HELPER:
        p->helper_armed = false;
        return bough__uring_helper_look(p);
    default:
        return reaped_request(p, (unsigned)cqe->user_data, cqe);
    }
}

static int reap(struct uring *p)
{
    unsigned left = io_uring_cq_ready(&p->ring.kernel);
    struct io_uring_cqe cqe;
    int woken = 0;
    while (left-- && ring_next(&p->ring, &cqe))
        woken += reaped(p, &cqe);
    return woken;
}

/* Our own two requests. False: the kernel takes none. */
static bool arm_own(struct uring *p)
{
    struct io_uring_sqe *sqe;
    if (BOUGH_UNLIKELY(!p->interrupt_armed)) {
        if (!(sqe = bough__ring_sqe(&p->ring)))
            return false;
        io_uring_prep_poll_multishot(sqe, p->event_fd, POLLIN);
        sqe->user_data = ABOUT_INTERRUPT;
        p->interrupt_armed = true;
    }
    if (p->helper && !p->helper_armed && p->helper->watched) {
        if (!(sqe = bough__ring_sqe(&p->ring)))
            return false;
        io_uring_prep_poll_add(sqe, bough__epoll_fd(p->helper), POLLIN);
        sqe->user_data = ABOUT_HELPER;
        p->helper_armed = true;
    }
    return true;
}

static int uring_wait(struct bough_driver *driver, int64_t deadline)
{
    struct uring *p = uring_of(driver);
    int woken = reap(p);
    if (BOUGH_UNLIKELY(p->helper_watched))
        woken += bough__uring_helper_look(p); /* it has a sweep of its own */
    if (p->staying)
        woken += bough__uring_look_after_staying(p);
    if (woken || p->interrupted)
        deadline = INT64_MIN;
    int64_t timeout;
    woken += bough__watches_before_sleep(&p->watches, deadline, &timeout);
    if (p->helper_watched && timeout > BOUGH_SEC)
        timeout = BOUGH_SEC;
    if (p->staying && timeout > URING_ROUND)
        timeout = URING_ROUND;
    if (!arm_own(p) && timeout > RING_NAP)
        timeout = RING_NAP;
    int rc = bough__ring_enter(&p->ring, timeout);
    if (rc < 0 && !bough__ring_failure_passes(rc))
        return rc;
    woken += reap(p);
    p->interrupted = false;
    return woken;
}

static void uring_interrupt(struct bough_driver *driver)
{
    uint64_t one = 1;
    ssize_t ignored = write(uring_of(driver)->event_fd, &one, sizeof(one));
    (void)ignored; /* full means that it is readable already */
}

/* --- descriptors --- */

/* Can it be watched? If somebody waits for another file of that number, that one is gone. */
static int look_at_foreign(struct uring *p, int fd, struct entry *entry)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -EBADF;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return -EPERM;
    if ((watch_is_waited_for(&entry->watch) || entry->helped) && !is_same_file(entry, &st))
        (void)uring_lost(&p->driver, fd, &entry->watch);
    entry->device = st.st_dev;
    entry->inode = st.st_ino;
    return 0;
}

/* For a reader, while nobody waited. */
static bool has_news(const struct uring *p, struct entry *entry)
{
    bool news = entry->pending || received_has_news(&entry->received);
    entry->pending = false;
    entry->round = p->round;
    return news;
}

/* For who waits from now on. */
static int request(struct uring *p, int fd, struct entry *entry, enum bough_direction direction)
{
    bool reads_ours = entry->watch.adopted && direction == BOUGH_READABLE;
    int rc = reads_ours ? bough__uring_request_receive(p, fd, entry) : -EOPNOTSUPP;
    if (rc != -EOPNOTSUPP)
        return rc;
    if (entry->requests[direction])
        return 0;
    return bough__uring_poll(p, fd, entry, direction, reads_ours && !entry->ended);
}

static int uring_watch(struct bough_driver *driver, int fd, enum bough_direction direction,
                       struct bough_wait *wait)
{
    struct uring *p = uring_of(driver);
    struct watch_entry *watch;
    int rc = bough__watches_get(&p->watches, fd, &watch);
    if (rc < 0)
        return rc;
    struct entry *entry = entry_of(watch);
    if (!watch->adopted && (rc = look_at_foreign(p, fd, entry)) < 0)
        return rc;
    if (watch->waiters[direction])
        return -EBUSY;
    if (BOUGH_UNLIKELY(entry->helped) && direction == BOUGH_WRITABLE)
        return bough__uring_helper_watch(p, fd, entry, wait);
    if (entry->accepted && p->accepts && direction == BOUGH_READABLE)
        return bough__uring_watch_accepted(p, fd, entry, wait);
    if (direction == BOUGH_READABLE && has_news(p, entry))
        return 1;
    if ((rc = request(p, fd, entry, direction)) < 0)
        return rc;
    watches_add(&p->watches, watch, direction, wait);
    return 0;
}

static void uring_unwatch(struct bough_driver *driver, int fd, enum bough_direction direction)
{
    struct uring *p = uring_of(driver);
    struct watch_entry *watch = watches_find(&p->watches, fd);
    if (BOUGH_UNLIKELY(entry_of(watch)->helped) && direction == BOUGH_WRITABLE) {
        bough__uring_helper_unwatch(p, fd);
        return;
    }
    (void)watches_remove(&p->watches, watch, direction);
    if (!watch->adopted)
        bough__uring_abandon(p, entry_of(watch), direction);
}

static void uring_closing(struct bough_driver *driver, int fd)
{
    struct uring *p = uring_of(driver);
    struct watch_entry *watch = watches_find(&p->watches, fd);
    if (!watch)
        return;
    (void)uring_lost(driver, fd, watch);
    *entry_of(watch) = (struct entry){0};
}

static int uring_adopt(struct bough_driver *driver, int fd)
{
    struct watch_entry *watch;
    int rc = bough__watches_get(&uring_of(driver)->watches, fd, &watch);
    if (rc < 0)
        return rc;
    /* Whatever we know is about an earlier descriptor with this number. */
    uring_closing(driver, fd);
    watch->adopted = true;
    return 0;
}

/* --- operations --- */

static int uring_submit(struct bough_driver *driver, struct bough_io_operation *operation)
{
    struct uring *p = uring_of(driver);
    const struct ring_request request = {.kind = RING_OPERATION, .operation = operation};
    struct io_uring_sqe *sqe;
    if (!bough__ring_files_can(&p->files, operation->kind))
        return -ENOSYS;
    operation->request = bough__ring_request(&p->ring, &request, &sqe);
    if (!operation->request)
        return -ENOMEM;
    bough__ring_files_fill(operation, sqe);
    sqe->user_data = operation->request;
    driver->watched++;
    return 0;
}

static void uring_recall(struct bough_driver *driver, struct bough_io_operation *operation)
{
    bough__ring_cancel(&uring_of(driver)->ring, operation->request);
}

/* --- open and close --- */

/* A filter may let us have a ring, and not let us use it. */
static int uring_setup(struct uring *p, bool plain)
{
    int rc = bough__ring_open(&p->ring, plain);
    if (rc < 0)
        return rc;
    bough__ring_files_probe(&p->files, &p->ring);
    p->accepts = p->receives = true;
    p->event_fd = sys_call(EMFILE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (p->event_fd < 0)
        return p->event_fd;
    if (!arm_own(p))
        return -ENOMEM;
    rc = bough__ring_enter(&p->ring, 0);
    return rc < 0 ? rc : 0;
}

static int uring_open(bool plain, struct bough_driver **ret_driver)
{
    struct uring *p = sys_calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->driver = (struct bough_driver){
        .name = "io_uring",
        .now = bough__clock_now,
        .coarse_now = bough__clock_coarse_now,
        .coarse_step = bough__clock_coarse_step(),
        .poll_after = 20 * BOUGH_US,
        .wait = uring_wait,
        .interrupt = uring_interrupt,
        .watch = uring_watch,
        .adopt = uring_adopt,
        .unwatch = uring_unwatch,
        .closing = uring_closing,
        .submit = uring_submit,
        .recall = uring_recall,
        .accept = bough__uring_accept,
        .receive_ahead = bough__uring_receive_ahead,
        .receive = bough__uring_receive,
    };
    p->watches = (struct watches){
        .driver = &p->driver,
        .entry_size = sizeof(struct entry),
        .is_alive = uring_is_alive,
        .lost = uring_lost,
    };
    p->event_fd = -1;
    int rc = uring_setup(p, plain);
    if (rc < 0) {
        bough__uring_close(&p->driver);
        return rc;
    }
    *ret_driver = &p->driver;
    return 0;
}

int bough__uring_open(struct bough_driver **ret_driver)
{
    return uring_open(false, ret_driver);
}

int bough__uring_open_plain(struct bough_driver **ret_driver)
{
    return uring_open(true, ret_driver);
}

/* Connections that nobody has taken, and requests of which nobody has heard: the kernel may still
 * have some for us to close, or bytes for our buffers. */
static void end_what_is_ahead(struct uring *p)
{
    for (int fd = 0; fd < p->watches.count; fd++) {
        bough__uring_abandon_accepts(p, entry_at(p, fd));
        bough__uring_abandon(p, entry_at(p, fd), BOUGH_READABLE);
    }
    while (p->ahead_in_flight) {
        int rc = bough__ring_enter(&p->ring, RING_NAP);
        if (rc < 0 && !bough__ring_failure_passes(rc))
            return;
        (void)reap(p);
    }
}

void bough__uring_close(struct bough_driver *driver)
{
    struct uring *p = uring_of(driver);
    end_what_is_ahead(p);
    bough__ring_close(&p->ring);
    bough__ring_buffers_close(&p->buffers);
    if (p->helper)
        bough__epoll_close(p->helper);
    if (p->event_fd >= 0)
        close(p->event_fd);
    bough__watches_release(&p->watches);
    free(p);
}
