/* Ctrl-C.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int interrupt_oneself(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    int rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(bough_now(), 0);
    CHECK_EQ(bough_scope_reason_kind(bough_scope_current()), BOUGH_CANCEL_SIGINT);
    CHECK_STR(bough_scope_reason(bough_scope_current()), "SIGINT");
    return rc;
}

TEST(sigint_cancels_the_main_task_and_the_run_returns_eintr)
{
    CHECK_EQ(bough_test_run(NULL, interrupt_oneself, NULL), -EINTR);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "SIGINT");
}

static int note_end(void *arg)
{
    *(int *)arg = bough_sleep_forever();
    return *(int *)arg;
}

static int interrupt_from_a_child(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    return bough_checkpoint();
}

static int with_children(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_end, arg), 0);
        rc = bough_nursery_start_soon(n, interrupt_from_a_child, NULL);
    }
    return rc;
}

TEST(every_task_below_is_cancelled)
{
    int child = 1;
    CHECK_EQ(bough_test_run(NULL, with_children, &child), -EINTR);
    CHECK_EQ(child, -ECANCELED);
}

static int loop_until_cancelled(void *arg)
{
    int rc;
    raise(SIGINT);
    while ((rc = bough_pass()) == 0)
        ++*(int *)arg;
    return rc;
}

TEST(a_main_task_that_never_waits_notices)
{
    int turns = 0;
    CHECK_EQ(bough_test_run(NULL, loop_until_cancelled, &turns), -EINTR);
    CHECK(turns < 1000);
}

static int end_well_anyway(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    (void)bough_checkpoint();
    return 7;
}

TEST(the_run_returns_eintr_also_if_the_main_task_ended_well)
{
    CHECK_EQ(bough_test_run(NULL, end_well_anyway, NULL), -EINTR);
}

static int fail_in_cleanup(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    (void)bough_sleep_forever();
    return bough_fail(-EIO, "cleanup");
}

TEST(an_error_of_the_cleanup_is_kept_beside_it)
{
    CHECK_EQ(bough_test_run(NULL, fail_in_cleanup, NULL), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -EINTR), 1);
}

/* Another process that sends SIGINT to this one. */
static pid_t start_sender(void)
{
    pid_t to = getpid(), sender = fork();
    CHECK(sender >= 0);
    if (sender == 0) {
        usleep(50000);
        kill(to, SIGINT);
        _exit(0);
    }
    return sender;
}

static int wait_for_sender(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_fail_after (20 * BOUGH_SEC, &rc)
        rc = bough_sleep_forever();
    return rc;
}

TEST(a_loop_that_sleeps_in_the_kernel_is_woken_by_a_signal_from_another_process)
{
    pid_t sender = start_sender();
    int64_t before = bough_now();
    CHECK_EQ(bough_run(wait_for_sender, NULL), -EINTR);
    CHECK(bough_now() - before < 15 * BOUGH_SEC);
    CHECK_EQ(waitpid(sender, NULL, 0), sender);
}

static void *just_wait(__attribute__((unused)) void *arg)
{
    for (;;)
        pause();
    return NULL;
}

TEST(also_when_the_signal_hits_another_thread)
{
    pthread_t thread;
    sigset_t set;
    CHECK_EQ(pthread_create(&thread, NULL, just_wait, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    pid_t sender = start_sender();
    CHECK_EQ(bough_run(wait_for_sender, NULL), -EINTR);
    CHECK_EQ(waitpid(sender, NULL, 0), sender);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static int ignore_cancels(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    fprintf(stderr, "got the first one\n");
    raise(SIGINT);
    return 0;
}

TEST_DIES(a_second_one_kills, SIGINT, "got the first one")
{
    (void)bough_test_run(NULL, ignore_cancels, NULL);
}

TEST_DIES(after_the_run_sigint_kills_again, SIGINT, "the run is over")
{
    CHECK_EQ(bough_test_run(NULL, wait_for_sender, NULL), -ETIMEDOUT);
    fprintf(stderr, "the run is over\n");
    raise(SIGINT);
}

TEST_DIES(after_an_interrupted_run_too, SIGINT, "the run is over")
{
    CHECK_EQ(bough_test_run(NULL, interrupt_oneself, NULL), -EINTR);
    fprintf(stderr, "the run is over\n");
    raise(SIGINT);
}

TEST(a_second_run_can_be_interrupted_like_the_first)
{
    CHECK_EQ(bough_test_run(NULL, interrupt_oneself, NULL), -EINTR);
    CHECK_EQ(bough_test_run(NULL, interrupt_oneself, NULL), -EINTR);
}

static int interrupt_at_the_very_end(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    return 7;
}

TEST(one_that_comes_after_the_last_checkpoint_does_no_harm)
{
    int rc = bough_test_run(NULL, interrupt_at_the_very_end, NULL);
    CHECK(rc == 7 || rc == -EINTR);
    CHECK_EQ(bough_test_run(NULL, interrupt_oneself, NULL), -EINTR);
}

/* --- whose business it is --- */

static int do_not_care(__attribute__((unused)) void *arg)
{
    struct sigaction now;
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    fprintf(stderr, "left alone\n");
    raise(SIGINT);
    return 0;
}

TEST_DIES(the_option_leave_leaves_it_alone, SIGINT, "left alone")
{
    struct bough_run_options options = {.sigint = BOUGH_SIGINT_LEAVE};
    (void)bough_test_run(&options, do_not_care, NULL);
}

static volatile sig_atomic_t caught;

static void catch_it(__attribute__((unused)) int signal)
{
    caught++;
}

static int raise_and_go_on(__attribute__((unused)) void *arg)
{
    raise(SIGINT);
    return bough_checkpoint();
}

TEST(a_handler_that_was_there_stays)
{
    struct sigaction ours = {.sa_handler = catch_it}, now;
    CHECK_EQ(sigaction(SIGINT, &ours, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, raise_and_go_on, NULL), 0);
    CHECK_EQ(caught, 1);
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_handler == catch_it);
}

TEST(so_does_an_ignored_one)
{
    struct sigaction ours = {.sa_handler = SIG_IGN};
    CHECK_EQ(sigaction(SIGINT, &ours, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, raise_and_go_on, NULL), 0);
}

static int handler_is_default(__attribute__((unused)) void *arg)
{
    struct sigaction now;
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    return now.sa_handler == SIG_DFL ? 0 : -EIO;
}

static void *run_quietly(__attribute__((unused)) void *arg)
{
    CHECK_EQ(bough_test_run(NULL, handler_is_default, NULL), 0);
    return NULL;
}

TEST(only_the_run_of_the_main_thread_takes_it)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, run_quietly, NULL), 0);
    pthread_join(thread, NULL);
}
