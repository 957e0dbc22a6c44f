/* The driver over io_uring.
 *
 * A watch is a poll request for one shot, adopted or not: it looks at the state when it is armed,
 * so no edge can be missed, and costs no system call, since requests are submitted with the next
 * wait(), in the call that sleeps. Completions are reaped before that. A look that finds nothing to
 * submit and no completion announced makes no call at all.
 *
 * A request is named by its place in a table, never by a pointer to a wait, and its place is not
 * used again before its completion has come. Who gives up abandons it: what comes of it then
 * concerns nobody. The request for an adopted descriptor stays armed meanwhile, for who waits next;
 * one for a foreign descriptor is cancelled, for a request holds the open file: while there is one,
 * close() does not close. That is also why closing() makes a system call, which takes the requests
 * back before the descriptor goes.
 *
 * The kernel adds POLLRDHUP to all that is asked for. A writer whose peer has stopped sending would
 * be told so again and again while there is no room: from then on he waits in an epoll driver,
 * whose descriptor is polled here.
 * SPDX-License-Identifier: MIT */
#include "io/uring.h"

#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/time.h"
#include "io/clock.h"
#include "io/epoll.h"
#include "io/watches.h"

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { SUBMISSIONS = 256, COMPLETIONS = 4096, REQUESTS_FIRST = 64 };
#define NAP (10 * BOUGH_MS) /* when the kernel takes no request at all */

/* What a completion is about: one of these, or the request in that place. */
enum { ABOUT_NOTHING, ABOUT_INTERRUPT, ABOUT_HELPER, ABOUT_REQUESTS };

/* A poll request that the kernel has, or will have. */
struct request {
    int fd; /* -1: abandoned */
    enum bough_direction direction;
    unsigned next; /* the next one that is free, or is to be cancelled; 0: none */
};

/* What we know about one descriptor. */
struct entry {
    struct watch_entry watch;
    unsigned requests[WATCH_DIRECTIONS]; /* that are armed for it; 0: none */
    bool helped;                         /* its writers wait in the helper */
    dev_t device;                        /* foreign: which open file was watched last */
    ino_t inode;
};

struct uring {
    struct bough_driver driver;
    struct io_uring ring;
    bool has_ring, skips_success;
    int event_fd;
    bool interrupt_armed, helper_armed;
    bool interrupted; /* and no wait() has returned since */
    struct watches watches;
    struct request *requests;
    unsigned request_count, free, to_cancel;
    struct bough_driver *helper; /* an epoll driver, or NULL: has not been needed */
    unsigned helper_watched;     /* of driver.watched: those of the helper */
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

/* NULL: the kernel takes no more for now. */
static struct io_uring_sqe *sqe_get(struct uring *p)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);
    if (BOUGH_UNLIKELY(!sqe) && io_uring_submit(&p->ring) >= 0)
        sqe = io_uring_get_sqe(&p->ring);
    return sqe;
}

static int requests_grow(struct uring *p)
{
    unsigned old = p->request_count, count = old ? 2 * old : REQUESTS_FIRST;
    struct request *requests = sys_realloc(p->requests, count * sizeof(*requests));
    if (!requests)
        return -ENOMEM;
    for (unsigned i = old ? old : ABOUT_REQUESTS; i < count; i++)
        requests[i] = (struct request){.fd = -1, .next = i + 1 < count ? i + 1 : 0};
    p->free = old ? old : ABOUT_REQUESTS;
    p->requests = requests;
    p->request_count = count;
    return 0;
}

static unsigned poll_events(enum bough_direction direction)
{
    return direction == BOUGH_READABLE ? POLLIN | POLLRDHUP : POLLOUT;
}

static int request_poll(struct uring *p, int fd, struct entry *entry,
                        enum bough_direction direction)
{
    if (sys_fails(SYS_FAULT_CALL) || (!p->free && requests_grow(p) < 0))
        return -ENOMEM;
    unsigned at = p->free;
    struct io_uring_sqe *sqe = sqe_get(p);
    if (!sqe)
        return -ENOMEM;
    struct request *r = &p->requests[at];
    io_uring_prep_poll_add(sqe, fd, poll_events(direction));
    sqe->user_data = at;
    p->free = r->next;
    *r = (struct request){.fd = fd, .direction = direction};
    entry->requests[direction] = at;
    return 0;
}

