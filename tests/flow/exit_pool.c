/* Exit pools: managers that are added while the body runs, each in a task of its own, exited at
 * once.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/exit_pool.h>

TASK_TEST(each_manager_added_is_open_until_the_pool_is_closed)
{
    struct door a = {.setup = BOUGH_SEC}, b = {.setup = 2 * BOUGH_SEC};
    struct bough_exit_pool p;
    void *value;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &a, &value), 0);
    CHECK(value == &a);
    CHECK_EQ(bough_now(), BOUGH_SEC); /* it waits for the yield */
    CHECK_EQ((bough_exit_pool_enter)(&p, door, &b, NULL), 0);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    CHECK_EQ(use(&a, BOUGH_SEC), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 42), 42);
    CHECK(a.saw == 42 && b.saw == 42 && a.exited == 1 && b.exited == 1);
    CHECK_EQ(bough_now(), 4 * BOUGH_SEC);
    return 0;
}

TASK_TEST(an_empty_pool_gives_what_it_is_given)
{
    struct bough_exit_pool p;
    int results[] = {0, 42, -EIO};
    for (int i = 0; i < 3; i++) {
        (bough_exit_pool_open)(&p);
        CHECK_EQ(bough_exit_pool_close(&p, results[i]), results[i]);
    }
    return bough_checkpoint();
}

TASK_TEST(opening_is_no_checkpoint_and_allocates_nothing)
{
    struct bough_exit_pool p;
    int rc = 0;
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    bough_assert_no_checkpoints (&rc)
        bough_exit_pool_open(&p);
    CHECK(!bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    return bough_exit_pool_close(&p, rc);
}

TASK_TEST(exits_run_at_once_and_all_are_waited_for)
{
    struct door doors[3] = {
        {.cleanup = 3 * BOUGH_SEC}, {.cleanup = BOUGH_SEC}, {.cleanup = 2 * BOUGH_SEC}};
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bough_exit_pool_enter(&p, door, &doors[i], NULL), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(doors[i].left_at, 0);
        CHECK_EQ(doors[i].exited_at, doors[i].cleanup);
    }
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return 0;
}

/* --- from the tasks of the body --- */

struct guest {
    struct bough_exit_pool *pool;
    struct door door;
    int rc;
    void *value;
};

static int come_in(void *arg)
{
    struct guest *g = arg;
    g->rc = bough_exit_pool_enter(g->pool, door, &g->door, &g->value);
    if (g->rc < 0)
        return g->rc;
    CHECK(g->value == &g->door);
    return use(&g->door, BOUGH_SEC);
}

TASK_TEST(children_of_the_body_may_add_managers_at_once_which_outlive_them)
{
    enum { GUESTS = 5 };
    struct guest guests[GUESTS];
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    bough_with_nursery (n, &rc)
        for (int i = 0; i < GUESTS && rc == 0; i++) {
            guests[i] = (struct guest){
                .pool = &p, .door = {.setup = (GUESTS - i) * BOUGH_SEC, .cleanup = BOUGH_SEC}};
            rc = bough_nursery_start_soon(n, come_in, &guests[i]);
        }
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), (GUESTS + 1) * BOUGH_SEC);
    for (int i = 0; i < GUESTS; i++) {
        CHECK_EQ(guests[i].door.entered_at, guests[i].door.setup);
        CHECK_EQ(guests[i].door.exited, 0);
    }
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    CHECK_EQ(bough_now(), (GUESTS + 2) * BOUGH_SEC);
    return 0;
}

TASK_TEST(an_enter_that_fails_while_the_body_runs_touches_nothing_else)
{
    struct door a = {0}, b = {.enter_fails = -ENOENT}, c = {0};
    struct bough_exit_pool p;
    void *value = &p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &a, NULL), 0);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &b, &value), -ENOENT);
    CHECK_STR(bough_error_message(bough_error_last()), "cannot enter");
    CHECK_EQ(leaves(-ENOENT), 1);
    CHECK(value == &p); /* untouched */
    CHECK_EQ(use(&a, BOUGH_SEC), 0);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &c, NULL), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    CHECK(a.saw == 0 && c.exited == 1);
    return 0;
}

