/* Deadlock: no task can ever run again.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <pthread.h>
#include <unistd.h>

#include <bough/panic.h>

static int wait_in_vain(__attribute__((unused)) void *arg)
{
    bough_task_set_name("vain");
    return bough_sleep_forever();
}

static int two_wait(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, wait_in_vain, NULL), 0);
        rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
        CHECK_EQ(bough_scope_reason_kind(bough_scope_current()), BOUGH_CANCEL_DEADLOCK);
        /* The reason has the picture. */
        CHECK_HAS(bough_scope_reason(bough_scope_current()), "no task can ever run again");
        CHECK_HAS(bough_scope_reason(bough_scope_current()), "vain");
    }
    return rc;
}

TEST(a_deadlock_is_edeadlk_with_the_tree_in_its_message)
{
    CHECK_EQ(bough_test_run(NULL, two_wait, NULL), -EDEADLK);
    const char *message = bough_error_message(bough_error_last());
    CHECK_HAS(message, "main");
    CHECK_HAS(message, "vain");
    CHECK_HAS(message, "sleep forever");
    CHECK_HAS(message, "deadlock.c:");
}

TEST(the_real_driver_knows_too)
{
    CHECK_EQ(bough_run(two_wait, NULL), -EDEADLK);
    CHECK_HAS(bough_error_message(bough_error_last()), "vain");
}

static int only_main(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

TEST(a_main_task_alone_can_be_deadlocked)
{
    CHECK_EQ(bough_test_run(NULL, only_main, NULL), -EDEADLK);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
}

static int swallow(__attribute__((unused)) void *arg)
{
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    return 0;
}

TEST(it_is_edeadlk_also_if_the_main_task_ends_well)
{
    CHECK_EQ(bough_test_run(NULL, swallow, NULL), -EDEADLK);
}

static int fail_in_cleanup(__attribute__((unused)) void *arg)
{
    (void)bough_sleep_forever();
    return bough_fail(-EIO, "cleanup");
}

TEST(an_error_of_the_cleanup_is_kept_beside_it)
{
    CHECK_EQ(bough_test_run(NULL, fail_in_cleanup, NULL), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -EDEADLK), 1);
}

static int sleep_in_cleanup(void *arg)
{
    int rc = bough_sleep_forever();
    bough_shielded (BOUGH_MINUTE, &rc)
        (void)bough_sleep(BOUGH_SEC);
    *(int64_t *)arg = bough_now();
    return rc;
}

TEST(after_a_deadlock_cleanup_may_take_its_time)
{
    int64_t ended = 0;
    CHECK_EQ(bough_test_run(NULL, sleep_in_cleanup, &ended), -EDEADLK);
    CHECK_EQ(ended, BOUGH_SEC);
}

static int stuck_in_a_shield(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep_forever();
    return rc;
}

TEST_DIES(one_that_a_shield_keeps_from_ending_panics_and_does_not_hang, SIGABRT,
          "is it in a shield?")
{
    (void)bough_test_run(NULL, stuck_in_a_shield, NULL);
}

static int wait_for_place(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc, .limit = 1) {
        CHECK_EQ(bough_nursery_start_soon(n, wait_in_vain, NULL), 0);
        rc = bough_nursery_start_soon(n, wait_in_vain, NULL);
        CHECK_EQ(rc, -ECANCELED);
    }
    return rc;
}

TEST(waiting_for_a_place_in_a_nursery_can_deadlock)
{
    CHECK_EQ(bough_test_run(NULL, wait_for_place, NULL), -EDEADLK);
    CHECK_HAS(bough_error_message(bough_error_last()), "a free place in a nursery");
}

static int start_in_vain(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start(n, wait_in_vain, NULL, NULL);
    return rc;
}

TEST(so_can_waiting_for_a_start)
{
    CHECK_EQ(bough_test_run(NULL, start_in_vain, NULL), -EDEADLK);
}

TEST(two_deadlocks_in_a_row_are_two_runs)
{
    CHECK_EQ(bough_test_run(NULL, only_main, NULL), -EDEADLK);
    CHECK_EQ(bough_test_run(NULL, only_main, NULL), -EDEADLK);
}

/* --- what is no deadlock --- */

static int wait_with_deadline(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_move_on_after (BOUGH_MINUTE, &rc)
        rc = bough_sleep_forever();
    return rc;
}

TEST(a_deadline_is_a_way_out)
{
    CHECK_EQ(bough_test_run(NULL, wait_with_deadline, NULL), 0);
}

struct fd_wait {
    struct bough_wait wait;
    int fd;
};

