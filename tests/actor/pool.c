/* Pools: calls, slots, the ends of blocks.
 * SPDX-License-Identifier: MIT */
#include "pool_crew.h"

#include "actor/cpus.h"

#include <fcntl.h>
#include <sys/stat.h>

ACTOR_TEST(a_worker_of_the_pool_answers_a_call)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    bough_with_pool (p, &options, &rc) {
        long y = 0;
        rc = ask_long(p, "square", 12, &y);
        CHECK_EQ(y, 144);
    }
    return rc;
}

ACTOR_TEST(a_pool_that_nobody_uses_ends_at_once)
{
    int rc = 0;
    int64_t began = bough_now();
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    bough_with_pool (p, &options, &rc)
        rc = 0;
    CHECK(bough_now() - began < 4 * BOUGH_SEC);
    return rc;
}

/* --- errors of a call --- */

ACTOR_TEST(what_an_operation_fails_with_comes_out_of_the_call_with_its_words)
{
    int rc = 0;
    struct bough_pool_options options = {
        .type = "crew", .name = "roots", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "root", -4, &y), -EDOM);
        CHECK_STR(bough_error_message(bough_error_last()), "-4 has no root");
        CHECK_STR(bough_error_task(bough_error_last()), "roots-1/root");
        CHECK_EQ(ask_long(p, "dance", 1, &y), -ENOSYS);
        CHECK_EQ(ask_long(p, "root", 16, &y), 0);
        CHECK_EQ(y, 4);
        CHECK_EQ(stats_of(p).done, 3);
        CHECK_EQ(stats_of(p).failed, 2);
    }
    return rc;
}

ACTOR_TEST(a_result_that_is_too_large_is_an_error_of_its_call)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(bough_pool_call(p, "huge", BOUGH_NO_BYTES, NULL), -EMSGSIZE);
        rc = ask_long(p, "square", 3, &y);
        CHECK_EQ(y, 9);
    }
    return rc;
}

ACTOR_TEST(a_request_that_is_too_large_is_an_error_of_its_call)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        long y;
        void *huge = calloc(1, 17 << 20);
        CHECK_EQ(bough_pool_call(p, "square", (struct bough_bytes){huge, 17 << 20}, NULL),
                 -EMSGSIZE);
        free(huge);
        rc = ask_long(p, "square", 3, &y);
    }
    return rc;
}

/* --- options --- */

static int options_that_cannot_be(void)
{
    struct bough_pool_options bad[] = {{.workers = 1},
                                       {.type = "crew", .workers = 1000000},
                                       {.type = "crew", .workers = 1, .restarts = 10000000},
                                       {.type = "crew", .workers = 1, .period = -1}};
    for (int i = 0; i < 4; i++) {
        int rc = 0;
        bough_with_pool (p, &bad[i], &rc)
            CHECK(false);
        CHECK_EQ(rc, -EINVAL);
    }
    return 0;
}

TASK_TEST(options_that_cannot_be_are_refused_before_the_body)
{
    return options_that_cannot_be();
}

TASK_TEST(a_type_that_there_is_not_fails_the_pool_and_says_so)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "ghost", .workers = 1};
    bough_with_pool (p, &options, &rc)
        test_fail(__FILE__, __LINE__, "the body runs");
    CHECK_EQ(rc, -ENOENT);
    CHECK_HAS(bough_error_message(bough_error_last()), "BOUGH_ACTOR(ghost, ...)");
    return 0;
}

ACTOR_TEST(there_are_as_many_workers_as_cpus_and_they_are_named_after_the_pool)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place};
    bough_with_pool (p, &options, &rc) {
        while (stats_of(p).workers < bough_cpu_count() && rc == 0)
            rc = bough_sleep(BOUGH_MS);
        CHECK_EQ(stats_of(p).workers, bough_cpu_count());
    }
    return rc;
}

