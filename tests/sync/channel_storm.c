/* Channels under many orders, with cancels and timeouts everywhere; and without memory.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

enum { PRODUCERS = 4, CONSUMERS = 3, ITEMS_EACH = 40, ITEMS = PRODUCERS * ITEMS_EACH };

struct storm {
    size_t capacity;
    uint32_t dice;
    unsigned seen[ITEMS + 1];
    unsigned given_up;
    struct bough_scope *active[PRODUCERS + CONSUMERS]; /* the attempts under way */
    unsigned working;                                  /* producers and consumers */
};

struct worker {
    struct storm *storm;
    struct ends ends;
    int number;
};

static unsigned roll(struct storm *s, unsigned sides)
{
    s->dice = s->dice * 1664525u + 1013904223u;
    return (s->dice >> 16) % sides;
}

/* One transfer with little patience, in a scope that others may cancel. */
static int attempt(struct worker *w, int (*call)(void *object), struct transfer *t)
{
    int64_t patience = roll(w->storm, 4) ? (int64_t)roll(w->storm, 6) * BOUGH_MS : BOUGH_NEVER;
    struct bough_scope scope = BOUGH_SCOPE(.timeout = patience);
    int rc = 0, result = 0;
    w->storm->active[w->number] = &scope;
    bough_with_scope (&scope, &rc)
        rc = result = call(t);
    w->storm->active[w->number] = NULL;
    CHECK(rc == (result == -ECANCELED ? 0 : result));
    w->storm->given_up += result == -ECANCELED;
    return result;
}

static int pause_perhaps(struct storm *s)
{
    return roll(s, 3) ? 0 : bough_sleep((int64_t)roll(s, 4) * BOUGH_MS);
}

static int produce(void *arg)
{
    struct worker *w = arg;
    int rc = 0;
    for (int i = 1; rc == 0 && i <= ITEMS_EACH; i++) {
        struct transfer t = {.ends = w->ends, .item = w->number * ITEMS_EACH + i};
        while ((rc = attempt(w, call_send, &t)) == -ECANCELED)
            continue;
        if (rc == 0)
            rc = pause_perhaps(w->storm);
    }
    bough_sender_close(w->ends.tx);
    w->storm->working--;
    return rc;
}

static int consume(void *arg)
{
    struct worker *w = arg;
    int rc, newest[PRODUCERS] = {0};
    for (;;) {
        struct transfer t = {.ends = w->ends};
        rc = attempt(w, call_receive, &t);
        if (rc == 0)
            break;
        if (rc == 1) {
            int from = (t.item - 1) / ITEMS_EACH;
            CHECK(t.item > newest[from]); /* those of one producer stay in order */
            newest[from] = t.item;
            w->storm->seen[t.item]++;
            rc = pause_perhaps(w->storm);
        }
        CHECK(rc == 0 || rc == -ECANCELED);
    }
    bough_receiver_close(w->ends.rx);
    w->storm->working--;
    return rc;
}

/* Cancels an attempt now and then. */
static int disturb(void *arg)
{
    struct storm *s = arg;
    while (s->working) {
        struct bough_scope *scope = s->active[roll(s, PRODUCERS + CONSUMERS)];
        if (scope)
            bough_scope_cancel(scope, "disturbed");
        int rc = roll(s, 2) ? bough_checkpoint() : bough_sleep(BOUGH_MS);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int storm_main(void *arg)
{
    struct storm *s = arg;
    struct ends ends = open_ints(s->capacity);
    struct worker workers[PRODUCERS + CONSUMERS];
    int rc = 0;
    memset(s->seen, 0, sizeof(s->seen));
    s->dice++;
    s->working = PRODUCERS + CONSUMERS;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < PRODUCERS + CONSUMERS; i++) {
            struct worker *w = &workers[i];
            *w = (struct worker){.storm = s, .number = i};
            if (i < PRODUCERS) {
                CHECK_EQ(bough_sender_clone(ends.tx, &w->ends.tx), 0);
                CHECK_EQ(bough_nursery_start_soon(n, produce, w), 0);
            } else {
                CHECK_EQ(bough_receiver_clone(ends.rx, &w->ends.rx), 0);
                CHECK_EQ(bough_nursery_start_soon(n, consume, w), 0);
            }
        }
        CHECK_EQ(bough_nursery_start_soon(n, disturb, s), 0);
        close_ends(ends);
    }
    for (int i = 1; i <= ITEMS; i++)
        CHECK_EQ(s->seen[i], 1);
    return rc;
}

