/* Errors: the int, and the tree behind it. How an error is recorded, passed on, caught and joined;
 * what is printed, and what happens when there is no memory, are in errors.c.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <limits.h>
#include <pthread.h>

#define IO_TEXT "the disk is on fire"

static int fails_io(__attribute__((unused)) void *arg)
{
    return bough_fail(-EIO, IO_TEXT);
}

static int fails_pipe(__attribute__((unused)) void *arg)
{
    return bough_fail(-EPIPE, "the peer is gone");
}

static int fails_bare(void *arg)
{
    return *(int *)arg;
}

static int sleeps_forever(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

/* A group, with the tree, from tasks that fail with these codes, in this order. */
static int group_of(int *codes, int count)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon(n, fails_bare, &codes[i]);
    return rc;
}

static const struct bough_error *leaf(const struct bough_error *group, int index)
{
    const struct bough_error *e = bough_error_first(group);
    while (e && index--)
        e = bough_error_next(e);
    return e;
}

/* --- recording --- */

TASK_TEST(fail_returns_its_code_and_records_message_place_and_task)
{
    int line = __LINE__ + 1;
    int rc = bough_fail(-ECONNRESET, "peer %s went away", "bob");
    CHECK_EQ(rc, -ECONNRESET);
    const struct bough_error *e = bough_error_last();
    CHECK(e != NULL);
    CHECK_EQ(bough_error_code(e), -ECONNRESET);
    CHECK_STR(bough_error_message(e), "peer bob went away");
    CHECK_HAS(bough_error_file(e), "error.c");
    CHECK_EQ(bough_error_line(e), line);
    CHECK_STR(bough_error_task(e), "main");
    CHECK(bough_error_first(e) == NULL);
    return 0;
}

TASK_TEST(fail_keeps_errno)
{
    errno = ENOENT;
    (void)bough_fail(-EIO, "a message that is printed: %d", 1);
    CHECK_EQ(errno, ENOENT);
    return 0;
}

TEST_PANICS(fail_with_a_code_that_is_no_error_panics, "negative")
{
    return bough_fail(EIO, "the sign was forgotten");
}

TASK_TEST(a_message_may_be_long)
{
    char text[5000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    CHECK_EQ(bough_fail(-EIO, "%s", text), -EIO);
    CHECK(strlen(bough_error_message(bough_error_last())) >= 1000);
    return 0;
}

TASK_TEST(fail_text_allocates_nothing)
{
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    int rc = bough_fail_text(-EAGAIN, "the cupboard is bare");
    CHECK(!bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK_EQ(rc, -EAGAIN);
    CHECK_STR(bough_error_message(bough_error_last()), "the cupboard is bare");
    CHECK_EQ(bough_error_code(bough_error_last()), -EAGAIN);
    return 0;
}

TASK_TEST(a_task_begins_without_a_failure)
{
    CHECK(bough_error_last() == NULL);
    return 0;
}

static int has_no_failure(__attribute__((unused)) void *arg)
{
    CHECK(bough_error_last() == NULL);
    return 0;
}

TASK_TEST(failures_belong_to_the_task)
{
    int rc = 0;
    CHECK_EQ(bough_fail(-EIO, "of the main task"), -EIO);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, has_no_failure, NULL);
    CHECK_STR(bough_error_message(bough_error_last()), "of the main task");
    return rc;
}

static void *has_no_failure_in_thread(__attribute__((unused)) void *arg)
{
    CHECK(bough_error_last() == NULL);
    CHECK_EQ(bough_fail(-EPIPE, "of the other thread"), -EPIPE);
    CHECK_STR(bough_error_message(bough_error_last()), "of the other thread");
    int rc = -EPIPE;
    CHECK(bough_catch(&rc, -EPIPE));
    return NULL;
}

TEST(outside_a_run_failures_belong_to_the_thread)
{
    pthread_t thread;
    int rc = bough_fail(-EIO, "of the first thread");
    CHECK_EQ(pthread_create(&thread, NULL, has_no_failure_in_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STR(bough_error_message(bough_error_last()), "of the first thread");
    CHECK_STR(bough_error_task(bough_error_last()), "");
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, 0);
}

TEST(the_tree_of_a_run_goes_on_with_its_caller)
{
    int rc = bough_test_run(NULL, fails_io, NULL);
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), IO_TEXT);
    CHECK_STR(bough_error_task(bough_error_last()), "main");
    CHECK(bough_catch(&rc, -EIO));
}

TASK_TEST(an_int_finds_its_tree_among_the_last_few)
{
    int io = bough_fail(-EIO, "first"), pipe = bough_fail(-EPIPE, "second"),
        busy = bough_fail_text(-EBUSY, "third");
    int rc = bough_keep(io, busy);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 0)), "first");
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 1)), "third");
    rc = bough_keep(rc, pipe);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 2)), "second");
    return 0;
}

