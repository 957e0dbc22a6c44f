/* bough_run() and its options.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

static int give(void *arg)
{
    return *(int *)arg;
}

TEST(a_run_returns_the_result_of_the_main_task)
{
    int result = 42;
    CHECK_EQ(bough_run(give, &result), 42);
    CHECK_EQ(bough_run_with(NULL, give, &result), 42);
    CHECK_EQ(bough_test_run(NULL, give, &result), 42);
    result = -EIO;
    CHECK_EQ(bough_run(give, &result), -EIO);
}

static int fail_in_main(__attribute__((unused)) void *arg)
{
    return bough_fail(-EIO, "story");
}

TEST(the_story_of_a_failed_run_outlives_it)
{
    struct bough_run_options options = {.name = "chief"};
    CHECK_EQ(bough_run_with(&options, fail_in_main, NULL), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "story");
    CHECK_STR(bough_error_task(bough_error_last()), "chief");
    CHECK(!bough_error_first(bough_error_last()));
}

static int count_down(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    --*(int *)arg;
    return rc;
}

static int start_and_return(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bough_nursery_start_soon(n, count_down, arg), 0);
    return rc;
}

TEST(a_run_ends_when_everything_in_it_has_ended)
{
    int left = 10;
    CHECK(!bough_is_running());
    CHECK_EQ(bough_test_run(NULL, start_and_return, &left), 0);
    CHECK_EQ(left, 0);
    CHECK(!bough_is_running());
}

static int run_again(void *arg)
{
    CHECK(bough_is_running());
    CHECK_EQ(bough_run(give, arg), -EBUSY);
    CHECK_HAS(bough_error_message(bough_error_last()), "under way");
    CHECK_EQ(bough_run_with(NULL, give, arg), -EBUSY);
    CHECK_EQ(bough_test_run(NULL, give, arg), -EBUSY);
    CHECK_EQ(bough_run_on(bough_driver_current(), &(struct bough_run_options){0}, give, arg),
             -EBUSY);
    CHECK(bough_is_running());
    return bough_sleep(BOUGH_SEC); /* the outer one works on */
}

static int run_again_in_a_child(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, run_again, arg);
    return rc;
}

TEST(a_run_in_a_run_is_ebusy)
{
    int result = 0;
    CHECK_EQ(bough_test_run(NULL, run_again, &result), 0);
    CHECK_EQ(bough_test_run(NULL, run_again_in_a_child, &result), 0);
}

/* --- threads --- */

static int spin(void *arg)
{
    int rc = 0;
    for (int i = 0; i < 200 && rc == 0; i++)
        rc = i % 10 ? bough_checkpoint() : bough_sleep(BOUGH_US);
    ++*(int *)arg;
    return rc;
}

static int many_spin(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 50; i++)
            CHECK_EQ(bough_nursery_start_soon(n, spin, arg), 0);
    CHECK_EQ(*(int *)arg, 50);
    return rc;
}

static void *run_in_thread(void *arg)
{
    int count = 0;
    for (int i = 0; i < 5; i++, count = 0)
        CHECK_EQ(arg ? bough_run(many_spin, &count) : bough_test_run(NULL, many_spin, &count), 0);
    return NULL;
}

TEST(several_threads_have_a_run_each)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_in_thread, i % 2 ? threads : NULL), 0);
    (void)run_in_thread(NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
}

static struct bough_nursery *foreign;
static int (*misuse)(void *arg);

static int do_misuse(void *arg)
{
    return misuse(arg);
}

static void *misuse_in_thread(__attribute__((unused)) void *arg)
{
    (void)bough_test_run(NULL, do_misuse, NULL);
    return NULL;
}

static int in_a_second_run(int (*fn)(void *arg))
{
    int rc = 0;
    pthread_t thread;
    misuse = fn;
    bough_with_nursery (n, &rc) {
        foreign = n;
        CHECK_EQ(pthread_create(&thread, NULL, misuse_in_thread, NULL), 0);
        pthread_join(thread, NULL);
    }
    return rc;
}

