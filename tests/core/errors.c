/* Errors: how they read, what happens without memory, and that none is lost.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static char *printed(const struct bough_error *e)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    bough_error_print(e, to);
    fclose(to);
    return text;
}

#define CHECK_PRINTS(e, part)                                                                      \
    do {                                                                                           \
        char *printed_ = printed(e);                                                               \
        CHECK_HAS(printed_, part);                                                                 \
        free(printed_);                                                                            \
    } while (0)

/* --- how they read --- */

TASK_TEST(a_printed_leaf_has_code_message_place_and_task)
{
    char place[64];
    snprintf(place, sizeof(place), "errors.c:%d", __LINE__ + 1);
    (void)bough_fail(-ECONNRESET, "peer %d went away", 7);
    CHECK_PRINTS(bough_error_last(), "ECONNRESET");
    CHECK_PRINTS(bough_error_last(), "peer 7 went away");
    CHECK_PRINTS(bough_error_last(), place);
    CHECK_PRINTS(bough_error_last(), "in task main");
    return 0;
}

static int leaf_three(__attribute__((unused)) void *arg)
{
    bough_task_set_name("conn-%d", 3);
    return bough_fail(-EIO, "deep down");
}

static int leaf_four(__attribute__((unused)) void *arg)
{
    return bough_fail(-EPIPE, "the other");
}

static int server(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, leaf_three, NULL);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, leaf_four, NULL);
    }
    return rc;
}

TASK_TEST(a_printed_group_has_every_leaf_with_its_path_of_tasks)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, server, NULL);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_PRINTS(bough_error_last(), "2 errors");
    CHECK_PRINTS(bough_error_last(), "deep down");
    CHECK_PRINTS(bough_error_last(), "the other");
    CHECK_PRINTS(bough_error_last(), "main/server/conn-3");
    CHECK_PRINTS(bough_error_last(), "main/server/leaf_four");
    CHECK_PRINTS(bough_error_last(), "EIO");
    CHECK_PRINTS(bough_error_last(), "EPIPE");
    return 0;
}

TASK_TEST(a_printed_cancel_has_its_reason_with_the_place_and_the_task)
{
    char place[64];
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    snprintf(place, sizeof(place), "task main at ../tests/core/errors.c:%d", __LINE__ + 1);
    bough_scope_cancel(&s, "the user left, %s", "sadly");
    int rc = bough_sleep_forever();
    CHECK_EQ(bough_error_code(bough_error_last()), -ECANCELED);
    CHECK_PRINTS(bough_error_last(), "ECANCELED");
    CHECK_PRINTS(bough_error_last(), "the user left, sadly");
    CHECK_PRINTS(bough_error_last(), strstr(place, "errors.c"));
    return bough_scope_exit(&s, rc);
}

TASK_TEST(a_cancel_that_cleanup_joins_has_its_reason)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, "the user left");
    int rc = bough_keep(bough_fail(-EIO, "real"), bough_sleep_forever());
    CHECK_EQ(rc, -EIO);
    CHECK_PRINTS(bough_error_last(), "real");
    CHECK_PRINTS(bough_error_last(), "the user left");
    CHECK_EQ(bough_scope_exit(&s, rc), -EIO);
    return 0;
}

TASK_TEST(a_later_cancel_has_the_later_reason)
{
    for (int i = 0; i < 2; i++) {
        struct bough_scope s = BOUGH_SCOPE();
        bough_scope_enter(&s);
        bough_scope_cancel(&s, "reason %d", i);
        int rc = bough_sleep_forever();
        if (i == 0)
            CHECK_PRINTS(bough_error_last(), "reason 0");
        rc = bough_keep(bough_fail(-EIO, "real"), rc);
        CHECK_PRINTS(bough_error_last(), i == 0 ? "reason 0" : "reason 1");
        CHECK_EQ(bough_scope_exit(&s, rc), -EIO);
    }
    return 0;
}

TASK_TEST(a_cancel_that_was_absorbed_is_no_failure)
{
    int rc = 0;
    CHECK_EQ(bough_fail(-EIO, "before"), -EIO);
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, 0);
    CHECK_STR(bough_error_message(bough_error_last()), "before");
    return rc;
}

static int sleeps_forever(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

static int fails_when_cancelled(__attribute__((unused)) void *arg)
{
    (void)bough_sleep_forever();
    return bough_fail(-EIO, "while unwinding");
}

TASK_TEST(a_group_with_a_cancel_prints_the_reason)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fails_when_cancelled, NULL);
        if (rc == 0)
            rc = bough_checkpoint();
        bough_scope_cancel(&s, "the user left");
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_error_count(bough_error_last(), -ECANCELED), 1);
    CHECK_PRINTS(bough_error_last(), "while unwinding");
    CHECK_PRINTS(bough_error_last(), "the user left");
    rc = bough_scope_exit(&s, rc);
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    return 0;
}

TASK_TEST(a_timeout_names_the_block)
{
    char place[64];
    int rc = 0;
    snprintf(place, sizeof(place), "errors.c:%d", __LINE__ + 1);
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_PRINTS(bough_error_last(), "ETIMEDOUT");
    CHECK_PRINTS(bough_error_last(), place);
    return 0;
}

TEST(printing_no_error_says_so)
{
    CHECK_PRINTS(NULL, "no detail");
}

TEST(outside_a_run_a_printed_leaf_names_no_task)
{
    (void)bough_fail(-EIO, "%s", "");
    char *text = printed(bough_error_last());
    CHECK_HAS(text, "EIO");
    CHECK_HAS(text, bough_error_name(-EIO)); /* there is no message */
    CHECK(!strstr(text, "in task"));
    free(text);
    CHECK(bough_error_first(bough_error_last()) == NULL);
    CHECK(bough_error_first(NULL) == NULL);
    int rc = -EIO;
    CHECK(bough_catch(&rc, -EIO));
}

