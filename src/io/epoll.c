/* The driver for every Linux: epoll.
 *
 * Two kinds of descriptors. Those that are ours (adopted) are registered once, for edges in both
 * directions: who waits has seen it drained, so the next edge is news, and an edge that finds nobody is
 * remembered in 'pending'. A stream's end may come in one edge with its last data, so once that was seen the
 * next watch says "try", and asks the kernel for the state anew. Foreign ones are registered for one shot at each wait, which reports a level: readable means
 * readable now.
 *
 * The kernel forgets a descriptor that is closed, and tells nobody. A foreign one that was closed behind
 * our back would hang its waiter, so before a sleep, and at least once a second, those that are waited
 * for are asked after (the sweep).
 * SPDX-License-Identifier: MIT */
#include "io/epoll.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/time.h"

enum { EVENTS_AT_ONCE = 256, DIRECTIONS = 2 };
#define SWEEP_AFTER (100 * BOUGH_MS)
#define SWEEP_AT_LEAST BOUGH_SEC

/* What we know about one descriptor. */
struct entry {
    struct bough_wait *waiters[DIRECTIONS];
    bool adopted;
    bool registered;
    bool pending[DIRECTIONS]; /* adopted: an edge came while nobody waited */
    bool ended[DIRECTIONS];   /* adopted: hung up, or urgent data; there may be no more edges */
};

struct epoll {
    struct bough_driver driver;
    int fd, event_fd;
    bool has_pwait2;
    struct entry *entries; /* by descriptor */
    int entry_count;
    unsigned foreign; /* waits for descriptors that are not adopted */
    int64_t swept;
    struct epoll_event events[EVENTS_AT_ONCE];
};

static struct epoll *epoll_of(struct bough_driver *driver)
{
    return bough_container_of(driver, struct epoll, driver);
}

/* --- time --- */

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * BOUGH_SEC + now.tv_nsec;
}

