/* The parts of the io_uring driver, and what they share.
 *
 *     uring.c           waiting, descriptors, operations
 *     uring_receive.c   what is received ahead
 *     uring_accept.c    what is accepted ahead
 *     uring_poll.c      requests that tell when a descriptor is ready
 *     uring_helper.c    the epoll driver for writers that io_uring cannot serve
 *
 * each of which uses those below it.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "io/accepted.h"
#include "io/received.h"
#include "io/ring.h"
#include "io/ring_files.h"
#include "io/watches.h"

/* What we know about one descriptor. */
struct entry {
    struct watch_entry watch;
    unsigned requests[WATCH_DIRECTIONS]; /* that are armed for it; 0: none */
    bool pending;                        /* adopted: news for a reader came while nobody waited */
    bool ended;                          /* adopted: there may be no more news for readers */
    unsigned round;                      /* adopted: the last in which a reader came, or news */
    bool helped;                         /* its writers wait in the helper */
    bool ahead;                          /* what comes may be received before anybody asks */
    struct received received;            /* and is here then */
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
    struct ring_buffers buffers;
    bool accepts, accepts_proven;   /* ahead, as far as is known */
    bool receives, receives_proven; /* the same */
    unsigned ahead_in_flight;       /* requests that do either, the abandoned ones among them */
    struct bough_driver *helper;    /* an epoll driver, or NULL: has not been needed */
    unsigned helper_watched;        /* of driver.watched: those of the helper */
};

static inline struct uring *uring_of(struct bough_driver *driver)
{
    return bough_container_of(driver, struct uring, driver);
}

static inline struct entry *entry_of(struct watch_entry *watch)
{
    return bough_container_of(watch, struct entry, watch);
}

/* Of a descriptor that somebody has watched or adopted. */
static inline struct entry *entry_at(const struct uring *p, int fd)
{
    return entry_of(watches_find(&p->watches, fd));
}

/* NULL: it is not ours, such as a stream's that was opened in another run. */
static inline struct entry *adopted_at(const struct uring *p, int fd)
{
    struct watch_entry *watch = watches_find(&p->watches, fd);
    return watch && watch->adopted ? entry_of(watch) : NULL;
}

/* Wakes who waits for 'entry', if anybody does. Returns how many did. */
static inline int wake_waiter(struct uring *p, struct entry *entry, enum bough_direction direction,
                              int result)
{
    if (!entry->watch.waiters[direction])
        return 0;
    bough_wake(watches_remove(&p->watches, &entry->watch, direction), result);
    return 1;
}

/* --- uring_helper.c --- */

/* As the driver's functions of these names, for writers. */
int bough__uring_helper_watch(struct uring *p, int fd, struct entry *entry,
                              struct bough_wait *wait);
void bough__uring_helper_unwatch(struct uring *p, int fd);
void bough__uring_helper_forget(struct uring *p, int fd, struct entry *entry);

/* Returns how many it woke. */
int bough__uring_helper_look(struct uring *p);

/* --- uring_poll.c --- */

/* 'stays': tell all news until it is given up; else once, of the state. 0, -ENOMEM. */
int bough__uring_poll(struct uring *p, int fd, struct entry *entry, enum bough_direction direction,
                      bool stays);

/* Give up the request for that direction, of either kind, if there is one. Its completion is still
 * to come. */
void bough__uring_abandon(struct uring *p, struct entry *entry, enum bough_direction direction);

/* Have the state told once to who waits to read, if anybody does. Returns how many it woke because
 * no request was to be had. */
int bough__uring_ask_once(struct uring *p, int fd, struct entry *entry);

/* A completion. Returns how many it woke; so do the others of this name. */
int bough__uring_reaped_poll(struct uring *p, const struct ring_request *r, int res, bool more);

/* Requests that stay and have told nothing for a while are laid aside. To be called often. Returns
 * how many it woke. */
int bough__uring_look_after_staying(struct uring *p);
#define URING_ROUND (BOUGH_SEC / 2)

/* --- uring_accept.c --- */

int bough__uring_accept(struct bough_driver *driver, int fd);

/* The watch of one who has been told -EAGAIN by that. */
int bough__uring_watch_accepted(struct uring *p, int fd, struct entry *entry,
                                struct bough_wait *wait);
void bough__uring_abandon_accepts(struct uring *p, struct entry *entry);
int bough__uring_reaped_accept(struct uring *p, const struct ring_request *r, int res, bool more);

/* --- uring_receive.c --- */

int bough__uring_receive_ahead(struct bough_driver *driver, int fd, bool ahead);
int bough__uring_receive(struct bough_driver *driver, int fd, void *ret_buffer, size_t size);

/* A request that receives what comes for this socket. 0; -EOPNOTSUPP: poll it; -ENOMEM. */
int bough__uring_request_receive(struct uring *p, int fd, struct entry *entry);
void bough__uring_drop_received(struct uring *p, struct entry *entry);
int bough__uring_reaped_receive(struct uring *p, const struct ring_request *r,
                                const struct io_uring_cqe *cqe);
