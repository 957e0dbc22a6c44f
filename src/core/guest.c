/* A run that a foreign loop leaves and resumes.
 *
 * It has a stack of its own for bough_run_on(). When its loop would sleep, on the stack of
 * whichever task parked last, the driver's wait() switches to the host's stack instead; the next
 * step switches back and looks at the kernel without sleeping. So the loop knows nothing of all
 * this.
 * SPDX-License-Identifier: MIT */
#include "bough/guest.h"

#include "base/panic.h"
#include "base/sys.h"
#include "core/options.h"
#include "core/scope.h"

enum { GUEST_STACK = 256 * 1024 };
#define GUEST_SLICE (2 * BOUGH_MS)

struct bough_guest {
    struct bough_driver *driver;
    int (*wait)(struct bough_driver *driver, int64_t deadline); /* the driver's own */
    void (*close)(struct bough_driver *driver);
    int fd;
    int64_t deadline, step_began;
    struct stack_pool pool; /* of one stack */
    void *stack;
    struct fiber inside, outside;
    struct annotation host;
    struct bough_task *current; /* who stands there, while we are outside */
    struct bough_run_options options;
    bough_task_fn *fn;
    void *arg;
    const char *reason;
    int rc;
    bool cancel; /* the host has asked for it, and no step has been made since */
    bool ended;
};

/* The guest whose step it is, in this thread. */
static __thread struct bough_guest *stepping;

/* --- inside --- */

static void leave(struct bough_guest *g)
{
    g->current = bough__current;
    g->inside.annotation = g->current->fiber.annotation;
    bough__current = NULL;
    (void)fiber_switch(&g->inside, &g->outside, 0);
    bough__current = g->current;
}

/* Here, and not when the host asks: an abort may need the run. True: tasks may be ready now. */
static bool cancel_if_asked(struct bough_guest *g)
{
    if (!g->cancel)
        return false;
    g->cancel = false;
    scope_cancel(&bough__current->run->root, BOUGH_CANCEL_EXPLICIT, NULL, 0, g->reason);
    return true;
}

static int guest_wait(struct bough_driver *driver, int64_t deadline)
{
    struct bough_guest *g = stepping;
    bool cancelled = cancel_if_asked(g);
    int woken = g->wait(driver, INT64_MIN);
    bool may_go_on = cancelled || woken != 0 || deadline == INT64_MIN;
    if (may_go_on && driver->now(driver) - g->step_began < GUEST_SLICE)
        return woken;
    g->deadline = may_go_on ? INT64_MIN : deadline;
    leave(g);
    (void)cancel_if_asked(g);
    int more = g->wait(driver, INT64_MIN);
    return more < 0 ? more : woken + more;
}

/* Asked before the first step: before it is looked whether anybody can ever run again. */
static int guest_task(void *arg)
{
    struct bough_guest *g = arg;
    (void)cancel_if_asked(g);
    return g->fn(g->arg);
}

static void guest_main(void *arg)
{
    struct bough_guest *g = arg;
    struct annotation *own = g->inside.annotation;
    fiber_entered(&g->inside);
    g->rc = bough_run_on(g->driver, &g->options, guest_task, g);
    g->ended = true;
    g->inside.annotation = own;
    fiber_leave(&g->inside, &g->outside, 0);
}

/* --- outside --- */

int bough_guest_start_on(struct bough_driver *driver, int fd,
                         void (*close)(struct bough_driver *driver),
                         const struct bough_run_options *options, bough_task_fn *fn, void *arg,
                         struct bough_guest **ret_guest)
{
    if (bough__current)
        return bough_fail_text(-EBUSY, "bough_guest_start: a run is under way in this thread");
    int rc = options ? options_check(options) : 0;
    if (rc < 0)
        return rc;
    struct bough_guest *g = sys_calloc(1, sizeof(*g));
    if (!g)
        return bough_fail_text(-ENOMEM, "no memory for a guest");
    stack_pool_init(&g->pool, GUEST_STACK * ANNOTATE_STACK_FACTOR);
    rc = stack_get(&g->pool, &g->stack);
    if (rc < 0) {
        stack_pool_release(&g->pool);
        free(g);
        return bough_fail_text(rc, "no stack for a guest");
    }
    g->driver = driver;
    g->wait = driver->wait;
    driver->wait = guest_wait;
    driver->shared = true;
    g->close = close;
    g->fd = fd;
    g->deadline = INT64_MIN;
    if (options)
        g->options = *options;
    g->fn = fn;
    g->arg = arg;
    fiber_make(&g->inside, &stack_top_of(&g->pool, g->stack)->annotation,
               stack_top(&g->pool, g->stack), guest_main, g);
    *ret_guest = g;
    return 0;
}

bool bough_guest_step(struct bough_guest *g)
{
    if (bough__current || stepping)
        bough_panic(
            "bough_guest_step is for the loop around the run, and was called inside of one");
    if (g->ended)
        return false;
    stepping = g;
    g->step_began = g->driver->now(g->driver);
    annotate_born(&g->host, NULL, 0);
    g->outside.annotation = &g->host;
    (void)fiber_switch(&g->outside, &g->inside, 0);
    stepping = NULL;
    return !g->ended;
}

int bough_guest_fd(const struct bough_guest *g)
{
    return g->fd;
}

int64_t bough_guest_deadline(const struct bough_guest *g)
{
    return g->deadline;
}

int bough_guest_timeout_ms(const struct bough_guest *g)
{
    if (g->deadline == BOUGH_NEVER)
        return -1;
    if (g->deadline == INT64_MIN)
        return 0;
    int64_t left = g->deadline - g->driver->now(g->driver);
    if (left <= 0)
        return 0;
    int64_t ms = left / BOUGH_MS + (left % BOUGH_MS != 0);
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

void bough_guest_cancel(struct bough_guest *g, const char *reason)
{
    if (g->cancel || g->ended)
        return;
    g->cancel = true;
    g->reason = reason;
    g->driver->interrupt(g->driver);
}

int bough_guest_finish(struct bough_guest *g)
{
    if (!g->ended)
        bough_panic(
            "bough_guest_finish: the run has not ended: cancel its tasks, and step until it has");
    int rc = g->rc;
    g->driver->wait = g->wait;
    g->driver->shared = false;
    if (g->close)
        g->close(g->driver);
    stack_put(&g->pool, g->stack);
    stack_pool_release(&g->pool);
    free(g);
    return rc;
}