static void put_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int groups(const char *root)
{
    char inner[256];
    snprintf(inner, sizeof(inner), "%s/a", root);
    CHECK_EQ(mkdir(inner, 0700), 0);
    snprintf(inner, sizeof(inner), "%s/a/b", root);
    CHECK_EQ(mkdir(inner, 0700), 0);
    CHECK_EQ(cpus_of_group(root, "/a/b", 8), 8);
    put_file(root, "a/cpu.max", "max 100000\n");
    CHECK_EQ(cpus_of_group(root, "/a/b", 8), 8);
    put_file(root, "a/cpu.max", "150000 100000\n");
    CHECK_EQ(cpus_of_group(root, "/a/b", 8), 2);
    CHECK_EQ(cpus_of_group(root, "/a/b", 1), 1);
    put_file(inner, "cpu.max", "1000 100000\n");
    CHECK_EQ(cpus_of_group(root, "/a/b", 8), 1);
    CHECK_EQ(cpus_of_group(root, "/", 8), 8);
    put_file(inner, "cpu.max", "nonsense");
    CHECK_EQ(cpus_of_group(root, "/a/b", 8), 2);
    return 0;
}

TASK_TEST(a_control_group_above_the_process_limits_the_cpus)
{
    int rc = 0;
    bough_with (const char *, root, bough_temporary_directory, NULL, &rc)
        rc = groups(root);
    CHECK(bough_cpu_count() >= 1);
    return rc;
}

/* --- slots --- */

struct sleeper {
    struct bough_pool *pool;
    int64_t duration;
    int *count;
};

static int sleep_there(void *arg)
{
    struct sleeper *s = arg;
    int rc = ask_time(s->pool, "sleep", s->duration);
    if (rc == 0)
        ++*s->count;
    return rc;
}

ACTOR_TEST(a_worker_has_so_many_calls_at_once_and_no_more)
{
    int rc = 0, count = 0;
    int64_t began = bough_now();
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .concurrency = 2};
    bough_with_pool (p, &options, &rc) {
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 4; i++)
                CHECK_EQ(BOUGH_START(n, sleep_there, struct sleeper, .pool = p,
                                     .duration = 20 * BOUGH_MS, .count = &count),
                         0);
            while (stats_of(p).running < 2)
                CHECK_EQ(bough_sleep(BOUGH_MS), 0);
            CHECK_EQ(stats_of(p).running, 2);
            CHECK_EQ(stats_of(p).waiting, 2);
        }
    }
    CHECK_EQ(count, 4);
    CHECK(bough_now() - began >= 40 * BOUGH_MS);
    return rc;
}

struct asker {
    struct bough_pool *pool;
    pid_t *ids;
    int *count;
};

static int ask_and_note(void *arg)
{
    struct asker *a = arg;
    return ask_who(a->pool, 5 * BOUGH_MS, &a->ids[(*a->count)++]);
}

/* Where a greedy worker takes all that it can hold, one of them does everything. */
ACTOR_TEST(work_is_spread_over_all_workers_also_if_one_could_hold_it_all)
{
    int rc = 0, count = 0, others = 0;
    pid_t ids[16];
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 16};
    bough_with_pool (p, &options, &rc) {
        while (stats_of(p).workers < 2 && rc == 0)
            rc = bough_sleep(BOUGH_MS);
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 16 && rc == 0; i++)
                rc = BOUGH_START(n, ask_and_note, struct asker, .pool = p, .ids = ids,
                                 .count = &count);
    }
    CHECK_EQ(count, 16);
    for (int i = 1; i < 16; i++)
        others += ids[i] != ids[0];
    CHECK(others >= 4 && others <= 12);
    return rc;
}

ACTOR_TEST(who_gives_up_waiting_for_a_slot_leaves_no_place_behind)
{
    int rc = 0, count = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        bough_with_nursery (n, &rc) {
            long y;
            CHECK_EQ(BOUGH_START(n, sleep_there, struct sleeper, .pool = p,
                                 .duration = 300 * BOUGH_MS, .count = &count),
                     0);
            while (stats_of(p).running < 1)
                CHECK_EQ(bough_sleep(BOUGH_MS), 0);
            bough_move_on_after (BOUGH_MS, &rc)
                rc = ask_long(p, "square", 3, &y);
            CHECK(bough_scope_cancelled_caught(NULL));
            CHECK_EQ(stats_of(p).waiting, 0);
            CHECK_EQ(ask_long(p, "square", 3, &y), 0);
        }
    }
    return rc;
}

ACTOR_TEST(a_worker_that_has_done_max_tasks_is_replaced_and_nothing_hangs)
{
    int rc = 0, count = 0;
    pid_t ids[20];
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 3, .max_tasks = 2};
    bough_with_pool (p, &options, &rc) {
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 10 && rc == 0; i++)
                rc = BOUGH_START(n, ask_and_note, struct asker, .pool = p, .ids = ids,
                                 .count = &count);
        CHECK(stats_of(p).replaced >= 3); /* 10 calls, two a life; two lives are the first */
    }
    CHECK_EQ(count, 10);
    return rc;
}

