/* SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <malloc.h>
#include <pthread.h>

#include <bough/testing.h>

#include "base/spare.h"

static void *get(size_t size, size_t *ret_capacity)
{
    char *block = spare_get(size, ret_capacity);
    CHECK(block != NULL);
    CHECK(*ret_capacity >= size);
    return block;
}

static void get_and_put(size_t size)
{
    size_t capacity;
    void *block = get(size, &capacity);
    spare_put(block, capacity);
}

static void need_spares(void)
{
    get_and_put(SPARE_FROM);
    if (spare_kept() == 0)
        test_skip("checking tools see every block come and go");
}

TEST(blocks_are_as_large_as_they_say)
{
    for (size_t size = 1; size < 2 * SPARE_LARGEST; size += size / 50 + 1) {
        size_t capacity;
        char *block = get(size, &capacity);
        CHECK(size < SPARE_FROM || capacity <= size + size / 4 + 1);
        memset(block, 1, capacity);
        spare_put(block, capacity);
    }
    spare_put(NULL, 0);
}

TEST(what_was_put_back_is_what_comes_next)
{
    size_t capacity, again;
    need_spares();
    void *block = get(5000, &capacity);
    spare_put(block, capacity);
    CHECK(get(capacity, &again) == block);
    CHECK_EQ(again, capacity);
    CHECK(get(capacity, &again) != block);
}

TEST(small_and_huge_blocks_are_not_kept)
{
    get_and_put(SPARE_FROM - 1);
    get_and_put(SPARE_LARGEST + 1);
    CHECK_EQ(spare_kept(), 0);
}

TEST(no_more_is_kept_than_was_said)
{
    enum { COUNT = 200, SIZE = 40000 };
    void *blocks[COUNT];
    size_t capacity;
    need_spares();
    for (int i = 0; i < COUNT; i++)
        blocks[i] = get(SIZE, &capacity);
    for (int i = 0; i < COUNT; i++)
        spare_put(blocks[i], capacity);
    CHECK(spare_kept() <= SPARE_MOST);
    CHECK(spare_kept() > SPARE_MOST / 2);
}

TEST(sizes_that_are_no_longer_wanted_give_way)
{
    enum { COUNT = 100 };
    void *blocks[COUNT];
    size_t capacity;
    need_spares();
    for (int size = SPARE_FROM; size <= 1 << 16; size *= 2) {
        for (int i = 0; i < COUNT; i++)
            blocks[i] = get((size_t)size, &capacity);
        for (int i = 0; i < COUNT; i++)
            spare_put(blocks[i], capacity);
    }
    void *block = get(SPARE_LARGEST, &capacity);
    spare_put(block, capacity);
    CHECK(spare_kept() <= SPARE_MOST);
    CHECK(get(SPARE_LARGEST, &capacity) == block);
}

TEST(what_is_trimmed_is_not_kept)
{
    need_spares();
    for (size_t size = SPARE_FROM; size < SPARE_LARGEST; size *= 2)
        get_and_put(size);
    CHECK(spare_kept() >= SPARE_LARGEST - SPARE_FROM);
    spare_trim();
    CHECK_EQ(spare_kept(), 0);
    get_and_put(SPARE_FROM);
    CHECK_EQ(spare_kept(), SPARE_FROM);
}

static void *use_some(void *capacity)
{
    CHECK_EQ(spare_kept(), 0);
    for (size_t size = SPARE_FROM; size < SPARE_LARGEST / 8; size += size / 3)
        get_and_put(size);
    get_and_put(SPARE_FROM);
    *(size_t *)capacity = spare_kept();
    return NULL;
}

TEST(the_end_of_a_thread_frees_what_it_kept)
{
    pthread_t thread;
    size_t kept, before = 0;
    need_spares();
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, use_some, &kept), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK(kept > 100000);
        if (i == 2)
            before = mallinfo2().uordblks;
    }
    CHECK(mallinfo2().uordblks < before + kept);
}

TEST(a_block_that_is_kept_can_be_made_to_fail)
{
    size_t capacity;
    get_and_put(5000);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK(spare_get(5000, &capacity) == NULL);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    get_and_put(5000);
}
