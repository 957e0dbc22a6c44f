/* Iterators: a series that a frame of the consumer's own task computes.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/generator.h>

struct counter {
    int last;
    int fails;   /* after the last one */
    int cleanup; /* it ends with this instead of what the emit said, or 0 */
    int made, ended, saw;
};

static int count(struct bough_iterator *self, void *arg)
{
    struct counter *c = arg;
    int rc = 0;
    for (int i = 1; rc == 0 && i <= c->last; i++) {
        c->made++;
        rc = bough_iterator_emit(self, &i);
    }
    c->saw = rc;
    c->ended++;
    if (c->cleanup)
        return bough_keep(rc, bough_fail(c->cleanup, "in cleanup"));
    return rc < 0 || !c->fails ? rc : bough_fail(c->fails, "of the iterator");
}

static void expect(struct bough_iterator *it, int item)
{
    int got = -1;
    CHECK_EQ(bough_next(it, &got), 1);
    CHECK_EQ(got, item);
}

TASK_TEST(it_gives_all_items_in_order_and_then_the_end)
{
    struct counter c = {.last = 3};
    struct bough_iterator it;
    int item = 9;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    CHECK_EQ(c.made, 0); /* it begins with the first next */
    for (int i = 1; i <= 3; i++) {
        expect(&it, i);
        CHECK_EQ(c.made, i);
    }
    CHECK_EQ(bough_next(&it, &item), 0);
    CHECK_EQ(bough_next(&it, &item), 0);
    CHECK(item == 9 && c.ended == 1);
    CHECK_EQ(bough_iterator_close(&it, 7), 7);
    return 0;
}

TASK_TEST(the_function_behind_the_macro_does_the_same_and_it_may_be_opened_again)
{
    struct counter c = {.last = 2};
    struct bough_iterator it;
    int rc = 0;
    bough_assert_no_checkpoints (&rc) /* nothing here blocks of itself */
        for (int i = 1; i <= 2; i++) {
            CHECK_EQ((bough_iterator_open)(&it, count, &c, sizeof(int)), 0);
            expect(&it, 1);
            CHECK_EQ(bough_iterator_close(&it, 0), 0);
            CHECK_EQ(c.ended, i);
        }
    return rc;
}

TASK_TEST(closing_it_in_the_middle_lets_it_clean_up)
{
    struct counter c = {.last = 9};
    struct bough_iterator it;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    expect(&it, 1);
    CHECK_EQ(bough_iterator_close(&it, 5), 5);
    CHECK(c.saw == -EPIPE && c.ended == 1 && c.made == 1);
    CHECK_EQ(bough_iterator_close(&it, 6), 6); /* idempotent */
    CHECK_EQ(bough_next(&it, NULL), 0);
    CHECK_EQ(c.ended, 1);
    return 0;
}

TASK_TEST(closing_it_before_the_first_next_never_calls_its_function)
{
    struct counter c = {.last = 9};
    struct bough_iterator it;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    CHECK_EQ(bough_iterator_close(&it, -EIO), -EIO);
    CHECK(c.made == 0 && c.ended == 0);
    return 0;
}

static int emits_on(struct bough_iterator *self, void *arg)
{
    int told = 0;
    while (told < 3) /* takes no notice at first */
        told += bough_iterator_emit(self, arg) == -EPIPE;
    *(int *)arg = told;
    return 0;
}

TASK_TEST(while_it_is_closed_every_emit_fails_at_once)
{
    int item = 1;
    struct bough_iterator it;
    CHECK_EQ(bough_iterator_open(&it, emits_on, &item, sizeof(int)), 0);
    expect(&it, 1);
    CHECK_EQ(bough_iterator_close(&it, 0), 0);
    CHECK_EQ(item, 3);
    return 0;
}

/* --- errors --- */

TASK_TEST(what_it_fails_with_is_told_once_then_it_is_at_its_end)
{
    struct counter c = {.last = 1, .fails = -EIO};
    struct bough_iterator it;
    int item, rc;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    expect(&it, 1);
    rc = bough_next(&it, &item);
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "of the iterator");
    CHECK_EQ(bough_next(&it, &item), 0);
    CHECK_EQ(bough_iterator_close(&it, rc), -EIO); /* not twice */
    CHECK_EQ(leaves(-EIO), 1);
    return 0;
}

