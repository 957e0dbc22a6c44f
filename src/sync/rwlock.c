/* The readers-writer lock: one queue, and a rule of who at its head may go in.
 *
 * Invariant: the first who waits could not go in. Whatever may change that (a release, the first
 * leaving the queue) admits from the head until it holds again. So a newcomer goes in only past an
 * empty queue.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/panic.h"
#include "sync/holder.h"
#include "sync/queue.h"

struct rwlock_waiter {
    struct bough_wait wait;
    struct bough_rwlock *lock;
    struct bough_task *task;
    const struct bough_site *site;
    bool writes;
};

static struct rwlock_waiter *rwlock_waiter_of(struct bough_wait *wait)
{
    return bough_container_of(wait, struct rwlock_waiter, wait);
}

void bough_rwlock_init(struct bough_rwlock *l)
{
    holder_init(&l->writer);
    l->readers = 0;
    bough_list_init(&l->waiters);
}

/* --- going in --- */

/* Could one go in, if nobody waited? */
static bool has_room(const struct bough_rwlock *l, bool writes)
{
    return !l->writer.task && !(writes && l->readers);
}

static void go_in(struct bough_rwlock *l, const struct rwlock_waiter *who)
{
    if (who->writes)
        holder_set(&l->writer, who->task, who->site);
    else
        l->readers++;
}

static void admit(struct bough_rwlock *l)
{
    while (!bough_list_is_empty(&l->waiters)) {
        struct rwlock_waiter *first = rwlock_waiter_of(queue_first(&l->waiters));
        if (!has_room(l, first->writes))
            return;
        go_in(l, first);
        bough_wake(&first->wait, 0);
    }
}

/* Cancelled: those who waited behind it may be able to go in. */
static bool waiter_leave(struct bough_wait *wait)
{
    bool over = bough_wait_leave(wait);
    admit(rwlock_waiter_of(wait)->lock);
    return over;
}

static void writer_ended(struct bough_task_exit *hook)
{
    struct bough_rwlock *l = bough_container_of(hook, struct bough_rwlock, writer.exit);
    holder_mourn(&l->writer);
    bough_wake_all(&l->waiters, -EOWNERDEAD);
}

/* --- acquire --- */

/* In; the rest of it, by the task itself. */
static void went_in(struct bough_rwlock *l, const struct rwlock_waiter *us)
{
    if (us->writes)
        holder_arrive(&l->writer, writer_ended);
}

/* Go in if that is possible: 0, -EAGAIN without detail, -EOWNERDEAD. */
static int rwlock_try(struct bough_rwlock *l, const struct rwlock_waiter *us)
{
    if (BOUGH_UNLIKELY(l->writer.died))
        return holder_died(&l->writer, us->site);
    if (BOUGH_UNLIKELY(l->writer.task == us->task))
        holder_is_us(&l->writer,
                     us->writes ? "acquires a lock for writing" : "acquires a lock for reading",
                     us->site);
    if (!bough_list_is_empty(&l->waiters) || !has_room(l, us->writes))
        return -EAGAIN;
    go_in(l, us);
    went_in(l, us);
    return 0;
}

static int rwlock_wait(struct bough_rwlock *l, struct rwlock_waiter *us)
{
    us->lock = l;
    us->wait.abort = waiter_leave;
    us->wait.what = us->writes ? "a lock for writing" : "a lock for reading";
    bough_list_push(&l->waiters, &us->wait.link);
    int rc = bough_wait(&us->wait);
    if (rc == 0)
        went_in(l, us);
    return rc == -EOWNERDEAD ? holder_died(&l->writer, us->site) : rc;
}

static int rwlock_acquire(struct bough_rwlock *l, bool writes, const struct bough_site *site)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    struct rwlock_waiter us = {.task = bough_task_current(), .site = site, .writes = writes};
    rc = rwlock_try(l, &us);
    if (rc == 0)
        bough_passed();
    return rc == -EAGAIN ? rwlock_wait(l, &us) : rc;
}

static int rwlock_acquire_nowait(struct bough_rwlock *l, bool writes, const struct bough_site *site)
{
    struct rwlock_waiter us = {.task = bough_task_current(), .site = site, .writes = writes};
    int rc = rwlock_try(l, &us);
    return rc == -EAGAIN ? bough_fail_text(rc, "the lock is held, or others wait for it") : rc;
}

int bough_rwlock_read_acquire_at(struct bough_rwlock *l, const struct bough_site *site)
{
    return rwlock_acquire(l, false, site);
}

int(bough_rwlock_read_acquire)(struct bough_rwlock *l)
{
    return rwlock_acquire(l, false, BOUGH_SITE("bough_rwlock_read_acquire"));
}

int bough_rwlock_read_acquire_nowait_at(struct bough_rwlock *l, const struct bough_site *site)
{
    return rwlock_acquire_nowait(l, false, site);
}

int(bough_rwlock_read_acquire_nowait)(struct bough_rwlock *l)
{
    return rwlock_acquire_nowait(l, false, BOUGH_SITE("bough_rwlock_read_acquire_nowait"));
}

int bough_rwlock_write_acquire_at(struct bough_rwlock *l, const struct bough_site *site)
{
    return rwlock_acquire(l, true, site);
}

int(bough_rwlock_write_acquire)(struct bough_rwlock *l)
{
    return rwlock_acquire(l, true, BOUGH_SITE("bough_rwlock_write_acquire"));
}

int bough_rwlock_write_acquire_nowait_at(struct bough_rwlock *l, const struct bough_site *site)
{
    return rwlock_acquire_nowait(l, true, site);
}

int(bough_rwlock_write_acquire_nowait)(struct bough_rwlock *l)
{
    return rwlock_acquire_nowait(l, true, BOUGH_SITE("bough_rwlock_write_acquire_nowait"));
}

/* --- release --- */

void bough_rwlock_read_release(struct bough_rwlock *l)
{
    if (BOUGH_UNLIKELY(l->readers == 0))
        bough_panic("task %s stops reading under a lock that nobody reads under",
                    bough_task_name(NULL));
    l->readers--;
    admit(l);
}

void bough_rwlock_write_release(struct bough_rwlock *l)
{
    if (BOUGH_UNLIKELY(l->writer.task != bough_task_current()))
        holder_is_not_us(&l->writer, "stops writing under a lock");
    holder_leave(&l->writer);
    admit(l);
}

void bough_rwlock_stats(const struct bough_rwlock *l, struct bough_rwlock_stats *ret_stats)
{
    *ret_stats = (struct bough_rwlock_stats){
        .readers = l->readers,
        .writer = l->writer.task,
        .broken = l->writer.died,
    };
    bough_list_foreach (node, &l->waiters) {
        bool writes = rwlock_waiter_of(queue_wait(node))->writes;
        (*(writes ? &ret_stats->waiting_writers : &ret_stats->waiting_readers))++;
    }
}
