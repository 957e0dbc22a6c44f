/* Compound literals as arguments: a preprocessor splits them at their commas, so each macro that
 * takes somebody's pointer has to put them together again.
 * SPDX-License-Identifier: MIT */
#include "harness.h"

struct pair {
    int a, b;
};

static int sum;

static int add(void *arg)
{
    const struct pair *p = arg;
    sum += p->a * 10 + p->b;
    return 0;
}

static int add_and_say_so(void *arg)
{
    (void)bough_started(arg);
    return add(arg);
}

static int yield_pair(struct bough_manager *self, void *arg)
{
    (void)add(arg);
    return bough_yield(self, arg);
}

static int emit_pair(struct bough_generator *self, void *arg)
{
    return bough_emit(self, arg);
}

static int step_pair(struct bough_iterator *self, void *arg)
{
    return bough_iterator_emit(self, arg);
}

static bool is_pair(void *arg)
{
    return add(arg) == 0;
}

TASK_TEST(a_task_takes_a_compound_literal_with_commas)
{
    int rc = 0, started[5];
    bough_with_nursery (n, &rc) { /* to whose end the literals live; not so in a CHECK */
        started[0] = bough_nursery_start_soon(n, add, &(struct pair){1, 2});
        started[1] =
            bough_nursery_start_soon_with(n, add, &(struct pair){1, 2}, sizeof(struct pair));
        started[2] = bough_nursery_start_service(n, add, &(struct pair){1, 2});
        started[3] = bough_nursery_start(n, add_and_say_so, &(struct pair){1, 2}, NULL);
        started[4] = bough_nursery_start_with(n, add_and_say_so, &(struct pair){1, 2},
                                              sizeof(struct pair), NULL);
        rc = bough_wait_all_tasks_blocked();
    }
    for (int i = 0; i < 5; i++)
        CHECK_EQ(started[i], 0);
    CHECK_EQ(sum, 60);
    return rc;
}

TASK_TEST(a_manager_takes_one_in_a_block_a_stack_and_a_pool)
{
    struct bough_manager m;
    struct bough_exit_stack st;
    void *value;
    int rc = 0;
    bough_with (struct pair *, p, yield_pair, &(struct pair){1, 2}, &rc)
        CHECK_EQ(p->b, 2);
    CHECK_EQ(bough_manager_enter(&m, yield_pair, &(struct pair){1, 2}, NULL), 0);
    CHECK_EQ(bough_manager_exit(&m, 0), 0);
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, yield_pair, &(struct pair){1, 2}, &value, NULL), 0);
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    bough_with_exit_pool (pool, &rc)
        rc = bough_exit_pool_enter(pool, yield_pair, &(struct pair){1, 2}, NULL);
    bough_with_all ((struct bough_resource[]){{.fn = yield_pair, .arg = &(struct pair){1, 2}},
                                              {.fn = yield_pair, .arg = &(struct pair){1, 2}}},
                    2, &rc)
        CHECK_EQ(sum, 72);
    return rc;
}

TASK_TEST(a_shared_manager_takes_one)
{
    struct bough_shared shared;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_shared_init(&shared, n, yield_pair, &(struct pair){1, 2});
        bough_with_shared (struct pair *, p, &shared, &rc)
            CHECK_EQ(p->a, 1);
    }
    CHECK_EQ(sum, 12);
    return rc;
}

TASK_TEST(a_generator_and_an_iterator_take_one)
{
    struct bough_iterator it;
    struct pair got;
    int rc = 0;
    bough_with_generator (rx, emit_pair, &(struct pair){1, 2}, sizeof(struct pair), &rc)
        rc = bough_receive(rx, &got);
    CHECK_EQ(got.b, 2);
    int opened = bough_iterator_open(&it, step_pair, &(struct pair){3, 4}, sizeof(struct pair));
    CHECK_EQ(opened, 0);
    CHECK_EQ(bough_next(&it, &got), 1);
    CHECK_EQ(got.b, 4);
    return bough_iterator_close(&it, rc);
}

TASK_TEST(what_runs_beside_a_body_takes_one)
{
    int rc = 0;
    bough_with_background (add, &(struct pair){1, 2}, &rc)
        rc = bough_sleep(1);
    bough_move_on_when (add, &(struct pair){1, 2}, &rc)
        rc = bough_sleep(1);
    CHECK_EQ(sum, 24);
    return rc;
}

TASK_TEST(a_condition_and_a_process_take_one)
{
    struct bough_lock lock;
    struct bough_condition changed;
    int rc = 0;
    bough_lock_init(&lock);
    bough_condition_init(&changed, &lock);
    CHECK_EQ(bough_lock_acquire(&lock), 0);
    CHECK_EQ(bough_condition_wait_until(&changed, is_pair, &(struct pair){1, 2}), 0);
    bough_lock_release(&lock);
    bough_with_process (p,
                        &(struct bough_process_options){.argv = BOUGH_ARGV("sh", "-c", "exit 3"),
                                                        .any_status = true},
                        &rc)
        rc = bough_status_exit_code(bough_process_wait(p));
    CHECK_EQ(rc, 3);
    return 0;
}
