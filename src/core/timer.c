/* SPDX-License-Identifier: MIT */
#include "core/timer.h"

#include <time.h>

int64_t bough_now(void)
{
    struct bough_task *task = bough__current;
    if (task)
        return timer_now(task->run);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * BOUGH_SEC + now.tv_nsec;
}

void bough_timer_disarm(struct bough_timer *timer)
{
    if (heap_contains(timer))
        heap_remove(&current_task()->run->timers, timer);
}

void bough_timer_arm(struct bough_timer *timer, int64_t at)
{
    struct heap *heap = &current_task()->run->timers;
    if (heap_contains(timer))
        heap_remove(heap, timer);
    timer->at = at;
    if (at != BOUGH_NEVER)
        heap_insert(heap, timer);
}

void timer_fire_due(struct run *run)
{
    struct bough_timer *timer;
    while ((timer = heap_first(&run->timers)) && timer->at <= run->now) {
        heap_remove(&run->timers, timer);
        timer->fire(timer);
    }
}
