/* Waiting for a condition on a value: a state that has arrived, a level that is low, a flag that is
 * up.
 *
 *     enum link { DOWN, CONNECTING, UP };
 *     static enum link link_state = DOWN;
 *     static struct bough_value link;
 *
 *     bough_value_init(&link, &link_state, sizeof(link_state));
 *
 *     bough_value_set(&link, &(enum link){UP});               // one task; and others:
 *
 *     rc = bough_value_wait_equal(&link, &(enum link){UP});   // until it is UP; at once if it is
 *
 *     static bool is_up(const void *value, void *arg)
 *     {
 *         return *(const enum link *)value == UP;
 *     }
 *     rc = bough_value_wait_held(&link, is_up, NULL, 5 * BOUGH_SEC, NULL);     // UP, for 5 s
 *
 *     static bool is_lost(const void *value, const void *before, void *arg)
 *     {
 *         return *(const enum link *)before == UP && *(const enum link *)value == DOWN;
 *     }
 *     rc = bough_value_wait_change(&link, is_lost, NULL, NULL);   // the next time that happens
 *
 * A condition is looked at when the value is set, by the task that sets it, and only those whose
 * condition holds are woken. So a waiter sleeps through all that does not concern it; and a value
 * that was there for a moment only still counts: the waiter gets a copy of the value that met its
 * condition, although another one may stand there when it runs.
 *
 * Level and edge:
 *
 *  - bough_value_wait and its kind wait for a *level*: it may be so already, then they return at
 *    once. Nothing can be missed.
 *  - bough_value_wait_change waits for an *edge*: a set that takes the value from one state to
 *    another, from now on. An edge that comes while nobody waits is gone; who goes round in a loop
 *    misses those that come during the body.
 *
 * Setting what is equal, byte for byte, changes nothing and wakes nobody.
 *
 * Which one to use:
 *
 *     bough_event      it has happened, once, and stays so                   (bough/sync.h)
 *     bough_flag       yes or no, back and forth; wait for either            (below)
 *     bough_value      wait until the value meets a condition
 *     bough_watch      see each change: the latest, none twice, with an end  (bough/watch.h)
 *     bough_broadcast  see every value, with none left out                   (bough/broadcast.h)
 *     bough_condition  several variables, looked at under a lock             (bough/sync.h)
 *
 * A value lives where you put it, allocates nothing, and may not be moved while it is in use. All
 * of it belongs to the thread of the run. Each call that waits is a checkpoint, also when it need
 * not wait: 0, or -ECANCELED without an effect.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/wait.h"

BOUGH_BEGIN_DECLS

struct bough_value {
    /* Private. */
    void *value; /* yours */
    size_t size;
    bool asking; /* conditions are being called */
    struct bough_list waiters;
};

/* Does the value meet the condition? Called in whatever task sets it: it looks at nothing but
 * '*value' (and arg), and must not block, nor set the value (that panics). */
typedef bool bough_value_fn(const void *value, void *arg);

/* Is the change from '*before' to '*value' the one? The same rules. */
typedef bool bough_change_fn(const void *value, const void *before, void *arg);

/* 'value' is the first value; its storage is the bough_value's until that is no longer used: read
 * it as you like, change it with bough_value_set(). */
void bough_value_init(struct bough_value *v, void *value, size_t size);

/* A new value, copied. Wakes those whose condition it meets. Does not block; the woken run later.
 * */
void bough_value_set(struct bough_value *v, const void *value);

void bough_value_get(const struct bough_value *v, void *ret_value);

/* Wait until 'holds' is true. *ret_value (may be NULL) is the value that met it. */
BOUGH_MUST_CHECK int bough_value_wait(struct bough_value *v, bough_value_fn *holds, void *arg,
                                      void *ret_value);

/* Wait until the value is '*wanted', byte for byte (beware of padding in structs). */
BOUGH_MUST_CHECK int bough_value_wait_equal(struct bough_value *v, const void *wanted);

/* Wait until 'holds' has been true for 'duration' without a break; the time begins with the call,
 * and again each time it becomes true. A value for which it is false breaks it, however short: it
 * is seen by the set, not by the waiter. *ret_value is the value at the end. */
BOUGH_MUST_CHECK int bough_value_wait_held(struct bough_value *v, bough_value_fn *holds, void *arg,
                                           int64_t duration, void *ret_value);

/* Wait for the next change for which 'is' is true; NULL: any. *ret_value is the value it changed
 * to. */
BOUGH_MUST_CHECK int bough_value_wait_change(struct bough_value *v, bough_change_fn *is, void *arg,
                                             void *ret_value);

/* --- flag: yes or no ---
 *
 *     struct bough_flag paused;
 *     bough_flag_init(&paused, false);
 *     ...
 *     rc = bough_flag_wait(&paused, false);      // at the top of a worker's loop
 */

struct bough_flag {
    struct bough_value value; /* private */
    bool on;                  /* private */
};

void bough_flag_init(struct bough_flag *f, bool on);

/* Wakes those who wait for it. Does not block. */
void bough_flag_set(struct bough_flag *f, bool on);
bool bough_flag_get(const struct bough_flag *f);

/* Wait until it is 'on' (or off), now or later. */
BOUGH_MUST_CHECK int bough_flag_wait(struct bough_flag *f, bool on);

/* Wait until it has been so for 'duration' without a break. */
BOUGH_MUST_CHECK int bough_flag_wait_held(struct bough_flag *f, bool on, int64_t duration);

/* Wait until it goes on (or off): the next time, also when it is so now. */
BOUGH_MUST_CHECK int bough_flag_wait_change(struct bough_flag *f, bool on);

BOUGH_END_DECLS
