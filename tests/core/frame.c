/* Frames: a function on a stack of its own that is part of the task.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/frame.h>

static struct bough_frame *open_frame(bough_frame_fn *fn, void *arg, const struct bough_site *site)
{
    struct bough_frame *f;
    CHECK_EQ(bough_frame_open(fn, arg, site, &f), 0);
    return f;
}
#define OPEN(fn, arg) open_frame(fn, arg, BOUGH_SITE(#fn))

static void count(struct bough_frame *self, void *arg)
{
    int *number = arg;
    for (*number = 1; *number <= 3; (*number)++)
        bough_frame_suspend(self);
}

TASK_TEST(a_frame_begins_with_the_first_resume_and_goes_on_where_it_suspended)
{
    int number = 0;
    struct bough_frame *f = OPEN(count, &number);
    CHECK_EQ(number, 0);
    for (int i = 1; i <= 3; i++) {
        CHECK(bough_frame_resume(f));
        CHECK_EQ(number, i);
    }
    CHECK(!bough_frame_resume(f));
    CHECK_EQ(number, 4);
    return 0;
}

TASK_TEST(frames_are_resumed_in_any_order)
{
    int a = 0, b = 0;
    struct bough_frame *first = OPEN(count, &a), *second = OPEN(count, &b);
    CHECK(bough_frame_resume(first) && bough_frame_resume(second) && bough_frame_resume(first));
    CHECK(a == 2 && b == 1);
    CHECK(bough_frame_resume(first) && !bough_frame_resume(first));
    CHECK(bough_frame_resume(second) && bough_frame_resume(second) && !bough_frame_resume(second));
    CHECK(a == 4 && b == 4);
    return 0;
}

static void count_for_another(struct bough_frame *self, void *arg)
{
    struct bough_frame *inner = OPEN(count, arg);
    while (bough_frame_resume(inner))
        bough_frame_suspend(self);
}

TASK_TEST(frames_resume_frames)
{
    int number = 0, resumed = 0;
    struct bough_frame *f = OPEN(count_for_another, &number);
    while (bough_frame_resume(f))
        CHECK_EQ(number, ++resumed);
    CHECK_EQ(resumed, 3);
    return 0;
}

struct pair {
    struct bough_frame *inner;
    int number;
};

static void begin_another(struct bough_frame *self, void *arg)
{
    struct pair *pair = arg;
    pair->inner = OPEN(count, &pair->number);
    CHECK(bough_frame_resume(pair->inner));
    bough_frame_suspend(self);
}

TASK_TEST(a_frame_may_be_resumed_from_elsewhere_than_it_was_begun)
{
    struct pair pair;
    struct bough_frame *f = OPEN(begin_another, &pair);
    CHECK(bough_frame_resume(f));
    CHECK(bough_frame_resume(pair.inner)); /* comes back here now */
    CHECK_EQ(pair.number, 2);
    CHECK(!bough_frame_resume(f));
    while (bough_frame_resume(pair.inner))
        ;
    CHECK_EQ(pair.number, 4);
    return 0;
}

TASK_TEST(a_thousand_frames_may_be_open_at_once)
{
    enum { MOST = 1000 };
    static struct bough_frame *frames[MOST];
    static int numbers[MOST];
    int many = test_scale(MOST);
    struct bough_run_stats stats;
    for (int i = 0; i < many; i++)
        CHECK(bough_frame_resume(frames[i] = OPEN(count, &numbers[i])));
    for (int i = 0; i < many; i++)
        while (bough_frame_resume(frames[i]))
            ;
    for (int i = 0; i < many; i++)
        CHECK_EQ(numbers[i], 4);
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1); /* they are none */
    CHECK(stats.stacks_free >= (unsigned)many);
    return 0;
}

/* --- part of the task --- */

static struct bough_local colour;

static void look_around(struct bough_frame *self, void *arg)
{
    CHECK(bough_task_current() == arg);
    CHECK_STR(bough_local_get(&colour), "red");
    CHECK_EQ(bough_error_code(bough_error_last()), -EIO);
    CHECK_EQ(errno, 7);
    CHECK_EQ(bough_local_set(&colour, "green"), 0);
    bough_task_set_name("renamed");
    errno = 8;
    (void)bough_fail(-EPERM, "from the frame");
    bough_frame_suspend(self);
    CHECK_STR(bough_local_get(&colour), "blue");
}

