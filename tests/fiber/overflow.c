/* Stack overflow: dies of SIGSEGV and says whose stack it was.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <pthread.h>
#include <unistd.h>

static void skip_where_it_cannot_work(void)
{
    if (test_is_sanitized() || test_on_valgrind() || test_is_emulated())
        test_skip("here faults go to somebody else first");
}

/* Deep, without large frames. */
__attribute__((noinline)) static int recurse(volatile int *depth)
{
    volatile char frame[200];
    frame[0] = (char)++*depth;
    if (*depth < 0)
        return 0;
    int below = recurse(depth);
    return below + frame[0];
}

static int greedy_task(__attribute__((unused)) void *arg)
{
    volatile int depth = 0;
    return recurse(&depth);
}

static int start_greedy(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, greedy_task, NULL);
    return rc;
}

TEST_DIES(an_overflow_dies_of_sigsegv_and_names_the_task, SIGSEGV, "bough: task greedy_task")
{
    skip_where_it_cannot_work();
    (void)bough_test_run(NULL, start_greedy, NULL);
}

TEST_DIES(it_names_the_size_of_the_stack, SIGSEGV, "overflowed its stack of ")
{
    skip_where_it_cannot_work();
    (void)bough_run(start_greedy, NULL);
}

static void *run_in_thread(__attribute__((unused)) void *arg)
{
    (void)bough_run(start_greedy, NULL);
    return NULL;
}

TEST_DIES(in_another_thread_too, SIGSEGV, "bough: task greedy_task")
{
    pthread_t thread;
    skip_where_it_cannot_work();
    CHECK_EQ(pthread_create(&thread, NULL, run_in_thread, NULL), 0);
    pthread_join(thread, NULL);
}

static int nothing(__attribute__((unused)) void *arg)
{
    return bough_checkpoint();
}

TEST_DIES(in_a_second_run_too, SIGSEGV, "bough: task greedy_task")
{
    skip_where_it_cannot_work();
    CHECK_EQ(bough_run(nothing, NULL), 0);
    (void)bough_run(start_greedy, NULL);
}

/* --- what is none of ours --- */

static volatile int *volatile nowhere;

static int touch_nothing(__attribute__((unused)) void *arg)
{
    return *nowhere;
}

static int start_wild(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, touch_nothing, NULL);
    return rc;
}

static void previous_handler(int number)
{
    static const char text[] = "Segmentation of mine\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    signal(number, SIG_DFL);
}

TEST_DIES(a_fault_elsewhere_goes_to_the_handler_that_was_there, SIGSEGV, "Segmentation of mine")
{
    skip_where_it_cannot_work();
    struct sigaction ours = {.sa_handler = previous_handler, .sa_flags = SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &ours, NULL), 0);
    (void)bough_run(start_wild, NULL);
}

static int sent_to_us(void *arg)
{
    (void)arg;
    kill(getpid(), SIGSEGV);
    return 0;
}

TEST_DIES(one_that_was_sent_kills_too, SIGSEGV, "")
{
    (void)!bough_run(sent_to_us, NULL);
}

TEST_DIES(without_one_it_just_dies, SIGSEGV, "")
{
    (void)bough_run(start_wild, NULL);
}

TEST(a_run_takes_its_signal_stack_back_and_leaves_another_alone)
{
    if (test_is_sanitized())
        test_skip("the sanitizer has a signal stack of its own");
    stack_t before, after, ours = {.ss_size = 64 * 1024};
    ours.ss_sp = malloc(ours.ss_size);
    CHECK_EQ(sigaltstack(NULL, &before), 0);
    CHECK_EQ(bough_run(nothing, NULL), 0);
    CHECK_EQ(sigaltstack(NULL, &after), 0);
    CHECK_EQ(after.ss_flags & SS_DISABLE, before.ss_flags & SS_DISABLE);
    CHECK_EQ(sigaltstack(&ours, NULL), 0);
    CHECK_EQ(bough_run(nothing, NULL), 0);
    CHECK_EQ(sigaltstack(NULL, &after), 0);
    CHECK(after.ss_sp == ours.ss_sp);
    ours.ss_flags = SS_DISABLE;
    CHECK_EQ(sigaltstack(&ours, NULL), 0);
    free(ours.ss_sp);
}

/* --- the program's own handlers and stacks --- */

static volatile int signals;

static int raise_it(__attribute__((unused)) void *arg)
{
    CHECK_EQ(raise(SIGUSR1), 0);
    return 0;
}

static int set_signal_stack(void *arg)
{
    const stack_t *stack = arg;
    CHECK_EQ(sigaltstack(stack, NULL), 0);
    return 0;
}

static void count_signal(__attribute__((unused)) int number)
{
    volatile char frame[4096];
    frame[0] = 1;
    signals += frame[0];
}

TEST(a_handler_that_asks_for_a_signal_stack_runs_in_a_run_and_after_it)
{
    struct sigaction ours = {.sa_handler = count_signal, .sa_flags = SA_ONSTACK};
    CHECK_EQ(sigaction(SIGUSR1, &ours, NULL), 0);
    CHECK_EQ(bough_run(raise_it, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(signals, 2);
}

TEST(a_signal_stack_that_came_during_a_run_stays)
{
    stack_t after, ours = {.ss_size = 64 * 1024};
    ours.ss_sp = malloc(ours.ss_size);
    CHECK_EQ(bough_run(set_signal_stack, &ours), 0);
    CHECK_EQ(sigaltstack(NULL, &after), 0);
    CHECK(after.ss_sp == ours.ss_sp);
    CHECK_EQ(after.ss_flags & SS_DISABLE, 0);
    ours.ss_flags = SS_DISABLE;
    CHECK_EQ(sigaltstack(&ours, NULL), 0);
    free(ours.ss_sp);
}

/* --- guests: two runs in a thread --- */

static int wait_for_flag(void *arg)
{
    const bool *flag = arg;
    int rc = 0;
    while (rc == 0 && !*flag)
        rc = bough_sleep(BOUGH_MS);
    return rc;
}

TEST(of_two_guests_the_last_takes_the_signal_stack_back)
{
    if (test_is_sanitized() || test_on_valgrind())
        test_skip("here faults go to somebody else first");
    struct bough_guest *first, *second;
    bool flags[2] = {false, false};
    stack_t now;
    CHECK_EQ(bough_guest_start(NULL, wait_for_flag, &flags[0], &first), 0);
    CHECK_EQ(bough_guest_start(NULL, wait_for_flag, &flags[1], &second), 0);
    CHECK(bough_guest_step(first));
    CHECK(bough_guest_step(second));
    flags[0] = true;
    while (bough_guest_step(first))
        ;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK_EQ(now.ss_flags & SS_DISABLE, 0);
    flags[1] = true;
    while (bough_guest_step(second))
        ;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK_EQ(now.ss_flags & SS_DISABLE, SS_DISABLE);
    CHECK_EQ(bough_guest_finish(first), 0);
    CHECK_EQ(bough_guest_finish(second), 0);
}