/* Its completion is still to come. */
static void abandon(struct uring *p, struct entry *entry, enum bough_direction direction)
{
    unsigned at = entry->requests[direction];
    if (!at)
        return;
    entry->requests[direction] = 0;
    p->requests[at].fd = -1;
    p->requests[at].next = p->to_cancel;
    p->to_cancel = at;
}

static void submit_cancels(struct uring *p)
{
    while (p->to_cancel) {
        unsigned at = p->to_cancel;
        struct io_uring_sqe *sqe = sqe_get(p);
        if (!sqe)
            return; /* again at the next wait */
        io_uring_prep_poll_remove(sqe, at);
        sqe->user_data = ABOUT_NOTHING;
        sqe->flags = p->skips_success ? IOSQE_CQE_SKIP_SUCCESS : 0;
        p->to_cancel = p->requests[at].next;
        p->requests[at].next = 0;
    }
}

/* Whatever the kernel holds of this descriptor, it lets go now. */
static void cancel_all_of(struct uring *p, struct entry *entry)
{
    abandon(p, entry, BOUGH_READABLE);
    abandon(p, entry, BOUGH_WRITABLE);
    if (!p->to_cancel) /* which may be of an earlier waiter */
        return;
    submit_cancels(p);
    (void)io_uring_submit_and_get_events(&p->ring);
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
    cancel_all_of(p, entry_of(watch));
    helper_forget(p, fd, entry_of(watch));
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

static int reaped_poll(struct uring *p, unsigned at, int res)
{
    struct request r = p->requests[at];
    p->requests[at] = (struct request){.fd = -1, .next = p->free};
    p->free = at;
    if (r.fd < 0)
        return 0;
    struct watch_entry *watch = watches_find(&p->watches, r.fd);
    entry_of(watch)->requests[r.direction] = 0;
    if (!watch->waiters[r.direction])
        return 0;
    if (r.direction == BOUGH_WRITABLE && res > 0 && !(res & ~POLLRDHUP))
        return hand_over(p, r.fd, entry_of(watch));
    bough_wake(watches_remove(&p->watches, watch, r.direction),
               res < 0 && res != -ECANCELED ? res : 0);
    return 1;
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
        return reaped_poll(p, (unsigned)cqe->user_data, cqe->res);
    }
}

static int reap(struct uring *p)
{
    unsigned left = io_uring_cq_ready(&p->ring);
    int woken = 0;
    while (left--) {
        struct io_uring_cqe cqe = p->ring.cq.cqes[*p->ring.cq.khead & *p->ring.cq.kring_mask];
        io_uring_cq_advance(&p->ring, 1);
        woken += reaped(p, &cqe);
    }
    return woken;
}

/* Our own two requests. False: the kernel takes none. */
static bool arm_own(struct uring *p)
{
    struct io_uring_sqe *sqe;
    if (BOUGH_UNLIKELY(!p->interrupt_armed)) {
        if (!(sqe = sqe_get(p)))
            return false;
        io_uring_prep_poll_multishot(sqe, p->event_fd, POLLIN);
        sqe->user_data = ABOUT_INTERRUPT;
        p->interrupt_armed = true;
    }
    if (p->helper && !p->helper_armed && p->helper->watched) {
        if (!(sqe = sqe_get(p)))
            return false;
        io_uring_prep_poll_add(sqe, bough__epoll_fd(p->helper), POLLIN);
        sqe->user_data = ABOUT_HELPER;
        p->helper_armed = true;
    }
    return true;
}

