/* The test kernel and its clock.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

TASK_TEST(the_clock_starts_at_0_and_stands_still_while_tasks_run)
{
    CHECK_EQ(bough_now(), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_now(), 0);
    return 0;
}

TASK_TEST(it_jumps_to_the_next_deadline_when_all_are_blocked)
{
    CHECK_EQ(bough_sleep(365 * 24 * 60 * BOUGH_MINUTE), 0);
    CHECK_EQ(bough_now(), 365 * 24 * 60 * BOUGH_MINUTE);
    return 0;
}

static int sleep_and_log(void *arg)
{
    int64_t *time = arg;
    int rc = bough_sleep(time[0]);
    time[1] = bough_now();
    return rc;
}

TASK_TEST(every_sleeper_wakes_at_its_own_time)
{
    int rc = 0;
    int64_t times[50][2];
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 50; i++) {
            times[i][0] = (int64_t)(i * 37 % 50) * BOUGH_MS;
            CHECK_EQ(bough_nursery_start_soon(n, sleep_and_log, times[i]), 0);
        }
    for (int i = 0; i < 50; i++)
        CHECK_EQ(times[i][1], times[i][0]);
    return rc;
}

static int take_no_real_time(__attribute__((unused)) void *arg)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
    return 0;
}

TEST(virtual_time_takes_no_real_time)
{
    int64_t before = bough_now();
    CHECK_EQ(bough_test_run(NULL, take_no_real_time, NULL), 0);
    CHECK(bough_now() - before < 20 * BOUGH_SEC);
}

TEST(each_run_has_a_clock_of_its_own)
{
    CHECK_EQ(bough_test_run(NULL, take_no_real_time, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, take_no_real_time, NULL), 0);
}

TASK_TEST(advancing_the_clock_fires_what_is_due_before_the_next_pass)
{
    int rc = 0;
    int64_t time[2] = {BOUGH_SEC, -1};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleep_and_log, time), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_assert_no_checkpoints (&rc)
            bough_test_clock_advance(5 * BOUGH_SEC);
        CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
        CHECK_EQ(time[1], -1);
        CHECK_EQ(bough_checkpoint(), 0); /* the pass in which it runs, after us */
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(time[1], 5 * BOUGH_SEC); /* late, never early */
    }
    return rc;
}

TASK_TEST(advancing_saturates)
{
    bough_test_clock_advance(BOUGH_NEVER - 5);
    bough_test_clock_advance(100);
    CHECK_EQ(bough_now(), BOUGH_NEVER);
    return 0;
}

TEST_PANICS(time_does_not_go_back, "time does not go back")
{
    bough_test_clock_advance(-1);
    return 0;
}

static int advance(__attribute__((unused)) void *arg)
{
    bough_test_clock_advance(1);
    return 0;
}

TEST_DIES(the_real_clock_cannot_be_set, SIGABRT, "this is for bough_test_run()")
{
    (void)bough_run(advance, NULL);
}

static int advance_later(void *arg)
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(*(int64_t *)arg, -1);
    }
    bough_test_clock_advance(BOUGH_MINUTE);
    return 0;
}

TASK_TEST(without_autojump_the_clock_moves_only_when_told)
{
    int rc = 0;
    int64_t time[2] = {BOUGH_SEC, -1};
    bough_test_clock_autojump(false);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleep_and_log, time), 0);
        CHECK_EQ(bough_nursery_start_soon(n, advance_later, &time[1]), 0);
    }
    CHECK_EQ(time[1], BOUGH_MINUTE);
    bough_test_clock_autojump(true);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK_EQ(bough_now(), BOUGH_MINUTE + BOUGH_SEC);
    return rc;
}

/* --- the world outside --- */

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

static int wait_for_fd(int fd)
{
    struct bough_driver *driver = bough_driver_current();
    struct fd_wait wait = {.wait = {.abort = leave_fd, .what = "a pipe"}, .fd = fd};
    int rc = driver->watch(driver, fd, BOUGH_READABLE, &wait.wait);
    return rc == 0 ? bough_wait(&wait.wait) : rc;
}

static int note_readable(void *arg)
{
    int64_t *note = arg;
    int rc = wait_for_fd((int)note[0]);
    note[1] = bough_now();
    return rc;
}

TASK_TEST(what_is_ready_comes_before_a_jump)
{
    int rc = 0, ends[2];
    CHECK_EQ(pipe(ends), 0);
    int64_t note[2] = {ends[0], -1};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_readable, note), 0);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(note[1], -1);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        rc = bough_sleep(BOUGH_SEC);
    }
    CHECK_EQ(note[1], BOUGH_SEC);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_wait_for_a_descriptor_can_be_cancelled)
{
    int rc = 0, ends[2];
    struct bough_run_stats stats;
    CHECK_EQ(pipe(ends), 0);
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = wait_for_fd(ends[0]);
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), BOUGH_SEC);
    bough_run_statistics(&stats);
    CHECK_EQ(stats.watched, 0);
    return 0;
}

struct guest {
    struct bough_entry entry;
    struct bough_gate *gate;
    struct bough_wait wait;
    int64_t woken_at;
};

static void wake_guest(struct bough_entry *entry)
{
    bough_wake(&bough_container_of(entry, struct guest, entry)->wait, 0);
}

static void *be_slow(void *arg)
{
    struct guest *guest = arg;
    usleep(50000);
    (void)bough_enter(guest->gate, &guest->entry);
    bough_gate_release(guest->gate);
    return NULL;
}

static int wait_for_thread(void *arg)
{
    struct guest *guest = arg;
    pthread_t thread;
    guest->gate = bough_gate_hold();
    CHECK_EQ(pthread_create(&thread, NULL, be_slow, guest), 0);
    int rc = bough_wait(&guest->wait);
    guest->woken_at = bough_now();
    pthread_join(thread, NULL);
    return rc;
}

TASK_TEST(while_a_gate_is_held_the_clock_waits_for_the_thread)
{
    int rc = 0;
    struct guest guest = {.entry.fn = wake_guest, .wait.what = "a slow thread"};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, wait_for_thread, &guest), 0);
        rc = bough_sleep(BOUGH_MINUTE);
    }
    CHECK_EQ(guest.woken_at, 0);
    CHECK_EQ(bough_now(), BOUGH_MINUTE);
    return rc;
}

static int64_t real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * BOUGH_SEC + now.tv_nsec;
}

TASK_TEST(while_a_gate_is_held_a_deadline_comes_in_real_time)
{
    int64_t start = real_now();
    struct bough_gate *gate = bough_gate_hold();
    int rc = bough_sleep(20 * BOUGH_MS);
    CHECK(real_now() - start >= 20 * BOUGH_MS);
    CHECK_EQ(bough_now(), 20 * BOUGH_MS);
    bough_gate_release(gate);
    return rc;
}

TASK_TEST(a_timeout_at_the_same_instant_loses_against_what_is_ready)
{
    int rc = 0, ends[2];
    CHECK_EQ(pipe(ends), 0);
    int64_t note[2] = {ends[0], -1};
    bough_fail_after (BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc) {
            CHECK_EQ(bough_nursery_start_soon(n, note_readable, note), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            /* Both happen before the next look: the descriptor is ready, and the time is up. */
            CHECK_EQ(write(ends[1], "x", 1), 1);
            bough_test_clock_advance(2 * BOUGH_SEC);
        }
    CHECK_EQ(note[1], 2 * BOUGH_SEC);
    CHECK_EQ(rc, 0);
    return 0;
}
