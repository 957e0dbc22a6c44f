/* Managers that are entered and exited in ways that cannot be: a panic that names both places,
 * never worse.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/manager.h>

static int first_door(struct bough_manager *self, void *arg)
{
    return door(self, arg);
}

static int second_door(struct bough_manager *self, void *arg)
{
    return door(self, arg);
}

/* --- out of order --- */

TEST_PANICS(exiting_the_outer_one_first_panics_and_names_both, "exiting first_door, entered at ")
{
    struct bough_manager a, b;
    struct door d[2] = {{0}};
    panic_says("while inside second_door, opened at ");
    CHECK_EQ(bough_manager_enter(&a, first_door, &d[0], NULL), 0);
    CHECK_EQ(bough_manager_enter(&b, second_door, &d[1], NULL), 0);
    return bough_manager_exit(&a, 0);
}

TEST_PANICS(with_their_places, "manager_misuse.c:")
{
    char line[64];
    struct bough_manager a, b;
    struct door d[2] = {{0}};
    snprintf(line, sizeof(line), "manager_misuse.c:%d, while inside", __LINE__ + 2);
    panic_says(line);
    CHECK_EQ(bough_manager_enter(&a, first_door, &d[0], NULL), 0);
    CHECK_EQ(bough_manager_enter(&b, second_door, &d[1], NULL), 0);
    return bough_manager_exit(&a, 0);
}

TEST_PANICS(exiting_it_inside_a_scope_that_the_body_left_open_panics,
            "exiting first_door, entered at ")
{
    struct bough_manager m;
    struct door d = {0};
    struct bough_scope s = BOUGH_SCOPE();
    panic_says("while inside bough_scope_enter, opened at ");
    CHECK_EQ(bough_manager_enter(&m, first_door, &d, NULL), 0);
    bough_scope_enter(&s);
    return bough_manager_exit(&m, 0);
}

TEST_PANICS(exiting_it_inside_a_nursery_of_the_body_panics, "while inside nursery, opened at ")
{
    struct bough_manager m;
    struct door d = {.breaks_after = BOUGH_SEC};
    struct bough_nursery n;
    panic_says("exiting first_door, entered at ");
    CHECK_EQ(bough_manager_enter(&m, first_door, &d, NULL), 0);
    bough_nursery_open(&n);
    return bough_manager_exit(&m, 0);
}

TEST_PANICS(closing_a_scope_around_it_first_panics, "while inside the one opened by first_door at ")
{
    struct bough_manager m;
    struct door d = {0};
    struct bough_scope s = BOUGH_SCOPE();
    panic_says("scopes are closed out of order");
    bough_scope_enter(&s);
    CHECK_EQ(bough_manager_enter(&m, first_door, &d, NULL), 0);
    return bough_scope_exit(&s, 0);
}

/* --- twice, or not at all --- */

TEST_PANICS(exiting_it_twice_panics, "is exited twice")
{
    struct bough_manager m;
    struct door d = {0};
    panic_says("the manager first_door (entered at ");
    CHECK_EQ(bough_manager_enter(&m, first_door, &d, NULL), 0);
    CHECK_EQ(bough_manager_exit(&m, 0), 0);
    return bough_manager_exit(&m, 0);
}

TEST_PANICS(exiting_it_when_its_enter_failed_panics, "or although its enter failed")
{
    struct bough_manager m;
    struct door d = {.enter_fails = -EIO};
    CHECK_EQ(bough_manager_enter(&m, first_door, &d, NULL), -EIO);
    return bough_manager_exit(&m, 0);
}

TEST_PANICS(never_exiting_it_panics_when_the_task_ends,
            "ends inside a scope or nursery that it opened: first_door at ")
{
    static struct bough_manager m;
    static struct door d;
    return bough_manager_enter(&m, first_door, &d, NULL);
}

/* --- by another task --- */

static int exit_it(void *arg)
{
    return bough_manager_exit(arg, 0);
}

TEST_PANICS(exiting_it_in_another_task_panics_and_names_both,
            "by task main) is exited by task exit_it")
{
    struct bough_manager m;
    struct door d = {0};
    int rc = 0;
    panic_says("the manager first_door (entered at ");
    CHECK_EQ(bough_manager_enter(&m, first_door, &d, NULL), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, exit_it, &m);
    return bough_manager_exit(&m, rc);
}

struct entry {
    struct bough_manager manager;
    struct door door;
};

