/* Managers, stacks, pools and generators under every fault, order and cancel, and random programs
 * of all of them: what was entered is exited once and never under its user (door.h sees to that),
 * and every error arrives once.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/exit_pool.h>
#include <bough/exit_stack.h>
#include <bough/generator.h>

static bool without_memory; /* some detail may be missing */
static int most_raised;

/* The end of a program: has everything arrived? Says whether it was cancelled. */
static int judge(int rc)
{
    struct bough_run_stats stats;
    const struct bough_error *e = rc < 0 ? bough_error_last() : NULL;
    unsigned real = bough_error_count(e, 0) - bough_error_count(e, -ECANCELED);
    if (!without_memory && real != (unsigned)raised) {
        bough_error_print(e, stderr);
        CHECK_EQ(real, raised);
    }
    CHECK(raised == 0 || (rc < 0 && rc != -ECANCELED));
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1);
    most_raised = raised > most_raised ? raised : most_raised;
    raised = 0;
    return bough_checkpoint_if_cancelled();
}

static void check_doors(const struct door *doors, int count)
{
    for (int i = 0; i < count; i++) {
        CHECK_EQ(doors[i].exited, doors[i].entered);
        CHECK(doors[i].entered <= 1);
        CHECK_EQ(doors[i].users, 0);
    }
}

/* --- the scenarios --- */

static int one_manager(__attribute__((unused)) void *arg)
{
    struct door d = {.setup = 1, .cleanup = 1, .breaks_after = 100, .exit_fails = -ENOSPC};
    int rc = 0;
    raised = 0;
    bough_with (struct door *, open, door, &d, &rc)
        rc = use(open, 10);
    check_doors(&d, 1);
    return judge(rc);
}

static int nested_managers(__attribute__((unused)) void *arg)
{
    struct door d[3] = {{.setup = 1, .cleanup = 1, .timeout = 50},
                        {.setup = 2, .cleanup = 2, .breaks_after = 20},
                        {.cleanup = 1, .exit_fails = -ENOSPC}};
    int rc = 0;
    raised = 0;
    bough_with (struct door *, one, door, &d[0], &rc)
        bough_with (struct door *, two, door, &d[1], &rc)
            bough_with (struct door *, three, door, &d[2], &rc)
                rc = use(three, 30);
    check_doors(d, 3);
    return judge(rc);
}

static int a_stack(__attribute__((unused)) void *arg)
{
    struct door d[3] = {{.setup = 1, .cleanup = 1, .exit_fails = -EPERM},
                        {.cleanup = 1},
                        {.breaks_after = 20, .exit_fails = -ENOSPC}};
    struct bough_exit_stack st;
    int rc = 0;
    raised = 0;
    bough_exit_stack_open(&st);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = bough_exit_stack_enter(&st, door, &d[i], NULL, NULL);
    if (rc == 0)
        rc = use(&d[1], 30);
    rc = bough_exit_stack_close(&st, rc);
    check_doors(d, 3);
    return judge(rc);
}

struct guest {
    struct bough_exit_pool *pool;
    struct door *door;
};

static int come_in(void *arg)
{
    struct guest *g = arg;
    int rc = bough_exit_pool_enter(g->pool, door, g->door, NULL);
    return rc < 0 ? rc : use(g->door, 5);
}

static int a_pool(__attribute__((unused)) void *arg)
{
    struct door d[4] = {{.setup = 2, .cleanup = 1},
                        {.cleanup = 3, .exit_fails = -ENOSPC},
                        {.setup = 1, .breaks_after = 100, .exit_fails = -EPERM},
                        {.timeout = 40, .cleanup = 1}};
    struct bough_exit_pool p;
    int rc = 0;
    raised = 0;
    bough_exit_pool_open(&p);
    rc = bough_exit_pool_enter(&p, door, &d[0], NULL);
    if (rc == 0)
        bough_with_nursery (n, &rc)
            for (int i = 1; i < 4 && rc == 0; i++)
                rc = BOUGH_START(n, come_in, struct guest, .pool = &p, .door = &d[i]);
    if (rc == 0)
        rc = use(&d[0], 50);
    if (rc >= 0)
        rc = raise_error(-EIO, "of the body");
    rc = bough_exit_pool_close(&p, rc);
    check_doors(d, 4);
    return judge(rc);
}