static bool leave_fd(struct bough_wait *wait)
{
    struct bough_driver *driver = bough_driver_current();
    driver->unwatch(driver, bough_container_of(wait, struct fd_wait, wait)->fd, BOUGH_READABLE);
    return true;
}

static int wait_for_pipe(void *arg)
{
    struct bough_driver *driver = bough_driver_current();
    struct fd_wait wait = {.wait = {.abort = leave_fd, .what = "a pipe"}, .fd = *(int *)arg};
    CHECK_EQ(driver->watch(driver, wait.fd, BOUGH_READABLE, &wait.wait), 0);
    return bough_wait(&wait.wait);
}

static void *write_soon(void *arg)
{
    usleep(20000);
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

TEST(a_watched_descriptor_is_a_way_out)
{
    int ends[2];
    pthread_t thread;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(pthread_create(&thread, NULL, write_soon, &ends[1]), 0);
    CHECK_EQ(bough_test_run(NULL, wait_for_pipe, &ends[0]), 0);
    pthread_join(thread, NULL);
}

struct guest {
    struct bough_entry entry;
    struct bough_gate *gate;
    struct bough_wait wait;
    bool release_only;
};

static void wake_guest(struct bough_entry *entry)
{
    bough_wake(&bough_container_of(entry, struct guest, entry)->wait, 0);
}

static void *call_in(void *arg)
{
    struct guest *guest = arg;
    usleep(20000);
    if (!guest->release_only)
        CHECK_EQ(bough_enter(guest->gate, &guest->entry), 0);
    bough_gate_release(guest->gate);
    return NULL;
}

static int wait_for_thread(void *arg)
{
    struct guest *guest = arg;
    pthread_t thread;
    guest->gate = bough_gate_hold();
    guest->entry.fn = wake_guest;
    guest->wait = (struct bough_wait){.abort = bough_wait_leave, .what = "a thread"};
    CHECK_EQ(pthread_create(&thread, NULL, call_in, guest), 0);
    int rc = bough_wait(&guest->wait);
    pthread_join(thread, NULL);
    return rc;
}

TEST(a_held_gate_is_a_way_out)
{
    struct guest guest = {0};
    CHECK_EQ(bough_test_run(NULL, wait_for_thread, &guest), 0);
    guest = (struct guest){0};
    CHECK_EQ(bough_run(wait_for_thread, &guest), 0);
}

TEST(when_the_last_one_lets_go_of_the_gate_it_is_a_deadlock)
{
    struct guest guest = {.release_only = true};
    CHECK_EQ(bough_test_run(NULL, wait_for_thread, &guest), -EDEADLK);
    CHECK_HAS(bough_error_message(bough_error_last()), "a thread");
    guest = (struct guest){.release_only = true};
    CHECK_EQ(bough_run(wait_for_thread, &guest), -EDEADLK);
}

/* --- the other policies --- */

TEST_DIES(the_policy_panic_aborts_with_the_tree, SIGABRT, "deadlock: no task can ever run again")
{
    struct bough_run_options options = {.deadlock = BOUGH_DEADLOCK_PANIC};
    (void)bough_test_run(&options, two_wait, NULL);
}

TEST_DIES(and_the_tree_is_there, SIGABRT, "vain")
{
    struct bough_run_options options = {.deadlock = BOUGH_DEADLOCK_PANIC};
    (void)bough_test_run(&options, two_wait, NULL);
}

static struct bough_gate *unheld;

static void *call_in_unheld(void *arg)
{
    struct guest *guest = arg;
    usleep(20000);
    CHECK_EQ(bough_enter(unheld, &guest->entry), 0);
    return NULL;
}

static int wait_for_anybody(void *arg)
{
    struct guest *guest = arg;
    pthread_t thread;
    unheld = bough_gate_hold();
    bough_gate_release(unheld); /* the run holds it still */
    guest->entry.fn = wake_guest;
    guest->wait = (struct bough_wait){.abort = bough_wait_leave, .what = "anybody"};
    CHECK_EQ(pthread_create(&thread, NULL, call_in_unheld, guest), 0);
    int rc = bough_wait(&guest->wait);
    pthread_join(thread, NULL);
    return rc;
}

TEST(the_policy_wait_sleeps_until_somebody_calls_in)
{
    struct bough_run_options options = {.deadlock = BOUGH_DEADLOCK_WAIT};
    struct guest guest = {0};
    CHECK_EQ(bough_run_with(&options, wait_for_anybody, &guest), 0);
    guest = (struct guest){0};
    CHECK_EQ(bough_test_run(&options, wait_for_anybody, &guest), 0);
}