static int enter_it(void *arg)
{
    struct entry *e = arg;
    return bough_manager_enter(&e->manager, first_door, &e->door, NULL);
}

/* What a naive gather() of managers does. */
TEST_PANICS(entering_it_in_a_task_that_ends_panics, "task enter_it (enter_it, started at ")
{
    struct entry e = {.door = {0}};
    int rc = 0;
    panic_says("first_door at ");
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, enter_it, &e);
    return bough_manager_exit(&e.manager, rc);
}

struct inside {
    struct bough_manager *manager;
    struct bough_nursery *nursery;
};

static int hand_out_nursery(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_yield(self, n);
    return rc;
}

TEST_PANICS(exiting_it_in_a_child_of_its_own_nursery_panics,
            "is exited by task exit_it: enter and exit")
{
    struct bough_manager m;
    void *nursery;
    int rc = bough_manager_enter(&m, hand_out_nursery, NULL, &nursery);
    CHECK_EQ(rc, 0);
    rc = bough_nursery_start_soon(nursery, exit_it, &m);
    if (rc == 0)
        rc = bough_sleep(BOUGH_SEC);
    return bough_manager_exit(&m, rc);
}

/* --- from inside --- */

static int exits_itself(struct bough_manager *self, void *arg)
{
    return bough_manager_exit(arg ? arg : self, 0);
}

TEST_PANICS(exiting_it_in_its_setup_panics, "while it is still busy")
{
    struct bough_manager m;
    return bough_manager_enter(&m, exits_itself, NULL, NULL);
}

static int exits_itself_late(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = bough_yield(self, NULL);
    return bough_manager_exit(self, rc);
}

TEST_PANICS(exiting_it_in_its_cleanup_panics, "while it is still busy")
{
    struct bough_manager m;
    CHECK_EQ(bough_manager_enter(&m, exits_itself_late, NULL, NULL), 0);
    return bough_manager_exit(&m, 0);
}

/* --- a function that leaves something open --- */

static int leaves_a_scope(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    static struct bough_scope s; /* which is still there when the panic looks at it */
    s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    return bough_yield(self, NULL);
}

TEST_PANICS(ending_with_a_scope_open_panics_and_names_it, "the manager leaves_a_scope (entered at ")
{
    int rc = 0;
    panic_says("ends inside bough_scope_enter, opened at ");
    bough_with (void *, nothing, leaves_a_scope, NULL, &rc)
        rc = bough_checkpoint();
    return rc;
}

static int leaves_a_manager(__attribute__((unused)) struct bough_manager *self, void *arg)
{
    static struct bough_manager inner;
    CHECK_EQ(bough_manager_enter(&inner, second_door, arg, NULL), 0);
    return bough_fail(-EIO, "before the yield");
}

TEST_PANICS(ending_with_a_manager_open_panics_and_names_it, "ends inside second_door, opened at ")
{
    int rc = 0;
    panic_says("the manager leaves_a_manager (entered at ");
    bough_with (void *, nothing, leaves_a_manager, &(struct door){0}, &rc)
        rc = bough_checkpoint();
    return rc;
}

/* --- yields of others --- */

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

TEST_PANICS(a_yield_in_another_task_panics, "a frame (lets_a_child_yield, opened at ")
{
    struct bough_manager m;
    panic_says("by task main) is suspended from outside in task yield_it");
    return bough_manager_enter(&m, lets_a_child_yield, NULL, NULL);
}

static int yields_another(__attribute__((unused)) struct bough_manager *self, void *arg)
{
    return bough_yield(arg, NULL);
}

static int lets_a_manager_yield(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with (void *, nothing, yields_another, self, &rc)
        rc = bough_checkpoint();
    return rc;
}

TEST_PANICS(a_yield_in_the_function_of_a_manager_inside_panics, "(lets_a_manager_yield, opened at ")
{
    struct bough_manager m;
    panic_says("is suspended from outside");
    return bough_manager_enter(&m, lets_a_manager_yield, NULL, NULL);
}

static int lets_a_child_yield_again(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = bough_yield(self, NULL);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, yield_it, self);
    CHECK(bough_catch(&rc, -EPROTO));
    return rc;
}

TASK_TEST(a_second_yield_in_another_task_is_eproto_like_one_in_its_own)
{
    int rc = 0;
    bough_with (void *, nothing, lets_a_child_yield_again, NULL, &rc)
        rc = bough_checkpoint();
    CHECK_EQ(rc, -EPROTO);
    return 0;
}
