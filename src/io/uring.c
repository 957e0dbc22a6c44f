/* The driver over io_uring.
 *
 * A watch is a poll request, and costs no system call, since requests are submitted with the next
 * wait(), in the call that sleeps. Completions are reaped before that. A look that finds nothing to
 * submit and no completion announced makes no call at all.
 *
 * Most requests are for one shot: they look at the state when they are armed, so no edge can be
 * missed. Who reads from a descriptor of ours has seen it drained, so for those a request stays and
 * tells all news, as epoll's edges do: what comes while nobody waits is remembered in 'pending',
 * and after an end it is one shot a watch again. But a reader can be wrong: a receive stops at an
 * urgent byte, with more behind it, and unlike epoll a request does not say truly that there is
 * one. So a request that has told nothing for a round, half a second, is laid aside for one of one
 * shot; which is also what idle connections come to.
 *
 * Who gives up a watch abandons its request: what comes of it then concerns nobody. (Not so an
 * operation on a file: its task stays until the kernel has answered.) The request for an adopted
 * descriptor stays armed meanwhile, for who waits next; one for a foreign descriptor is cancelled,
 * for a request holds the open file: while there is one, close() does not close. That is also why
 * closing() makes a system call, which takes the requests back before the descriptor goes.
 *
 * The kernel adds POLLRDHUP to all that is asked for. A writer whose peer has stopped sending would
 * be told so again and again while there is no room: from then on he waits in an epoll driver,
 * whose descriptor is polled here.
 * SPDX-License-Identifier: MIT */
#include "io/uring.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/time.h"
#include "io/accepted.h"
#include "io/clock.h"
#include "io/epoll.h"
#include "io/ring.h"
#include "io/ring_files.h"
#include "io/watches.h"

#define ROUND (BOUGH_SEC / 2)

/* What we know about one descriptor. */
struct entry {
    struct watch_entry watch;
    unsigned requests[WATCH_DIRECTIONS]; /* that are armed for it; 0: none */
    bool pending;                        /* adopted: news for a reader came while nobody waited */
    bool ended;                          /* adopted: there may be no more news for readers */
    unsigned round;                      /* adopted: the last in which a reader came, or news */
    bool helped;                         /* its writers wait in the helper */
    struct accepted *accepted;           /* a listening socket's; NULL: nobody accepts ahead */
    dev_t device;                        /* foreign: which open file was watched last */
    ino_t inode;
};

struct uring {
    struct bough_driver driver;
    struct ring ring;
    int event_fd;
    bool interrupt_armed, helper_armed;
    bool interrupted; /* and no wait() has returned since */
    struct watches watches;
    unsigned staying; /* requests that tell all news */
    unsigned round;   /* of looking after them */
    int64_t round_began;
    struct ring_files files;
    bool accepts, accepts_proven; /* ahead, as far as is known */
    unsigned accepts_in_flight;   /* requests, the abandoned ones among them */
    struct bough_driver *helper;  /* an epoll driver, or NULL: has not been needed */
    unsigned helper_watched;      /* of driver.watched: those of the helper */
};

static struct uring *uring_of(struct bough_driver *driver)
{
    return bough_container_of(driver, struct uring, driver);
}

static struct entry *entry_of(struct watch_entry *watch)
{
    return bough_container_of(watch, struct entry, watch);
}

/* --- requests --- */

static unsigned poll_events(enum bough_direction direction)
{
    return direction == BOUGH_READABLE ? POLLIN | POLLRDHUP : POLLOUT;
}

static int request_poll(struct uring *p, int fd, struct entry *entry,
                        enum bough_direction direction, bool stays)
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

/* Its completion is still to come. */
static void abandon(struct uring *p, struct entry *entry, enum bough_direction direction)
{
    unsigned at = entry->requests[direction];
    if (!at)
        return;
    entry->requests[direction] = 0;
    p->ring.requests[at].fd = -1;
    p->staying -= p->ring.requests[at].stays;
    bough__ring_cancel(&p->ring, at);
}

/* Whatever the kernel holds of this descriptor, it lets go now. */
static void cancel_all_of(struct uring *p, struct entry *entry)
{
    abandon(p, entry, BOUGH_READABLE);
    abandon(p, entry, BOUGH_WRITABLE);
    if (p->ring.to_cancel) /* which may be of an earlier waiter */
        bough__ring_settle(&p->ring);
}

/* --- connections that are accepted ahead --- */

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
    p->accepts_in_flight++;
    return 0;
}

/* What is accepted until the cancel has come is closed when it is reaped. */
static void abandon_accepts(struct uring *p, struct entry *entry)
{
    struct accepted *accepted = entry->accepted;
    entry->accepted = NULL;
    if (accepted && accepted->request) {
        p->ring.requests[accepted->request].fd = -1;
        bough__ring_cancel(&p->ring, accepted->request);
    }
    bough__accepted_free(accepted);
}

