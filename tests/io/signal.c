/* Signals as messages.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <bough/signal.h>
#include <pthread.h>
#include <stdatomic.h>

static struct bough_signals *open_for(int a, int b)
{
    struct bough_signals *s = NULL;
    CHECK_EQ(bough_signals_open((const int[]){a, b}, 2, &s), 0);
    return s;
}

static int receive(void *s)
{
    return bough_signals_receive(s);
}

/* How often the program's own handler was called. */
static atomic_int own_calls;

static void own_handler(__attribute__((unused)) int number)
{
    own_calls++;
}

static void install_own(int number)
{
    struct sigaction own = {.sa_handler = own_handler};
    CHECK_EQ(sigaction(number, &own, NULL), 0);
}

/* --- receiving --- */

IO_TEST(a_signal_that_has_come_is_received)
{
    int rc = 0;
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR2);
    CHECK_EQ(bough_signals_receive_nowait(s), -EAGAIN);
    raise(SIGUSR2);
    bough_assert_checkpoints (&rc)
        CHECK_EQ(rc = bough_signals_receive(s), SIGUSR2);
    CHECK_EQ(bough_signals_receive_nowait(s), -EAGAIN);
    bough_signals_close(s);
    return rc;
}

IO_TEST(a_task_that_waits_is_woken_by_it)
{
    struct waiter w = {.call = receive};
    int rc = 0;
    w.object = open_for(SIGUSR1, SIGUSR2);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        raise(SIGUSR1);
    }
    CHECK_EQ(w.rc, SIGUSR1);
    bough_signals_close(w.object);
    return rc;
}

static pid_t start_sender(int number)
{
    pid_t to = getpid(), sender = fork();
    CHECK(sender >= 0);
    if (sender == 0) {
        usleep(50000);
        kill(to, number);
        _exit(0);
    }
    return sender;
}

IO_TEST(a_loop_that_sleeps_in_the_kernel_is_woken_and_this_is_no_deadlock)
{
    struct bough_signals *s = open_for(SIGUSR1, SIGTERM);
    pid_t sender = start_sender(SIGTERM);
    CHECK_EQ(bough_signals_receive(s), SIGTERM);
    CHECK_EQ(waitpid(sender, NULL, 0), sender);
    bough_signals_close(s);
    return 0;
}

IO_TEST(one_that_comes_twice_is_received_once)
{
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR2);
    for (int i = 0; i < 10; i++)
        raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    CHECK_EQ(bough_signals_receive_nowait(s), -EAGAIN);
    raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    bough_signals_close(s);
    return 0;
}

IO_TEST(they_are_received_in_the_order_in_which_they_first_came)
{
    static const int numbers[] = {SIGUSR1, SIGHUP, SIGTERM, SIGUSR2},
                     come[] = {SIGTERM, SIGUSR2, SIGHUP};
    struct bough_signals *s;
    CHECK_EQ(bough_signals_open(numbers, 4, &s), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            raise(come[i]);
        raise(SIGTERM);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_signals_receive(s), come[i]);
        CHECK_EQ(bough_signals_receive_nowait(s), -EAGAIN);
    }
    bough_signals_close(s);
    return 0;
}

IO_TEST(a_busy_one_does_not_starve_another)
{
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR2);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(s), SIGUSR2);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    bough_signals_close(s);
    return 0;
}

IO_TEST(real_time_signals_are_received_too)
{
    if (test_is_emulated())
        test_skip("the emulator keeps real-time signals for itself");
    struct bough_signals *s = open_for(SIGRTMIN, SIGRTMIN + 1);
    raise(SIGRTMIN + 1);
    CHECK_EQ(bough_signals_receive(s), SIGRTMIN + 1);
    bough_signals_close(s);
    return 0;
}

/* --- cancel, close, misuse --- */