/* --- a call that is cancelled --- */

ACTOR_TEST(a_timeout_around_a_call_cancels_it_and_the_worker_goes_on)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "square", 3, &y), 0);
        bough_fail_after (10 * BOUGH_MS, &rc)
            rc = ask_time(p, "sleep", BOUGH_MINUTE);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = ask_long(p, "square", 4, &y);
        CHECK_EQ(stats_of(p).replaced, 0);
    }
    return rc;
}

ACTOR_TEST(with_kill_on_cancel_an_operation_that_does_not_end_costs_the_worker_its_life)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew",
                                         .place = place,
                                         .workers = 1,
                                         .grace = 50 * BOUGH_MS,
                                         .restarts = -1,
                                         .kill_on_cancel = true};
    int64_t duration = place == BOUGH_PLACE_THREAD ? 200 * BOUGH_MS : BOUGH_MINUTE;
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "square", 3, &y), 0);
        bough_move_on_after (10 * BOUGH_MS, &rc)
            rc = ask_time(p, "deaf", duration);
        CHECK_EQ(rc, 0);
        CHECK_EQ(bough_scope_cancelled_caught(NULL), place == BOUGH_PLACE_PROCESS);
        CHECK_EQ(ask_long(p, "square", 4, &y), 0); /* no restart was allowed: it does not count */
        CHECK_EQ(stats_of(p).replaced, 1);
    }
    return rc;
}

ACTOR_TEST(without_it_the_call_waits_for_the_end_of_the_operation)
{
    int rc = 0;
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .grace = 300 * BOUGH_MS};
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "square", 3, &y), 0);
        int64_t began = bough_now();
        bough_move_on_after (10 * BOUGH_MS, &rc)
            rc = ask_time(p, "deaf", 400 * BOUGH_MS);
        CHECK(bough_now() - began >= 400 * BOUGH_MS);
        CHECK_EQ(ask_long(p, "square", 4, &y), 0);
        CHECK_EQ(stats_of(p).replaced, 0);
    }
    return rc;
}

ACTOR_TEST(an_operation_that_computes_past_its_grace_is_killed_and_its_cancelled_call_is_no_failure)
{
    int rc = 0;
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .grace = 50 * BOUGH_MS};
    int64_t duration = place == BOUGH_PLACE_THREAD ? 200 * BOUGH_MS : BOUGH_MINUTE;
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "square", 3, &y), 0);
        bough_move_on_after (10 * BOUGH_MS, &rc)
            rc = ask_time(p, "compute", duration);
        CHECK_EQ(rc, 0);
        CHECK_EQ(ask_long(p, "square", 4, &y), 0);
    }
    return rc;
}

/* --- the end of the block --- */

struct outsider {
    struct bough_pool *pool;
    const char *operation;
    int64_t duration;
    int rc;
    char says[200];
};

static int call_from_outside(void *arg)
{
    struct outsider *o = arg;
    o->rc = ask_time(o->pool, o->operation, o->duration);
    snprintf(o->says, sizeof(o->says), "%s", bough_error_message(bough_error_last()));
    return 0;
}

ACTOR_TEST(a_body_that_ends_lets_the_calls_of_others_end)
{
    int rc = 0;
    struct outsider some[4];
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_nursery (n, &rc) {
        bough_with_pool (p, &options, &rc) {
            for (int i = 0; i < 4; i++) {
                some[i] = (struct outsider){p, "sleep", 10 * BOUGH_MS, 1, ""};
                CHECK_EQ(bough_nursery_start_soon(n, call_from_outside, &some[i]), 0);
            }
            rc = bough_checkpoint();
        }
        for (int i = 0; i < 4; i++)
            CHECK_EQ(some[i].rc, 0);
    }
    return rc;
}