TASK_TEST(it_shares_the_identity_the_locals_the_name_and_the_errors_of_its_task)
{
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    (void)bough_fail(-EIO, "before");
    struct bough_frame *f = OPEN(look_around, bough_task_current());
    errno = 7;
    CHECK(bough_frame_resume(f));
    CHECK_EQ(errno, 8);
    CHECK_STR(bough_local_get(&colour), "green");
    CHECK_STR(bough_task_name(NULL), "renamed");
    CHECK_STR(bough_error_message(bough_error_last()), "from the frame");
    CHECK_STR(bough_error_task(bough_error_last()), "renamed");
    CHECK_EQ(bough_local_set(&colour, "blue"), 0);
    CHECK(!bough_frame_resume(f));
    return 0;
}

static void sleep_twice(struct bough_frame *self, void *arg)
{
    int *rc = arg;
    *rc = bough_sleep(BOUGH_SEC);
    bough_frame_suspend(self);
    *rc = bough_sleep(BOUGH_SEC);
}

static int tick(void *arg)
{
    int rc = 0;
    while (rc == 0 && bough_now() < 3 * BOUGH_SEC) {
        ++*(int *)arg;
        rc = bough_sleep(BOUGH_SEC / 2);
    }
    return rc;
}

TASK_TEST(when_code_in_it_blocks_the_task_blocks_and_others_run)
{
    int rc = 0, slept = 1, ticks = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, tick, &ticks), 0);
        struct bough_frame *f = OPEN(sleep_twice, &slept);
        CHECK(bough_frame_resume(f));
        CHECK_EQ(slept, 0);
        CHECK_EQ(bough_now(), BOUGH_SEC);
        CHECK(ticks == 2 || ticks == 3);
        rc = bough_sleep(BOUGH_SEC); /* the task parks outside while the frame is suspended */
        CHECK(!bough_frame_resume(f));
        CHECK_EQ(slept, 0);
        CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    }
    CHECK(ticks >= 6);
    return rc;
}

TASK_TEST(a_cancel_reaches_what_blocks_in_it)
{
    int rc = 0, slept = 1;
    bough_move_on_after (BOUGH_MS, &rc) {
        struct bough_frame *f = OPEN(sleep_twice, &slept);
        CHECK(bough_frame_resume(f));
        CHECK_EQ(slept, -ECANCELED);
        CHECK(!bough_frame_resume(f));
        rc = slept;
    }
    CHECK_EQ(bough_now(), BOUGH_MS);
    CHECK(bough_scope_cancelled_caught(NULL));
    return rc;
}

static void time_out_what_comes_next(struct bough_frame *self, void *arg)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    bough_frame_suspend(self);
    *(int *)arg = bough_scope_exit(&s, -ECANCELED);
}

TASK_TEST(a_scope_that_is_open_when_it_suspends_encloses_what_the_task_does_next)
{
    int left = 1;
    struct bough_scope *before = bough_scope_current();
    struct bough_frame *f = OPEN(time_out_what_comes_next, &left);
    CHECK(bough_frame_resume(f));
    CHECK(bough_scope_current() != before);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(!bough_frame_resume(f));
    CHECK_EQ(left, 0);
    CHECK(bough_scope_current() == before);
    return bough_checkpoint();
}

static void start_a_child(struct bough_frame *self, void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, tick, arg);
        bough_frame_suspend(self);
    }
    CHECK_EQ(rc, 0);
}

TASK_TEST(a_nursery_may_live_on_its_stack)
{
    int ticks = 0;
    struct bough_frame *f = OPEN(start_a_child, &ticks);
    CHECK(bough_frame_resume(f));
    CHECK_EQ(ticks, 0);
    CHECK(!bough_frame_resume(f));
    CHECK_EQ(ticks, 6);
    return 0;
}

static void park_for_a_look(__attribute__((unused)) struct bough_frame *self, void *arg)
{
    *(int *)arg = bough_sleep(BOUGH_MINUTE);
}

static int parks_in_a_frame(void *arg)
{
    struct bough_frame *f = OPEN(park_for_a_look, arg);
    CHECK(!bough_frame_resume(f));
    return *(int *)arg;
}