IO_TEST(a_cancelled_receive_takes_nothing)
{
    struct waiter w = {.call = receive};
    int rc = 0;
    struct bough_signals *s = w.object = open_for(SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    CHECK_EQ(call_cancelled(receive, s), -ECANCELED);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_scope_cancel(&w.scope, "enough");
        raise(SIGUSR2);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(bough_signals_receive(s), SIGUSR2);
    bough_signals_close(s);
    return rc;
}

IO_TEST(a_signal_beats_a_cancel)
{
    struct waiter w = {.call = receive};
    int rc = 0;
    w.object = open_for(SIGUSR1, SIGUSR2);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        raise(SIGUSR1);
        CHECK_EQ(bough_shielded_checkpoint(), 0);
        bough_scope_cancel(&w.scope, "too late, or not");
    }
    CHECK_EQ(w.next_rc, -ECANCELED);
    if (w.rc != SIGUSR1) {
        CHECK_EQ(w.rc, -ECANCELED);
        CHECK_EQ(bough_signals_receive_nowait(w.object), SIGUSR1);
    }
    bough_signals_close(w.object);
    return rc;
}

IO_TEST(a_second_task_that_receives_is_told_that_it_is_busy)
{
    struct waiter w = {.call = receive};
    int rc = 0;
    struct bough_signals *s = w.object = open_for(SIGUSR1, SIGUSR2);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_signals_receive(s), -EBUSY);
        CHECK_EQ(bough_signals_receive_nowait(s), -EBUSY);
        raise(SIGUSR2);
    }
    CHECK_EQ(w.rc, SIGUSR2);
    bough_signals_close(s);
    return rc;
}

IO_TEST(closing_wakes_who_waits)
{
    struct waiter w = {.call = receive};
    int rc = 0;
    w.object = open_for(SIGUSR1, SIGUSR2);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_signals_close(w.object);
    }
    CHECK_EQ(w.rc, -EBADF);
    CHECK_HAS(w.message, "closed");
    bough_signals_close(NULL);
    return rc;
}

IO_TEST(what_cannot_be_received_is_refused_and_nothing_is_changed)
{
    static const int bad[] = {0,       -1,     65,     1000,   SIGKILL, SIGSTOP,
                              SIGSEGV, SIGBUS, SIGFPE, SIGILL, 32};
    struct sigaction now;
    struct bough_signals *s = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_EQ(bough_signals_open((const int[]){SIGUSR1, bad[i]}, 2, &s), -EINVAL);
        CHECK(!s);
        CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
        CHECK(now.sa_handler == SIG_DFL);
    }
    CHECK_EQ(bough_signals_open(bad, 0, &s), -EINVAL);
    CHECK_EQ(bough_signals_open((const int[]){SIGKILL}, 1, &s), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "SIGKILL");
    return 0;
}

IO_TEST(the_same_number_twice_is_once)
{
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    CHECK_EQ(bough_signals_receive_nowait(s), -EAGAIN);
    bough_signals_close(s);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    return 0;
}

/* --- the edges --- */

IO_TEST(afterwards_the_old_handler_is_in_place_again)
{
    install_own(SIGUSR1);
    bough_signals_close(open_for(SIGUSR1, SIGUSR2));
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 1);
    return 0;
}

IO_TEST(what_was_not_received_goes_to_the_old_handler_once)
{
    install_own(SIGUSR1);
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 0);
    bough_signals_close(s);
    CHECK_EQ(own_calls, 1);
    CHECK_EQ(bough_checkpoint(), 0); /* the loop had been told of it */
    CHECK_EQ(own_calls, 1);
    return 0;
}

IO_TEST(what_was_received_does_not)
{
    install_own(SIGUSR1);
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(s), SIGUSR1);
    bough_signals_close(s);
    CHECK_EQ(own_calls, 0);
    return 0;
}

static int leave_one_unreceived(__attribute__((unused)) void *arg)
{
    struct bough_signals *s = open_for(SIGTERM, SIGUSR2);
    raise(SIGTERM);
    CHECK_EQ(bough_checkpoint(), 0);
    fprintf(stderr, "not dead yet\n");
    bough_signals_close(s);
    return 0;
}

TEST_DIES(a_sigterm_that_nobody_received_still_kills, SIGTERM, "not dead yet")
{
    (void)bough_test_run(NULL, leave_one_unreceived, NULL);
}

IO_TEST(an_action_that_the_program_sets_meanwhile_stays)
{
    struct bough_signals *s = open_for(SIGUSR1, SIGUSR2);
    install_own(SIGUSR1);
    bough_signals_close(s);
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 1);
    return 0;
}

/* --- several receivers --- */

