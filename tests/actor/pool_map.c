/* Maps: one operation for each item of an input.
 * SPDX-License-Identifier: MIT */
#include "pool_crew.h"

#include <limits.h>

enum { MANY = 200 };

/* An input of 0, 1, 2, ... */
struct feed {
    long next, end;
    long at_once, most; /* taken and not yet given away; the most that there were */
    int fails;          /* with this, at the end */
    long order[MANY];   /* of what was given away */
    long given;
    int errors;
    struct bough_pool *pool;
    size_t progress;
    int64_t wait; /* in each() */
};

static int next_number(void *arg, struct bough_bytes *ret_request)
{
    struct feed *f = arg;
    static long number;
    if (f->next == f->end)
        return f->fails;
    number = f->next++; /* it is copied, so this may be used again */
    if (++f->at_once > f->most)
        f->most = f->at_once;
    *ret_request = BOUGH_BYTES(number);
    return 1;
}

static int note_square(void *arg, size_t index, int rc, struct bough_message *reply)
{
    struct feed *f = arg;
    long x = -1;
    f->at_once--;
    f->order[f->given++] = (long)index;
    if (rc < 0) {
        f->errors++;
        CHECK_HAS(bough_error_message(bough_error_last()), "has no root");
        return 0;
    }
    CHECK_EQ(bough_message_get(reply, &x), 0);
    CHECK_EQ(x, (long)(index * index));
    return f->wait ? bough_sleep(f->wait) : 0;
}

static void note_progress(void *arg, size_t done, size_t count)
{
    struct feed *f = arg;
    CHECK_EQ(done, f->progress + 1);
    CHECK_EQ(count, 0);
    f->progress = done;
}

ACTOR_TEST(an_array_is_mapped_to_an_array)
{
    int rc = 0;
    long items[MANY], results[MANY];
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    for (long i = 0; i < MANY; i++)
        items[i] = i;
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.items = items,
                                             .item_size = sizeof(*items),
                                             .count = MANY,
                                             .results = results,
                                             .result_size = sizeof(*results)};
        rc = bough_pool_map(p, "square", &map);
    }
    for (long i = 0; i < MANY; i++)
        CHECK_EQ(results[i], i * i);
    return rc;
}

ACTOR_TEST(no_items_are_no_calls)
{
    int rc = 0;
    struct feed f = {0};
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options none = {0}, no_more = {.next = next_number, .arg = &f};
        CHECK_EQ(bough_pool_map(p, "square", &none), 0);
        CHECK_EQ(bough_pool_map(p, "square", &no_more), 0);
        CHECK_EQ(stats_of(p).done, 0);
    }
    return rc;
}

ACTOR_TEST(an_input_is_read_no_further_than_the_window)
{
    int rc = 0;
    struct feed f = {.end = MANY, .wait = 100 * BOUGH_US};
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.next = next_number,
                                             .each = note_square,
                                             .progress = note_progress,
                                             .window = 5,
                                             .arg = &f};
        rc = bough_pool_map(p, "square", &map);
    }
    CHECK_EQ(f.most, 5);
    CHECK_EQ(f.given, MANY);
    CHECK_EQ(f.progress, MANY);
    return rc;
}

ACTOR_TEST(results_come_in_the_order_of_the_input)
{
    int rc = 0;
    struct feed f = {.end = MANY};
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 3};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.next = next_number, .each = note_square, .arg = &f};
        rc = bough_pool_map(p, "square", &map);
    }
    for (long i = 0; i < MANY; i++)
        CHECK_EQ(f.order[i], i);
    return rc;
}

static int note_order(void *arg, size_t index, int rc, struct bough_message *reply)
{
    struct feed *f = arg;
    (void)reply;
    f->order[f->given++] = (long)index;
    return rc;
}

static int sleeps_in(struct bough_pool *p, struct feed *f, bool unordered)
{
    int64_t times[] = {60 * BOUGH_MS, 0, 0, 0};
    struct bough_pool_map_options map = {.items = times,
                                         .item_size = sizeof(*times),
                                         .count = 4,
                                         .each = note_order,
                                         .unordered = unordered,
                                         .arg = f};
    f->given = 0;
    return bough_pool_map(p, "sleep", &map);
}

ACTOR_TEST(unordered_results_come_as_they_are_ready)
{
    int rc = 0;
    struct feed f = {0};
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .concurrency = 4};
    bough_with_pool (p, &options, &rc) {
        rc = sleeps_in(p, &f, true);
        CHECK_EQ(f.given, 4);
        CHECK_EQ(f.order[3], 0);
        if (rc == 0)
            rc = sleeps_in(p, &f, false);
        CHECK_EQ(f.order[0], 0);
    }
    return rc;
}

/* --- failures --- */

ACTOR_TEST(the_first_item_that_fails_ends_the_map_and_cancels_the_rest)
{
    int rc = 0;
    long items[MANY], results[MANY];
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 4};
    for (long i = 0; i < MANY; i++)
        items[i] = i == 20 ? -7 : i;
    bough_with_pool (p, &options, &rc) {
        long y;
        struct bough_pool_map_options map = {.items = items,
                                             .item_size = sizeof(*items),
                                             .count = MANY,
                                             .results = results,
                                             .result_size = sizeof(*results)};
        CHECK_EQ(bough_pool_map(p, "root", &map), -EDOM);
        CHECK_STR(bough_error_message(bough_error_last()), "-7 has no root");
        CHECK(stats_of(p).done < MANY);
        CHECK_EQ(stats_of(p).running, 0);
        rc = ask_long(p, "root", 81, &y);
    }
    return rc;
}