TASK_TEST(an_int_finds_its_tree_behind_three_others)
{
    int rc = bough_fail(-EIO, IO_TEXT);
    CHECK_EQ(bough_fail(-EPIPE, "2"), -EPIPE);
    CHECK_EQ(bough_fail_text(-EAGAIN, "3"), -EAGAIN);
    CHECK_EQ(bough_fail(-EBUSY, "4"), -EBUSY);
    rc = bough_keep(rc, -ECANCELED);
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 0)), IO_TEXT);
    return 0;
}

TASK_TEST(of_two_failures_with_one_code_the_newest_is_meant)
{
    CHECK_EQ(bough_fail(-EIO, "old"), -EIO);
    CHECK_EQ(bough_fail(-EIO, "new"), -EIO);
    CHECK_EQ(bough_fail(-EPIPE, "another"), -EPIPE);
    int rc = bough_keep(-EIO, -EPIPE);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 0)), "new");
    return 0;
}

TASK_TEST(failures_without_end_need_no_memory_without_end)
{
    for (int i = 0; i < test_scale(100000); i++)
        CHECK_EQ(bough_fail(-EIO, "number %d", i), -EIO);
    return 0;
}

/* --- groups --- */

TASK_TEST(several_errors_are_a_group_in_order_of_completion)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fails_io, NULL);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fails_pipe, NULL);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    const struct bough_error *e = bough_error_last();
    CHECK_EQ(bough_error_code(e), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(e, 0), 2);
    CHECK_STR(bough_error_message(leaf(e, 0)), IO_TEXT);
    CHECK_STR(bough_error_message(leaf(e, 1)), "the peer is gone");
    CHECK(leaf(e, 2) == NULL);
    return 0;
}

TASK_TEST(one_leaf_is_its_code)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fails_io, NULL);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    return 0;
}

TASK_TEST(two_leaves_of_one_code_are_a_group)
{
    int codes[] = {-EIO, -EIO};
    CHECK_EQ(group_of(codes, 2), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 2);
    return 0;
}

static int group_in_a_child(__attribute__((unused)) void *arg)
{
    int codes[] = {-EIO, -EPIPE};
    return group_of(codes, 2);
}

TASK_TEST(a_group_in_a_group_keeps_all_leaves)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, group_in_a_child, NULL);
        if (rc == 0)
            rc = bough_fail(-EBUSY, "the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    const struct bough_error *e = bough_error_last();
    CHECK_EQ(bough_error_count(e, 0), 3);
    CHECK_EQ(bough_error_count(e, -EIO), 1);
    CHECK_EQ(bough_error_count(e, -EPIPE), 1);
    CHECK_EQ(bough_error_count(e, -EBUSY), 1);
    CHECK_EQ(bough_error_count(e, -ENOENT), 0);
    return 0;
}

TASK_TEST(a_bare_code_of_a_child_names_the_task)
{
    int code = -EIO, rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fails_bare, &code);
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_task(bough_error_last()), "main/fails_bare");
    return 0;
}

/* --- catch --- */

TASK_TEST(catch_of_success_is_false)
{
    int rc = 5;
    CHECK_EQ(bough_fail(-EIO, "noise"), -EIO);
    CHECK(!bough_catch(&rc, -EIO));
    CHECK_EQ(rc, 5);
    return 0;
}

TASK_TEST(catch_takes_the_one_error)
{
    int rc = bough_fail(-EIO, "x");
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(catch_leaves_another_error_and_its_tree)
{
    int rc = bough_fail(-EIO, IO_TEXT);
    CHECK(!bough_catch(&rc, -EPIPE));
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), IO_TEXT);
    return 0;
}

TASK_TEST(catch_works_on_an_int_without_a_tree)
{
    int rc = -ENOENT;
    CHECK(!bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ENOENT);
    CHECK(bough_catch(&rc, -ENOENT));
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(catch_takes_a_leaf_out_of_a_group)
{
    int codes[] = {-EIO, -EPIPE};
    int rc = group_of(codes, 2);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK(!bough_catch(&rc, -EIO));
    CHECK(bough_catch(&rc, -EPIPE));
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(catch_takes_all_leaves_with_the_code)
{
    int codes[] = {-EIO, -EIO, -EIO};
    int rc = group_of(codes, 3);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(catch_leaves_a_group_when_several_are_left)
{
    int codes[] = {-EIO, -EPIPE, -EBUSY, -EIO};
    int rc = group_of(codes, 4);
    CHECK(!bough_catch(&rc, -ENOENT));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    const struct bough_error *e = bough_error_last();
    CHECK_EQ(bough_error_count(e, 0), 2);
    CHECK_EQ(bough_error_code(leaf(e, 0)), -EPIPE);
    CHECK_EQ(bough_error_code(leaf(e, 1)), -EBUSY);
    return 0;
}

TASK_TEST(catch_takes_a_cancel)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, NULL);
    int rc = bough_sleep_forever();
    CHECK(!bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ECANCELED);
    CHECK(bough_catch(&rc, -ECANCELED));
    CHECK_EQ(rc, 0);
    rc = bough_scope_exit(&s, rc);
    CHECK(!bough_scope_cancelled_caught(&s));
    return rc;
}

TASK_TEST(catch_takes_the_real_error_and_leaves_the_cancel_beside_it)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, NULL);
    int rc = bough_keep(bough_fail(-EIO, "x"), bough_sleep_forever());
    CHECK_EQ(rc, -EIO);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ECANCELED);
    rc = bough_scope_exit(&s, rc);
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(&s));
    return rc;
}