TASK_TEST(what_its_cleanup_fails_with_is_joined_to_the_result_alone)
{
    struct counter c = {.last = 9, .cleanup = -ENOSPC};
    struct bough_iterator it;
    int rc;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    expect(&it, 1);
    CHECK_EQ(bough_iterator_close(&it, 0), -ENOSPC);
    CHECK_EQ(leaves(-ENOSPC), 1);
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    expect(&it, 1);
    rc = bough_iterator_close(&it, bough_fail(-EIO, "of the body"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ENOSPC);
    return 0;
}

TASK_TEST(an_epipe_of_its_own_cleanup_is_a_failure)
{
    struct counter c = {.last = 9, .cleanup = -EPIPE};
    struct bough_iterator it;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    expect(&it, 1);
    CHECK_EQ(bough_iterator_close(&it, 0), -EPIPE);
    CHECK_STR(bough_error_message(bough_error_last()), "in cleanup");
    CHECK_EQ(leaves(-EPIPE), 1);
    return 0;
}

/* --- scopes --- */

static int sleeps(struct bough_iterator *self, void *arg)
{
    int rc = 0;
    for (int i = 0; rc == 0; i++) {
        bough_move_on_after (BOUGH_SEC, &rc) /* closed before the emit */
            rc = bough_sleep(*(int64_t *)arg);
        if (rc == 0)
            rc = bough_iterator_emit(self, &i);
    }
    return rc;
}

TASK_TEST(scopes_that_it_closes_before_it_emits_are_its_own)
{
    struct bough_iterator it;
    struct bough_scope *before = bough_scope_current();
    int64_t time = BOUGH_MINUTE;
    CHECK_EQ(bough_iterator_open(&it, sleeps, &time, sizeof(int)), 0);
    expect(&it, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(bough_scope_current() == before);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
    return bough_iterator_close(&it, 0);
}

TASK_TEST(a_timeout_of_the_consumer_reaches_what_blocks_in_it)
{
    struct bough_iterator it;
    int rc = 0, item;
    int64_t time = BOUGH_MINUTE;
    CHECK_EQ(bough_iterator_open(&it, sleeps, &time, sizeof(int)), 0);
    expect(&it, 0);
    bough_fail_after (BOUGH_SEC / 2, &rc)
        rc = bough_next(&it, &item); /* like any call */
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(bough_next(&it, &item), 0); /* which has ended it: that is why generators are tasks */
    return bough_iterator_close(&it, 0);
}

TASK_TEST(the_next_item_may_be_asked_for_in_other_scopes_than_the_first)
{
    struct counter c = {.last = 9};
    struct bough_iterator it;
    int rc = 0;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    bough_move_on_after (BOUGH_SEC, &rc)
        expect(&it, 1);
    expect(&it, 2);
    bough_with_nursery (n, &rc)
        bough_shielded (BOUGH_SEC, &rc)
            expect(&it, 3);
    return bough_iterator_close(&it, rc);
}

static int emits_in_timeout(struct bough_iterator *self, void *arg)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_iterator_emit(self, arg);
    return rc;
}

TEST_PANICS(emitting_inside_a_scope_panics_and_names_it,
            "emits inside bough_fail_after, opened at ")
{
    struct bough_iterator it;
    int item, one = 1;
    panic_says("the iterator emits_in_timeout (opened at ");
    CHECK_EQ(bough_iterator_open(&it, emits_in_timeout, &one, sizeof(int)), 0);
    return bough_next(&it, &item);
}

static void opens_for_its_caller(struct bough_nursery *n)
{
    bough_nursery_open(n);
}

static int emits_in_nursery(struct bough_iterator *self, void *arg)
{
    struct bough_nursery n;
    int rc = bough_iterator_emit(self, arg);
    opens_for_its_caller(&n); /* in a helper, where no linter sees it */
    rc = bough_iterator_emit(self, arg);
    return bough_nursery_close(&n, rc);
}

TEST_PANICS(or_inside_a_nursery_also_by_its_second_item, "emits inside nursery, opened at ")
{
    struct bough_iterator it;
    int item, one = 1;
    panic_says("iterator.c:");
    CHECK_EQ(bough_iterator_open(&it, emits_in_nursery, &one, sizeof(int)), 0);
    expect(&it, 1);
    return bough_next(&it, &item);
}

static int leaves_a_scope(struct bough_iterator *self, void *arg)
{
    static struct bough_scope s; /* which is still there when the panic looks at it */
    int rc = bough_iterator_emit(self, arg);
    s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    return rc;
}

TEST_PANICS(ending_inside_a_scope_panics_and_names_it, "ends inside bough_scope_enter, opened at ")
{
    struct bough_iterator it;
    int item, one = 1;
    panic_says("the iterator leaves_a_scope (opened at ");
    CHECK_EQ(bough_iterator_open(&it, leaves_a_scope, &one, sizeof(int)), 0);
    expect(&it, 1);
    return bough_next(&it, &item);
}

/* --- nesting, and other tasks --- */

struct tree {
    int value;
    struct tree *left, *right;
};

/* In order, with an iterator for each subtree. */
static int walk(struct bough_iterator *self, void *arg)
{
    struct tree *t = arg, *sides[] = {t->left, t->right};
    int rc = 0;
    for (int side = 0; rc >= 0 && side < 2; side++) {
        struct bough_iterator it;
        int value;
        if (side == 1)
            rc = bough_iterator_emit(self, &t->value);
        if (rc < 0 || !sides[side])
            continue;
        rc = bough_iterator_open(&it, walk, sides[side], sizeof(int));
        while (rc >= 0 && (rc = bough_next(&it, &value)) > 0)
            rc = bough_iterator_emit(self, &value);
        rc = bough_iterator_close(&it, rc);
    }
    return rc;
}

static struct tree leaf[] = {{1, NULL, NULL}, {3, NULL, NULL}, {5, NULL, NULL}};
static struct tree inner = {2, &leaf[0], &leaf[1]}, root = {4, &inner, &leaf[2]};

TASK_TEST(iterators_nest)
{
    struct bough_iterator it;
    int item;
    CHECK_EQ(bough_iterator_open(&it, walk, &root, sizeof(int)), 0);
    for (int i = 1; i <= 5; i++)
        expect(&it, i);
    CHECK_EQ(bough_next(&it, &item), 0);
    return bough_iterator_close(&it, 0);
}

static int walk_some(__attribute__((unused)) void *arg)
{
    for (int most = 0; most <= 5; most++) {
        struct bough_iterator it;
        int item, got = 0, rc = bough_iterator_open(&it, walk, &root, sizeof(int));
        while (rc >= 0 && got < most && (rc = bough_next(&it, &item)) > 0) {
            CHECK_EQ(item, ++got);
            rc = bough_checkpoint();
        }
        rc = bough_iterator_close(&it, rc);
        if (rc < 0)
            return rc;
        CHECK_EQ(got, most);
    }
    return 0;
}

TEST(without_memory_it_is_not_opened_and_nothing_is_left)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, walk_some, NULL) > 3);
}

