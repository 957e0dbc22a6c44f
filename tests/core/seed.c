/* The order of tasks inside a pass, drawn from a seed.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

enum { TASKS = 8, PASSES = 6 };

struct order {
    char letters[TASKS * PASSES + 1];
    size_t count;
};

struct one {
    struct order *order;
    char letter;
};

static int go(void *arg)
{
    struct one one = *(struct one *)arg;
    for (int i = 0; i < PASSES; i++) {
        one.order->letters[one.order->count++] = one.letter;
        int rc = bough_checkpoint();
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int go_all(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(BOUGH_START(n, go, struct one, .order = arg, .letter = (char)('a' + i)), 0);
    return rc;
}

static struct order order_of(uint64_t seed)
{
    struct order order = {.count = 0};
    struct bough_run_options options = {.seed = seed};
    CHECK_EQ(bough_test_run(&options, go_all, &order), 0);
    CHECK_EQ(order.count, TASKS * PASSES);
    return order;
}

TEST(without_a_seed_tasks_run_in_the_order_in_which_they_became_ready)
{
    unsetenv("BOUGH_SEED");
    struct order order = order_of(0);
    CHECK_STR(order.letters, "abcdefghabcdefghabcdefghabcdefghabcdefghabcdefgh");
}

static int nothing(__attribute__((unused)) void *arg)
{
    return 0;
}

TEST(a_seed_in_the_environment_is_a_number_of_64_bits)
{
    static const char *const bad[] = {"x", "1x", "18446744073709551616", "0x1ffffffffffffffff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        setenv("BOUGH_SEED", bad[i], 1);
        CHECK_EQ(bough_run(nothing, NULL), -EINVAL);
        CHECK_HAS(bough_error_message(bough_error_last()), bad[i]);
    }
    setenv("BOUGH_SEED", "18446744073709551615", 1);
    CHECK_EQ(bough_run(nothing, NULL), 0);
}

TEST(the_same_seed_gives_the_same_order)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct order a = order_of(seed), b = order_of(seed);
        CHECK_STR(a.letters, b.letters);
    }
}

TEST(different_seeds_give_different_orders)
{
    enum { SEEDS = 100 };
    static struct order orders[SEEDS];
    for (int i = 0; i < SEEDS; i++)
        orders[i] = order_of((uint64_t)i + 1);
    for (int i = 0; i < SEEDS; i++)
        for (int j = 0; j < i; j++)
            CHECK(strcmp(orders[i].letters, orders[j].letters) != 0);
}

TEST(the_order_is_a_new_one_in_each_pass_and_every_pass_runs_everyone_once)
{
    struct order order = order_of(7);
    int same = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        unsigned seen = 0;
        for (int i = 0; i < TASKS; i++)
            seen |= 1u << (order.letters[pass * TASKS + i] - 'a');
        CHECK_EQ(seen, (1u << TASKS) - 1);
        same += pass && memcmp(order.letters, order.letters + pass * TASKS, TASKS) == 0;
    }
    CHECK(same < PASSES - 1);
}

TEST(every_task_comes_at_every_place_about_equally_often)
{
    int counts[TASKS][TASKS] = {{0}}, seeds = test_is_emulated() || test_on_valgrind() ? 400 : 2000;
    for (int seed = 1; seed <= seeds; seed++) {
        struct order order = order_of((uint64_t)seed * 977);
        for (int i = 0; i < TASKS; i++)
            counts[i][order.letters[i] - 'a']++;
    }
    for (int i = 0; i < TASKS; i++)
        for (int j = 0; j < TASKS; j++)
            CHECK(counts[i][j] > seeds / TASKS * 6 / 10 && counts[i][j] < seeds / TASKS * 15 / 10);
}

TEST(the_environment_gives_the_seed_where_the_options_do_not)
{
    setenv("BOUGH_SEED", "12345", 1);
    struct order a = order_of(0), b = order_of(0), c = order_of(99);
    unsetenv("BOUGH_SEED");
    struct order d = order_of(12345), e = order_of(99);
    CHECK_STR(a.letters, b.letters);
    CHECK_STR(a.letters, d.letters);
    CHECK_STR(c.letters, e.letters); /* the options win */
    setenv("BOUGH_SEED", "0x3039", 1);
    struct order f = order_of(0);
    CHECK_STR(f.letters, d.letters);
}

static int count_runs(void *arg)
{
    int *runs = arg;
    return ++*runs == 4 ? -EIO : 0;
}

TEST(a_test_under_many_seeds_stops_at_the_first_that_fails_and_names_it)
{
    int runs = 0;
    char text[200] = "";
    fflush(stderr);
    FILE *before = stderr;
    stderr = fmemopen(text, sizeof(text), "w");
    CHECK_EQ(bough_test_seeds(10, count_runs, &runs), -EIO);
    fclose(stderr);
    stderr = before;
    CHECK_EQ(runs, 4);
    CHECK_HAS(text, "BOUGH_SEED=4");
    runs = 10;
    CHECK_EQ(bough_test_seeds(10, count_runs, &runs), 0);
    CHECK_EQ(runs, 20);
}

static int order_matters(void *arg)
{
    struct order order = {.count = 0};
    CHECK_EQ(go_all(&order), 0);
    if (order.letters[0] == 'h')
        *(int *)arg = 1;
    return 0;
}

TEST(the_seeds_of_a_test_find_orders_that_matter)
{
    int found = 0;
    CHECK_EQ(bough_test_seeds(100, order_matters, &found), 0);
    CHECK(found);
}

static int sleepers(void *arg)
{
    int rc = 0;
    struct order *order = arg;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(BOUGH_START(n, go, struct one, .order = order, .letter = (char)('a' + i)), 0);
        rc = bough_sleep(BOUGH_SEC);
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TEST(time_is_the_same_under_every_seed)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct order order = {.count = 0};
        struct bough_run_options options = {.seed = seed};
        CHECK_EQ(bough_test_run(&options, sleepers, &order), 0);
    }
}