ACTOR_TEST(a_body_that_fails_fails_all_calls_that_are_pending)
{
    int rc = 0;
    struct outsider some[4];
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_nursery (n, &rc) {
        bough_with_pool (p, &options, &rc) {
            for (int i = 0; i < 4; i++) {
                some[i] = (struct outsider){p, "sleep", BOUGH_MINUTE, 1, ""};
                CHECK_EQ(bough_nursery_start_soon(n, call_from_outside, &some[i]), 0);
            }
            while (stats_of(p).running < 1)
                CHECK_EQ(bough_sleep(BOUGH_MS), 0);
            CHECK_EQ(stats_of(p).waiting, 3);
            rc = bough_fail(-EIO, "the body is broken");
        }
        CHECK_EQ(rc, -EIO);
        CHECK_STR(bough_error_message(bough_error_last()), "the body is broken");
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(some[i].rc, -ECANCELED);
            CHECK_STR(some[i].says, "the pool crew is cancelled: its block has failed");
        }
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_body_that_is_left_early_does_so_too)
{
    int rc = 0;
    struct outsider one;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_nursery (n, &rc) {
        bough_with_pool (p, &options, &rc) {
            one = (struct outsider){p, "sleep", BOUGH_MINUTE, 1, ""};
            CHECK_EQ(bough_nursery_start_soon(n, call_from_outside, &one), 0);
            while (stats_of(p).running < 1)
                CHECK_EQ(bough_sleep(BOUGH_MS), 0);
            break;
        }
        CHECK_EQ(rc, 0);
        CHECK_EQ(one.rc, -ECANCELED);
    }
    return rc;
}

ACTOR_TEST(a_cancel_while_it_drains_cancels_what_is_left)
{
    int rc = 0;
    struct outsider one;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_nursery (n, &rc) {
        bough_move_on_after (100 * BOUGH_MS, &rc) {
            bough_with_pool (p, &options, &rc) {
                one = (struct outsider){p, "sleep", BOUGH_MINUTE, 1, ""};
                CHECK_EQ(bough_nursery_start_soon(n, call_from_outside, &one), 0);
                rc = bough_checkpoint();
            }
        }
        CHECK_EQ(rc, 0);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_EQ(one.rc, -ECANCELED);
    }
    return rc;
}

static int start_late(void *arg)
{
    struct outsider *o = arg;
    int rc = bough_sleep(10 * BOUGH_MS);
    if (rc == 0)
        o->rc = ask_time(o->pool, "sleep", 0);
    return rc;
}

ACTOR_TEST(a_pool_whose_body_has_ended_takes_no_new_calls)
{
    int rc = 0;
    struct outsider one, late;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_nursery (n, &rc) {
        bough_with_pool (p, &options, &rc) {
            one = (struct outsider){p, "sleep", 100 * BOUGH_MS, 1, ""};
            late = one;
            CHECK_EQ(bough_nursery_start_soon(n, call_from_outside, &one), 0);
            CHECK_EQ(bough_nursery_start_soon(n, start_late, &late), 0);
            rc = bough_checkpoint();
        }
        CHECK_EQ(late.rc, -EBADF);
        CHECK_EQ(one.rc, 0);
    }
    return rc;
}

static int leave_by_return(enum bough_place place)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "square", 3, &y), 0);
        return 7;
    }
    return rc;
}

ACTOR_TEST(a_return_out_of_the_body_ends_the_pool)
{
    CHECK_EQ(leave_by_return(place), 7);
    return 0;
}

/* --- progress --- */

static void note_progress(void *arg, const struct bough_pool_stats *stats)
{
    struct bough_pool_stats *last = arg;
    CHECK(stats->done >= last->done);
    *last = *stats;
}

ACTOR_TEST(the_progress_function_sees_each_call_end_and_workers_come_and_go)
{
    int rc = 0;
    struct bough_pool_stats last = {0};
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .progress = note_progress, .arg = &last};
    bough_with_pool (p, &options, &rc) {
        long y;
        for (int i = 0; i < 5; i++)
            CHECK_EQ(ask_long(p, "square", i, &y), 0);
        CHECK_EQ(last.done, 5);
        CHECK_EQ(last.workers, 1);
    }
    CHECK_EQ(last.workers, 0);
    return rc;
}

/* --- arguments --- */

ACTOR_TEST(a_pool_takes_a_compound_literal_with_commas)
{
    int rc = 0;
    bough_with_pool (p, &(struct bough_pool_options){.type = "crew", .place = place, .workers = 1},
                     &rc) {
        long y = 0;
        rc = ask_long(p, "square", 3, &y);
        CHECK_EQ(y, 9);
    }
    return rc;
}