IO_TEST(each_of_several_receivers_sees_it)
{
    install_own(SIGUSR1);
    struct bough_signals *a = open_for(SIGUSR1, SIGUSR2), *b = open_for(SIGHUP, SIGUSR1);
    raise(SIGUSR1);
    raise(SIGHUP);
    CHECK_EQ(bough_signals_receive(a), SIGUSR1);
    CHECK_EQ(bough_signals_receive_nowait(a), -EAGAIN);
    CHECK_EQ(bough_signals_receive(b), SIGUSR1);
    CHECK_EQ(bough_signals_receive(b), SIGHUP);
    bough_signals_close(a);
    raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(b), SIGUSR1);
    bough_signals_close(b);
    CHECK_EQ(own_calls, 0);
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 1);
    return 0;
}

IO_TEST(one_that_another_receiver_has_received_is_not_lost_and_not_raised_again)
{
    install_own(SIGUSR1);
    struct bough_signals *a = open_for(SIGUSR1, SIGUSR2), *b = open_for(SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    CHECK_EQ(bough_signals_receive(a), SIGUSR1);
    bough_signals_close(a);
    bough_signals_close(b);
    CHECK_EQ(own_calls, 0);
    return 0;
}

IO_TEST(one_that_no_receiver_has_received_is_raised_when_the_last_one_closes)
{
    install_own(SIGUSR1);
    struct bough_signals *a = open_for(SIGUSR1, SIGUSR2), *b = open_for(SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    bough_signals_close(b);
    CHECK_EQ(own_calls, 0);
    bough_signals_close(a);
    CHECK_EQ(own_calls, 1);
    return 0;
}

/* --- SIGINT --- */

static bool sigint_is_the_runs(void)
{
    struct sigaction now;
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    return now.sa_handler != SIG_DFL;
}

IO_TEST(while_a_receiver_has_sigint_nothing_is_cancelled)
{
    struct bough_signals *s = open_for(SIGINT, SIGUSR2);
    raise(SIGINT);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_signals_receive(s), SIGINT);
    raise(SIGINT); /* which would have killed us */
    CHECK_EQ(bough_signals_receive(s), SIGINT);
    bough_signals_close(s);
    CHECK(sigint_is_the_runs());
    return 0;
}

static int interrupt_after_receiver(__attribute__((unused)) void *arg)
{
    struct bough_signals *s = open_for(SIGINT, SIGUSR2);
    raise(SIGINT);
    CHECK_EQ(bough_signals_receive(s), SIGINT);
    bough_signals_close(s);
    raise(SIGINT);
    return bough_sleep_forever();
}

TEST(afterwards_sigint_cancels_the_main_task_as_before)
{
    CHECK_EQ(bough_test_run(NULL, interrupt_after_receiver, NULL), -EINTR);
    CHECK(!sigint_is_the_runs());
}

static int leave_sigint_unreceived(__attribute__((unused)) void *arg)
{
    struct bough_signals *s = open_for(SIGINT, SIGUSR2);
    raise(SIGINT);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_signals_close(s);
    return bough_sleep_forever();
}

TEST(a_sigint_that_was_not_received_cancels_it_then)
{
    CHECK_EQ(bough_test_run(NULL, leave_sigint_unreceived, NULL), -EINTR);
}

/* --- the block --- */

IO_TEST(a_block_opens_and_closes)
{
    int rc = 0;
    bough_with_signals (s, &rc, SIGUSR1, SIGUSR2) {
        raise(SIGUSR2);
        rc = bough_signals_receive(s);
    }
    CHECK_EQ(rc, SIGUSR2);
    bough_with_signals (s, &rc, SIGUSR1) {
        rc = 7;
        break;
    }
    CHECK_EQ(rc, 7);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    return 0;
}

IO_TEST(a_block_that_cannot_open_does_not_run)
{
    int rc = 0;
    bough_with_signals (s, &rc, SIGUSR1, SIGKILL)
        CHECK(!"reached");
    CHECK_EQ(rc, -EINVAL);
    return 0;
}

static int leave_by_return(void)
{
    int rc = 0;
    bough_with_signals (s, &rc, SIGUSR1)
        return 5;
    return rc;
}

IO_TEST(a_block_that_is_left_by_return_is_closed)
{
    install_own(SIGUSR1);
    CHECK_EQ(leave_by_return(), 5);
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 1);
    return 0;
}

/* --- threads --- */

