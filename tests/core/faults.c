/* Out of memory, and out of descriptors: every allocation and every system call of the library
 * fails once.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

static struct bough_local local;

/* What the program saw, to be compared with what came out. */
static struct {
    int attempts, children, codes;
    bool first_failed, second_failed;
} seen;

static int fail_first(__attribute__((unused)) void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    if (rc < 0)
        return rc;
    seen.first_failed = true;
    return bough_fail(-EXDEV, "the first");
}

static int fail_second(__attribute__((unused)) void *arg)
{
    (void)bough_sleep_forever();
    seen.second_failed = true;
    return -EXFULL; /* barely: the record is made by the nursery */
}

/* Two children that fail: both codes must be told, with detail or without. */
static int two_errors(__attribute__((unused)) void *arg)
{
    int rc = 0, started[2] = {-1, -1};
    seen.first_failed = seen.second_failed = false;
    bough_with_nursery (n, &rc) {
        started[1] = bough_nursery_start_soon(n, fail_second, NULL);
        started[0] = bough_nursery_start_soon(n, fail_first, NULL);
        if (started[0] < 0)
            break;
    }
    if (seen.first_failed && seen.second_failed)
        CHECK_EQ(rc, -BOUGH_EGROUP);
    else if (seen.second_failed)
        CHECK_EQ(rc, -EXFULL);
    else if (seen.first_failed)
        CHECK_EQ(rc, -EXDEV);
    CHECK(rc < 0 || started[0] < 0);
    return 0;
}

static int abandon_a_block(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        if (bough_nursery_start_soon(n, fail_second, NULL) < 0)
            return 0;
        if (bough_checkpoint() < 0)
            return 0;
        return bough_fail(-EXDEV, "the body");
    }
    return rc;
}

/* An error that had no other way than the result of the task. */
static int late_errors(__attribute__((unused)) void *arg)
{
    int rc = 0, started = -1;
    seen.second_failed = false;
    bough_with_nursery (n, &rc)
        started = bough_nursery_start_soon(n, abandon_a_block, NULL);
    if (seen.second_failed)
        CHECK_EQ(rc, -BOUGH_EGROUP);
    else
        CHECK_EQ(rc, 0);
    (void)started;
    return 0;
}

static int start_up(void *arg)
{
    bough_task_set_name("%s", "starting up");
    if (bough_local_set(&local, arg) == 0)
        CHECK(bough_local_get(&local) == arg);
    int rc = bough_sleep(BOUGH_SEC);
    if (rc < 0)
        return rc;
    bough_started(arg);
    return bough_sleep(BOUGH_SEC);
}

static int serve(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

static int start_some(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc, .limit = 3) {
        void *value = NULL;
        int service = bough_nursery_start_service(n, serve, NULL);
        CHECK(service == 0 || service == -ENOMEM);
        rc = bough_nursery_start(n, start_up, &rc, &value);
        CHECK(rc == 0 || rc == -ENOMEM);
        CHECK(rc < 0 || value == &rc);
        for (int i = 0; i < 50 && rc == 0; i++)
            rc = BOUGH_START(n, start_up, int, i);
    }
    CHECK(rc == 0 || rc == -ENOMEM);
    return rc;
}

