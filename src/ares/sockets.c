/* What a channel waits for: an epoll set of its own.
 *
 * c-ares tells which sockets it wants to hear of, and is asked when it wants to be called at the
 * latest. All of it goes into one epoll set, the time as a timerfd; the set is itself a descriptor
 * that becomes readable, so one task in one wait serves them all. Why the time is no deadline of
 * the waiting task: c-ares counts real time, and the clock of a run may be another one, which would
 * then run in circles, always too early.
 * SPDX-License-Identifier: MIT */
#include "ares/sockets.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bough/error.h"
#include "bough/io.h"

enum { EVENTS = 64 };

/* --- what c-ares tells us --- */

/* If it cannot be watched (no memory), the question goes unanswered, and is repeated in time. */
void bough__ares_sockets_changed(void *sockets, ares_socket_t fd, int readable, int writable)
{
    struct bough__ares_sockets *s = sockets;
    struct epoll_event event = {
        .events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
        .data.fd = fd,
    };
    if (!event.events)
        (void)epoll_ctl(s->set, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(s->set, EPOLL_CTL_MOD, fd, &event) < 0)
        (void)epoll_ctl(s->set, EPOLL_CTL_ADD, fd, &event);
}

void bough__ares_sockets_arm(struct bough__ares_sockets *s, ares_channel channel, bool now)
{
    struct itimerspec at = {0};
    struct timeval left;
    if (now) {
        at.it_value.tv_nsec = 1;
    } else if (ares_timeout(channel, NULL, &left)) {
        /* It cuts off what is less than a millisecond, and would be called too early. */
        struct timeval more = {.tv_usec = 1000};
        timeradd(&left, &more, &left);
        at.it_value.tv_sec = left.tv_sec;
        at.it_value.tv_nsec = left.tv_usec * 1000;
    }
    (void)timerfd_settime(s->timer, 0, &at, NULL);
}

/* --- what we tell c-ares --- */

static void act(const struct bough__ares_sockets *s, ares_channel channel,
                const struct epoll_event *event)
{
    ares_socket_t fd = event->data.fd, none = ARES_SOCKET_BAD;
    uint64_t expirations;
    if (fd == s->timer) {
        (void)!read(fd, &expirations, sizeof(expirations)); /* it may have been moved meanwhile */
        ares_process_fd(channel, none, none);
        return;
    }
    uint32_t broken = EPOLLERR | EPOLLHUP;
    ares_process_fd(channel, event->events & (EPOLLIN | broken) ? fd : none,
                    event->events & (EPOLLOUT | broken) ? fd : none);
}

int bough__ares_sockets_serve(struct bough__ares_sockets *s, ares_channel channel)
{
    struct epoll_event events[EVENTS];
    int rc = bough_wait_readable(s->set);
    if (rc < 0)
        return rc;
    int count = epoll_wait(s->set, events, EVENTS, 0);
    /* A socket that was closed for an event before its own: c-ares does not know it any more. */
    for (int i = 0; i < count; i++)
        act(s, channel, &events[i]);
    bough__ares_sockets_arm(s, channel, false);
    return 0;
}

/* --- the beginning and the end --- */

int bough__ares_sockets_open(struct bough__ares_sockets *s)
{
    struct epoll_event event = {.events = EPOLLIN};
    s->set = epoll_create1(EPOLL_CLOEXEC);
    s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    event.data.fd = s->timer;
    if (s->set < 0 || s->timer < 0 || epoll_ctl(s->set, EPOLL_CTL_ADD, s->timer, &event) < 0) {
        int rc = bough_fail(-errno, "no descriptors for c-ares");
        bough__ares_sockets_close(s);
        return rc;
    }
    return 0;
}

void bough__ares_sockets_close(struct bough__ares_sockets *s)
{
    if (s->set >= 0) {
        bough_notify_closing(s->set);
        close(s->set);
    }
    if (s->timer >= 0)
        close(s->timer);
}
