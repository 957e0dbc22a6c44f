/* What a multi handle waits for: an epoll set of its own.
 *
 * curl tells which sockets it wants to hear of and when it wants to be called at the latest. All of
 * it goes into one epoll set, the time as a timerfd. The set is itself a descriptor that becomes
 * readable, so one task in one wait serves them all, and a socket that curl closes behind our back
 * leaves the set by itself. curl counts real time, so the timer does.
 * SPDX-License-Identifier: MIT */
#include "curl/sockets.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bough/error.h"
#include "bough/io.h"

enum { EVENTS = 64 };

/* --- what curl tells us --- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct bough__curl_sockets *s = arg;
    struct epoll_event event = {
        .events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
        .data.fd = fd,
    };
    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(s->set, EPOLL_CTL_DEL, fd, NULL); /* closed already: it has left */
        return 0;
    }
    if (epoll_ctl(s->set, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return errno == ENOENT ? epoll_ctl(s->set, EPOLL_CTL_ADD, fd, &event) : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct bough__curl_sockets *s = arg;
    struct itimerspec at = {0};
    (void)multi;
    if (timeout_ms >= 0) {
        at.it_value.tv_sec = timeout_ms / 1000;
        at.it_value.tv_nsec = timeout_ms % 1000 * 1000000;
        at.it_value.tv_nsec += timeout_ms == 0; /* all zero would disarm it */
    }
    return timerfd_settime(s->timer, 0, &at, NULL);
}

/* --- what we tell curl --- */

static CURLMcode act(struct bough__curl_sockets *s, CURLM *multi, const struct epoll_event *event)
{
    uint64_t expirations;
    int running, what = 0;
    if (event->data.fd == s->timer) {
        if (read(s->timer, &expirations, sizeof(expirations)) < 0)
            return CURLM_OK; /* moved meanwhile */
        return curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    if (event->events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (event->events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    return curl_multi_socket_action(multi, event->data.fd, what, &running);
}

int bough__curl_sockets_serve(struct bough__curl_sockets *s, CURLM *multi)
{
    struct epoll_event events[EVENTS];
    int rc = bough_wait_readable(s->set);
    if (rc < 0)
        return rc;
    int count = epoll_wait(s->set, events, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        CURLMcode code = act(s, multi, &events[i]);
        if (code != CURLM_OK)
            return bough_fail(code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO, "curl: %s",
                              curl_multi_strerror(code));
    }
    return 0;
}

/* --- the beginning and the end --- */

int bough__curl_sockets_open(struct bough__curl_sockets *s, CURLM *multi)
{
    struct epoll_event event = {.events = EPOLLIN};
    s->set = epoll_create1(EPOLL_CLOEXEC);
    s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    event.data.fd = s->timer;
    if (s->set < 0 || s->timer < 0 || epoll_ctl(s->set, EPOLL_CTL_ADD, s->timer, &event) < 0) {
        int rc = bough_fail(-errno, "no descriptors for curl");
        bough__curl_sockets_close(s);
        return rc;
    }
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, s);
    return 0;
}

void bough__curl_sockets_close(struct bough__curl_sockets *s)
{
    if (s->set >= 0) {
        bough_notify_closing(s->set);
        close(s->set);
    }
    if (s->timer >= 0)
        close(s->timer);
}