static void storm(size_t capacity)
{
    struct storm s = {.capacity = capacity};
    CHECK_EQ(bough_test_seeds(test_on_valgrind() ? 5 : 40, storm_main, &s), 0);
    CHECK(s.given_up > 0);
}

TEST(through_a_rendezvous_every_item_arrives_once_whoever_gives_up)
{
    storm(0);
}

TEST(through_a_small_buffer_every_item_arrives_once_whoever_gives_up)
{
    storm(1);
    storm(3);
}

TEST(through_an_unbounded_buffer_every_item_arrives_once_whoever_gives_up)
{
    storm(BOUGH_UNBOUNDED);
}

/* --- without memory --- */

TASK_TEST(a_channel_that_cannot_be_had_is_ENOMEM_and_nothing_is_touched)
{
    for (int nth = 1;; nth++) {
        struct ends ends = {0};
        bough_fault_set(BOUGH_FAULT_MEMORY, nth);
        int rc = bough_channel_open(sizeof(int), 4, &ends.tx, &ends.rx);
        bool hit = bough_fault_was_hit(BOUGH_FAULT_MEMORY);
        bough_fault_set(BOUGH_FAULT_MEMORY, 0);
        if (!hit) {
            CHECK_EQ(rc, 0);
            CHECK_EQ(nth, 5); /* the channel, its buffer, two handles */
            close_ends(ends);
            return 0;
        }
        CHECK_EQ(rc, -ENOMEM);
        CHECK(!ends.tx && !ends.rx);
        CHECK_STR(bough_error_message(bough_error_last()), "no memory for a channel");
    }
}

TASK_TEST(a_channel_larger_than_memory_is_refused)
{
    struct ends ends = {0};
    CHECK_EQ(bough_channel_open(SIZE_MAX / 2, 3, &ends.tx, &ends.rx), -EOVERFLOW);
    CHECK(!ends.tx && !ends.rx);
    CHECK_EQ(bough_channel_open(16, SIZE_MAX - 1, &ends.tx, &ends.rx), -EOVERFLOW);
    CHECK_HAS(bough_error_message(bough_error_last()), "larger than memory");
    return 0;
}

TASK_TEST(a_clone_that_cannot_be_had_is_ENOMEM)
{
    struct ends ends = open_ints(1), clone = {0};
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_sender_clone(ends.tx, &clone.tx), -ENOMEM);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_receiver_clone(ends.rx, &clone.rx), -ENOMEM);
    CHECK(!clone.tx && !clone.rx);
    CHECK_EQ(stats_of(ends).senders, 1);
    CHECK_EQ(stats_of(ends).receivers, 1);
    close_ends(ends);
    return 0;
}

TASK_TEST(an_unbounded_buffer_that_cannot_grow_loses_nothing)
{
    struct ends ends = open_ints(BOUGH_UNBOUNDED);
    int sent = 0, failed = 0;
    while (sent < 100) {
        bough_fault_set(BOUGH_FAULT_MEMORY, 1);
        int rc = bough_send(ends.tx, &(int){sent + 1});
        bough_fault_set(BOUGH_FAULT_MEMORY, 0);
        if (rc < 0) {
            CHECK_EQ(rc, -ENOMEM);
            CHECK_EQ(stats_of(ends).buffered, sent);
            CHECK_EQ(send_nowait(ends, sent + 1), 0); /* there is memory again */
            failed++;
        }
        sent++;
    }
    CHECK(failed > 1);
    for (int i = 1; i <= sent; i++)
        CHECK_EQ(receive_nowait(ends), i);
    close_ends(ends);
    return 0;
}

static int some_of_everything(__attribute__((unused)) void *arg)
{
    struct ends ends;
    struct bough_sender *another;
    int rc = bough_channel_open(sizeof(int), BOUGH_UNBOUNDED, &ends.tx, &ends.rx);
    if (rc < 0)
        return rc;
    rc = bough_sender_clone(ends.tx, &another);
    for (int i = 1; i <= 40 && rc == 0; i++)
        rc = bough_send(another, &i);
    if (rc == 0)
        bough_sender_close(another);
    for (int item; rc >= 0 && bough_receive_nowait(ends.rx, &item) == 1;)
        rc = 0;
    if (stats_of(ends).senders == 2)
        bough_sender_close(another);
    close_ends(ends);
    return rc;
}

TEST(whichever_allocation_fails_nothing_leaks)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, some_of_everything, NULL) >= 5);
}
