/* The loop: ready tasks, kernel, timers, and again until the main task is done.
 *
 * It has no stack of its own: a switch that finds the pass over calls loop_refill() on the stack of
 * the task that leaves. bough_run_on() only sets up, calls the main task's function, and takes
 * down.
 *
 * When to look at the kernel. After every pass would be right, and costs a system call and a clock
 * for perhaps two switches of 5 ns. So a pass is followed by a look when there has been none for
 * the driver's poll_after (20 us); to know that cheaply, the clock is read every so many switches,
 * a number that adapts to how long they take, or when the coarse clock has ticked. With nothing
 * armed and nothing watched there is nothing to look at.
 * SPDX-License-Identifier: MIT */
#include "core/nursery.h"

#include <unistd.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/entry.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/local.h"
#include "core/options.h"
#include "core/order.h"
#include "core/reason.h"
#include "core/timer.h"
#include "fiber/overflow.h"

enum { STEPS_MOST = 64, TASK_STACK = 64 * 1024 };
#define TRIM_AFTER BOUGH_SEC

/* --- looking at the kernel --- */

/* Wait until something happens or 'deadline'; then fire what is due. */
static void look(struct run *run, int64_t deadline)
{
    struct bough_driver *driver = run->driver;
    int woken = 0;
    if (driver->watched || driver->shared || deadline != INT64_MIN) {
        hook(run, before_io_wait, deadline);
        woken = driver->wait(driver, deadline);
        hook(run, after_io_wait, woken);
        if (woken < 0)
            bough_panic("the %s driver cannot wait: %s", driver->name, bough_error_name(woken));
        run->polls++;
    }
    /* I/O before deadlines: what was complete in time is not timed out. */
    run->polled = timer_now(run);
    run->coarse = driver->coarse_now(driver);
    run->steps_at = run->switches;
    timer_fire_due(run);
}

static bool look_is_due(struct run *run)
{
    struct bough_driver *driver = run->driver;
    if (!run->timers.root && !driver->watched && !driver->shared)
        return false;
    if (run->switches - run->steps_at < (uint64_t)run->steps_between &&
        driver->coarse_now(driver) == run->coarse)
        return false;
    bool due = timer_now(run) - run->polled >= driver->poll_after;
    run->steps_at = run->switches;
    if (due && run->steps_between > 1)
        run->steps_between /= 2;
    else if (!due && run->steps_between < STEPS_MOST)
        run->steps_between *= 2;
    return due || driver->coarse_now(driver) != run->coarse;
}

/* --- nothing is ready --- */

static BOUGH_COLD void deadlock(struct run *run)
{
    if (run->on_deadlock == BOUGH_DEADLOCK_PANIC)
        bough_panic("deadlock: no task can ever run again");
    if (run->deadlocked)
        bough_panic(
            "deadlock: no task can ever run again, although the main task was cancelled for it: is "
            "it in a shield?");
    char *picture = NULL;
    size_t size;
    FILE *to = bough__panic_picture && !sys_fails(SYS_FAULT_MEMORY)
                   ? open_memstream(&picture, &size)
                   : NULL;
    if (to) {
        fprintf(to, "no task can ever run again\n");
        bough__panic_picture(to);
        fclose(to);
    }
    run->deadlocked = true;
    scope_cancel(&run->root, BOUGH_CANCEL_DEADLOCK, NULL, 0, picture);
    free(picture);
}

static void call_idle(struct run *run)
{
    struct bough_list now;
    bough_list_init(&now);
    bough_list_splice(&now, &run->idle);
    struct bough_list *node;
    while ((node = bough_list_pop(&now))) {
        struct bough_idle *idle = bough_container_of(node, struct bough_idle, link);
        idle->fn(idle);
    }
}

static void sleep_until_something(struct run *run)
{
    struct bough_timer *first = heap_first(&run->timers);
    struct bough_driver *driver = run->driver;
    driver->holds = gate_holds(run->gate);
    /* Who has let go of the gate may have called in just before. Entries without end must not hold
     * up the rest. */
    if (gate_is_waiting(run->gate)) {
        look(run, INT64_MIN);
        return;
    }
    if (!first && !driver->watched && !driver->holds && run->on_deadlock != BOUGH_DEADLOCK_WAIT) {
        deadlock(run);
        return;
    }
    if (run->now - run->trimmed >= TRIM_AFTER) {
        stack_pool_trim(&run->stacks);
        run->trimmed = run->now;
    }
    if (!gate_sleep(run->gate))
        return;
    look(run, first ? first->at : BOUGH_NEVER);
    gate_wake(run->gate);
}

static void idle(struct run *run)
{
    if (BOUGH_LIKELY(bough_list_is_empty(&run->idle))) {
        sleep_until_something(run);
        return;
    }
    look(run, INT64_MIN);
    if (!run->ready && !gate_is_waiting(run->gate))
        call_idle(run);
}

static void loop_refill(struct run *run)
{
    if (BOUGH_UNLIKELY(gate_is_waiting(run->gate)))
        gate_drain(run->gate);
    if (run->ready && look_is_due(run))
        look(run, INT64_MIN);
    while (!run->ready) {
        idle(run);
        if (gate_is_waiting(run->gate))
            gate_drain(run->gate);
    }
    sched_begin_pass(run);
    if (BOUGH_UNLIKELY(run->random))
        order_shuffle(run);
}

