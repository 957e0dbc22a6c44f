/* The queue with many producers and one consumer.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include "base/mpsc.h"

#include <pthread.h>
#include <sched.h>

struct item {
    struct bough_entry entry;
    int producer, number;
};

TEST(what_goes_in_comes_out_in_order)
{
    struct mpsc q;
    struct item items[10];
    struct bough_entry *entry;
    mpsc_init(&q);
    CHECK(mpsc_is_empty(&q));
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_EMPTY);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++)
            mpsc_push(&q, &items[i].entry);
        CHECK(!mpsc_is_empty(&q));
        for (int i = 0; i < 10; i++) {
            CHECK_EQ(mpsc_pop(&q, &entry), MPSC_ITEM);
            CHECK(entry == &items[i].entry);
        }
        CHECK(mpsc_is_empty(&q));
        CHECK_EQ(mpsc_pop(&q, &entry), MPSC_EMPTY);
    }
}

TEST(push_and_pop_in_turn_with_one_item_left_behind)
{
    struct mpsc q;
    struct item items[3];
    struct bough_entry *entry;
    mpsc_init(&q);
    mpsc_push(&q, &items[0].entry);
    for (int i = 0; i < 1000; i++) {
        mpsc_push(&q, &items[(i + 1) % 3].entry);
        CHECK_EQ(mpsc_pop(&q, &entry), MPSC_ITEM);
        CHECK(entry == &items[i % 3].entry);
        CHECK(!mpsc_is_empty(&q));
    }
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_ITEM);
    CHECK(mpsc_is_empty(&q));
}

TEST(an_item_that_was_popped_may_be_pushed_again_at_once)
{
    struct mpsc q;
    struct item item;
    struct bough_entry *entry;
    mpsc_init(&q);
    for (int i = 0; i < 100; i++) {
        mpsc_push(&q, &item.entry);
        CHECK_EQ(mpsc_pop(&q, &entry), MPSC_ITEM);
        CHECK(entry == &item.entry);
        CHECK_EQ(mpsc_pop(&q, &entry), MPSC_EMPTY);
    }
}

TEST(a_push_that_is_half_done_is_a_gap)
{
    struct mpsc q;
    struct item first, second;
    struct bough_entry *entry;
    mpsc_init(&q);
    /* The first half of a push: the exchange. */
    first.entry.next = NULL;
    struct bough_entry *prev = __atomic_exchange_n(&q.head, &first.entry, __ATOMIC_ACQ_REL);
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_GAP);
    CHECK(!mpsc_is_empty(&q));
    mpsc_push(&q, &second.entry); /* another producer overtakes */
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_GAP);
    __atomic_store_n(&prev->next, &first.entry, __ATOMIC_RELEASE);
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_ITEM);
    CHECK(entry == &first.entry);
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_ITEM);
    CHECK(entry == &second.entry);
    CHECK_EQ(mpsc_pop(&q, &entry), MPSC_EMPTY);
}

enum { PRODUCERS = 6 };

struct producer {
    pthread_t thread;
    struct mpsc *q;
    struct item *items;
    int count;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (int i = 0; i < p->count; i++)
        mpsc_push(p->q, &p->items[i].entry);
    return NULL;
}

TEST(many_producers_lose_nothing_and_each_ones_items_stay_in_order)
{
    struct mpsc q;
    struct producer producers[PRODUCERS];
    int next[PRODUCERS] = {0}, count = test_scale(200000);
    mpsc_init(&q);
    for (int i = 0; i < PRODUCERS; i++) {
        struct item *items = calloc((size_t)count, sizeof(*items));
        for (int j = 0; j < count; j++)
            items[j] = (struct item){.producer = i, .number = j};
        producers[i] = (struct producer){.q = &q, .items = items, .count = count};
    }
    for (int i = 0; i < PRODUCERS; i++)
        CHECK_EQ(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    for (int left = PRODUCERS * count; left > 0;) {
        struct bough_entry *entry;
        if (mpsc_pop(&q, &entry) != MPSC_ITEM) {
            sched_yield();
            continue;
        }
        struct item *item = bough_container_of(entry, struct item, entry);
        CHECK_EQ(item->number, next[item->producer]);
        next[item->producer]++;
        left--;
    }
    CHECK(mpsc_is_empty(&q));
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        CHECK_EQ(next[i], count);
        free(producers[i].items);
    }
}
