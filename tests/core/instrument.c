/* Instruments, and what a run counts.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

struct watcher {
    struct bough_instrument instrument;
    char log[2000];
    const char *only; /* the task to log; NULL: all */
};

static void say(struct bough_instrument *self, struct bough_task *task, const char *what, int value)
{
    struct watcher *w = bough_container_of(self, struct watcher, instrument);
    size_t used = strlen(w->log);
    if (task && w->only && strcmp(bough_task_name(task), w->only) != 0)
        return;
    if (value)
        snprintf(w->log + used, sizeof(w->log) - used, "%s(%d) ", what, value);
    else
        snprintf(w->log + used, sizeof(w->log) - used, "%s ", what);
}

static void before_run(struct bough_instrument *self)
{
    say(self, NULL, "before", 0);
}

static void after_run(struct bough_instrument *self)
{
    say(self, NULL, "after", 0);
}

static void spawned(struct bough_instrument *self, struct bough_task *task)
{
    say(self, task, "spawned", 0);
}

static void parked(struct bough_instrument *self, struct bough_task *task, const char *what)
{
    say(self, task, what, 0);
}

static void woken(struct bough_instrument *self, struct bough_task *task, int result)
{
    say(self, task, "woken", result);
}

static void resumed(struct bough_instrument *self, struct bough_task *task)
{
    CHECK(task == bough_task_current());
    say(self, task, "resumed", 0);
}

static void exited(struct bough_instrument *self, struct bough_task *task, int rc)
{
    say(self, task, "exited", rc);
}

static void cancelled(struct bough_instrument *self,
                      __attribute__((unused)) struct bough_scope *scope)
{
    say(self, NULL, "cancelled", 0);
}

static void before_io(struct bough_instrument *self, int64_t deadline)
{
    if (deadline != INT64_MIN)
        say(self, NULL, "sleep", (int)(deadline / BOUGH_SEC));
}

static void after_io(struct bough_instrument *self, int count)
{
    CHECK_EQ(count, 0);
    say(self, NULL, "slept", 0);
}

static struct watcher of_tasks = {.instrument = {.task_spawned = spawned,
                                                 .task_parked = parked,
                                                 .task_woken = woken,
                                                 .task_resumed = resumed,
                                                 .task_exited = exited},
                                  .only = "child"};

static int child(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    return rc < 0 ? rc : *(int *)arg;
}

static int one_child(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, child, arg);
    return rc;
}

TEST(an_instrument_sees_a_task_spawned_resumed_parked_woken_and_exited)
{
    int code = -EIO;
    struct bough_instrument *const instruments[] = {&of_tasks.instrument, NULL};
    struct bough_run_options options = {.instruments = instruments};
    CHECK_EQ(bough_test_run(&options, one_child, &code), -EIO);
    CHECK_STR(of_tasks.log, "spawned resumed sleep woken resumed exited(-5) ");
}

static int cancel_child(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, child, arg);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        bough_scope_cancel(bough_nursery_scope(n), NULL); /* seen once */
    }
    return rc;
}

TEST(it_sees_a_cancel_and_the_wake_that_comes_of_it)
{
    struct watcher w = {
        .instrument = {.scope_cancelled = cancelled, .task_woken = woken, .task_exited = exited},
        .only = "child"};
    struct bough_instrument *const instruments[] = {&w.instrument, NULL};
    struct bough_run_options options = {.instruments = instruments};
    CHECK_EQ(bough_test_run(&options, cancel_child, NULL), 0);
    char expected[100];
    snprintf(expected, sizeof(expected), "cancelled woken(%d) exited(%d) ", -ECANCELED, -ECANCELED);
    CHECK_STR(w.log, expected);
}

static int two_sleeps(__attribute__((unused)) void *arg)
{
    int rc = bough_sleep(2 * BOUGH_SEC);
    return rc < 0 ? rc : bough_sleep(3 * BOUGH_SEC);
}

TEST(it_sees_the_run_begin_and_end_and_the_loop_sleep)
{
    struct watcher w = {.instrument = {.before_run = before_run,
                                       .after_run = after_run,
                                       .task_spawned = spawned,
                                       .task_exited = exited,
                                       .before_io_wait = before_io,
                                       .after_io_wait = after_io}};
    struct bough_instrument *const instruments[] = {&w.instrument, NULL};
    struct bough_run_options options = {.instruments = instruments};
    CHECK_EQ(bough_test_run(&options, two_sleeps, NULL), 0);
    CHECK_STR(w.log, "before spawned sleep(2) slept sleep(5) slept exited after ");
}

