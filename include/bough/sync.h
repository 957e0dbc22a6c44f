/* Synchronisation between the tasks of a run: event, lock, condition, semaphore, capacity limiter,
 * readers-writer lock, barrier, and the parking lot to build more of them.
 *
 *     static struct bough_event start = BOUGH_EVENT_INIT(start);
 *     static struct bough_lock lock;
 *     static int total;
 *
 *     static int worker(void *arg)
 *     {
 *         int rc = bough_event_wait(&start);       // all go at once
 *         if (rc == 0)
 *             rc = bough_lock_acquire(&lock);
 *         if (rc < 0)
 *             return rc;                           // cancelled: we hold nothing
 *         int seen = total;
 *         rc = bough_sleep(BOUGH_MS);              // the others run, and wait for the lock
 *         if (rc == 0)
 *             total = seen + 1;
 *         bough_lock_release(&lock);
 *         return rc;
 *     }
 *
 *     static int crew(void *arg)
 *     {
 *         int rc = 0;
 *         bough_lock_init(&lock);
 *         bough_with_nursery (n, &rc) {
 *             for (int i = 0; i < 3 && rc == 0; i++)
 *                 rc = bough_nursery_start_soon(n, worker, NULL);
 *             bough_event_set(&start);
 *         }
 *         return rc;                               // total is 3
 *     }
 *
 * Tasks of a run switch only in calls that may block, so a variable that is read and written
 * between two such calls needs no lock. A lock is for what must hold across them.
 *
 * What is true of all of them:
 *
 *  - A call that may block is a checkpoint, also when it need not wait. -ECANCELED means that it
 *    had no effect: nothing was taken, no place in a queue is left behind. A wake-up beats a
 *    cancel: who has been given the thing gets it, and the next checkpoint fails.
 *  - First come, first served, and what is given is given: a release hands the thing to the one who
 *    waits longest, who has it from that moment. A newcomer finds it taken, also with _nowait,
 *    although the new owner has not run yet.
 *  - _nowait never blocks and is no checkpoint: it takes the thing or fails with -EAGAIN. Nor do
 *    init, release, set, notify and questions block; the caller goes on.
 *  - There are no timeout arguments: put a scope around (bough/scope.h).
 *  - They live where you put them and allocate nothing, so there is nothing to destroy. They must
 *    outlive every call on them, and may not be moved while in use.
 *  - They belong to the thread of the run. To set an event from another thread, see bough/entry.h.
 *  - A bug of the caller (a lock released by a stranger) panics and names both ends.
 *  - _stats fills a snapshot, for logs and tests. It counts who waits, one by one.
 *
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/list.h"
#include "bough/task.h"

BOUGH_BEGIN_DECLS

/* --- event: something has happened --- */

/* False until it is set, true for ever after. There is no clear: who needs a second event makes a
 * second one, and so cannot miss the first. */
struct bough_event {
    struct bough_list waiters; /* private: of struct bough_wait */
    bool set;                  /* private */
};

/* For static ones: static struct bough_event ready = BOUGH_EVENT_INIT(ready); */
/* clang-format off */
#define BOUGH_EVENT_INIT(name) {{&(name).waiters, &(name).waiters}, false}
/* clang-format on */

void bough_event_init(struct bough_event *e);

/* It has happened: wake all who wait. Idempotent. */
void bough_event_set(struct bough_event *e);
bool bough_event_is_set(const struct bough_event *e);

/* Wait until it is set. 0, or -ECANCELED. */
BOUGH_MUST_CHECK int bough_event_wait(struct bough_event *e);
BOUGH_MUST_CHECK int bough_event_wait_nowait(struct bough_event *e); /* 0, -EAGAIN */

struct bough_event_stats {
    bool set;
    unsigned waiting;
};
void bough_event_stats(const struct bough_event *e, struct bough_event_stats *ret_stats);

/* --- lock: one task at a time --- */

