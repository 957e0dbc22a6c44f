/* The watchdog. It lives in real time.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <semaphore.h>

static sem_t reported;
static const struct bough_site *culprit;
static int reports;

static void report(const struct bough_site *site, int64_t held)
{
    culprit = site;
    reports++;
    CHECK(held >= 20 * BOUGH_MS);
    sem_post(&reported);
}

/* Holds the loop until the watchdog barks. */
static int hog(__attribute__((unused)) void *arg)
{
    while (sem_wait(&reported) < 0)
        ;
    return 0;
}

static int watched(__attribute__((unused)) void *arg)
{
    struct bough_watchdog dog;
    int rc = bough_watchdog_start(&dog, 20 * BOUGH_MS, report);
    CHECK_EQ(rc, 0);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, hog, NULL);
    }
    bough_watchdog_stop(&dog);
    CHECK_EQ(reports, 1);
    CHECK_STR(culprit->what, "hog");
    CHECK_HAS(culprit->file, "watchdog.c");
    return rc;
}

TEST(a_task_that_holds_the_loop_is_named)
{
    sem_init(&reported, 0, 0);
    CHECK_EQ(bough_run(watched, NULL), 0);
}

static int yield_for_long(__attribute__((unused)) void *arg)
{
    int64_t until = bough_now() + 200 * BOUGH_MS;
    int rc = 0;
    while (rc == 0 && bough_now() < until)
        rc = bough_checkpoint();
    return rc;
}

static int peaceful(__attribute__((unused)) void *arg)
{
    struct bough_watchdog dog;
    CHECK_EQ(bough_watchdog_start(&dog, 20 * BOUGH_MS, report), 0);
    int rc = bough_sleep(100 * BOUGH_MS); /* the loop sleeps: nobody is to blame */
    if (rc == 0)
        rc = yield_for_long(NULL);
    bough_watchdog_stop(&dog);
    return rc;
}

TEST(who_sleeps_or_yields_is_not_named)
{
    /* On a machine that is busy enough, who yields may well be away for 20 ms. */
    sem_init(&reported, 0, 0);
    for (int i = 0; i < 5; i++) {
        reports = 0;
        CHECK_EQ(bough_run(peaceful, NULL), 0);
        if (reports == 0)
            return;
    }
    test_fail(__FILE__, __LINE__, "it barked five times out of five");
}

TASK_TEST(a_limit_that_is_too_small_is_refused)
{
    struct bough_watchdog dog;
    CHECK_EQ(bough_watchdog_start(&dog, BOUGH_MS - 1, NULL), -EINVAL);
    return 0;
}

TASK_TEST(without_a_thread_it_does_not_start)
{
    struct bough_watchdog dog;
    bough_fault_set(BOUGH_FAULT_CALL, 1);
    CHECK_EQ(bough_watchdog_start(&dog, BOUGH_SEC, NULL), -EAGAIN);
    return 0;
}
