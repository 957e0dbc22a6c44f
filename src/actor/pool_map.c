/* One operation for each item of an input.
 *
 * As many tasks as the window has items, and each does one item after the other: takes it from the
 * input, calls, gives the result away. So an item that is under way is on a task's stack, and the
 * window bounds itself. In order, who has a result waits until the one before has been given away.
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdlib.h>

#include "actor/pool_call.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/sync.h"
#include "bough/wait.h"

struct map {
    struct bough_pool *pool;
    const char *operation;
    const struct bough_pool_map_options *o;
    struct bough_lock input;  /* around next() */
    struct bough_lock output; /* around each(), unless the turns are */
    bool at_end;              /* of the input */
    size_t taken, done, given;
    bool refused;              /* somebody has said that the pool has failed */
    unsigned window;           /* tasks */
    struct bough_wait **turns; /* in order: who waits to give away item n is at n % window */
};

struct item {
    size_t index;
    struct bough_bytes request;
    void *copy; /* of it; to be freed */
};

/* --- input --- */

static int keep_copy(struct item *item)
{
    if (item->request.size == 0)
        return 0;
    item->copy = sys_malloc(item->request.size);
    if (!item->copy)
        return bough_fail_text(-ENOMEM, "no memory for an item");
    memcpy(item->copy, item->request.data, item->request.size);
    item->request.data = item->copy;
    return 0;
}

/* The lock is held. */
static int ask_for_item(struct map *m, struct item *ret_item)
{
    if (m->at_end)
        return 0;
    int rc = m->o->next(m->o->arg, &ret_item->request);
    if (rc <= 0) {
        m->at_end = true;
        return rc;
    }
    rc = keep_copy(ret_item);
    if (rc < 0)
        return rc;
    ret_item->index = m->taken++;
    return 1;
}

/* 1; 0: there are no more. */
static int take_item(struct map *m, struct item *ret_item)
{
    *ret_item = (struct item){.index = m->taken};
    if (!m->o->next) {
        if (m->taken == m->o->count)
            return 0;
        ret_item->request = (struct bough_bytes){
            (const char *)m->o->items + m->taken++ * m->o->item_size, m->o->item_size};
        return 1;
    }
    int rc = bough_lock_acquire(&m->input);
    if (rc < 0)
        return rc;
    rc = ask_for_item(m, ret_item);
    bough_lock_release(&m->input);
    return rc;
}

/* --- output --- */

static bool in_order(const struct map *m)
{
    return m->turns != NULL;
}

static int begin_giving(struct map *m, size_t index)
{
    if (!in_order(m))
        return bough_lock_acquire(&m->output);
    if (m->given == index)
        return 0;
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "the results before this one"};
    m->turns[index % m->window] = &wait;
    int rc = bough_wait(&wait);
    m->turns[index % m->window] = NULL;
    return rc;
}

static void end_giving(struct map *m)
{
    if (!in_order(m)) {
        bough_lock_release(&m->output);
        return;
    }
    m->given++;
    struct bough_wait *next = m->turns[m->given % m->window];
    if (next)
        bough_wake(next, 0);
}

static int give(struct map *m, size_t index, int rc, struct bough_message *reply)
{
    const struct bough_pool_map_options *o = m->o;
    int given = 0;
    if (rc == 0 && o->results)
        rc = bough_bytes_copy(bough_message_bytes(reply),
                              (char *)o->results + index * o->result_size, o->result_size);
    if (rc < 0 && !o->all)
        return rc;
    if (!o->each)
        return 0;
    /* Waiting must not wash away what it says. */
    struct bough_error *e = rc < 0 ? bough_error_detach(rc) : NULL;
    given = begin_giving(m, index);
    if (given < 0) {
        bough_error_free(e);
        return given;
    }
    rc = rc < 0 ? bough_error_attach(e, rc) : 0;
    given = o->each(o->arg, index, rc, reply);
    end_giving(m);
    return given < 0 ? given : 0;
}

/* --- one item after the other --- */

static bool is_our_cancel(int rc)
{
    return rc == -ECANCELED && bough_effective_deadline() == INT64_MIN;
}

/* That the pool has failed is told once. */
static int told_once(struct map *m, int rc)
{
    if (rc != -EOWNERDEAD || m->pool->state != POOL_FAILED)
        return rc;
    if (m->refused)
        (void)bough_catch_echo(&rc, -EOWNERDEAD);
    m->refused = true;
    return rc;
}

static int do_item(struct map *m, struct item *item)
{
    struct bough_message reply = {0};
    int rc = pool_call(m->pool, m->operation, item->request, &reply);
    free(item->copy);
    if (is_our_cancel(rc) || (rc < 0 && m->pool->state >= POOL_CANCELLED))
        return told_once(m, rc);
    m->done++;
    if (m->o->progress)
        m->o->progress(m->o->arg, m->done, m->o->next ? 0 : m->o->count);
    rc = give(m, item->index, rc, &reply);
    bough_message_free(&reply);
    return rc;
}

static int do_items(void *arg)
{
    struct map *m = arg;
    struct item item;
    int rc;
    while ((rc = take_item(m, &item)) == 1 && (rc = do_item(m, &item)) == 0)
        ;
    return rc;
}

/* --- the map --- */

static int check(const struct bough_pool_map_options *o)
{
    if (!o->items == !o->next && !(o->count == 0 && !o->next))
        return bough_fail_text(-EINVAL, "a map takes its input from 'items' or from 'next'");
    if (o->results && o->next)
        return bough_fail_text(-EINVAL, "an array of results needs an array of items");
    if (o->all && !o->each)
        return bough_fail_text(-EINVAL, "'all' failures have to be given to somebody: 'each'");
    return 0;
}

/* How many tasks. */
static unsigned window_of(const struct bough_pool *p, const struct bough_pool_map_options *o)
{
    uint64_t window = o->window;
    if (!window)
        window = UINT64_C(2) * p->options.workers * p->options.concurrency;
    if (!o->next && window > o->count)
        window = o->count;
    return window < INT_MAX ? (unsigned)window : INT_MAX;
}

static int run(struct map *m)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (unsigned i = 0; i < m->window && rc == 0; i++)
            rc = bough_nursery_start_soon(n, do_items, m);
    return rc;
}

int bough_pool_map(struct bough_pool *p, const char *operation,
                   const struct bough_pool_map_options *options)
{
    struct map m = {
        .pool = p, .operation = operation, .o = options, .window = window_of(p, options)};
    int rc = bough_pass();
    if (rc == 0)
        rc = check(options);
    if (rc == 0)
        rc = pool_use(p);
    if (rc < 0)
        return rc;
    if (options->each && !options->unordered && m.window &&
        !(m.turns = sys_calloc(m.window, sizeof(*m.turns)))) {
        pool_leave(p);
        return bough_fail_text(-ENOMEM, "no memory for the window of a map");
    }
    bough_lock_init(&m.input);
    bough_lock_init(&m.output);
    rc = run(&m);
    free(m.turns);
    pool_leave(p);
    return rc;
}
