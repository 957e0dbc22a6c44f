/* bough_race.
 * SPDX-License-Identifier: MIT */
#include "job.h"

TASK_TEST(the_first_to_end_well_wins_and_the_others_are_cancelled_and_waited_for)
{
    struct work w[] = {{.takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC},
                       {.takes = 2 * BOUGH_SEC, .rc = 7},
                       {.takes = 3 * BOUGH_SEC, .rc = 8}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    size_t winner = 99;
    CHECK_EQ(bough_race(jobs, 3, &winner), 7);
    CHECK_EQ(winner, 1);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    CHECK(w[0].was_cancelled && w[0].cleaned_up && w[2].was_cancelled);
    CHECK_EQ(w[2].ended, 2 * BOUGH_SEC);
    CHECK(jobs[0].result == -ECANCELED && jobs[1].result == 7 && jobs[2].result == -ECANCELED);
    return 0;
}

TASK_TEST(a_race_of_one_is_won_and_nobody_need_know_by_whom)
{
    struct work w = {.takes = BOUGH_SEC, .rc = 5};
    struct bough_job jobs[] = {JOB(&w)};
    CHECK_EQ(bough_race(jobs, 1, NULL), 5);
    CHECK(!w.was_cancelled);
    return 0;
}

TASK_TEST(a_race_of_nobody_cannot_be_won)
{
    size_t winner = 99;
    CHECK_EQ(bough_race(NULL, 0, &winner), -EINVAL);
    CHECK_EQ(winner, 99);
    return 0;
}

TASK_TEST(a_failure_ends_the_race_with_its_error)
{
    struct work w[] = {{.takes = BOUGH_MINUTE, .rc = 1}, {.takes = BOUGH_SEC, .rc = -EIO}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    size_t winner = 99;
    CHECK_EQ(bough_race(jobs, 2, &winner), -EIO);
    CHECK_EQ(winner, 99);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(w[0].was_cancelled);
    return 0;
}

TASK_TEST(a_loser_that_ends_well_after_all_changes_nothing)
{
    struct work w[] = {{.takes = BOUGH_SEC, .rc = 1},
                       {.takes = BOUGH_MINUTE, .rc = 2, .stubborn = true}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    size_t winner;
    CHECK_EQ(bough_race(jobs, 2, &winner), 1);
    CHECK_EQ(winner, 0);
    CHECK_EQ(jobs[1].result, 2);
    return 0;
}

TASK_TEST(a_loser_that_fails_while_it_cleans_up_is_not_hidden_by_the_victory)
{
    struct work w[] = {{.takes = BOUGH_SEC, .rc = 1},
                       {.takes = BOUGH_MINUTE, .rc = -EIO, .stubborn = true},
                       {.takes = BOUGH_MINUTE}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    size_t winner = 99;
    CHECK_EQ(bough_race(jobs, 3, &winner), -EIO);
    CHECK_EQ(winner, 99);
    CHECK_EQ(jobs[0].result, 1);
    return 0;
}

TASK_TEST(several_failures_are_a_group)
{
    struct work w[] = {{.takes = BOUGH_SEC, .rc = -EIO},
                       {.takes = BOUGH_MINUTE, .rc = -ENOENT, .stubborn = true}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    CHECK_EQ(bough_race(jobs, 2, NULL), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENOENT), 1);
    return 0;
}

TASK_TEST(a_cancel_before_anybody_won_cancels_all)
{
    struct work w[] = {{.takes = BOUGH_MINUTE}, {.takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    size_t winner = 99;
    struct cancelled c = CALL_CANCELLED(BOUGH_SEC, bough_race(jobs, 2, &winner));
    CHECK_EQ(c.rc, -ECANCELED);
    CHECK_EQ(c.elapsed, 2 * BOUGH_SEC);
    CHECK_EQ(winner, 99);
    CHECK(w[0].was_cancelled && w[1].cleaned_up);
    return 0;
}

TASK_TEST(cancelled_before_it_begins_nobody_runs)
{
    struct work w = {.rc = 7};
    struct bough_job jobs[] = {JOB(&w)};
    CHECK_EQ(CALL_CANCELLED(0, bough_race(jobs, 1, NULL)).rc, -ECANCELED);
    CHECK(!w.began);
    CHECK_EQ(jobs[0].result, -ECANCELED);
    return 0;
}

TASK_TEST(a_cancel_that_comes_when_the_race_is_won_leaves_the_victory)
{
    struct work w[] = {{.takes = BOUGH_SEC, .rc = 7},
                       {.takes = BOUGH_MINUTE, .cleanup = 4 * BOUGH_SEC}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1])};
    struct bough_scope scope = BOUGH_SCOPE(.timeout = 3 * BOUGH_SEC);
    size_t winner = 99;
    int rc = 0;
    bough_with_scope (&scope, &rc) {
        CHECK_EQ(bough_race(jobs, 2, &winner), 7);
        CHECK_EQ(winner, 0);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    CHECK(bough_scope_cancelled_caught(&scope));
    return rc;
}

TASK_TEST(a_race_that_is_won_is_a_checkpoint)
{
    struct work w = {.rc = 0};
    struct bough_job jobs[] = {JOB(&w)};
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_race(jobs, 1, NULL);
    return rc;
}

static int race_three(__attribute__((unused)) void *arg)
{
    struct work w[3] = {
        {.takes = BOUGH_MS, .rc = 1}, {.takes = BOUGH_MS, .rc = 2}, {.takes = BOUGH_SEC, .rc = 3}};
    struct bough_job jobs[] = {JOB(&w[0]), JOB(&w[1]), JOB(&w[2])};
    size_t winner = 99;
    int rc = bough_race(jobs, 3, &winner);
    if (rc >= 0) {
        CHECK(winner < 2);
        CHECK_EQ(rc, w[winner].rc);
        CHECK(!w[winner].was_cancelled && w[2].was_cancelled);
    } else {
        CHECK_EQ(winner, 99);
    }
    return rc;
}

TEST(without_memory_for_a_job_nobody_wins)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, race_three, NULL) > 1);
}

TEST(whatever_the_order_one_wins)
{
    CHECK_EQ(bough_test_seeds(40, race_three, NULL), 0);
}