static int all_at_once(void *arg)
{
    bool fails = arg != NULL;
    struct door d[4] = {{.setup = 3, .cleanup = 1},
                        {.cleanup = 3, .exit_fails = -ENOSPC},
                        {.setup = 2, .breaks_after = 30},
                        {.setup = 2, .enter_fails = fails ? -ENOENT : 0}};
    struct bough_resource all[4];
    int rc = 0, bodies = 0;
    raised = 0;
    for (int i = 0; i < 4; i++)
        all[i] = (struct bough_resource){.fn = door, .arg = &d[i]};
    bough_with_all (all, 4, &rc) {
        bodies++;
        for (int i = 0; i < 4; i++)
            CHECK(all[i].value == &d[i]);
        rc = use(&d[0], 50);
    }
    CHECK(!fails || !bodies);
    check_doors(d, 4);
    return judge(rc);
}

static int count_up(struct bough_generator *self, void *arg)
{
    struct door *d = arg;
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc)
        for (int i = 1; rc == 0 && i < 9; i++) {
            rc = use(open, 1);
            if (rc == 0)
                rc = bough_emit(self, &i);
        }
    return rc;
}

static int a_generator(__attribute__((unused)) void *arg)
{
    struct door d = {.setup = 1, .cleanup = 1, .exit_fails = -ENOSPC};
    int rc = 0, item, got = 0;
    raised = 0;
    bough_with_generator (rx, count_up, &d, sizeof(int), &rc) {
        while (got < 3 && (rc = bough_receive(rx, &item)) > 0)
            CHECK_EQ(item, ++got);
        if (rc > 0)
            rc = raise_error(-EIO, "of the body");
    }
    check_doors(&d, 1);
    return judge(rc);
}

static const struct scenario {
    const char *name;
    bough_task_fn *fn;
    void *arg;
    int faults, points; /* there are at least so many */
} scenarios[] = {
    {"one manager", one_manager, NULL, 3, 8},   {"nested managers", nested_managers, NULL, 4, 12},
    {"a stack", a_stack, NULL, 6, 8},           {"a pool", a_pool, NULL, 10, 30},
    {"all at once", all_at_once, NULL, 12, 30}, {"an enter that fails", all_at_once, "", 12, 16},
    {"a generator", a_generator, NULL, 6, 20},
};

#define foreach_scenario(s)                                                                        \
    for (const struct scenario *s = scenarios; s < scenarios + sizeof(scenarios) / sizeof(*s); s++)

TEST(whichever_allocation_fails_nothing_is_left_and_nothing_lost)
{
    without_memory = true;
    foreach_scenario(s)
    {
        int faults = bough_test_faults(BOUGH_FAULT_MEMORY, s->fn, s->arg);
        if (faults < s->faults)
            test_fail(__FILE__, __LINE__, "%s: %d", s->name, faults);
    }
}

TEST(in_whatever_order_tasks_run_nothing_is_left_and_nothing_lost)
{
    foreach_scenario(s) if (bough_test_seeds(200, s->fn, s->arg) < 0)
        test_fail(__FILE__, __LINE__, "%s", s->name);
}

TEST(wherever_a_cancel_comes_nothing_is_left_and_nothing_lost)
{
    foreach_scenario(s)
    {
        int points = bough_test_cancels(s->fn, s->arg);
        if (points < s->points)
            test_fail(__FILE__, __LINE__, "%s: %d", s->name, points);
    }
}

/* --- random programs --- */

static uint64_t dice;

static int draw(int below)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((dice >> 33) % (unsigned)below);
}

static int draw_code(void)
{
    return -1 - draw(100);
}

static struct door draw_door(void)
{
    return (struct door){
        .setup = draw(2) ? draw(10) : 0,
        .cleanup = draw(2) ? draw(10) : 0,
        .timeout = draw(4) ? 0 : 1 + draw(60),
        .breaks_after = draw(4) ? 0 : 1 + draw(60),
        .enter_fails = draw(12) ? 0 : draw_code(),
        .exit_fails = draw(10) ? 0 : draw_code(),
    };
}

static int grow(int depth);