/* --- keep --- */

TASK_TEST(keep_of_two_successes_is_the_first)
{
    CHECK_EQ(bough_keep(3, 7), 3);
    return 0;
}

TASK_TEST(keep_takes_the_error_of_cleanup_after_success)
{
    CHECK_EQ(bough_keep(3, bough_fail(-EIO, IO_TEXT)), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), IO_TEXT);
    return 0;
}

TASK_TEST(keep_leaves_an_error_after_clean_cleanup)
{
    CHECK_EQ(bough_keep(bough_fail(-EIO, IO_TEXT), 7), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), IO_TEXT);
    return 0;
}

TASK_TEST(keep_joins_two_real_errors_to_a_group)
{
    int first = bough_fail(-EIO, "first"), later = bough_fail(-EPIPE, "later");
    CHECK_EQ(bough_keep(first, later), -BOUGH_EGROUP);
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 0)), "first");
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 1)), "later");
    return 0;
}

TASK_TEST(keep_joins_two_errors_of_one_code)
{
    int first = bough_fail(-EIO, "first"), later = bough_fail(-EIO, "later");
    CHECK_EQ(bough_keep(first, later), -BOUGH_EGROUP);
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 0)), "first");
    CHECK_STR(bough_error_message(leaf(bough_error_last(), 1)), "later");
    return 0;
}

TASK_TEST(keep_joins_errors_without_a_tree)
{
    int rc = bough_keep(-EIO, -EPIPE);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EPIPE));
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(keep_adds_to_a_group)
{
    int codes[] = {-EIO, -EPIPE};
    int rc = bough_keep(group_of(codes, 2), bough_fail(-EBUSY, "cleanup"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
    return 0;
}

static int keep_under_a_cancel(int rc, bool cancel_first)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, "enough");
    int cancelled = bough_sleep_forever();
    CHECK_EQ(cancelled, -ECANCELED);
    rc = cancel_first ? bough_keep(cancelled, rc) : bough_keep(rc, cancelled);
    if (rc != -ECANCELED) {
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
        CHECK_EQ(bough_error_count(bough_error_last(), -ECANCELED), 1);
    }
    rc = bough_scope_exit(&s, rc);
    CHECK(bough_scope_cancelled_caught(&s));
    return rc;
}

TASK_TEST(a_real_error_is_not_replaced_by_a_cancel)
{
    CHECK_EQ(keep_under_a_cancel(bough_fail(-EIO, IO_TEXT), false), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), IO_TEXT);
    return 0;
}

TASK_TEST(a_cancel_is_replaced_by_a_real_error_and_kept_in_the_tree)
{
    CHECK_EQ(keep_under_a_cancel(bough_fail(-EIO, IO_TEXT), true), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), IO_TEXT);
    return 0;
}

TASK_TEST(two_cancels_stay_a_cancel)
{
    CHECK_EQ(keep_under_a_cancel(-ECANCELED, false), 0);
    return 0;
}

TASK_TEST(a_real_error_passes_a_cancelled_scope_also_as_a_bare_code)
{
    CHECK_EQ(keep_under_a_cancel(-EIO, false), -EIO);
    return 0;
}

TASK_TEST(no_error_has_no_words_and_asking_it_is_no_crash)
{
    CHECK_EQ(bough_error_code(NULL), 0);
    CHECK_STR(bough_error_message(NULL), "");
    CHECK_STR(bough_error_task(NULL), "");
    CHECK(bough_error_file(NULL) == NULL);
    CHECK(bough_error_find(NULL, -EIO) == NULL);
    CHECK(bough_error_first(NULL) == NULL);
    CHECK(bough_error_next(NULL) == NULL);
    CHECK_EQ(bough_error_count(NULL, 0), 0);
    CHECK_STR(bough_error_name(0), "no error");
    CHECK_STR(bough_error_name(-4000), "unknown error");
    CHECK_STR(bough_error_name(INT_MIN), "unknown error");
    return 0;
}

TASK_TEST(a_leaf_is_found_by_its_code_in_a_group_and_alone)
{
    int rc = bough_keep(bough_fail(-EIO, "first"), bough_fail(-EPIPE, "second"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_STR(bough_error_message(bough_error_find(bough_error_last(), -EPIPE)), "second");
    CHECK(bough_error_find(bough_error_last(), -ENOENT) == NULL);
    CHECK_EQ(bough_fail(-ENOENT, "alone"), -ENOENT);
    CHECK_STR(bough_error_message(bough_error_find(bough_error_last(), -ENOENT)), "alone");
    return 0;
}
