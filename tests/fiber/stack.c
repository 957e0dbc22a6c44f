/* The pool of stacks.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include "fiber/stack.h"

#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 64 * 1024 };

TEST(stacks_are_distinct_writable_and_do_not_overlap)
{
    struct stack_pool pool;
    enum { MANY = 200 };
    void *low[MANY];
    stack_pool_init(&pool, SIZE);
    CHECK_EQ(pool.size, SIZE);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(stack_get(&pool, &low[i]), 0);
        char *top = stack_top(&pool, low[i]);
        CHECK(top > (char *)low[i] + STACK_GUARD && top <= (char *)low[i] + SIZE);
        CHECK_EQ((uintptr_t)top % 64, 0);
        memset((char *)low[i] + STACK_GUARD, i, (size_t)(top - (char *)low[i]) - STACK_GUARD);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(*((unsigned char *)low[i] + STACK_GUARD), i);
        CHECK_EQ(*((unsigned char *)stack_top(&pool, low[i]) - 1), i);
        stack_put(&pool, low[i]);
    }
    stack_pool_release(&pool);
}

TEST(the_stack_that_came_back_last_is_taken_first)
{
    struct stack_pool pool;
    void *a, *b, *c;
    stack_pool_init(&pool, SIZE);
    CHECK_EQ(stack_get(&pool, &a), 0);
    CHECK_EQ(stack_get(&pool, &b), 0);
    stack_put(&pool, b);
    stack_put(&pool, a);
    CHECK_EQ(pool.free_count, 2);
    CHECK_EQ(stack_get(&pool, &c), 0);
    CHECK(c == a);
    CHECK_EQ(stack_get(&pool, &c), 0);
    CHECK(c == b);
    CHECK_EQ(pool.free_count, 0);
    stack_pool_release(&pool);
}

TEST(sizes_are_rounded_up_to_a_power_of_two)
{
    struct stack_pool pool;
    stack_pool_init(&pool, 1);
    CHECK_EQ(pool.size, STACK_MIN);
    stack_pool_init(&pool, STACK_MIN + 1);
    CHECK_EQ(pool.size, 2 * STACK_MIN);
    stack_pool_init(&pool, 100 * 1024);
    CHECK_EQ(pool.size, 128 * 1024);
    stack_pool_release(&pool);
}

TEST(the_tops_of_neighbours_fall_into_different_cache_sets)
{
    struct stack_pool pool;
    void *low;
    unsigned sets = 0;
    stack_pool_init(&pool, SIZE);
    for (int i = 0; i < 16; i++) {
        CHECK_EQ(stack_get(&pool, &low), 0);
        sets |= 1u << ((uintptr_t)stack_top(&pool, low) / 64 % 32);
    }
    CHECK(__builtin_popcount(sets) >= 12);
    stack_pool_release(&pool);
}

static void write_at(size_t offset)
{
    if (test_is_emulated())
        test_skip("the emulator accepts the guard and makes none");
    struct stack_pool pool;
    void *low;
    stack_pool_init(&pool, SIZE);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(stack_get(&pool, &low), 0);
    fprintf(stderr, "about to write\n");
    ((volatile char *)low)[offset] = 1;
    stack_pool_release(&pool);
}

TEST_DIES(the_lowest_byte_of_the_guard_cannot_be_written, SIGSEGV, "about to write")
{
    write_at(0);
}

TEST_DIES(nor_its_highest, SIGSEGV, "about to write")
{
    write_at(STACK_GUARD - 1);
}

TEST(right_above_the_guard_is_stack)
{
    write_at(STACK_GUARD);
}

static size_t resident(void *low)
{
    unsigned char pages[SIZE / 4096];
    size_t count = 0;
    CHECK_EQ(mincore(low, SIZE, pages), 0);
    for (size_t i = 0; i < sizeof(pages); i++)
        count += pages[i] & 1;
    return count;
}

TEST(trimming_gives_back_the_memory_of_all_but_the_hottest)
{
    enum { MANY = STACK_HOT + 100 };
    static void *low[MANY];
    struct stack_pool pool;
    stack_pool_init(&pool, SIZE);
    if (pool.watched || test_is_emulated() || sysconf(_SC_PAGESIZE) != 4096)
        test_skip("the tools keep their notes on the stacks");
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(stack_get(&pool, &low[i]), 0);
        memset((char *)low[i] + STACK_GUARD, 1, SIZE - STACK_GUARD);
    }
    for (int i = 0; i < MANY; i++)
        stack_put(&pool, low[i]);
    stack_pool_trim(&pool); /* from now on they are not used */
    CHECK_EQ(pool.trimmed, 0);
    stack_pool_trim(&pool);
    CHECK_EQ(pool.trimmed, 100);
    for (int i = 0; i < MANY; i++)
        CHECK(i < 100 ? resident(low[i]) <= 1 : resident(low[i]) >= 15);
    /* Taken again, used again, trimmed again. */
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(stack_get(&pool, &low[i]), 0);
        memset((char *)low[i] + STACK_GUARD, 1, SIZE - STACK_GUARD);
    }
    for (int i = 0; i < MANY; i++)
        stack_put(&pool, low[i]);
    stack_pool_trim(&pool);
    CHECK_EQ(pool.trimmed, 0);
    CHECK(resident(low[0]) >= 15);
    stack_pool_trim(&pool);
    CHECK(resident(low[0]) <= 1);
    stack_pool_release(&pool);
}

TEST(trimming_spares_the_stacks_that_were_used_since_the_last_time)
{
    enum { MANY = STACK_HOT + 100, USED = STACK_HOT + 20 };
    static void *low[MANY];
    struct stack_pool pool;
    stack_pool_init(&pool, SIZE);
    if (pool.watched)
        test_skip("the tools keep their notes on the stacks");
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(stack_get(&pool, &low[i]), 0);
    for (int i = 0; i < MANY; i++)
        stack_put(&pool, low[i]);
    stack_pool_trim(&pool);
    for (int i = 0; i < USED; i++)
        CHECK_EQ(stack_get(&pool, &low[i]), 0);
    for (int i = 0; i < USED; i++)
        stack_put(&pool, low[i]);
    stack_pool_trim(&pool);
    CHECK_EQ(pool.trimmed, MANY - USED);
    stack_pool_trim(&pool);
    CHECK_EQ(pool.trimmed, MANY - STACK_HOT);
    stack_pool_release(&pool);
}

TEST(a_hundred_thousand_stacks_can_be_had_or_it_says_enomem)
{
    int many = test_scale(100000), got = 0, rc = 0;
    struct stack_pool pool;
    void **low = calloc((size_t)many, sizeof(*low));
    stack_pool_init(&pool, STACK_MIN);
    for (; got < many && rc == 0; got += rc == 0)
        rc = stack_get(&pool, &low[got]);
    CHECK(rc == 0 || (rc == -ENOMEM && got > 10000));
    while (got > 0)
        stack_put(&pool, low[--got]);
    stack_pool_release(&pool);
    free(low);
}

TEST(without_memory_it_is_enomem_and_works_later)
{
    struct stack_pool pool;
    void *low = NULL;
    stack_pool_init(&pool, SIZE);
    for (int nth = 1; nth <= 3; nth++) {
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        CHECK_EQ(stack_get(&pool, &low), -ENOMEM);
        CHECK(low == NULL);
    }
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK_EQ(stack_get(&pool, &low), 0);
    CHECK(low != NULL);
    stack_put(&pool, low);
    stack_pool_release(&pool);
}