static int note_roots(void *arg, size_t index, int rc, struct bough_message *reply)
{
    struct feed *f = arg;
    long x;
    if (rc < 0) {
        CHECK_EQ(index % 10, 3);
        CHECK_HAS(bough_error_message(bough_error_last()), "has no root");
        f->errors++;
        return 0;
    }
    return bough_message_get(reply, &x);
}

ACTOR_TEST(with_all_each_failure_is_given_to_each_and_the_map_goes_on)
{
    int rc = 0;
    long items[MANY];
    struct feed f = {0};
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 4};
    for (long i = 0; i < MANY; i++)
        items[i] = i % 10 == 3 ? -i : i;
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.items = items,
                                             .item_size = sizeof(*items),
                                             .count = MANY,
                                             .each = note_roots,
                                             .all = true,
                                             .arg = &f};
        rc = bough_pool_map(p, "root", &map);
    }
    CHECK_EQ(f.errors, MANY / 10);
    return rc;
}

static int refuse_after_ten(void *arg, size_t index, int rc, struct bough_message *reply)
{
    (void)arg, (void)rc, (void)reply;
    return index == 10 ? bough_fail(-EFBIG, "that is enough") : 0;
}

ACTOR_TEST(an_input_or_an_output_that_fails_fails_the_map)
{
    int rc = 0;
    struct feed f = {.end = 10, .fails = -EIO}, endless = {.end = LONG_MAX};
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.next = next_number, .arg = &f};
        CHECK_EQ(bough_pool_map(p, "square", &map), -EIO);
        map = (struct bough_pool_map_options){
            .next = next_number, .each = refuse_after_ten, .arg = &endless};
        CHECK_EQ(bough_pool_map(p, "square", &map), -EFBIG);
        CHECK(endless.next <= 10 + 1 + 4);
    }
    return rc;
}

ACTOR_TEST(a_reply_of_another_size_does_not_get_into_the_results)
{
    int rc = 0;
    long item = 3;
    int result;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.items = &item,
                                             .item_size = sizeof(item),
                                             .count = 1,
                                             .results = &result,
                                             .result_size = sizeof(result)};
        CHECK_EQ(bough_pool_map(p, "square", &map), -EPROTO);
    }
    return rc;
}

ACTOR_TEST(a_map_that_makes_no_sense_is_refused)
{
    int rc = 0;
    long item = 3;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options bad[] = {
            {.count = 1},
            {.items = &item, .next = next_number},
            {.next = next_number, .results = &item},
            {.items = &item, .item_size = sizeof(item), .count = 1, .all = true}};
        for (int i = 0; i < 4; i++)
            CHECK_EQ(bough_pool_map(p, "square", &bad[i]), -EINVAL);
    }
    return rc;
}

ACTOR_TEST(a_timeout_around_a_map_ends_all_its_calls)
{
    int rc = 0;
    int64_t times[20];
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 4};
    for (int i = 0; i < 20; i++)
        times[i] = BOUGH_MINUTE;
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {
            .items = times, .item_size = sizeof(*times), .count = 20};
        bough_fail_after (50 * BOUGH_MS, &rc)
            rc = bough_pool_map(p, "sleep", &map);
        CHECK_EQ(rc, -ETIMEDOUT);
        CHECK_EQ(stats_of(p).running, 0);
        CHECK_EQ(stats_of(p).waiting, 0);
        rc = 0;
    }
    return rc;
}

/* --- and the pool's end --- */

static int keep_reply(void *arg, size_t index, int rc, struct bough_message *reply)
{
    struct bough_message *replies = arg;
    replies[index] = *reply;
    *reply = (struct bough_message){0};
    return rc;
}

ACTOR_TEST(a_reply_may_be_kept)
{
    int rc = 0;
    long items[] = {2, 3};
    struct bough_message replies[2] = {{0}};
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.items = items,
                                             .item_size = sizeof(*items),
                                             .count = 2,
                                             .each = keep_reply,
                                             .arg = replies};
        rc = bough_pool_map(p, "square", &map);
    }
    for (int i = 0; i < 2; i++) {
        long x = 0;
        CHECK_EQ(bough_message_get(&replies[i], &x), 0);
        CHECK_EQ(x, items[i] * items[i]);
        bough_message_free(&replies[i]);
    }
    return rc;
}

static int map_from_outside(void *arg)
{
    struct feed *f = arg;
    struct bough_pool_map_options map = {.next = next_number, .each = note_square, .arg = f};
    return bough_pool_map(f->pool, "square", &map);
}

/* A pool that hands its workers back one by one, and has more items than they may do. */
ACTOR_TEST(a_body_that_ends_lets_a_map_of_another_task_end_although_workers_are_replaced)
{
    int rc = 0;
    struct feed f = {.end = 20};
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .max_tasks = 2};
    bough_with_nursery (n, &rc) {
        bough_with_pool (p, &options, &rc) {
            f.pool = p;
            rc = bough_nursery_start_soon(n, map_from_outside, &f);
            if (rc == 0)
                rc = bough_checkpoint();
        }
        CHECK_EQ(f.given, 20);
    }
    return rc;
}