static int misuse_start_soon(void *arg)
{
    return bough_nursery_start_soon(foreign, give, arg);
}

static int misuse_service(void *arg)
{
    return bough_nursery_start_service(foreign, give, arg);
}

static int misuse_start(void *arg)
{
    return bough_nursery_start(foreign, give, arg, NULL);
}

TEST_PANICS(starting_a_task_in_the_nursery_of_another_run_panics, "nursery of another run")
{
    return in_a_second_run(misuse_start_soon);
}

TEST_PANICS(starting_a_service_there_panics, "nursery of another run")
{
    return in_a_second_run(misuse_service);
}

TEST_PANICS(starting_and_waiting_there_panics, "nursery of another run")
{
    return in_a_second_run(misuse_start);
}

/* --- options --- */

static int note_stack(void *arg)
{
    struct bough_run_stats stats;
    bough_run_statistics(&stats);
    *(size_t *)arg = stats.stack_size;
    return 0;
}

TEST(an_option_that_means_nothing_is_refused)
{
    int result = 0;
    struct bough_run_options io = {.io = (enum bough_io)(BOUGH_IO_URING + 1)};
    struct bough_run_options deadlock = {.deadlock = (enum bough_deadlock)9};
    struct bough_run_options sigint = {.sigint = (enum bough_sigint)9};
    CHECK_EQ(bough_run_with(&io, give, &result), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), ".io");
    CHECK_EQ(bough_run_with(&deadlock, give, &result), -EINVAL);
    CHECK_EQ(bough_run_with(&sigint, give, &result), -EINVAL);
}

TEST(options_are_checked)
{
    int result = 0;
    size_t size = 0;
    struct bough_run_options options = {.stack_size = 1};
    CHECK_EQ(bough_run_with(&options, give, &result), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "16 KiB");
    options.stack_size = 16 * 1024 - 1;
    CHECK_EQ(bough_run_with(&options, give, &result), -EINVAL);
    options.stack_size = SIZE_MAX;
    CHECK_EQ(bough_run_with(&options, give, &result), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "1 TiB");
    options.stack_size = 16 * 1024;
    CHECK_EQ(bough_run_with(&options, note_stack, &size), 0);
    CHECK(size >= 16 * 1024);
    options.stack_size = 0;
    CHECK_EQ(bough_run_with(&options, note_stack, &size), 0);
    CHECK(size >= 64 * 1024);
    options.stack_size = 100000;
    CHECK_EQ(bough_run_with(&options, note_stack, &size), 0);
    CHECK(size >= 100000);
}

static int fill_stack(void *arg)
{
    volatile char *bytes = __builtin_alloca(*(size_t *)arg);
    for (size_t i = 0; i < *(size_t *)arg; i += 512)
        bytes[i] = (char)i;
    return bough_checkpoint();
}

static int start_one_that_fills_its_stack(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fill_stack, arg);
    return rc;
}

TEST(a_larger_stack_can_be_used)
{
    size_t use = 3500 * 1024;
    struct bough_run_options options = {.stack_size = 4 * 1024 * 1024};
    CHECK_EQ(bough_test_run(&options, start_one_that_fills_its_stack, &use), 0);
}

static int check_main_name(void *arg)
{
    CHECK_STR(bough_task_name(NULL), arg);
    return 0;
}

TEST(the_main_task_has_the_name_of_the_options)
{
    struct bough_run_options options = {.name = "chief"};
    CHECK_EQ(bough_test_run(&options, check_main_name, "chief"), 0);
    CHECK_EQ(bough_test_run(NULL, check_main_name, "main"), 0);
}

static int check_driver(void *arg)
{
    CHECK_STR(bough_driver_current()->name, arg);
    return 0;
}