static int uring_accept(struct bough_driver *driver, int fd)
{
    struct uring *p = uring_of(driver);
    struct watch_entry *watch = watches_find(&p->watches, fd);
    struct entry *entry = watch && watch->adopted ? entry_of(watch) : NULL;
    if (!entry || (!entry->accepted && !p->accepts))
        return -EOPNOTSUPP;
    if (!entry->accepted && !(entry->accepted = bough__accepted_new()))
        return -EOPNOTSUPP;
    int rc = bough__accepted_take(entry->accepted);
    return rc == -EAGAIN && !p->accepts ? -EOPNOTSUPP : rc;
}

/* The watch of one who has been told -EAGAIN. */
static int watch_accepted(struct uring *p, int fd, struct entry *entry, struct bough_wait *wait)
{
    if (bough__accepted_has_news(entry->accepted))
        return 1;
    int rc = entry->accepted->request ? 0 : request_accept(p, fd, entry->accepted);
    if (rc == 0)
        watches_add(&p->watches, &entry->watch, BOUGH_READABLE, wait);
    return rc;
}

/* --- the helper --- */

/* After each call of it. */
static void helper_settle(struct uring *p)
{
    p->driver.watched += p->helper->watched - p->helper_watched;
    p->helper_watched = p->helper->watched;
}

static int helper_watch(struct uring *p, int fd, struct entry *entry, struct bough_wait *wait)
{
    int rc = p->helper ? 0 : bough__epoll_open(&p->helper);
    if (rc == 0 && !entry->helped && entry->watch.adopted)
        rc = p->helper->adopt(p->helper, fd);
    if (rc < 0)
        return rc;
    entry->helped = true;
    rc = p->helper->watch(p->helper, fd, BOUGH_WRITABLE, wait);
    helper_settle(p);
    return rc;
}

static void helper_forget(struct uring *p, int fd, struct entry *entry)
{
    if (!entry->helped)
        return;
    entry->helped = false;
    p->helper->closing(p->helper, fd);
    helper_settle(p);
}

static int helper_look(struct uring *p)
{
    int woken = p->helper->wait(p->helper, INT64_MIN);
    helper_settle(p);
    return woken > 0 ? woken : 0;
}

/* The peer has stopped sending, and there is no room. */
static int hand_over(struct uring *p, int fd, struct entry *entry)
{
    struct bough_wait *wait = watches_remove(&p->watches, &entry->watch, BOUGH_WRITABLE);
    int rc = helper_watch(p, fd, entry, wait);
    if (rc != 0)
        bough_wake(wait, rc < 0 ? rc : 0);
    return rc != 0;
}

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

static int uring_lost(struct bough_driver *driver, int fd, struct watch_entry *watch)
{
    struct uring *p = uring_of(driver);
    abandon_accepts(p, entry_of(watch));
    cancel_all_of(p, entry_of(watch));
    helper_forget(p, fd, entry_of(watch));
    return bough__watches_wake_both(&p->watches, watch, -EBADF);
}

/* --- requests that stay --- */

/* It has told nothing for a while: who waits asks for the level instead. */
static int lay_aside(struct uring *p, int fd, struct entry *entry)
{
    abandon(p, entry, BOUGH_READABLE);
    entry->pending = false; /* the next watch begins with the level */
    if (!entry->watch.waiters[BOUGH_READABLE] ||
        request_poll(p, fd, entry, BOUGH_READABLE, false) == 0)
        return 0;
    bough_wake(watches_remove(&p->watches, &entry->watch, BOUGH_READABLE), 0);
    return 1;
}

/* Once a round. Returns how many it woke. */
static int look_after_staying(struct uring *p)
{
    int64_t now = p->driver.now(&p->driver);
    int woken = 0;
    if (now - p->round_began < ROUND)
        return 0;
    p->round_began = now;
    for (int fd = 0; fd < p->watches.count; fd++) {
        struct entry *entry = entry_of(watches_find(&p->watches, fd));
        unsigned at = entry->requests[BOUGH_READABLE];
        if (at && p->ring.requests[at].stays && entry->round != p->round)
            woken += lay_aside(p, fd, entry);
    }
    p->round++;
    return woken;
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
        abandon(p, entry, BOUGH_READABLE);
}