TASK_TEST(a_cancel_of_who_enters_cancels_the_manager_and_waits_for_it)
{
    struct door a = {0}, b = {.setup = BOUGH_MINUTE};
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &a, NULL), 0);
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_exit_pool_enter(&p, door, &b, NULL);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(b.entered, 0);
    CHECK_EQ(use(&a, BOUGH_SEC), 0);
    return bough_exit_pool_close(&p, 0);
}

TASK_TEST(a_timeout_around_the_enter_does_not_follow_the_manager_into_the_pool)
{
    struct door a = {.cleanup = BOUGH_MINUTE};
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_exit_pool_enter(&p, door, &a, NULL);
    CHECK_EQ(rc, 0);
    CHECK_EQ(use(&a, BOUGH_MINUTE), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    CHECK_EQ(a.saw, 0);
    return 0;
}

static int yields_when_cancelled(struct bough_manager *self, void *arg)
{
    struct door *d = arg;
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    CHECK_EQ(yield_door(self, d), -ECANCELED);
    d->exited++;
    if (!d->suppresses)
        CHECK_EQ(bough_yield(self, d), -EPROTO);
    return 0;
}

TASK_TEST(a_manager_that_yields_after_its_enter_was_cancelled_has_no_body_and_is_not_entered)
{
    struct door d = {.suppresses = true}, again = {0};
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = bough_exit_pool_enter(&p, yields_when_cancelled, &d, NULL);
        CHECK_EQ(rc, -ECANCELED); /* not 0: it has gone */
        CHECK_EQ(d.exited, 1);
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_exit_pool_enter(&p, yields_when_cancelled, &again, NULL);
    CHECK_EQ(rc, -EPROTO);
    return bough_exit_pool_close(&p, 0);
}

static int never_yields(__attribute__((unused)) struct bough_manager *self, void *arg)
{
    return *(int *)arg;
}

TASK_TEST(a_manager_that_does_not_yield_is_eproto)
{
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, never_yields, &(int){3}, NULL), -EPROTO);
    CHECK_STR(bough_error_message(bough_error_last()),
              "the manager never_yields ended without bough_yield()");
    CHECK_EQ(leaves(-EPROTO), 1);
    return bough_exit_pool_close(&p, 0);
}

static int yields_twice(struct bough_manager *self, void *arg)
{
    struct door *d = arg;
    int rc = yield_door(self, d);
    int64_t now = bough_now();
    CHECK_EQ(bough_yield(self, arg), -EPROTO);
    CHECK_EQ(bough_now(), now);
    d->exited++;
    return d->suppresses ? 0 : rc;
}

TASK_TEST(a_manager_that_yields_twice_is_eproto)
{
    struct door d = {0};
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, yields_twice, &d, NULL), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), -EPROTO);
    CHECK_STR(bough_error_message(bough_error_last()), "the manager yields_twice yielded twice");
    CHECK_EQ(leaves(-EPROTO), 1);
    CHECK_EQ(d.exited, 1);
    return 0;
}

TASK_TEST(after_the_body_has_left_no_manager_can_be_added)
{
    struct door d = {0};
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &d, NULL), -EBADF);
    CHECK_EQ(d.entered, 0);
    return 0;
}

/* One that, when it is exited, tries to add another. */
struct late {
    struct bough_exit_pool *pool;
    struct door door;
};

static int adds_late(struct bough_manager *self, void *arg)
{
    struct late *late = arg;
    int rc = bough_yield(self, NULL);
    CHECK_EQ(bough_exit_pool_enter(late->pool, door, &late->door, NULL), -EBADF);
    return rc;
}

TASK_TEST(nor_by_the_cleanup_of_another)
{
    struct bough_exit_pool p;
    struct late late = {.pool = &p};
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, adds_late, &late, NULL), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    CHECK_EQ(late.door.entered, 0);
    return 0;
}

/* --- each a task --- */

static struct bough_local colour;

static int look(struct bough_manager *self, void *arg)
{
    CHECK(bough_task_current() != arg);
    CHECK_STR(bough_task_name(NULL), "look");
    CHECK_STR(bough_local_get(&colour), "red"); /* inherited */
    CHECK_EQ(bough_local_set(&colour, "green"), 0);
    int rc = bough_yield(self, NULL);
    CHECK_STR(bough_local_get(&colour), "green");
    return rc;
}