/* Submit, and sleep for 'timeout' nanoseconds unless something is complete already. */
static int enter(struct uring *p, int64_t timeout)
{
    struct io_uring_cqe *ignored;
    if (timeout == 0) {
        unsigned flags = IO_URING_READ_ONCE(*p->ring.sq.kflags);
        if (!io_uring_sq_ready(&p->ring) && !(flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
            return 0;
        return io_uring_submit_and_get_events(&p->ring);
    }
    struct __kernel_timespec ts = {.tv_sec = timeout / BOUGH_SEC, .tv_nsec = timeout % BOUGH_SEC};
    return io_uring_submit_and_wait_timeout(&p->ring, &ignored, 1,
                                            timeout == BOUGH_NEVER ? NULL : &ts, NULL);
}

/* What comes of load or of signals, and may go. */
static bool enter_passes(int rc)
{
    return rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN || rc == -ENOMEM;
}

static int uring_wait(struct bough_driver *driver, int64_t deadline)
{
    struct uring *p = uring_of(driver);
    int woken = reap(p);
    if (BOUGH_UNLIKELY(p->helper_watched))
        woken += helper_look(p); /* it has a sweep of its own */
    if (woken || p->interrupted)
        deadline = INT64_MIN;
    int64_t timeout = bough__watches_time_to_sleep(&p->watches, deadline);
    if (p->helper_watched && timeout > BOUGH_SEC)
        timeout = BOUGH_SEC;
    if (p->to_cancel)
        submit_cancels(p);
    if (!arm_own(p) && timeout > NAP)
        timeout = NAP;
    int rc = enter(p, timeout);
    if (rc < 0 && !enter_passes(rc))
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
    if (!entry->requests[direction] && (rc = request_poll(p, fd, entry, direction)) < 0)
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

/* --- open and close --- */

/* Newer kernels do less behind our back. The last is for all. */
static const unsigned setups[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,                                                     /* 6.1 */
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL, /* 5.19 */
    0,
};

/* A ring's memory comes and goes by bare system calls, so ThreadSanitizer takes two rings that had
 * the same address one after the other, in two threads, for one. This is what comes between them:
 * taken after mapping and before unmapping. */
static void rings_in_order(void)
{
    static int order;
    __atomic_fetch_add(&order, 1, __ATOMIC_ACQ_REL);
}

static int ring_open(struct uring *p, size_t setup)
{
    /* The last of these is for 5.13, where poll requests learned to go on. */
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;
    struct io_uring_params params;
    int rc = -EINVAL;
    if (RUNNING_ON_VALGRIND) /* 3.19 lets no other thread run while one sleeps in a ring */
        return -ENOSYS;
    for (; setup < sizeof(setups) / sizeof(*setups) && rc == -EINVAL; setup++) {
        params = (struct io_uring_params){.flags = setups[setup] | IORING_SETUP_CQSIZE |
                                                   IORING_SETUP_CLAMP,
                                          .cq_entries = COMPLETIONS};
        rc = sys_fails(SYS_FAULT_CALL) ? -EMFILE
                                       : io_uring_queue_init_params(SUBMISSIONS, &p->ring, &params);
    }
    if (rc < 0)
        return rc == -EINVAL ? -ENOSYS : rc;
    rings_in_order();
    (void)io_uring_register_ring_fd(&p->ring); /* 5.18: saves the kernel a look-up in each call */
    p->has_ring = true;
    p->skips_success = params.features & IORING_FEAT_CQE_SKIP;
    return (params.features & needed) == needed ? 0 : -ENOSYS;
}

/* A filter may let us have a ring, and not let us use it. */
static int uring_setup(struct uring *p, size_t setup)
{
    int rc = ring_open(p, setup);
    if (rc < 0)
        return rc;
    p->event_fd = sys_call(EMFILE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (p->event_fd < 0)
        return p->event_fd;
    if (!arm_own(p))
        return -ENOMEM;
    rc = sys_fails(SYS_FAULT_CALL) ? -ENOMEM : io_uring_submit_and_get_events(&p->ring);
    return rc < 0 ? rc : 0;
}

static int uring_open(size_t setup, struct bough_driver **ret_driver)
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
    };
    p->watches = (struct watches){
        .driver = &p->driver,
        .entry_size = sizeof(struct entry),
        .is_alive = uring_is_alive,
        .lost = uring_lost,
    };
    p->event_fd = -1;
    int rc = uring_setup(p, setup);
    if (rc < 0) {
        bough__uring_close(&p->driver);
        return rc;
    }
    *ret_driver = &p->driver;
    return 0;
}

int bough__uring_open(struct bough_driver **ret_driver)
{
    return uring_open(0, ret_driver);
}

int bough__uring_open_plain(struct bough_driver **ret_driver)
{
    return uring_open(sizeof(setups) / sizeof(*setups) - 1, ret_driver);
}

void bough__uring_close(struct bough_driver *driver)
{
    struct uring *p = uring_of(driver);
    if (p->has_ring) {
        /* The kernel takes its time over what a ring still has: what was given up must be given
         * back now. */
        submit_cancels(p);
        (void)io_uring_submit_and_get_events(&p->ring);
        rings_in_order();
        io_uring_queue_exit(&p->ring);
    }
    if (p->helper)
        bough__epoll_close(p->helper);
    if (p->event_fd >= 0)
        close(p->event_fd);
    bough__watches_release(&p->watches);
    free(p->requests);
    free(p);
}