static int cancel_with_words(__attribute__((unused)) void *arg)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_with_scope (&s, &rc) {
        bough_scope_cancel(&s, "because of %d", 7);
        rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
        CHECK(bough_scope_reason(&s));
        (void)bough_error_last();
    }
    CHECK_EQ(rc, 0);
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, -ETIMEDOUT);
    rc = bough_keep(bough_fail(-EIO, "one"), bough_fail(-EXDEV, "two"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    return 0;
}

static int everything(void *arg)
{
    int rc;
    seen.attempts++;
    CHECK_EQ(two_errors(arg), 0);
    CHECK_EQ(late_errors(arg), 0);
    CHECK_EQ(cancel_with_words(arg), 0);
    rc = start_some(arg);
    int set = bough_run_local_set(&local, &seen);
    CHECK(set == 0 || set == -ENOMEM);
    CHECK(bough_run_local_get(&local) == (set == 0 ? &seen : NULL));
    return rc;
}

TEST(every_allocation_may_fail_once_and_no_error_is_lost)
{
    int faults = bough_test_faults(BOUGH_FAULT_MEMORY, everything, NULL);
    CHECK(faults >= 20);
    CHECK(seen.attempts >= 10);
    /* Again, to see that nothing leaks: by now malloc has its caches. */
    size_t before = mallinfo2().uordblks;
    CHECK_EQ(bough_test_faults(BOUGH_FAULT_MEMORY, everything, NULL), faults);
    CHECK(mallinfo2().uordblks <= before + 512);
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

static int wait_for_fd(void *arg)
{
    struct bough_driver *driver = bough_driver_current();
    struct fd_wait wait = {.wait = {.abort = leave_fd, .what = "a pipe"}, .fd = *(int *)arg};
    int rc = driver->watch(driver, wait.fd, BOUGH_READABLE, &wait.wait);
    return rc == 0 ? bough_wait(&wait.wait) : rc;
}

static int use_a_pipe(void *arg)
{
    int rc = 0, *ends = arg;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, wait_for_fd, &ends[0]);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        if (rc == 0)
            CHECK_EQ(write(ends[1], "x", 1), 1);
    }
    char c;
    (void)!read(ends[0], &c, 1);
    bough_driver_current()->closing(bough_driver_current(), ends[0]);
    return rc;
}

static int lowest_free_fd(void)
{
    int fd = dup(0);
    CHECK(fd >= 0);
    close(fd);
    return fd;
}

TEST(every_system_call_may_fail_once_and_no_descriptor_is_lost)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
    int fd = lowest_free_fd();
    int faults = bough_test_faults(BOUGH_FAULT_CALL, use_a_pipe, ends);
    CHECK(faults >= 4);
    CHECK_EQ(lowest_free_fd(), fd);
    faults = bough_test_faults(BOUGH_FAULT_MEMORY, use_a_pipe, ends);
    CHECK(faults >= 4);
    CHECK_EQ(lowest_free_fd(), fd);
    faults = bough_test_faults(BOUGH_FAULT_CALL, everything, NULL);
    CHECK(faults >= 3);
}

TEST(a_run_that_cannot_be_set_up_says_enomem)
{
    for (int nth = 1; nth <= 3; nth++) {
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        CHECK_EQ(bough_test_run(NULL, everything, NULL), -ENOMEM);
        CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
        CHECK_EQ(bough_error_code(bough_error_last()), -ENOMEM);
    }
}

/* --- the tools themselves --- */

static int allocate_twice(void *arg)
{
    int rc = bough_local_set(&local, arg);
    ++*(int *)arg;
    return rc < 0 ? rc : bough_run_local_set(&local, arg);
}

TEST(a_fault_hits_the_nth_and_only_it)
{
    int times = 0;
    bough_fault_set(BOUGH_FAULT_MEMORY, 1000);
    CHECK_EQ(bough_test_run(NULL, allocate_twice, &times), 0);
    CHECK(!bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK_EQ(bough_test_run(NULL, allocate_twice, &times), 0);
    CHECK(!bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK(bough_test_run(NULL, allocate_twice, &times) < 0);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_CALL));
    CHECK_EQ(bough_test_run(NULL, allocate_twice, &times), 0);
    CHECK_EQ(times, 3);
}

static int never_good(void *arg)
{
    (void)allocate_twice(arg);
    return -EIO;
}

TEST(the_test_of_faults_counts_them_and_reports_a_last_run_that_fails)
{
    int times = 0;
    int faults = bough_test_faults(BOUGH_FAULT_MEMORY, allocate_twice, &times);
    CHECK(faults >= 5); /* those of the run, and two of ours */
    CHECK_EQ(times, 3); /* with either failing, and with none */
    CHECK_EQ(bough_test_faults(BOUGH_FAULT_MEMORY, never_good, &times), -EIO);
}

TEST(tasks_that_cannot_get_a_stack_are_reported_and_the_others_run)
{
    CHECK_EQ(bough_test_run(NULL, start_some, NULL), 0);
}