TEST(codes_have_names)
{
    CHECK_HAS(bough_error_name(-ECONNRESET), "onnection reset");
    CHECK_HAS(bough_error_name(-BOUGH_EGROUP), "several");
    CHECK(bough_error_name(-999999) != NULL);
    CHECK_EQ(bough_error_count(NULL, 0), 0);
}

static int nest(void *arg)
{
    int depth = *(int *)arg - 1, rc = 0;
    if (depth == 0)
        return bough_fail(-EIO, "at the bottom");
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, nest, &depth);
    return rc;
}

TASK_TEST(a_path_that_is_too_long_keeps_its_end)
{
    int depth = 200;
    CHECK_EQ(nest(&depth), -EIO);
    const char *path = bough_error_task(bough_error_last());
    CHECK(strncmp(path, "...", 3) == 0);
    CHECK(strlen(path) > 100);
    CHECK_STR(path + strlen(path) - 9, "nest/nest");
    return 0;
}

/* --- without memory --- */

TASK_TEST(without_memory_the_code_still_arrives)
{
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    int rc = bough_fail(-EIO, "nobody will read this");
    CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    CHECK_EQ(rc, -EIO);
    CHECK(!bough_catch(&rc, -EPIPE));
    CHECK_EQ(rc, -EIO);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(without_memory_the_failure_before_is_not_taken_for_this_one)
{
    CHECK_EQ(bough_fail(-EIO, "old"), -EIO);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_fail(-EIO, "new"), -EIO);
    const struct bough_error *e = bough_error_last();
    CHECK(!e || strcmp(bough_error_message(e), "old") != 0);
    return 0;
}

TASK_TEST(without_memory_a_cancel_still_arrives)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    bough_scope_cancel(&s, "a reason of %d words", 5);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    int rc = bough_sleep_forever();
    CHECK_EQ(rc, -ECANCELED);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_PRINTS(bough_error_last(), "");
    CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    rc = bough_scope_exit(&s, rc);
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(&s));
    return rc;
}

TASK_TEST(without_memory_keep_still_joins_the_codes)
{
    for (int nth = 1; nth <= 2; nth++) {
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        CHECK_EQ(bough_keep(-EIO, -EPIPE), -BOUGH_EGROUP);
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        CHECK_EQ(bough_keep(-EIO, -ECANCELED), -EIO);
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        CHECK_EQ(bough_keep(-ECANCELED, -EIO), -EIO);
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        CHECK_EQ(bough_keep(-ECANCELED, -ECANCELED), -ECANCELED);
        bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    }
    return 0;
}

struct failing {
    int code;
    bool without_memory;
};

/* A bare code: the record is made when the task ends. */
static int fails_bare(void *arg)
{
    const struct failing *f = arg;
    if (f->without_memory)
        bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    return f->code;
}

static int nursery_of(const struct failing *list, int count)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon(n, fails_bare, (void *)&list[i]);
    return rc;
}

TASK_TEST(without_memory_the_code_of_a_child_still_arrives)
{
    struct failing list[] = {{-EIO, true}};
    CHECK_EQ(nursery_of(list, 1), -EIO);
    return 0;
}

TASK_TEST(without_memory_two_children_are_several_errors)
{
    struct failing list[] = {{-EIO, true}, {-EPIPE, true}};
    CHECK_EQ(nursery_of(list, 2), -BOUGH_EGROUP);
    return 0;
}

TASK_TEST(an_error_without_a_record_is_not_dropped_beside_one_with)
{
    struct failing lost_last[] = {{-EIO, false}, {-EPIPE, true}};
    struct failing lost_first[] = {{-EIO, true}, {-EPIPE, false}};
    int rc = nursery_of(lost_last, 2);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    (void)bough_catch(&rc, -EIO);
    CHECK(rc < 0);
    rc = nursery_of(lost_first, 2);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    (void)bough_catch(&rc, -EPIPE);
    CHECK(rc < 0);
    return 0;
}

/* Much of the core at once: the nth allocation fails, whichever it is. */
static int returns_out_of_a_nursery(void)
{
    int rc = 0;
    struct failing f = {-EPIPE, false};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fails_bare, &f);
        if (rc < 0)
            return rc;
        rc = bough_checkpoint();
        return 0;
    }
    return rc;
}

static int needs_memory(__attribute__((unused)) void *arg)
{
    struct failing io = {-EIO, false};
    int rc = 0, late = 0;
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_with_scope (&s, &rc) {
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, fails_bare, &io);
            rc = bough_keep(rc, bough_sleep(10 * BOUGH_SEC));
        }
    }
    if (rc != -ENOMEM && rc != -EAGAIN && rc != -BOUGH_EGROUP)
        CHECK_EQ(rc, -EIO);
    bough_scope_cancel(&s, "too late, %s", "but say why");
    bough_fail_after (BOUGH_SEC, &late)
        late = bough_keep(bough_sleep_forever(), bough_fail(-EBUSY, "%s", "cleanup"));
    CHECK_EQ(late, -EBUSY);
    late = 0;
    bough_fail_after (BOUGH_SEC, &late)
        late = bough_sleep_forever();
    CHECK_EQ(late, -ETIMEDOUT);
    bough_with_nursery (n, &late)
        late = returns_out_of_a_nursery();
    CHECK(late < 0);
    return 0;
}

TEST(no_allocation_that_fails_loses_an_error)
{
    int faults = bough_test_faults(BOUGH_FAULT_MEMORY, needs_memory, NULL);
    CHECK(faults >= 5);
}