/* --- a run --- */

/* In a signal handler: whose stack is it? */
static bool describe_overflow(const void *address, char *text, size_t size)
{
    const struct bough_task *task = bough__current;
    if (!task || !task->stack)
        return false;
    const char *low = task->stack, *at = address;
    if (at < low || at >= low + STACK_GUARD)
        return false;
    snprintf(text, size,
             "bough: task %s (%s, started at %s:%d) overflowed its stack of %zu KiB; give the run "
             "a larger "
             "one (bough_run_options.stack_size) or use less\n",
             bough_task_name(task), task->site->what, task->site->file, task->site->line,
             task->run->stacks.size / 1024);
    return true;
}

static int run_setup(struct run *run, struct bough_driver *driver,
                     const struct bough_run_options *options, const struct bough_site *site)
{
    run->gate = gate_new(run);
    if (!run->gate)
        return -ENOMEM;
    run->driver = driver;
    run->errno_here = &errno;
    run->refill = loop_refill;
    run->ready_tail = &run->ready;
    run->budget = RUN_BUDGET;
    run->steps_between = 1;
    run->random = options->seed;
    run->attended = options->seed || driver->shared;
    run->on_deadlock = options->deadlock;
    bough_list_init(&run->idle);
    bough_list_init(&run->words);
    stack_pool_init(&run->stacks, (options->stack_size ? options->stack_size : TASK_STACK) *
                                      ANNOTATE_STACK_FACTOR);
    task_init_main(run, site);
    run->polled = run->trimmed = timer_now(run);
    run->coarse = driver->coarse_now(driver);
    (void)overflow_install(describe_overflow); /* without it, an overflow is only a bare SIGSEGV */
    if (options->sigint == BOUGH_SIGINT_CANCEL)
        interrupt_install(run);
    return 0;
}

/* What a cancel of the whole run makes of the main task's outcome. */
static int run_outcome(struct run *run, int rc)
{
    struct bough_scope *root = &run->root;
    if (root->own == SCOPE_CLEAR)
        return rc;
    if (rc < 0)
        rc = error_absorb(rc, &root->caught);
    if (root->kind == BOUGH_CANCEL_DEADLOCK)
        return bough_keep(
            rc, bough_fail_at(-EDEADLK, NULL, "%s", root->text ? root->text : "deadlock"));
    if (root->kind == BOUGH_CANCEL_SIGINT)
        return bough_keep(rc, bough_fail_text(-EINTR, "SIGINT"));
    return rc;
}

static void run_teardown(struct run *run)
{
    interrupt_remove(run);
    gate_close(run->gate);
    overflow_remove();
    stack_pool_release(&run->stacks);
    local_release(run->main.locals);
    local_release(run->locals);
    free(run->main.name);
    reason_release_all(run);
    free(run->composed);
}

static int run_main(struct run *run, bough_task_fn *fn, void *arg)
{
    struct bough_task *task = &run->main;
    task->fn = fn;
    bough__current = task;
    hook(run, before_run);
    hook(run, task_spawned, task);
    int rc = run_outcome(run, task_finish(task, fn(arg)));
    hook(run, task_exited, task, rc);
    hook(run, after_run);

    /* The result's story goes on with the caller. */
    struct bough_error *e = rc < 0 ? error_take_result(rc, task) : NULL;
    error_slots_clear(&task->errors);
    run_teardown(run);
    bough__current = NULL;
    return rc < 0 ? error_give_as(e, rc) : rc;
}

int bough_run_on(struct bough_driver *driver, const struct bough_run_options *options,
                 bough_task_fn *fn, void *arg)
{
    if (bough__current)
        return bough_fail_text(-EBUSY, "bough_run: a run is under way in this thread");
    int rc = options_check(options);
    if (rc < 0)
        return rc;
    if (bough__context_has_shadow_stack())
        return bough_fail_text(-ENOTSUP,
                               "bough_run: this thread has a shadow stack, which bough does not "
                               "switch yet: run with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK");
    struct run *run = sys_calloc(1, sizeof(*run));
    if (!run)
        return bough_fail_text(-ENOMEM, "bough_run: no memory");
    struct bough_site site = {options->name ? options->name : "main", "bough_run", 0};
    rc = run_setup(run, driver, options, &site);
    if (rc == 0) {
        for (struct bough_instrument *const *i = options->instruments; i && *i; i++)
            instrument_add(run, *i);
        rc = run_main(run, fn, arg);
    }
    free(run);
    return rc;
}

/* --- for drivers, tests and users --- */

bool bough_is_running(void)
{
    return bough__current != NULL;
}

struct bough_driver *bough_driver_current(void)
{
    return current_task()->run->driver;
}

void bough_idle_add(struct bough_idle *idle_hook)
{
    bough_list_push(&current_task()->run->idle, &idle_hook->link);
}

void bough_idle_remove(struct bough_idle *idle_hook)
{
    if (idle_hook->link.next)
        bough_list_unlink(&idle_hook->link);
}