TEST(several_instruments_see_the_same_and_missing_hooks_are_fine)
{
    struct watcher a = {.instrument = {.task_exited = exited}},
                   b = {.instrument = {.task_exited = exited}};
    struct bough_instrument nothing = {0};
    struct bough_instrument *const instruments[] = {&a.instrument, &nothing, &b.instrument, NULL};
    struct bough_run_options options = {.instruments = instruments};
    CHECK_EQ(bough_test_run(&options, two_sleeps, NULL), 0);
    CHECK_STR(a.log, "exited ");
    CHECK_STR(b.log, "exited ");
}

TEST(one_that_is_given_twice_counts_once)
{
    struct watcher a = {.instrument = {.task_exited = exited}};
    struct bough_instrument *const instruments[] = {&a.instrument, &a.instrument, NULL};
    struct bough_run_options options = {.instruments = instruments};
    CHECK_EQ(bough_test_run(&options, two_sleeps, NULL), 0);
    CHECK_STR(a.log, "exited ");
}

TASK_TEST(one_can_be_added_and_taken_off_while_the_run_goes)
{
    int rc = 0, code = 0;
    struct watcher w = {.instrument = {.task_exited = exited}},
                   other = {.instrument = {.task_exited = exited}};
    bough_instrument_remove(&w.instrument); /* what is not there */
    bough_instrument_add(&w.instrument);
    bough_instrument_add(&w.instrument); /* twice is once */
    bough_instrument_add(&other.instrument);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, child, &code);
    CHECK_STR(w.log, "exited ");
    bough_instrument_remove(&w.instrument);
    bough_instrument_remove(&w.instrument);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, child, &code);
    CHECK_STR(w.log, "exited ");
    CHECK_STR(other.log, "exited exited ");
    bough_instrument_remove(&other.instrument);
    return rc;
}

static void remove_oneself(struct bough_instrument *self,
                           __attribute__((unused)) struct bough_task *task)
{
    say(self, NULL, "last", 0);
    bough_instrument_remove(self);
}

TASK_TEST(one_may_take_itself_off)
{
    int rc = 0, code = 0;
    struct watcher w = {.instrument = {.task_spawned = remove_oneself}},
                   other = {.instrument = {.task_spawned = spawned}};
    bough_instrument_add(&w.instrument);
    bough_instrument_add(&other.instrument);
    for (int i = 0; i < 2; i++)
        bough_with_nursery (n, &rc)
            rc = bough_nursery_start_soon(n, child, &code);
    CHECK_STR(w.log, "last ");
    CHECK_STR(other.log, "spawned spawned ");
    bough_instrument_remove(&other.instrument);
    return rc;
}

static int sleep_long(__attribute__((unused)) void *arg)
{
    return bough_sleep(BOUGH_MINUTE);
}

TASK_TEST(a_run_counts_its_tasks_switches_and_timers)
{
    int rc = 0;
    struct bough_run_stats stats, before;
    bough_run_statistics(&before);
    CHECK_EQ(before.tasks, 1);
    CHECK_EQ(before.tasks_peak, 1);
    CHECK_EQ(before.timers, 0);
    CHECK_EQ(before.next_deadline, BOUGH_NEVER);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bough_nursery_start_soon(n, sleep_long, NULL), 0);
        bough_run_statistics(&stats);
        CHECK_EQ(stats.tasks, 11);
        CHECK_EQ(stats.started - before.started, 10);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_run_statistics(&stats);
        CHECK_EQ(stats.timers, 10);
        CHECK_EQ(stats.next_deadline, BOUGH_MINUTE);
        CHECK_EQ(stats.switches - before.switches, 11);
        CHECK_EQ(stats.watched, 0);
    }
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1);
    CHECK_EQ(stats.tasks_peak, 11);
    CHECK_EQ(stats.timers, 0);
    CHECK(stats.stacks_free >= 10);
    CHECK(stats.polls > before.polls);
    return rc;
}
