/* The lock, and its breaking.
 *
 * Invariant: nobody owns it => nobody waits. So whoever finds it free has overtaken no one, and
 * release makes the first waiter the owner before that one runs.
 * SPDX-License-Identifier: MIT */
#include "sync/lock.h"

#include "bough/error.h"

void bough_lock_init(struct bough_lock *l)
{
    holder_init(&l->owner);
    bough_list_init(&l->waiters);
    bough_list_init(&l->sleepers);
}

/* --- the owner ends --- */

/* Nobody could notify those who sleep in a condition any more: they are told, too. */
static void wake_sleepers(struct bough_lock *l, int result)
{
    struct bough_list *node;
    while ((node = bough_list_pop(&l->sleepers)))
        bough_wake(&bough_container_of(node, struct lock_waiter, asleep)->wait, result);
}

static void owner_ended(struct bough_task_exit *hook)
{
    struct bough_lock *l = bough_container_of(hook, struct bough_lock, owner.exit);
    holder_mourn(&l->owner);
    bough_wake_all(&l->waiters, -EOWNERDEAD);
    wake_sleepers(l, -EOWNERDEAD);
}

/* --- acquire and release --- */

/* Take it if it is free: 0, -EAGAIN without detail, -EOWNERDEAD. */
static int lock_try(struct bough_lock *l, struct bough_task *task, const struct bough_site *site)
{
    if (BOUGH_UNLIKELY(l->owner.died))
        return holder_died(&l->owner, site);
    if (BOUGH_UNLIKELY(l->owner.task == task))
        holder_is_us(&l->owner, "acquires a lock", site);
    if (l->owner.task)
        return -EAGAIN;
    holder_set(&l->owner, task, site);
    holder_arrive(&l->owner, owner_ended);
    return 0;
}

int lock_waited(struct bough_lock *l, int rc, const struct bough_site *site)
{
    if (BOUGH_LIKELY(rc == 0))
        holder_arrive(&l->owner, owner_ended);
    else if (rc == -EOWNERDEAD)
        return holder_died(&l->owner, site);
    return rc;
}

int bough_lock_acquire_at(struct bough_lock *l, const struct bough_site *site)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    struct bough_task *task = bough_task_current();
    rc = lock_try(l, task, site);
    if (rc == 0)
        bough_passed();
    if (rc != -EAGAIN)
        return rc;
    struct lock_waiter waiter = {
        .wait = {.abort = bough_wait_leave, .what = "a lock"}, .task = task, .site = site};
    bough_list_push(&l->waiters, &waiter.wait.link);
    return lock_waited(l, bough_wait(&waiter.wait), site);
}

int(bough_lock_acquire)(struct bough_lock *l)
{
    return bough_lock_acquire_at(l, BOUGH_SITE("bough_lock_acquire"));
}

int bough_lock_acquire_nowait_at(struct bough_lock *l, const struct bough_site *site)
{
    int rc = lock_try(l, bough_task_current(), site);
    return rc == -EAGAIN ? bough_fail_text(-EAGAIN, "the lock is held") : rc;
}

int(bough_lock_acquire_nowait)(struct bough_lock *l)
{
    return bough_lock_acquire_nowait_at(l, BOUGH_SITE("bough_lock_acquire_nowait"));
}

void lock_check_owner(const struct bough_lock *l, const char *what)
{
    if (BOUGH_UNLIKELY(l->owner.task != bough_task_current()))
        holder_is_not_us(&l->owner, what);
}

void bough_lock_release(struct bough_lock *l)
{
    lock_check_owner(l, "releases a lock");
    holder_leave(&l->owner);
    if (bough_list_is_empty(&l->waiters))
        return;
    struct lock_waiter *next = lock_waiter_of(queue_first(&l->waiters));
    holder_set(&l->owner, next->task, next->site);
    bough_wake(&next->wait, 0);
}

/* --- asking --- */

bool bough_lock_is_held(const struct bough_lock *l)
{
    return l->owner.task != NULL;
}

struct bough_task *bough_lock_owner(const struct bough_lock *l)
{
    return l->owner.task;
}

void bough_lock_stats(const struct bough_lock *l, struct bough_lock_stats *ret_stats)
{
    *ret_stats = (struct bough_lock_stats){
        .held = l->owner.task != NULL,
        .broken = l->owner.died,
        .owner = l->owner.task,
        .acquired_at = l->owner.task ? l->owner.site : NULL,
        .waiting = queue_length(&l->waiters),
    };
}