/* Private: who owns a lock. When that task ends, the lock is told and remembers its name. */
struct bough_holder {
    struct bough_task *task;       /* NULL: nobody */
    const struct bough_site *site; /* where it was taken */
    struct bough_task_exit exit;   /* registered while 'task' has it, once it has run */
    bool died;                     /* a holder ended without letting go; for ever */
    char dead[24];                 /* its name */
};

/* A mutex that knows its owner.
 *
 *  - Strictly first in, first out, now and in later versions: tasks get the lock in the order in
 *    which they called acquire. So it can keep the order of what is sent through a stream.
 *  - Only the owner may release it. It does not nest: acquiring what you own would wait for
 *    yourself, and panics with the place where you took it, also with _nowait.
 *  - If the owner ends without releasing it, what it protects may be half changed, so the lock is
 *    broken: all who wait, and all who try later, get -EOWNERDEAD with the name of the dead owner.
 *    Who can repair the data may then bough_lock_init() it again, once no call is under way.
 *
 * The macro forms of acquire note the place of the call. */
struct bough_lock {
    struct bough_holder owner;  /* private */
    struct bough_list waiters;  /* private: those who get it next, in order */
    struct bough_list sleepers; /* private: those in a condition of it, not notified yet */
};

void bough_lock_init(struct bough_lock *l);

/* Take it, or wait for it. 0, -ECANCELED, -EOWNERDEAD (see above). */
BOUGH_MUST_CHECK int bough_lock_acquire(struct bough_lock *l);
#define bough_lock_acquire(l) bough_lock_acquire_at(l, BOUGH_SITE("bough_lock_acquire"))
BOUGH_MUST_CHECK int bough_lock_acquire_at(struct bough_lock *l, const struct bough_site *site);

/* Take it if it is free. 0, -EAGAIN, -EOWNERDEAD. */
BOUGH_MUST_CHECK int bough_lock_acquire_nowait(struct bough_lock *l);
#define bough_lock_acquire_nowait(l)                                                               \
    bough_lock_acquire_nowait_at(l, BOUGH_SITE("bough_lock_acquire_nowait"))
BOUGH_MUST_CHECK int bough_lock_acquire_nowait_at(struct bough_lock *l,
                                                  const struct bough_site *site);

/* Give it to the one who waits longest, or free it. Panics if the running task is not the owner. */
void bough_lock_release(struct bough_lock *l);

bool bough_lock_is_held(const struct bough_lock *l);
/* The owner, or NULL. To ask "is it mine?": bough_lock_owner(l) == bough_task_current(). */
struct bough_task *bough_lock_owner(const struct bough_lock *l);

struct bough_lock_stats {
    bool held;
    bool broken;
    struct bough_task *owner;             /* NULL: nobody */
    const struct bough_site *acquired_at; /* where the owner took it */
    unsigned waiting;
};
void bough_lock_stats(const struct bough_lock *l, struct bough_lock_stats *ret_stats);

/* --- condition: wait for what a lock protects to change --- */

/*     rc = bough_lock_acquire(&q->lock);
 *     while (rc == 0 && q->length == 0)
 *         rc = bough_condition_wait(&q->filled);
 *
 * (or bough_condition_wait_until). The waits return with the lock held, also when cancelled: so
 * whoever acquired it releases it, whatever happened. The one exception is -EOWNERDEAD: a broken
 * lock has no owner. */
struct bough_condition {
    struct bough_lock *lock;   /* private */
    struct bough_list waiters; /* private */
};

/* Several conditions may share one lock, which must outlive them. */
void bough_condition_init(struct bough_condition *c, struct bough_lock *lock);

/* Release the lock, wait for a notify, take the lock again. Panics if the lock is not yours.
 *
 * 0, -ECANCELED, -EOWNERDEAD. A cancelled wait takes the lock again under a shield before it
 * returns, so it may take as long as others hold it. A notify that came first beats the cancel and
 * is not lost: the wait returns 0. In a scope that is cancelled already the lock is not even
 * released. */
BOUGH_MUST_CHECK int bough_condition_wait(struct bough_condition *c);
#define bough_condition_wait(c) bough_condition_wait_at(c, BOUGH_SITE("bough_condition_wait"))
BOUGH_MUST_CHECK int bough_condition_wait_at(struct bough_condition *c,
                                             const struct bough_site *site);