static int grow_with(struct door *d, int depth)
{
    d->users++;
    int rc = grow(depth);
    d->users--;
    return rc;
}

/* Sometimes left by return: then what its exit fails with goes to the nursery around it, or to the
 * task. */
static int with_door(struct door *d, int depth, bool early)
{
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc) {
        rc = grow_with(open, depth);
        if (early)
            return rc;
    }
    return rc;
}

static int in_manager(int depth)
{
    struct door d = draw_door();
    int rc = with_door(&d, depth, draw(3) == 0);
    check_doors(&d, 1);
    return rc;
}

static int in_stack(int depth)
{
    struct door d[3] = {draw_door(), draw_door(), draw_door()};
    struct bough_exit_stack st;
    int rc = 0;
    bough_exit_stack_open(&st);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = bough_exit_stack_enter(&st, door, &d[i], NULL, NULL);
    if (rc == 0)
        rc = grow_with(&d[1], depth);
    rc = bough_exit_stack_close(&st, rc);
    check_doors(d, 3);
    return rc;
}

static int with_all(struct door *d, int depth, bool early)
{
    struct bough_resource all[3];
    int rc = 0;
    for (int i = 0; i < 3; i++)
        all[i] = (struct bough_resource){.fn = door, .arg = &d[i]};
    bough_with_all (all, 3, &rc) {
        rc = grow_with(&d[draw(3)], depth);
        if (early)
            return rc;
    }
    return rc;
}

static int in_all(int depth)
{
    struct door d[3] = {draw_door(), draw_door(), draw_door()};
    int rc = with_all(d, depth, draw(3) == 0);
    check_doors(d, 3);
    return rc;
}

static int in_pool(int depth)
{
    struct door d[3] = {draw_door(), draw_door(), draw_door()};
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    rc = bough_exit_pool_enter(&p, door, &d[0], NULL);
    if (rc == 0)
        bough_with_nursery (n, &rc) {
            for (int i = 1; i < 3 && rc == 0; i++)
                rc = BOUGH_START(n, come_in, struct guest, .pool = &p, .door = &d[i]);
            if (rc == 0)
                rc = grow_with(&d[0], depth);
        }
    rc = bough_exit_pool_close(&p, rc);
    check_doors(d, 3);
    return rc;
}

static int in_generator(int depth)
{
    struct door d = draw_door();
    int rc = 0, item;
    bough_with_generator (rx, count_up, &d, sizeof(int), &rc) {
        for (int i = draw(12); i > 0 && (i == 1 || rc > 0); i--)
            rc = bough_receive(rx, &item);
        if (rc >= 0)
            rc = grow(depth);
    }
    check_doors(&d, 1);
    return rc;
}

static int in_scope(int depth)
{
    int rc = 0;
    bough_move_on_after (draw(60), &rc)
        rc = grow(depth);
    return rc;
}

struct branch {
    int depth;
};

static int grow_branch(void *arg)
{
    return grow(((struct branch *)arg)->depth);
}

static int in_nursery(int depth)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = BOUGH_START(n, grow_branch, struct branch, .depth = depth);
    return rc;
}

static int grow(int depth)
{
    static int (*const kinds[])(int) = {in_manager, in_stack,     in_all,   in_pool,
                                        in_pool,    in_generator, in_scope, in_nursery};
    if (depth > 0)
        return kinds[draw(8)](depth - 1);
    return draw(5) ? bough_sleep(draw(40)) : raise_error(draw_code(), "of a body");
}

static int blow(__attribute__((unused)) void *arg)
{
    int rc = 0;
    raised = 0;
    bough_with_nursery (n, &rc)
        rc = grow(4);
    return judge(rc);
}

TEST(in_random_programs_what_is_entered_is_exited_once_and_every_error_arrives_once)
{
    int count = test_scale(20000);
    for (int i = 1; i <= count; i++) {
        struct bough_run_options options = {.seed = i % 3 ? (uint64_t)i : 0};
        dice = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
        int rc = bough_test_run(&options, blow, NULL);
        if (rc < 0)
            test_fail(__FILE__, __LINE__, "storm %d: %s", i, bough_error_name(rc));
    }
    CHECK(most_raised > 4);
}