TASK_TEST(a_manager_is_a_task_of_its_own_with_a_name_and_locals_that_it_inherits)
{
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    CHECK_EQ(bough_exit_pool_enter(&p, look, bough_task_current(), NULL), 0);
    CHECK_STR(bough_local_get(&colour), "red");
    CHECK_EQ(bough_local_set(&colour, "blue"), 0);
    return bough_exit_pool_close(&p, 0);
}

TASK_TEST(the_tree_says_what_the_managers_wait_for)
{
    char *text;
    size_t size;
    struct door d = {0};
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &d, NULL), 0);
    FILE *to = open_memstream(&text, &size);
    bough_tree_print(to);
    fclose(to);
    CHECK_HAS(text, "waits: the body of its exit pool");
    free(text);
    return bough_exit_pool_close(&p, 0);
}

TASK_TEST(pools_nest_and_hold_blocks_of_managers)
{
    struct door a = {.cleanup = BOUGH_SEC}, b = {.cleanup = BOUGH_SEC}, c = {.cleanup = BOUGH_SEC};
    struct bough_exit_pool outer, inner;
    int rc = 0;
    bough_exit_pool_open(&outer);
    CHECK_EQ(bough_exit_pool_enter(&outer, door, &a, NULL), 0);
    bough_with (struct door *, open, door, &b, &rc) {
        bough_exit_pool_open(&inner);
        CHECK_EQ(bough_exit_pool_enter(&inner, door, &c, NULL), 0);
        rc = bough_exit_pool_close(&inner, bough_fail(-EIO, "of the body"));
    }
    rc = bough_exit_pool_close(&outer, rc);
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    CHECK(a.saw == -EIO && b.saw == -EIO && c.saw == -EIO);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return 0;
}

static int member_of_two(struct bough_manager *self, void *arg)
{
    struct door *doors = arg;
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = bough_exit_pool_enter(&p, door, &doors[i], NULL);
    if (rc == 0)
        rc = bough_yield(self, doors);
    return bough_exit_pool_close(&p, rc);
}

TASK_TEST(a_manager_in_a_pool_may_be_made_of_a_pool)
{
    struct door doors[2] = {{.cleanup = BOUGH_SEC}, {.cleanup = BOUGH_SEC}};
    struct bough_exit_pool p;
    void *value;
    int rc;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, member_of_two, doors, &value), 0);
    CHECK(value == doors);
    rc = bough_exit_pool_close(&p, bough_fail(-EIO, "of the body"));
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    CHECK(doors[0].saw == -EIO && doors[1].saw == -EIO);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

/* --- misuse --- */

static int close_it(void *arg)
{
    return bough_exit_pool_close(arg, 0);
}

TEST_PANICS(closing_it_in_another_task_panics,
            "a scope is closed by another task: it was opened by exit pool at ")
{
    struct bough_exit_pool p;
    int rc = 0;
    panic_says("in task close_it");
    bough_exit_pool_open(&p);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, close_it, &p);
    return bough_exit_pool_close(&p, rc);
}

TEST_PANICS(closing_it_inside_a_scope_of_the_body_panics,
            "while inside the one opened by bough_scope_enter")
{
    struct bough_exit_pool p;
    struct bough_scope s = BOUGH_SCOPE();
    panic_says("closing the one opened by exit pool at ");
    bough_exit_pool_open(&p);
    bough_scope_enter(&s);
    return bough_exit_pool_close(&p, 0);
}

TEST_PANICS(closing_it_twice_panics, "a scope is closed twice: it was opened by exit pool at ")
{
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    return bough_exit_pool_close(&p, 0);
}

static int yield_it(void *arg)
{
    return bough_yield(arg, NULL);
}

static int lets_a_child_yield(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, yield_it, self);
    return rc;
}

TEST_PANICS(a_yield_in_another_task_than_the_managers_panics,
            "runs in task lets_a_child_yield, and yields in task yield_it")
{
    struct bough_exit_pool p;
    panic_says("the manager lets_a_child_yield (entered at ");
    bough_exit_pool_open(&p);
    return bough_exit_pool_enter(&p, lets_a_child_yield, NULL, NULL);
}