struct in_thread {
    bool ready; /* atomic */
    int rc;
};

static int receive_in_thread(void *arg)
{
    struct in_thread *t = arg;
    int rc = 0;
    bough_with_signals (s, &rc, SIGUSR1) {
        __atomic_store_n(&t->ready, true, __ATOMIC_RELEASE);
        rc = bough_signals_receive(s);
    }
    return rc;
}

static void *thread_main(void *arg)
{
    struct in_thread *t = arg;
    t->rc = bough_run(receive_in_thread, t);
    return NULL;
}

TEST(runs_in_several_threads_see_the_same_signal)
{
    struct in_thread in[3] = {{0}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, thread_main, &in[i]), 0);
    for (int i = 0; i < 3; i++)
        while (!__atomic_load_n(&in[i].ready, __ATOMIC_ACQUIRE))
            usleep(1000);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(in[i].rc, SIGUSR1);
    }
}

#define DISABLED_STACK "Valgrind delivers on signal stacks that were disabled, which are gone"

static bool storm_over; /* atomic */

static void *storm(__attribute__((unused)) void *arg)
{
    while (!__atomic_load_n(&storm_over, __ATOMIC_ACQUIRE)) {
        kill(getpid(), SIGUSR1);
        usleep(20);
    }
    return NULL;
}

static int open_and_close_much(__attribute__((unused)) void *arg)
{
    for (int i = 0; i < test_scale(1000); i++) {
        int rc = 0;
        bough_with_signals (s, &rc, SIGUSR1, SIGUSR2)
            rc = i % 3 ? bough_signals_receive(s) : bough_checkpoint();
        CHECK(rc >= 0);
    }
    return 0;
}

static void *open_and_close_in_thread(__attribute__((unused)) void *arg)
{
    CHECK_EQ(bough_run(open_and_close_much, NULL), 0);
    return NULL;
}

TEST(receivers_that_come_and_go_in_a_storm_of_signals)
{
    pthread_t threads[3];
    if (test_on_valgrind())
        test_skip(DISABLED_STACK);
    install_own(SIGUSR1);
    CHECK_EQ(pthread_create(&threads[0], NULL, storm, NULL), 0);
    for (int i = 1; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, open_and_close_in_thread, NULL), 0);
    (void)open_and_close_in_thread(NULL);
    for (int i = 1; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    __atomic_store_n(&storm_over, true, __ATOMIC_RELEASE);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    int before = own_calls;
    raise(SIGUSR1);
    CHECK(own_calls > before);
}

/* --- no signal is lost or counted twice while receivers change --- */

static int count_edges(void *arg)
{
    int *received = arg;
    for (int i = 0; i < test_scale(2000); i++) {
        struct bough_signals *s = open_for(SIGUSR1, SIGUSR1);
        raise(SIGUSR1);
        if (i % 2) {
            CHECK_EQ(bough_signals_receive(s), SIGUSR1);
            ++*received;
        }
        bough_signals_close(s);
        CHECK_EQ(own_calls + *received, i + 1);
    }
    return 0;
}

TEST(every_signal_is_received_or_raised_again)
{
    int received = 0;
    install_own(SIGUSR1);
    CHECK_EQ(bough_run(count_edges, &received), 0);
}

/* --- faults --- */

static int open_and_receive(__attribute__((unused)) void *arg)
{
    struct bough_signals *s;
    int rc = bough_signals_open((const int[]){SIGUSR1, SIGUSR2}, 2, &s);
    if (rc < 0)
        return rc;
    raise(SIGUSR2);
    CHECK_EQ(bough_signals_receive(s), SIGUSR2);
    bough_signals_close(s);
    return 0;
}

TEST(faults_leave_nothing_behind)
{
    struct sigaction now;
    if (test_on_valgrind())
        test_skip(DISABLED_STACK);
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, open_and_receive, NULL) >= 1);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, open_and_receive, NULL) >= 2);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
}

TEST(signals_have_names)
{
    CHECK_STR(bough_signal_name(SIGTERM), "SIGTERM");
    CHECK_STR(bough_signal_name(SIGPWR), "SIGPWR");
    CHECK_STR(bough_signal_name(0), "a signal without a name");
    CHECK_STR(bough_signal_name(-1), "a signal without a name");
    CHECK_STR(bough_signal_name(64), "a signal without a name");
}
