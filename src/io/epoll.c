/* The driver for every Linux: epoll.
 *
 * Two kinds of descriptors. Those that are ours (adopted) are registered once, for edges: who waits
 * has seen it drained, so the next edge is news, and an edge that finds nobody is remembered in
 * 'pending'. Edges of room to write are asked for by the first who waits for them: a Unix socket
 * has one each time that its peer reads, and nearly always nobody cares; who asks is told at once
 * if there is room already. A stream's end may come in one edge with its last data, so once that
 * was seen the next watch says "try", and asks the kernel for the state anew. Foreign ones are
 * registered for one shot at each wait, which reports a level: readable means readable now.
 *
 * The kernel forgets a descriptor that is closed, and tells nobody: io/watches asks after those
 * that might be.
 * SPDX-License-Identifier: MIT */
#include "io/epoll.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/time.h"
#include "io/clock.h"
#include "io/watches.h"

enum { EVENTS_AT_ONCE = 256 };

/* What we know about one descriptor. */
struct entry {
    struct watch_entry watch;
    bool registered;
    bool writes;                    /* adopted: with edges of room to write */
    bool pending[WATCH_DIRECTIONS]; /* adopted: an edge came while nobody waited */
    bool ended[WATCH_DIRECTIONS]; /* adopted: hung up, or urgent data; there may be no more edges */
};

struct epoll {
    struct bough_driver driver;
    int fd, event_fd;
    bool has_pwait2;
    struct watches watches;
    struct epoll_event events[EVENTS_AT_ONCE];
};

static struct epoll *epoll_of(struct bough_driver *driver)
{
    return bough_container_of(driver, struct epoll, driver);
}

static struct entry *entry_of(struct watch_entry *watch)
{
    return bough_container_of(watch, struct entry, watch);
}

/* --- waking --- */

static int ready(struct epoll *p, struct entry *entry, enum bough_direction direction)
{
    if (entry->watch.waiters[direction]) {
        bough_wake(watches_remove(&p->watches, &entry->watch, direction), 0);
        return 1;
    }
    entry->pending[direction] = entry->watch.adopted;
    return 0;
}

/* --- registration --- */

static uint32_t wanted_events(const struct entry *entry)
{
    const struct watch_entry *watch = &entry->watch;
    if (watch->adopted)
        return EPOLLIN | (entry->writes ? EPOLLOUT : 0u) | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    return (watch->waiters[BOUGH_READABLE] ? EPOLLIN | EPOLLRDHUP : 0u) |
           (watch->waiters[BOUGH_WRITABLE] ? EPOLLOUT : 0u) | EPOLLONESHOT;
}

/* Tell the kernel what is wanted. A registration that we remember may be that of a descriptor that
 * was closed since, and one that we forgot may be left over: try the other way then. */
static int arm(struct epoll *p, int fd, struct entry *entry)
{
    struct epoll_event event = {.events = wanted_events(entry), .data.fd = fd};
    int op = entry->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int rc = sys_call(ENOMEM, epoll_ctl(p->fd, op, fd, &event));
    if (rc == -ENOENT)
        rc = sys_call(ENOMEM, epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &event));
    else if (rc == -EEXIST)
        rc = sys_call(ENOMEM, epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &event));
    entry->registered = rc == 0;
    return rc;
}

static bool epoll_is_alive(struct bough_driver *driver, int fd, struct watch_entry *watch)
{
    struct epoll_event event = {.events = wanted_events(entry_of(watch)), .data.fd = fd};
    return epoll_ctl(epoll_of(driver)->fd, EPOLL_CTL_MOD, fd, &event) == 0;
}

/* Closed behind our back. */
static int epoll_lost(struct bough_driver *driver, int fd, struct watch_entry *watch)
{
    (void)fd;
    entry_of(watch)->registered = false;
    return bough__watches_wake_both(&epoll_of(driver)->watches, watch, -EBADF);
}

int bough__epoll_sweep(struct bough_driver *driver)
{
    return bough__watches_sweep(&epoll_of(driver)->watches);
}

