/* The condition: waits that change queues.
 *
 *     holding --wait--> asleep in the condition --notify--> in the lock's queue --given--> holding
 *                               |
 *                            cancel
 *                               v
 *                     acquire under a shield --> holding, -ECANCELED
 *
 * It is one bough_wait() all the way, so a notify wakes nobody who would then find the lock held.
 * Once notified it cannot be cancelled: the notify is ours, and only the lock is missing.
 *
 * Sleepers are also on a list of the lock: if its owner dies nobody can notify any more, and the
 * lock tells them.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/scope.h"
#include "sync/lock.h"

void bough_condition_init(struct bough_condition *c, struct bough_lock *lock)
{
    c->lock = lock;
    bough_list_init(&c->waiters);
}

/* Cancelled before a notify. */
static bool stop_sleeping(struct bough_wait *wait)
{
    bough_list_unlink(&lock_waiter_of(wait)->asleep);
    return bough_wait_leave(wait);
}

/* Release and sleep. 0: with the lock again. */
static int sleep_until_notified(struct bough_condition *c, const struct bough_site *site)
{
    struct lock_waiter waiter = {
        .wait = {.abort = stop_sleeping, .what = "a condition"},
        .task = bough_task_current(),
        .site = site,
    };
    bough_list_push(&c->waiters, &waiter.wait.link);
    bough_list_push(&c->lock->sleepers, &waiter.asleep);
    bough_lock_release(c->lock);
    return lock_waited(c->lock, bough_wait(&waiter.wait), site);
}

static int acquire_shielded(struct bough_lock *l, const struct bough_site *site)
{
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_lock_acquire_at(l, site);
    return rc;
}

/* One wait after the checkpoint; the lock is ours again unless it is broken. */
static int sleep_once(struct bough_condition *c, const struct bough_site *site)
{
    int rc = sleep_until_notified(c, site);
    if (rc == -ECANCELED)
        rc = bough_keep(rc, acquire_shielded(c->lock, site));
    return rc;
}

int bough_condition_wait_at(struct bough_condition *c, const struct bough_site *site)
{
    lock_check_owner(c->lock, "waits in a condition of a lock");
    int rc = bough_checkpoint_if_cancelled();
    return rc < 0 ? rc : sleep_once(c, site);
}

int(bough_condition_wait)(struct bough_condition *c)
{
    return bough_condition_wait_at(c, BOUGH_SITE("bough_condition_wait"));
}

int bough_condition_wait_until_at(struct bough_condition *c, bool (*predicate)(void *arg),
                                  void *arg, const struct bough_site *site)
{
    lock_check_owner(c->lock, "waits in a condition of a lock");
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (predicate(arg)) {
        bough_passed();
        return 0;
    }
    do
        rc = sleep_once(c, site);
    while (rc == 0 && !predicate(arg));
    return rc;
}

int(bough_condition_wait_until)(struct bough_condition *c, bool (*predicate)(void *arg), void *arg)
{
    return bough_condition_wait_until_at(c, predicate, arg,
                                         BOUGH_SITE("bough_condition_wait_until"));
}

void bough_condition_notify(struct bough_condition *c, unsigned count)
{
    lock_check_owner(c->lock, "notifies a condition of a lock");
    for (; count && !bough_list_is_empty(&c->waiters); count--) {
        struct lock_waiter *waiter = lock_waiter_of(queue_wait(bough_list_pop(&c->waiters)));
        bough_list_unlink(&waiter->asleep);
        waiter->wait.abort = NULL;
        waiter->wait.what = "a lock, notified";
        bough_list_push(&c->lock->waiters, &waiter->wait.link);
    }
}

void bough_condition_notify_all(struct bough_condition *c)
{
    bough_condition_notify(c, UINT_MAX);
}

void bough_condition_stats(const struct bough_condition *c, struct bough_condition_stats *ret_stats)
{
    ret_stats->waiting = queue_length(&c->waiters);
    bough_lock_stats(c->lock, &ret_stats->lock);
}
