/* SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "sync/queue.h"

void bough_event_init(struct bough_event *e)
{
    e->set = false;
    bough_list_init(&e->waiters);
}

void bough_event_set(struct bough_event *e)
{
    e->set = true;
    bough_wake_all(&e->waiters, 0);
}

bool bough_event_is_set(const struct bough_event *e)
{
    return e->set;
}

int bough_event_wait(struct bough_event *e)
{
    if (e->set)
        return bough_pass();
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "an event"};
    bough_list_push(&e->waiters, &wait.link);
    return bough_wait(&wait);
}

int bough_event_wait_nowait(struct bough_event *e)
{
    return e->set ? 0 : bough_fail_text(-EAGAIN, "the event is not set");
}

void bough_event_stats(const struct bough_event *e, struct bough_event_stats *ret_stats)
{
    *ret_stats = (struct bough_event_stats){.set = e->set, .waiting = queue_length(&e->waiters)};
}