/* --- waiting --- */

static int dispatch(struct epoll *p, const struct epoll_event *event)
{
    uint64_t ticks;
    if (event->data.fd == p->event_fd) {
        ssize_t ignored = read(p->event_fd, &ticks, sizeof(ticks));
        (void)ignored;
        return 0;
    }
    struct entry *entry = entry_of(watches_find(&p->watches, event->data.fd));
    bool broken = event->events & (EPOLLERR | EPOLLHUP);
    int woken = 0;
    entry->ended[BOUGH_READABLE] |= broken || (event->events & (EPOLLRDHUP | EPOLLPRI));
    entry->ended[BOUGH_WRITABLE] |= broken;
    if (broken || (event->events & (EPOLLIN | EPOLLRDHUP)))
        woken += ready(p, entry, BOUGH_READABLE);
    if (broken || (event->events & EPOLLOUT))
        woken += ready(p, entry, BOUGH_WRITABLE);
    if (entry->writes && event->events == EPOLLOUT && !woken) {
        entry->writes = entry->pending[BOUGH_WRITABLE] = false;
        (void)arm(p, event->data.fd,
                  entry); /* if that fails there are too many edges, that is all */
    }
    /* The shot of a foreign one is spent, and somebody may still wait in the other direction. */
    if (!entry->watch.adopted && watch_is_waited_for(&entry->watch) &&
        arm(p, event->data.fd, entry) < 0)
        woken += bough__watches_wake_both(&p->watches, &entry->watch, -EBADF);
    return woken;
}

/* epoll_wait() for 'timeout' nanoseconds, 0 or more; BOUGH_NEVER: no timeout. */
static int kernel_wait(struct epoll *p, int64_t timeout)
{
    if (p->has_pwait2 && timeout > 0) {
        struct timespec ts = {.tv_sec = timeout / BOUGH_SEC, .tv_nsec = timeout % BOUGH_SEC};
        int n = epoll_pwait2(p->fd, p->events, EVENTS_AT_ONCE, timeout == BOUGH_NEVER ? NULL : &ts,
                             NULL);
        /* EPERM: how some sandboxes say that they do not know it. */
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n < 0 ? -errno : n;
        p->has_pwait2 = false;
    }
    /* Milliseconds, rounded up: late, never early. */
    int64_t ms = timeout / BOUGH_MS + (timeout % BOUGH_MS != 0);
    int n = epoll_wait(p->fd, p->events, EVENTS_AT_ONCE, ms > INT32_MAX ? -1 : (int)ms);
    return n < 0 ? -errno : n;
}

static int epoll_wait_until(struct bough_driver *driver, int64_t deadline)
{
    struct epoll *p = epoll_of(driver);
    int64_t timeout;
    int woken = bough__watches_before_sleep(&p->watches, deadline, &timeout);
    int n = kernel_wait(p, timeout);
    if (n < 0)
        return n == -EINTR ? woken : n;
    for (int i = 0; i < n; i++)
        woken += dispatch(p, &p->events[i]);
    return woken;
}

static void epoll_interrupt(struct bough_driver *driver)
{
    uint64_t one = 1;
    ssize_t ignored = write(epoll_of(driver)->event_fd, &one, sizeof(one));
    (void)ignored; /* full means that it is readable already */
}

/* --- descriptors --- */

static int watch_adopted(struct epoll *p, int fd, struct entry *entry,
                         enum bough_direction direction, struct bough_wait *wait)
{
    bool asks = direction == BOUGH_WRITABLE && !entry->writes;
    if (!entry->registered || entry->ended[direction] || asks) {
        entry->writes |= asks;
        int rc = arm(p, fd, entry);
        if (rc < 0)
            return rc;
    }
    if (entry->pending[direction] || entry->ended[direction]) {
        entry->pending[direction] = entry->ended[direction] = false;
        return 1;
    }
    watches_add(&p->watches, &entry->watch, direction, wait);
    return 0;
}