static int64_t epoll_now(struct bough_driver *driver)
{
    (void)driver;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t epoll_coarse_now(struct bough_driver *driver)
{
    (void)driver;
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

/* --- waking --- */

static void wake_waiter(struct epoll *p, struct entry *entry, int direction, int result)
{
    struct bough_wait *wait = entry->waiters[direction];
    entry->waiters[direction] = NULL;
    p->driver.watched--;
    if (!entry->adopted)
        p->foreign--;
    bough_wake(wait, result);
}

/* Wake both directions; returns how many waited. */
static int wake_both(struct epoll *p, struct entry *entry, int result)
{
    int woken = 0;
    for (int direction = 0; direction < DIRECTIONS; direction++) {
        if (entry->waiters[direction]) {
            wake_waiter(p, entry, direction, result);
            woken++;
        }
    }
    return woken;
}

static int ready(struct epoll *p, struct entry *entry, int direction)
{
    if (entry->waiters[direction]) {
        wake_waiter(p, entry, direction, 0);
        return 1;
    }
    entry->pending[direction] = entry->adopted;
    return 0;
}

/* --- registration --- */

static uint32_t wanted_events(const struct entry *entry)
{
    if (entry->adopted)
        return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    return (entry->waiters[BOUGH_READABLE] ? EPOLLIN | EPOLLRDHUP : 0u) |
           (entry->waiters[BOUGH_WRITABLE] ? EPOLLOUT : 0u) | EPOLLONESHOT;
}

/* Tell the kernel what is wanted. A registration that we remember may be that of a descriptor that was closed
 * since, and one that we forgot may be left over: try the other way then. */
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

/* Is the descriptor that a foreign waiter waits for still the one that was registered? */
static bool is_alive(struct epoll *p, int fd, struct entry *entry)
{
    struct epoll_event event = {.events = wanted_events(entry), .data.fd = fd};
    return epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &event) == 0;
}

int bough__epoll_sweep(struct bough_driver *driver)
{
    struct epoll *p = epoll_of(driver);
    unsigned left = p->foreign;
    int woken = 0;
    for (int fd = 0; fd < p->entry_count && left; fd++) {
        struct entry *entry = &p->entries[fd];
        bool waited = entry->waiters[BOUGH_READABLE] || entry->waiters[BOUGH_WRITABLE];
        if (entry->adopted || !waited)
            continue;
        left--;
        if (!is_alive(p, fd, entry)) {
            entry->registered = false;
            woken += wake_both(p, entry, -EBADF);
        }
    }
    return woken;
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
    struct entry *entry = &p->entries[event->data.fd];
    bool broken = event->events & (EPOLLERR | EPOLLHUP);
    int woken = 0;
    entry->ended[BOUGH_READABLE] |= broken || (event->events & (EPOLLRDHUP | EPOLLPRI));
    entry->ended[BOUGH_WRITABLE] |= broken;
    if (broken || (event->events & (EPOLLIN | EPOLLRDHUP)))
        woken += ready(p, entry, BOUGH_READABLE);
    if (broken || (event->events & EPOLLOUT))
        woken += ready(p, entry, BOUGH_WRITABLE);
    /* The shot of a foreign one is spent, and somebody may still wait in the other direction. */
    if (!entry->adopted && (entry->waiters[0] || entry->waiters[1]) &&
        arm(p, event->data.fd, entry) < 0)
        woken += wake_both(p, entry, -EBADF);
    return woken;
}

/* epoll_wait() for 'timeout' nanoseconds, 0 or more; BOUGH_NEVER: no timeout. */
static int kernel_wait(struct epoll *p, int64_t timeout)
{
    if (p->has_pwait2 && timeout > 0) {
        struct timespec ts = {.tv_sec = timeout / BOUGH_SEC, .tv_nsec = timeout % BOUGH_SEC};
        int n = epoll_pwait2(p->fd, p->events, EVENTS_AT_ONCE, timeout == BOUGH_NEVER ? NULL : &ts, NULL);
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

/* Sweep if the last time is 'after' or longer ago; how long to sleep at most then. */
static int64_t sweep_if_due(struct epoll *p, int64_t now, int64_t after)
{
    if (!p->foreign)
        return BOUGH_NEVER;
    if (now - p->swept < after)
        return SWEEP_AFTER;
    p->swept = now;
    return bough__epoll_sweep(&p->driver) ? 0 : SWEEP_AT_LEAST;
}

static int64_t time_to_sleep(struct epoll *p, int64_t deadline)
{
    if (deadline == INT64_MIN) {
        if (p->foreign) /* busy, and it may stay so */
            (void)sweep_if_due(p, epoll_now(&p->driver), SWEEP_AT_LEAST);
        return 0;
    }
    int64_t now = epoll_now(&p->driver), most = sweep_if_due(p, now, SWEEP_AFTER);
    int64_t timeout = deadline == BOUGH_NEVER ? BOUGH_NEVER : deadline > now ? deadline - now : 0;
    return timeout < most ? timeout : most;
}

static int epoll_wait_until(struct bough_driver *driver, int64_t deadline)
{
    struct epoll *p = epoll_of(driver);
    int n = kernel_wait(p, time_to_sleep(p, deadline)), woken = 0;
    if (n < 0)
        return n == -EINTR ? 0 : n;
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

static int entry_for(struct epoll *p, int fd, struct entry **ret_entry)
{
    if (fd < 0)
        return -EBADF;
    if (BOUGH_UNLIKELY(fd >= p->entry_count)) {
        int count = p->entry_count ? p->entry_count : 64;
        /* A number out of the blue must not make the table huge. */
        if (fcntl(fd, F_GETFD) < 0)
            return -EBADF;
        while (count <= fd)
            count *= 2;
        struct entry *entries = sys_realloc(p->entries, (size_t)count * sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        memset(entries + p->entry_count, 0, (size_t)(count - p->entry_count) * sizeof(*entries));
        p->entries = entries;
        p->entry_count = count;
    }
    *ret_entry = &p->entries[fd];
    return 0;
}

static int watch_adopted(struct epoll *p, int fd, struct entry *entry, enum bough_direction direction,
                         struct bough_wait *wait)
{
    if (!entry->registered || entry->ended[direction]) {
        int rc = arm(p, fd, entry);
        if (rc < 0)
            return rc;
    }
    if (entry->pending[direction] || entry->ended[direction]) {
        entry->pending[direction] = entry->ended[direction] = false;
        return 1;
    }
    entry->waiters[direction] = wait;
    return 0;
}

static int watch_foreign(struct epoll *p, int fd, struct entry *entry, enum bough_direction direction,
                         struct bough_wait *wait)
{
    entry->waiters[direction] = wait;
    int rc = arm(p, fd, entry);
    if (rc < 0) {
        entry->waiters[direction] = NULL;
        return rc;
    }
    p->foreign++;
    return 0;
}

static int epoll_watch(struct bough_driver *driver, int fd, enum bough_direction direction,
                       struct bough_wait *wait)
{
    struct epoll *p = epoll_of(driver);
    struct entry *entry;
    int rc = entry_for(p, fd, &entry);
    if (rc < 0)
        return rc;
    if (BOUGH_UNLIKELY(entry->waiters[direction] != NULL)) {
        if (entry->adopted || is_alive(p, fd, entry))
            return -EBUSY;
        /* Closed behind our back, and the number is in use again. */
        entry->registered = false;
        (void)wake_both(p, entry, -EBADF);
    }
    rc = entry->adopted ? watch_adopted(p, fd, entry, direction, wait)
                        : watch_foreign(p, fd, entry, direction, wait);
    if (rc == 0)
        driver->watched++;
    return rc;
}

static void epoll_unwatch(struct bough_driver *driver, int fd, enum bough_direction direction)
{
    struct epoll *p = epoll_of(driver);
    struct entry *entry = &p->entries[fd];
    entry->waiters[direction] = NULL;
    driver->watched--;
    if (!entry->adopted)
        p->foreign--;
}

static void epoll_closing(struct bough_driver *driver, int fd)
{
    struct epoll *p = epoll_of(driver);
    if (fd < 0 || fd >= p->entry_count)
        return;
    struct entry *entry = &p->entries[fd];
    (void)wake_both(p, entry, -EBADF);
    if (entry->registered)
        (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
    *entry = (struct entry){0};
}

static int epoll_adopt(struct bough_driver *driver, int fd)
{
    struct epoll *p = epoll_of(driver);
    struct entry *entry;
    int rc = entry_for(p, fd, &entry);
    if (rc < 0)
        return rc;
    /* Whatever we know is about an earlier descriptor with this number. */
    epoll_closing(driver, fd);
    entry->adopted = true;
    return 0;
}

/* --- open and close --- */

static int epoll_setup(struct epoll *p)
{
    struct timespec step;
    p->fd = sys_call(EMFILE, epoll_create1(EPOLL_CLOEXEC));
    if (p->fd < 0)
        return p->fd;
    p->event_fd = sys_call(EMFILE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (p->event_fd < 0)
        return p->event_fd;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = p->event_fd};
    clock_getres(CLOCK_MONOTONIC_COARSE, &step);
    p->driver.coarse_step = step.tv_sec * BOUGH_SEC + step.tv_nsec;
    return sys_call(ENOMEM, epoll_ctl(p->fd, EPOLL_CTL_ADD, p->event_fd, &event));
}

int bough__epoll_open(struct bough_driver **ret_driver)
{
    struct epoll *p = sys_calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->driver = (struct bough_driver){
        .name = "epoll",
        .now = epoll_now,
        .coarse_now = epoll_coarse_now,
        .poll_after = 20 * BOUGH_US,
        .wait = epoll_wait_until,
        .interrupt = epoll_interrupt,
        .watch = epoll_watch,
        .adopt = epoll_adopt,
        .unwatch = epoll_unwatch,
        .closing = epoll_closing,
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
    free(p->entries);
    free(p);
}