/* Wait until predicate(arg), which is called with the lock held, is true; it may be so at once. */
BOUGH_MUST_CHECK int bough_condition_wait_until(struct bough_condition *c,
                                                bool (*predicate)(void *arg), void *arg);
#define bough_condition_wait_until(c, predicate, ...) /* arg */                                    \
    bough_condition_wait_until_at(c, predicate, __VA_ARGS__,                                       \
                                  BOUGH_SITE("bough_condition_wait_until"))
BOUGH_MUST_CHECK int bough_condition_wait_until_at(struct bough_condition *c,
                                                   bool (*predicate)(void *arg), void *arg,
                                                   const struct bough_site *site);

/* Send the 'count' longest waiters (fewer, if there are fewer) to queue for the lock: each goes on
 * when it has it. Panics if the lock is not yours. */
void bough_condition_notify(struct bough_condition *c, unsigned count);
void bough_condition_notify_all(struct bough_condition *c);

struct bough_condition_stats {
    unsigned waiting; /* not notified yet */
    struct bough_lock_stats lock;
};
void bough_condition_stats(const struct bough_condition *c,
                           struct bough_condition_stats *ret_stats);

/* --- parking lot: the queue that the others are made of --- */

/* Tasks asleep in a queue; what they wait for is the business of who owns the lot. A semaphore:
 *
 *     int acquire(struct semaphore *s)
 *     {
 *         int rc = bough_checkpoint_if_cancelled();
 *         if (rc < 0)
 *             return rc;
 *         if (s->value == 0)
 *             return bough_lot_park(&s->lot, "a semaphore");   // given by release()
 *         s->value--;
 *         bough_passed();
 *         return 0;
 *     }
 *
 *     void release(struct semaphore *s)
 *     {
 *         if (bough_lot_unpark(&s->lot, 1) == 0)
 *             s->value++;
 *     }
 */
struct bough_lot {
    struct bough_list waiters; /* private: of struct bough_wait */
};

void bough_lot_init(struct bough_lot *lot);

/* Sleep until unparked: 0, or -ECANCELED. A checkpoint. 'what' is shown in the task tree, and must
 * live as long as the wait. */
BOUGH_MUST_CHECK int bough_lot_park(struct bough_lot *lot, const char *what);

/* Wake the 'count' that have been there longest (fewer, if there are fewer). Returns how many. */
unsigned bough_lot_unpark(struct bough_lot *lot, unsigned count);
unsigned bough_lot_unpark_all(struct bough_lot *lot);

/* Move the 'count' longest from one lot to the end of the other, asleep; a cancel still finds them.
 * Returns how many. */
unsigned bough_lot_repark(struct bough_lot *from, struct bough_lot *to, unsigned count);

struct bough_lot_stats {
    unsigned waiting;
};
void bough_lot_stats(const struct bough_lot *lot, struct bough_lot_stats *ret_stats);

/* --- semaphore: so many at a time --- */

/* A number that does not go below zero. Nobody owns it: any task may release what another
 * acquired. To bound how many do something at once, the limiter below also knows who. */
struct bough_semaphore {
    unsigned value; /* private; 0 while anybody waits */
    unsigned max;   /* private */
    struct bough_lot waiters;
};

void bough_semaphore_init(struct bough_semaphore *s, unsigned value);
/* One that never holds more than 'max': releasing more often than acquiring then panics. */
void bough_semaphore_init_max(struct bough_semaphore *s, unsigned value, unsigned max);

/* Take one, or wait for one. 0, -ECANCELED. */
BOUGH_MUST_CHECK int bough_semaphore_acquire(struct bough_semaphore *s);
BOUGH_MUST_CHECK int bough_semaphore_acquire_nowait(struct bough_semaphore *s); /* 0, -EAGAIN */

/* Give one to who waits longest, or add it to the value. */
void bough_semaphore_release(struct bough_semaphore *s);

unsigned bough_semaphore_value(const struct bough_semaphore *s);