static int reaped_poll(struct uring *p, const struct ring_request *r, int res, bool more)
{
    if (r->fd < 0)
        return 0;
    struct watch_entry *watch = watches_find(&p->watches, r->fd);
    struct entry *entry = entry_of(watch);
    if (!more)
        entry->requests[r->direction] = 0;
    if (r->stays)
        note_news(p, entry, res, more);
    if (!watch->waiters[r->direction])
        return 0;
    if (r->direction == BOUGH_WRITABLE && res > 0 && !(res & ~POLLRDHUP))
        return hand_over(p, r->fd, entry);
    bough_wake(watches_remove(&p->watches, watch, r->direction),
               res < 0 && res != -ECANCELED ? res : 0);
    return 1;
}

static int tell_accepted(struct uring *p, struct entry *entry)
{
    if (!entry->watch.waiters[BOUGH_READABLE])
        return 0;
    bough_wake(watches_remove(&p->watches, &entry->watch, BOUGH_READABLE), 0);
    return 1;
}

/* The request has ended: it failed, or there were too many. */
static int reaped_last_accept(struct uring *p, int fd, struct entry *entry, int res)
{
    entry->accepted->request = 0;
    if (!p->accepts_proven && (res == -EINVAL || res == -EACCES || res == -EPERM))
        p->accepts = false; /* perhaps; a kernel older than 5.19, or a policy */
    else if (res < 0 && res != -ECANCELED)
        entry->accepted->failure = res;
    else if (!entry->watch.waiters[BOUGH_READABLE] || request_accept(p, fd, entry->accepted) == 0)
        return 0;
    return tell_accepted(p, entry);
}

static int reaped_accept(struct uring *p, const struct ring_request *r, int res, bool more)
{
    p->accepts_in_flight -= !more;
    if (r->fd < 0) {
        if (res >= 0)
            close(res);
        return 0;
    }
    struct entry *entry = entry_of(watches_find(&p->watches, r->fd));
    int woken = 0;
    if (res >= 0) {
        p->accepts_proven = true;
        bough__accepted_add(entry->accepted, res);
        woken = tell_accepted(p, entry);
    }
    if (!more)
        return woken + reaped_last_accept(p, r->fd, entry, res);
    if (bough__accepted_is_full(entry->accepted))
        bough__ring_cancel(&p->ring, entry->accepted->request);
    return woken;
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
        return reaped_poll(p, &r, cqe->res, more);
    case RING_ACCEPT:
        return reaped_accept(p, &r, cqe->res, more);
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
        return helper_look(p);
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
        woken += helper_look(p); /* it has a sweep of its own */
    if (p->staying)
        woken += look_after_staying(p);
    if (woken || p->interrupted)
        deadline = INT64_MIN;
    int64_t timeout = bough__watches_time_to_sleep(&p->watches, deadline);
    if (p->helper_watched && timeout > BOUGH_SEC)
        timeout = BOUGH_SEC;
    if (p->staying && timeout > ROUND)
        timeout = ROUND;
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
        return helper_watch(p, fd, entry, wait);
    if (entry->accepted && p->accepts && direction == BOUGH_READABLE)
        return watch_accepted(p, fd, entry, wait);
    entry->round = p->round;
    if (entry->pending && direction == BOUGH_READABLE) {
        entry->pending = false;
        return 1;
    }
    bool stays = watch->adopted && direction == BOUGH_READABLE && !entry->ended;
    if (!entry->requests[direction] && (rc = request_poll(p, fd, entry, direction, stays)) < 0)
        return rc;
    watches_add(&p->watches, watch, direction, wait);
    return 0;
}

static void uring_unwatch(struct bough_driver *driver, int fd, enum bough_direction direction)
{
    struct uring *p = uring_of(driver);
    struct watch_entry *watch = watches_find(&p->watches, fd);
    if (BOUGH_UNLIKELY(entry_of(watch)->helped) && direction == BOUGH_WRITABLE) {
        p->helper->unwatch(p->helper, fd, direction);
        helper_settle(p);
        return;
    }
    (void)watches_remove(&p->watches, watch, direction);
    if (!watch->adopted)
        abandon(p, entry_of(watch), direction);
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
    p->accepts = true;
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
        .accept = uring_accept,
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

/* Connections that nobody has taken, and those of which nobody has heard. */
static void close_accepted(struct uring *p)
{
    for (int fd = 0; fd < p->watches.count; fd++)
        abandon_accepts(p, entry_of(watches_find(&p->watches, fd)));
    while (p->accepts_in_flight) {
        int rc = bough__ring_enter(&p->ring, RING_NAP);
        if (rc < 0 && !bough__ring_failure_passes(rc))
            return;
        (void)reap(p);
    }
}

void bough__uring_close(struct bough_driver *driver)
{
    struct uring *p = uring_of(driver);
    close_accepted(p);
    bough__ring_close(&p->ring);
    if (p->helper)
        bough__epoll_close(p->helper);
    if (p->event_fd >= 0)
        close(p->event_fd);
    bough__watches_release(&p->watches);
    free(p);
}