TEST(wherever_it_is_cancelled_nothing_is_left)
{
    CHECK_CANCELS(walk_some, NULL, 11);
    CHECK_EQ(bough_test_seeds(200, walk_some, NULL), 0);
}

static int ask_next(void *arg)
{
    int item;
    return bough_next(arg, &item);
}

TEST_PANICS(another_task_cannot_ask_it, "by task main) is resumed in task ask_next")
{
    struct counter c = {.last = 9};
    struct bough_iterator it;
    int rc = 0;
    panic_says("(count, opened at ");
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, ask_next, &it);
    return rc;
}

static int asks_itself(struct bough_iterator *self, void *arg)
{
    return bough_next(self, arg);
}

TEST_PANICS(it_cannot_ask_itself, "resumed while it runs")
{
    struct bough_iterator it;
    int item;
    CHECK_EQ(bough_iterator_open(&it, asks_itself, &item, sizeof(int)), 0);
    return bough_next(&it, &item);
}

TEST_PANICS(one_that_is_not_closed_panics_when_the_task_ends,
            "leaves a frame behind: count, opened at ")
{
    static struct counter c = {.last = 9};
    static struct bough_iterator it;
    CHECK_EQ(bough_iterator_open(&it, count, &c, sizeof(int)), 0);
    expect(&it, 1);
    return 0;
}