struct bough_semaphore_stats {
    unsigned value;
    unsigned max;
    unsigned waiting;
};
void bough_semaphore_stats(const struct bough_semaphore *s,
                           struct bough_semaphore_stats *ret_stats);

/* --- capacity limiter: so many at a time, and we know who --- */

/*     struct bough_token token;
 *     rc = bough_limiter_acquire(&downloads, &token);
 *     if (rc == 0) {
 *         rc = download(url);
 *         bough_limiter_release(&downloads);
 *     }
 *
 * A limiter lends tokens to borrowers: the running task, or any address that stands for whoever
 * does the work (a thread, a job). A borrower has one token at most; borrowing twice would wait for
 * itself sooner or later, and panics, as does giving back what was not borrowed. Their number can
 * be changed while they are lent.
 *
 * A token is room for the limiter to remember its borrower in, so that it need not allocate. It
 * needs no initialisation, belongs to the limiter from the acquire to the release, and must live
 * that long: in the function that has both, or in the thing that borrows. */
struct bough_token {
    const void *borrower;         /* private */
    struct bough_token *child[2]; /* private */
    bool waiting;                 /* private: not lent yet */
};

struct bough_limiter {
    unsigned total;             /* private */
    unsigned borrowed;          /* private; may be more than the total after that was lowered */
    struct bough_token *tokens; /* private: of all who borrow or wait, found by borrower */
    struct bough_list waiters;  /* private */
};

/* A limiter with 'total' tokens; 0 is allowed, UINT_MAX is no limit. */
void bough_limiter_init(struct bough_limiter *l, unsigned total);

/* Borrow a token for the running task, or wait for one. 0, -ECANCELED. */
BOUGH_MUST_CHECK int bough_limiter_acquire(struct bough_limiter *l, struct bough_token *token);
BOUGH_MUST_CHECK int bough_limiter_acquire_nowait(struct bough_limiter *l,
                                                  struct bough_token *token); /* 0, -EAGAIN */

/* Give back the running task's token: to who waits longest, if the total allows. O(log n). */
void bough_limiter_release(struct bough_limiter *l);

/* The same for another borrower than the running task. Any task may give it back. */
BOUGH_MUST_CHECK int bough_limiter_acquire_on_behalf(struct bough_limiter *l,
                                                     struct bough_token *token,
                                                     const void *borrower);
BOUGH_MUST_CHECK int bough_limiter_acquire_on_behalf_nowait(struct bough_limiter *l,
                                                            struct bough_token *token,
                                                            const void *borrower);
void bough_limiter_release_on_behalf(struct bough_limiter *l, const void *borrower);

/* Change the number of tokens, at once. More: as many waiters go on. Fewer: nothing is taken back,
 * but nothing is lent either until enough have been returned. */
void bough_limiter_set_total(struct bough_limiter *l, unsigned total);

unsigned bough_limiter_total(const struct bough_limiter *l);
unsigned bough_limiter_borrowed(const struct bough_limiter *l);
unsigned bough_limiter_available(const struct bough_limiter *l); /* what can be lent now */
bool bough_limiter_has_borrowed(const struct bough_limiter *l, const void *borrower);

struct bough_limiter_stats {
    unsigned total;
    unsigned borrowed;
    unsigned available;
    unsigned waiting;
};
void bough_limiter_stats(const struct bough_limiter *l, struct bough_limiter_stats *ret_stats);

/* --- readers-writer lock: many that look, or one that changes --- */

/* First come, first served, so that neither side starves: a reader that comes when a writer waits
 * waits behind it; readers that wait one behind the other go in together. A reader must therefore
 * not acquire it again while it reads: with a writer in between it would wait for itself.
 *
 * The writer is known, as the owner of a lock is: only it may release, acquiring again panics, and
 * if it ends while writing everybody gets -EOWNERDEAD. Readers are only counted. */
struct bough_rwlock {
    struct bough_holder writer; /* private */
    unsigned readers;           /* private */
    struct bough_list waiters;  /* private: readers and writers, in order */
};