TEST(the_io_driver_comes_from_the_options_or_the_environment)
{
    struct bough_run_options options = {.io = BOUGH_IO_EPOLL};
    setenv("BOUGH_IO", "nonsense", 1);
    CHECK_EQ(bough_run_with(&options, check_driver, "epoll"), 0); /* not asked */
    CHECK_EQ(bough_run(check_driver, "epoll"), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "BOUGH_IO=nonsense");
    setenv("BOUGH_IO", "epoll", 1);
    CHECK_EQ(bough_run(check_driver, "epoll"), 0);
    setenv("BOUGH_IO", "", 1);
    CHECK_EQ(bough_run_with(&options, check_driver, "epoll"), 0);
    CHECK_EQ(bough_test_run(NULL, check_driver, "test kernel"), 0);
}

TEST(a_driver_of_ones_own_is_used_and_not_freed)
{
    struct bough_run_options options = {0};
    CHECK_EQ(bough_test_kernel_open(&options.driver), 0);
    CHECK_EQ(bough_run_with(&options, check_driver, "test kernel"), 0);
    CHECK_EQ(bough_run_with(&options, check_driver, "test kernel"), 0);
    bough_test_kernel_close(options.driver);
}

TEST(without_descriptors_there_is_no_run)
{
    int result = 0;
    struct rlimit before, none = {0, 0};
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = bough_run(give, &result);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_EQ(rc, -EMFILE);
    CHECK_EQ(bough_run(give, &result), 0);
}

static int lowest_free_fd(void)
{
    int fd = dup(0);
    CHECK(fd >= 0);
    close(fd);
    return fd;
}

TEST(a_run_leaves_no_descriptor_behind)
{
    int left = 10, fd = lowest_free_fd();
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(bough_run(give, &left), 10);
        left = 10;
        CHECK_EQ(bough_test_run(NULL, start_and_return, &left), 0);
        CHECK_EQ(lowest_free_fd(), fd);
        left = 10;
    }
}

/* --- outside --- */

#define PANICS_OUTSIDE(name, call)                                                                 \
    TEST_DIES(outside_a_run_##name##_panics, SIGABRT, "outside a run")                             \
    {                                                                                              \
        call;                                                                                      \
    }

static struct bough_nursery nursery;
static struct bough_scope scope;
static struct bough_wait wait_;

PANICS_OUTSIDE(sleep, (void)bough_sleep(BOUGH_SEC))
PANICS_OUTSIDE(sleep_0, (void)bough_sleep(0))
PANICS_OUTSIDE(sleep_forever, (void)bough_sleep_forever())
PANICS_OUTSIDE(checkpoint, (void)bough_checkpoint())
PANICS_OUTSIDE(checkpoint_if_cancelled, (void)bough_checkpoint_if_cancelled())
PANICS_OUTSIDE(shielded_checkpoint, (void)bough_shielded_checkpoint())
PANICS_OUTSIDE(wait, (void)bough_wait(&wait_))
PANICS_OUTSIDE(nursery_open, bough_nursery_open(&nursery))
PANICS_OUTSIDE(nursery_start_soon, (void)bough_nursery_start_soon(&nursery, give, NULL))
PANICS_OUTSIDE(started, bough_started(NULL))
PANICS_OUTSIDE(scope_enter, bough_scope_enter(&scope))
PANICS_OUTSIDE(scope_current, (void)bough_scope_current())
PANICS_OUTSIDE(effective_deadline, (void)bough_effective_deadline())
PANICS_OUTSIDE(task_current, (void)bough_task_current())
PANICS_OUTSIDE(gate_hold, (void)bough_gate_hold())
PANICS_OUTSIDE(run_statistics, bough_run_statistics(&(struct bough_run_stats){0}))
PANICS_OUTSIDE(clock_advance, bough_test_clock_advance(1))
PANICS_OUTSIDE(wait_all_tasks_blocked, (void)bough_wait_all_tasks_blocked())

TEST(outside_a_run_time_and_errors_work_and_there_is_no_tree)
{
    char text[64] = "";
    int64_t before = bough_now();
    CHECK(before > 0 && bough_now() >= before);
    CHECK_EQ(bough_fail(-EIO, "outside"), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "outside");
    FILE *f = fmemopen(text, sizeof(text), "w");
    bough_tree_print(f);
    fclose(f);
    CHECK_STR(text, "no bough run in this thread\n");
}