TASK_TEST(the_tree_shows_what_the_task_waits_for_in_it)
{
    char *text;
    size_t size;
    int rc = 0, slept = 1;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, parks_in_a_frame, &slept), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        FILE *to = open_memstream(&text, &size);
        bough_tree_print(to);
        fclose(to);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_HAS(text, "parks_in_a_frame");
    CHECK_HAS(text, "waits: sleep");
    free(text);
    CHECK_EQ(slept, -ECANCELED);
    return rc;
}

static int count_in_a_frame(__attribute__((unused)) void *arg)
{
    struct bough_frame *f;
    int number = 0, rc = bough_frame_open(count, &number, BOUGH_SITE("count"), &f);
    if (rc < 0)
        return rc;
    while (bough_frame_resume(f))
        ;
    CHECK_EQ(number, 4);
    return 0;
}

TEST(without_memory_it_is_not_opened)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, count_in_a_frame, NULL) > 1);
}

/* --- misuse --- */

static int resume_it(void *arg)
{
    return bough_frame_resume(arg);
}

TEST_PANICS(resuming_it_from_another_task_panics, "count, opened at ")
{
    int rc = 0, number;
    struct bough_frame *f = OPEN(count, &number);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, resume_it, f);
    return rc;
}

TEST_PANICS(and_names_both_tasks, "by task main) is resumed in task resume_it")
{
    int rc = 0, number;
    struct bough_frame *f = OPEN(count, &number);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, resume_it, f);
    return rc;
}

TEST_PANICS(suspending_it_from_outside_panics, "is suspended from outside")
{
    int number;
    struct bough_frame *f = OPEN(count, &number);
    CHECK(bough_frame_resume(f));
    bough_frame_suspend(f);
    return 0;
}

static void suspend_another(__attribute__((unused)) struct bough_frame *self, void *arg)
{
    bough_frame_suspend(arg);
}

static void let_suspend(struct bough_frame *self, __attribute__((unused)) void *arg)
{
    struct bough_frame *inner = OPEN(suspend_another, self);
    (void)bough_frame_resume(inner);
}

TEST_PANICS(suspending_it_from_a_frame_inside_panics, "let_suspend")
{
    (void)bough_frame_resume(OPEN(let_suspend, NULL));
    return 0;
}

static void resume_itself(struct bough_frame *self, __attribute__((unused)) void *arg)
{
    (void)bough_frame_resume(self);
}

TEST_PANICS(resuming_it_while_it_runs_panics, "resumed while it runs")
{
    (void)bough_frame_resume(OPEN(resume_itself, NULL));
    return 0;
}

static int forget(__attribute__((unused)) void *arg)
{
    static int number;
    struct bough_frame *f = OPEN(count, &number);
    CHECK(bough_frame_resume(f));
    return 0;
}

TEST_PANICS(a_task_that_leaves_one_behind_panics,
            "task forget ends and leaves a frame behind: count, opened at")
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, forget, NULL);
    return rc;
}

TEST_PANICS(the_main_task_too, "task main ends and leaves a frame behind: count")
{
    return forget(NULL);
}

static void never_begun(__attribute__((unused)) struct bough_frame *self,
                        __attribute__((unused)) void *arg)
{
}

TEST_PANICS(one_that_was_not_begun_counts, "leaves a frame behind: never_begun")
{
    (void)OPEN(never_begun, NULL);
    return 0;
}

/* Deep, without large frames of the other kind. */
__attribute__((noinline)) static int recurse(volatile int *depth)
{
    volatile char room[200];
    room[0] = (char)++*depth;
    if (*depth < 0)
        return 0;
    return recurse(depth) + room[0];
}

static void overflow(__attribute__((unused)) struct bough_frame *self,
                     __attribute__((unused)) void *arg)
{
    volatile int depth = 0;
    (void)recurse(&depth);
}

static int overflows_in_a_frame(__attribute__((unused)) void *arg)
{
    return bough_frame_resume(OPEN(overflow, NULL));
}

static int run_overflow(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, overflows_in_a_frame, NULL);
    return rc;
}

TEST_DIES(an_overflow_in_it_names_the_task, SIGSEGV, "bough: task overflows_in_a_frame")
{
    if (test_is_sanitized() || test_on_valgrind() || test_is_emulated())
        test_skip("here faults go to somebody else first");
    (void)bough_test_run(NULL, run_overflow, NULL);
}