void bough_rwlock_init(struct bough_rwlock *l);

/* Go in to read, or wait. 0, -ECANCELED, -EOWNERDEAD; nowait: 0, -EAGAIN, -EOWNERDEAD. */
BOUGH_MUST_CHECK int bough_rwlock_read_acquire(struct bough_rwlock *l);
#define bough_rwlock_read_acquire(l)                                                               \
    bough_rwlock_read_acquire_at(l, BOUGH_SITE("bough_rwlock_read_acquire"))
BOUGH_MUST_CHECK int bough_rwlock_read_acquire_at(struct bough_rwlock *l,
                                                  const struct bough_site *site);
BOUGH_MUST_CHECK int bough_rwlock_read_acquire_nowait(struct bough_rwlock *l);
#define bough_rwlock_read_acquire_nowait(l)                                                        \
    bough_rwlock_read_acquire_nowait_at(l, BOUGH_SITE("bough_rwlock_read_acquire_nowait"))
BOUGH_MUST_CHECK int bough_rwlock_read_acquire_nowait_at(struct bough_rwlock *l,
                                                         const struct bough_site *site);
/* One reader less. Panics if there is none. */
void bough_rwlock_read_release(struct bough_rwlock *l);

/* Go in to write, or wait. 0, -ECANCELED, -EOWNERDEAD; nowait: 0, -EAGAIN, -EOWNERDEAD. A writer
 * that is cancelled while it waits lets the readers behind it in. */
BOUGH_MUST_CHECK int bough_rwlock_write_acquire(struct bough_rwlock *l);
#define bough_rwlock_write_acquire(l)                                                              \
    bough_rwlock_write_acquire_at(l, BOUGH_SITE("bough_rwlock_write_acquire"))
BOUGH_MUST_CHECK int bough_rwlock_write_acquire_at(struct bough_rwlock *l,
                                                   const struct bough_site *site);
BOUGH_MUST_CHECK int bough_rwlock_write_acquire_nowait(struct bough_rwlock *l);
#define bough_rwlock_write_acquire_nowait(l)                                                       \
    bough_rwlock_write_acquire_nowait_at(l, BOUGH_SITE("bough_rwlock_write_acquire_nowait"))
BOUGH_MUST_CHECK int bough_rwlock_write_acquire_nowait_at(struct bough_rwlock *l,
                                                          const struct bough_site *site);
/* Panics if the running task is not the writer. */
void bough_rwlock_write_release(struct bough_rwlock *l);

struct bough_rwlock_stats {
    unsigned readers;
    struct bough_task *writer; /* NULL: nobody */
    bool broken;
    unsigned waiting_readers;
    unsigned waiting_writers;
};
void bough_rwlock_stats(const struct bough_rwlock *l, struct bough_rwlock_stats *ret_stats);

/* --- barrier: all wait for the last --- */

/* Holds back those who come until 'parties' are there, lets them all go on, and is ready for the
 * next round at once. */
struct bough_barrier {
    unsigned parties;          /* private */
    unsigned waiting;          /* private; less than parties */
    bool aborted;              /* private */
    struct bough_list waiters; /* private */
};

/* 'parties' is at least 1, and fits an int. */
void bough_barrier_init(struct bough_barrier *b, unsigned parties);

/* Wait until 'parties' have come. Returns which one we were, by arrival: 0 for the first and
 * parties - 1 for the last; each number once a round, so that one of them can do what is to be done
 * once.
 *
 * -ECANCELED: we have not been here, and the round still needs as many as before we came (who came
 * after us moves up). -EPIPE: the barrier was aborted. */
BOUGH_MUST_CHECK int bough_barrier_wait(struct bough_barrier *b);

/* Nobody will come any more: all who wait, and all who come later, get -EPIPE. Idempotent. */
void bough_barrier_abort(struct bough_barrier *b);

struct bough_barrier_stats {
    unsigned parties;
    unsigned waiting;
    bool aborted;
};
void bough_barrier_stats(const struct bough_barrier *b, struct bough_barrier_stats *ret_stats);

BOUGH_END_DECLS
