/* Async values: each waiter brings its condition, and the set asks them all.
 *
 * The conditions are asked before the new value is copied over the old one: so a change needs no
 * memory to show both, and what a waiter is to get is copied to it from the setter's own.
 * SPDX-License-Identifier: MIT */
#include "bough/value.h"

#include <string.h>

#include "bough/panic.h"
#include "bough/timer.h"

/* One call that waits, on its stack. */
struct value_wait {
    struct bough_wait wait;
    struct bough_value *of;
    bough_value_fn *holds; /* a level; NULL: an edge */
    bough_change_fn *is;
    void *arg;
    int64_t duration;        /* the level is to be held so long */
    bool holding;            /* the level is held now */
    struct bough_timer held; /* then: until when it has to be */
    void *ret_value;
};

void bough_value_init(struct bough_value *v, void *value, size_t size)
{
    *v = (struct bough_value){.value = value, .size = size};
    bough_list_init(&v->waiters);
}

void bough_value_get(const struct bough_value *v, void *ret_value)
{
    memcpy(ret_value, v->value, v->size);
}

/* --- set --- */

static void finish(struct value_wait *w, const void *value)
{
    if (w->ret_value)
        memcpy(w->ret_value, value, w->of->size);
    bough_wake(&w->wait, 0);
}

static void held_long_enough(struct bough_timer *timer)
{
    struct value_wait *w = bough_container_of(timer, struct value_wait, held);
    finish(w, w->of->value);
}

static void hold(struct value_wait *w, bool holds)
{
    if (!holds)
        bough_timer_disarm(&w->held);
    else if (!w->holding)
        bough_timer_arm(&w->held, bough_after(bough_now(), w->duration));
    w->holding = holds;
}

static void ask_level(struct value_wait *w, const void *value)
{
    bool holds = w->holds(value, w->arg);
    if (w->duration > 0)
        hold(w, holds);
    else if (holds)
        finish(w, value);
}

static void ask_edge(struct value_wait *w, const void *value)
{
    if (!w->is || w->is(value, w->of->value, w->arg))
        finish(w, value);
}

static void ask_all(struct bough_value *v, const void *value)
{
    for (struct bough_list *node = v->waiters.next, *next; node != &v->waiters; node = next) {
        struct bough_wait *wait = bough_container_of(node, struct bough_wait, link);
        struct value_wait *w = bough_container_of(wait, struct value_wait, wait);
        next = node->next;
        if (w->holds)
            ask_level(w, value);
        else
            ask_edge(w, value);
    }
}

void bough_value_set(struct bough_value *v, const void *value)
{
    if (v->asking)
        bough_panic("a condition of bough_value_wait sets the value that it is asked about");
    if (memcmp(v->value, value, v->size) == 0)
        return;
    v->asking = true;
    ask_all(v, value);
    v->asking = false;
    memcpy(v->value, value, v->size);
}

/* --- wait --- */

static bool leave(struct bough_wait *wait)
{
    bough_timer_disarm(&bough_container_of(wait, struct value_wait, wait)->held);
    return bough_wait_leave(wait);
}

static int park(struct value_wait *w)
{
    bough_list_push(&w->of->waiters, &w->wait.link);
    return bough_wait(&w->wait);
}

/* It is so already, and that is enough. */
static int take(const struct bough_value *v, void *ret_value)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (ret_value)
        bough_value_get(v, ret_value);
    bough_passed();
    return 0;
}

static int wait_for_level(struct bough_value *v, bough_value_fn *holds, void *arg, int64_t duration,
                          void *ret_value)
{
    struct value_wait w = {.wait = {.abort = leave, .what = "a value to meet a condition"},
                           .of = v,
                           .holds = holds,
                           .arg = arg,
                           .duration = duration,
                           .held = {.fire = held_long_enough},
                           .ret_value = ret_value};
    bool now = holds(v->value, arg);
    if (now && duration <= 0)
        return take(v, ret_value);
    if (now)
        hold(&w, true);
    return park(&w);
}

int bough_value_wait(struct bough_value *v, bough_value_fn *holds, void *arg, void *ret_value)
{
    return wait_for_level(v, holds, arg, 0, ret_value);
}

int bough_value_wait_held(struct bough_value *v, bough_value_fn *holds, void *arg, int64_t duration,
                          void *ret_value)
{
    return wait_for_level(v, holds, arg, duration, ret_value);
}

int bough_value_wait_change(struct bough_value *v, bough_change_fn *is, void *arg, void *ret_value)
{
    struct value_wait w = {.wait = {.abort = leave, .what = "a value to change"},
                           .of = v,
                           .is = is,
                           .arg = arg,
                           .ret_value = ret_value};
    return park(&w);
}

struct equal {
    const void *wanted;
    size_t size;
};

static bool is_equal(const void *value, void *arg)
{
    const struct equal *e = arg;
    return memcmp(value, e->wanted, e->size) == 0;
}

int bough_value_wait_equal(struct bough_value *v, const void *wanted)
{
    struct equal e = {.wanted = wanted, .size = v->size};
    return wait_for_level(v, is_equal, &e, 0, NULL);
}

/* --- flags --- */

void bough_flag_init(struct bough_flag *f, bool on)
{
    f->on = on;
    bough_value_init(&f->value, &f->on, sizeof(f->on));
}

void bough_flag_set(struct bough_flag *f, bool on)
{
    bough_value_set(&f->value, &on);
}

bool bough_flag_get(const struct bough_flag *f)
{
    return f->on;
}

int bough_flag_wait(struct bough_flag *f, bool on)
{
    return bough_value_wait_equal(&f->value, &on);
}

int bough_flag_wait_held(struct bough_flag *f, bool on, int64_t duration)
{
    struct equal e = {.wanted = &on, .size = sizeof(on)};
    return wait_for_level(&f->value, is_equal, &e, duration, NULL);
}

static bool has_become(const void *value, const void *before, void *arg)
{
    (void)before; /* a flag that changes comes from the opposite */
    return is_equal(value, arg);
}

int bough_flag_wait_change(struct bough_flag *f, bool on)
{
    struct equal e = {.wanted = &on, .size = sizeof(on)};
    return bough_value_wait_change(&f->value, has_become, &e, NULL);
}