static int watch_foreign(struct epoll *p, int fd, struct entry *entry,
                         enum bough_direction direction, struct bough_wait *wait)
{
    watches_add(&p->watches, &entry->watch, direction, wait);
    int rc = arm(p, fd, entry);
    if (rc < 0)
        (void)watches_remove(&p->watches, &entry->watch, direction);
    return rc;
}

static int epoll_watch(struct bough_driver *driver, int fd, enum bough_direction direction,
                       struct bough_wait *wait)
{
    struct epoll *p = epoll_of(driver);
    struct watch_entry *watch;
    int rc = bough__watches_get(&p->watches, fd, &watch);
    if (rc < 0)
        return rc;
    if (BOUGH_UNLIKELY(watch->waiters[direction] != NULL)) {
        if (watch->adopted || epoll_is_alive(driver, fd, watch))
            return -EBUSY;
        (void)epoll_lost(driver, fd, watch); /* and the number is in use again */
    }
    return watch->adopted ? watch_adopted(p, fd, entry_of(watch), direction, wait)
                          : watch_foreign(p, fd, entry_of(watch), direction, wait);
}

static void epoll_unwatch(struct bough_driver *driver, int fd, enum bough_direction direction)
{
    struct epoll *p = epoll_of(driver);
    (void)watches_remove(&p->watches, watches_find(&p->watches, fd), direction);
}

static void epoll_closing(struct bough_driver *driver, int fd)
{
    struct epoll *p = epoll_of(driver);
    struct watch_entry *watch = watches_find(&p->watches, fd);
    if (!watch)
        return;
    (void)bough__watches_wake_both(&p->watches, watch, -EBADF);
    if (entry_of(watch)->registered)
        (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
    *entry_of(watch) = (struct entry){0};
}

static int epoll_adopt(struct bough_driver *driver, int fd)
{
    struct epoll *p = epoll_of(driver);
    struct watch_entry *watch;
    int rc = bough__watches_get(&p->watches, fd, &watch);
    if (rc < 0)
        return rc;
    /* Whatever we know is about an earlier descriptor with this number. */
    epoll_closing(driver, fd);
    watch->adopted = true;
    return 0;
}

int bough__epoll_fd(struct bough_driver *driver)
{
    return epoll_of(driver)->fd;
}

/* --- open and close --- */

static int epoll_setup(struct epoll *p)
{
    p->fd = sys_call(EMFILE, epoll_create1(EPOLL_CLOEXEC));
    if (p->fd < 0)
        return p->fd;
    p->event_fd = sys_call(EMFILE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (p->event_fd < 0)
        return p->event_fd;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = p->event_fd};
    return sys_call(ENOMEM, epoll_ctl(p->fd, EPOLL_CTL_ADD, p->event_fd, &event));
}

int bough__epoll_open(struct bough_driver **ret_driver)
{
    struct epoll *p = sys_calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->driver = (struct bough_driver){
        .name = "epoll",
        .now = bough__clock_now,
        .coarse_now = bough__clock_coarse_now,
        .coarse_step = bough__clock_coarse_step(),
        .poll_after = 20 * BOUGH_US,
        .wait = epoll_wait_until,
        .interrupt = epoll_interrupt,
        .watch = epoll_watch,
        .adopt = epoll_adopt,
        .unwatch = epoll_unwatch,
        .closing = epoll_closing,
    };
    p->watches = (struct watches){
        .driver = &p->driver,
        .entry_size = sizeof(struct entry),
        .is_alive = epoll_is_alive,
        .lost = epoll_lost,
    };
    p->fd = p->event_fd = -1;
    p->has_pwait2 = true;
    int rc = epoll_setup(p);
    if (rc < 0) {
        bough__epoll_close(&p->driver);
        return rc;
    }
    *ret_driver = &p->driver;
    return 0;
}

void bough__epoll_close(struct bough_driver *driver)
{
    struct epoll *p = epoll_of(driver);
    if (p->event_fd >= 0)
        close(p->event_fd);
    if (p->fd >= 0)
        close(p->fd);
    bough__watches_release(&p->watches);
    free(p);
}
