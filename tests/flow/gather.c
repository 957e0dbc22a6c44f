/* bough_gather.
 * SPDX-License-Identifier: MIT */
#include "job.h"

TASK_TEST(all_jobs_run_at_once_and_have_ended_when_it_returns)
{
    struct work w[] = {
        {.takes = BOUGH_SEC, .rc = 1}, {.takes = 3 * BOUGH_SEC}, {.takes = 2 * BOUGH_SEC, .rc = 3}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    CHECK_EQ(bough_gather(jobs, 3), 0);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    CHECK(jobs[0].result == 1 && jobs[1].result == 0 && jobs[2].result == 3);
    CHECK_EQ(w[0].ended, BOUGH_SEC);
    return 0;
}

TASK_TEST(of_nothing_it_is_done_at_once)
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_gather(NULL, 0);
    CHECK_EQ(bough_now(), 0);
    return rc;
}

TASK_TEST(a_failure_cancels_the_others_and_is_the_result)
{
    struct work w[] = {{.takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC},
                       {.takes = BOUGH_SEC, .rc = -EIO},
                       {.takes = 0, .rc = 3}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    CHECK_EQ(bough_gather(jobs, 3), -EIO);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC); /* the cleanup of the other was waited for */
    CHECK(w[0].was_cancelled && w[0].cleaned_up);
    CHECK(jobs[0].result == -ECANCELED && jobs[1].result == -EIO && jobs[2].result == 3);
    return 0;
}

static int fail_with_words(__attribute__((unused)) void *arg)
{
    return bough_fail(-ENOENT, "no %s today", "bread");
}

TASK_TEST(the_error_of_a_job_keeps_its_words)
{
    struct bough_job jobs[] = {{.fn = fail_with_words}};
    CHECK_EQ(bough_gather(jobs, 1), -ENOENT);
    CHECK_STR(bough_error_message(bough_error_last()), "no bread today");
    return 0;
}

TASK_TEST(several_failures_are_a_group)
{
    struct work w[] = {{.takes = BOUGH_SEC, .rc = -EIO},
                       {.takes = BOUGH_MINUTE, .rc = -ENOENT, .stubborn = true},
                       {.takes = BOUGH_MINUTE}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    int rc = bough_gather(jobs, 3);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
    CHECK(bough_catch(&rc, -ENOENT));
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(a_cancel_reaches_all_jobs)
{
    struct work w[] = {{.takes = BOUGH_MINUTE}, {.takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    struct cancelled c = CALL_CANCELLED(BOUGH_SEC, bough_gather(jobs, 2));
    CHECK_EQ(c.rc, -ECANCELED);
    CHECK_EQ(c.elapsed, 2 * BOUGH_SEC);
    CHECK(w[0].was_cancelled && w[1].was_cancelled && w[1].cleaned_up);
    CHECK(jobs[0].result == -ECANCELED && jobs[1].result == -ECANCELED);
    return 0;
}

TASK_TEST(cancelled_before_it_begins_no_job_begins)
{
    struct work w = {.rc = 7};
    struct bough_job jobs[] = {JOB(&w)};
    CHECK_EQ(CALL_CANCELLED(0, bough_gather(jobs, 1)).rc, -ECANCELED);
    CHECK(!w.began);
    CHECK_EQ(jobs[0].result, -ECANCELED);
    CHECK_EQ(CALL_CANCELLED(0, bough_gather(NULL, 0)).rc, -ECANCELED);
    return 0;
}

static int nested(void *arg)
{
    struct work *w = arg;
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    return bough_gather(jobs, 2);
}

TASK_TEST(gathers_nest_and_a_failure_deep_inside_comes_out_once)
{
    struct work w[] = {
        {.takes = BOUGH_SEC}, {.takes = BOUGH_MINUTE}, {.takes = 2 * BOUGH_SEC, .rc = -EIO}};
    struct bough_job jobs[] = {{.fn = nested, .arg = &w[1]}, JOB(&w[0])};
    CHECK_EQ(bough_gather(jobs, 2), -EIO);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    CHECK(w[1].was_cancelled && !w[0].was_cancelled);
    CHECK_EQ(jobs[0].result, -EIO);
    return 0;
}

static int gather_three(__attribute__((unused)) void *arg)
{
    struct work w[3] = {
        {.takes = BOUGH_MS, .rc = 1}, {.takes = 0, .rc = 1}, {.takes = BOUGH_SEC, .rc = 1}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    int rc = bough_gather(jobs, 3);
    CHECK(rc == 0 || rc == -ENOMEM || rc == -EAGAIN || rc == -BOUGH_EGROUP);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(jobs[i].result, rc == 0 || (w[i].began && !w[i].was_cancelled) ? 1 : -ECANCELED);
    return rc;
}

TEST(without_memory_for_a_job_it_fails_and_the_others_are_cancelled)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, gather_three, NULL) > 1);
}

TEST(whatever_the_order_the_results_are_the_same)
{
    CHECK_EQ(bough_test_seeds(20, gather_three, NULL), 0);
}
