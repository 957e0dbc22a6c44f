/* Workers that die, or cannot live.
 * SPDX-License-Identifier: MIT */
#include "pool_crew.h"

#include <fcntl.h>
#include <sys/mman.h>

/* What threads and processes alike can count in: each start of "frail" adds one. */
struct tally {
    int starts;
    int fails_from; /* that start, and later ones; 0: none */
    int sleeps;     /* ms, in its setup */
    int fd;         /* of it; in who has opened it */
};

/* Processes find the tally of their parent by the descriptor in the argument. */
static struct tally *tally_map(int fd)
{
    struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(t != MAP_FAILED);
    return t;
}

static int frail_setup(struct bough_bytes argument, void **ret_state)
{
    char path[64];
    *ret_state = NULL;
    snprintf(path, sizeof(path), "%.*s", (int)argument.size, (const char *)argument.data);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return bough_fail(-errno, "no tally");
    struct tally *t = tally_map(fd);
    close(fd);
    int start = __atomic_add_fetch(&t->starts, 1, __ATOMIC_RELAXED);
    int rc = t->sleeps ? bough_sleep(t->sleeps * BOUGH_MS) : 0;
    if (rc == 0 && t->fails_from && start >= t->fails_from)
        rc = bough_fail(-ENXIO, "start %d finds no device", start);
    munmap(t, sizeof(*t));
    return rc;
}
BOUGH_ACTOR(frail, .operations = crew_operations, .setup = frail_setup);

static int broken_teardown(void *state)
{
    (void)state;
    return bough_fail(-EIO, "the teardown is broken");
}
BOUGH_ACTOR(messy, .operations = crew_operations, .teardown = broken_teardown);

/* Ends by itself when it is told to. */
static int go(struct bough_call *call, void *state)
{
    (void)call;
    bough_event_set(state);
    return bough_sleep_forever();
}
static int watch_event(void *arg)
{
    int rc = bough_event_wait(arg);
    return rc < 0 ? rc : bough_fail(-EHOSTDOWN, "the worker had enough");
}
static int leaver_manager(struct bough_manager *m, void *arg)
{
    int rc = 0;
    struct bough_event event;
    (void)arg;
    bough_event_init(&event);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, watch_event, &event);
        if (rc == 0)
            rc = bough_yield(m, &event);
    }
    return rc;
}
static const struct bough_operation leaver_operations[] = {{"go", go}, {0}};
BOUGH_ACTOR(leaver, .operations = leaver_operations, .manager = leaver_manager);

static struct tally *tally_open(struct tally **ret_tally, char *path, size_t size)
{
    int fd = memfd_create("tally", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, sizeof(struct tally)), 0);
    snprintf(path, size, "/proc/%d/fd/%d", (int)getpid(), fd);
    *ret_tally = tally_map(fd);
    (*ret_tally)->fd = fd;
    return *ret_tally;
}

static void tally_close(struct tally *t)
{
    close(t->fd);
    munmap(t, sizeof(*t));
}

/* --- while it has a call --- */

struct victim {
    struct bough_pool *pool;
    int rc;
    char says[200];
};

static int call_and_note(void *arg)
{
    struct victim *v = arg;
    v->rc = ask_time(v->pool, "sleep", BOUGH_MINUTE);
    snprintf(v->says, sizeof(v->says), "%s", bough_error_message(bough_error_last()));
    return 0;
}

static void wait_for_running(struct bough_pool *p, unsigned count)
{
    while (stats_of(p).running < count)
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
}

static void wait_for_workers(struct bough_pool *p, unsigned count)
{
    while (stats_of(p).workers != count)
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
}

ACTOR_TEST(a_worker_that_is_killed_fails_its_calls_with_the_reason_and_is_replaced)
{
    int rc = 0;
    struct victim v[3];
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .concurrency = 3};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_pool (p, &options, &rc) {
        pid_t pid;
        long y;
        CHECK_EQ(ask_who(p, 0, &pid), 0);
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 3; i++) {
                v[i] = (struct victim){.pool = p};
                CHECK_EQ(bough_nursery_start_soon(n, call_and_note, &v[i]), 0);
            }
            wait_for_running(p, 3);
            kill(pid, SIGKILL);
        }
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(v[i].rc, -EOWNERDEAD);
            CHECK_HAS(v[i].says, "the actor crew-1 has died");
            CHECK_HAS(v[i].says, "SIGKILL");
        }
        rc = ask_long(p, "square", 5, &y);
        CHECK_EQ(y, 25);
        CHECK_EQ(stats_of(p).replaced, 1);
    }
    return rc;
}

ACTOR_TEST(a_death_that_its_call_has_told_of_is_no_failure_of_a_block_that_ends_then)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    for (int i = 0; i < 20 && rc == 0 && place == BOUGH_PLACE_PROCESS; i++) {
        bough_with_pool (p, &options, &rc)
            CHECK_EQ(bough_pool_call(p, "die", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
    }
    return rc;
}

ACTOR_TEST(a_death_that_its_call_has_told_of_is_told_once_by_a_block_that_fails_with_it)
{
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    for (int i = 0; i < 20 && place == BOUGH_PLACE_PROCESS; i++) {
        int rc = 0;
        bough_with_pool (p, &options, &rc)
            rc = bough_pool_call(p, "die", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -EOWNERDEAD);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    }
    return 0;
}

ACTOR_TEST(a_worker_that_is_killed_while_idle_is_replaced)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 2};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_pool (p, &options, &rc) {
        pid_t pid;
        long y;
        wait_for_workers(p, 2);
        CHECK_EQ(ask_who(p, 0, &pid), 0);
        kill(pid, SIGKILL);
        while (stats_of(p).replaced < 1)
            CHECK_EQ(bough_sleep(BOUGH_MS), 0);
        CHECK_EQ(ask_long(p, "square", 5, &y), 0);
        wait_for_workers(p, 2);
        for (int i = 0; i < 10 && rc == 0; i++)
            rc = ask_long(p, "square", i, &y);
    }
    return rc;
}

ACTOR_TEST(a_worker_that_is_killed_while_it_ends_fails_the_block_and_no_call)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "crew", .place = place, .workers = 1};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_pool (p, &options, &rc) {
        pid_t pid;
        CHECK_EQ(ask_who(p, 0, &pid), 0);
        kill(pid, SIGKILL); /* and the block ends before that is known */
    }
    CHECK(rc == -EOWNERDEAD || rc == 0);
    return 0;
}

ACTOR_TEST(a_worker_that_ends_by_itself_is_a_mishap_too)
{
    int rc = 0;
    struct bough_pool_options options = {
        .type = "leaver", .place = place, .workers = 1, .restarts = 1};
    bough_with_pool (p, &options, &rc) {
        while (bough_effective_deadline() != INT64_MIN) { /* until the body is cancelled */
            rc = bough_pool_call(p, "go", BOUGH_NO_BYTES, NULL);
            CHECK(rc == -ECANCELED || rc == -EOWNERDEAD || rc == -EPIPE);
        }
        rc = bough_checkpoint();
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EHOSTDOWN), 2);
    return 0;
}

ACTOR_TEST(a_teardown_that_fails_comes_out_of_the_block)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "messy", .place = place, .workers = 1};
    bough_with_pool (p, &options, &rc) {
        long y;
        rc = ask_long(p, "square", 5, &y);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "the teardown is broken");
    return 0;
}

/* --- too often --- */

ACTOR_TEST(workers_that_die_too_often_fail_the_pool_with_all_the_causes)
{
    int rc = 0, calls = 0;
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .restarts = 2};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_pool (p, &options, &rc) {
        while (rc == 0 || rc == -EOWNERDEAD) {
            rc = bough_pool_call(p, "die", BOUGH_NO_BYTES, NULL);
            calls += rc == -EOWNERDEAD;
        }
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(calls == 3 || calls == 4); /* the fourth is told that there is no pool any more */
    const struct bough_error *e = bough_error_last();
    CHECK_EQ(bough_error_count(e, -EOWNERDEAD), 4);
    CHECK_EQ(bough_error_count(e, 0), 4);
    CHECK_STR(bough_error_message(bough_error_first(e)),
              "the pool crew has failed: its workers came to a bad end 3 times within 10000 ms");
    CHECK_HAS(bough_error_message(bough_error_next(bough_error_first(e))), "SIGKILL");
    return 0;
}

ACTOR_TEST(everyone_who_waits_is_told_that_the_pool_has_failed)
{
    int rc = 0;
    struct victim v[3];
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .restarts = -1};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_nursery (n, &rc) {
        bough_with_pool (p, &options, &rc) {
            pid_t pid;
            CHECK_EQ(ask_who(p, 0, &pid), 0);
            for (int i = 0; i < 3; i++) {
                v[i] = (struct victim){.pool = p};
                CHECK_EQ(bough_nursery_start_soon(n, call_and_note, &v[i]), 0);
            }
            wait_for_running(p, 1);
            kill(pid, SIGKILL);
            rc = bough_sleep_forever(); /* the body is cancelled */
        }
        CHECK_EQ(rc, -BOUGH_EGROUP);
        CHECK(bough_catch(&rc, -EOWNERDEAD));
        CHECK_EQ(rc, 0);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(v[i].rc, -EOWNERDEAD);
        CHECK_HAS(v[0].says, "SIGKILL");
        CHECK_HAS(v[2].says, "the pool crew has failed");
    }
    return rc;
}

ACTOR_TEST(mishaps_that_are_further_apart_than_the_period_do_not_add_up)
{
    int rc = 0;
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 1, .restarts = 1, .period = 20 * BOUGH_MS};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_pool (p, &options, &rc) {
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(bough_pool_call(p, "die", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
            CHECK_EQ(bough_sleep(40 * BOUGH_MS), 0);
        }
        rc = 0;
    }
    return rc;
}

/* Others start them over and over: 78 processes in 3 s were counted. */
ACTOR_TEST(a_setup_that_fails_fails_the_pool_at_once)
{
    int rc = 0;
    char path[64];
    struct tally *t;
    tally_open(&t, path, sizeof(path))->fails_from = 1;
    struct bough_pool_options options = {
        .type = "frail", .place = place, .workers = 4, .argument = bough_text(path)};
    bough_with_pool (p, &options, &rc) {
        long y;
        rc = ask_long(p, "square", 5, &y);
        CHECK(rc == -EOWNERDEAD || rc == -ECANCELED);
    }
    CHECK_EQ(rc, -ENXIO);
    CHECK_HAS(bough_error_message(bough_error_last()), "finds no device");
    CHECK(t->starts <= 4);
    tally_close(t);
    return 0;
}

ACTOR_TEST(a_setup_that_fails_from_the_second_time_on_is_tried_so_many_times)
{
    int rc = 0;
    char path[64];
    struct tally *t;
    tally_open(&t, path, sizeof(path))->fails_from = 2;
    struct bough_pool_options options = {.type = "frail",
                                         .place = place,
                                         .workers = 1,
                                         .max_tasks = 1,
                                         .restarts = 3,
                                         .argument = bough_text(path)};
    bough_with_pool (p, &options, &rc) {
        long y;
        CHECK_EQ(ask_long(p, "square", 5, &y), 0);
        rc = ask_long(p, "square", 5, &y);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENXIO), 4);
    CHECK_EQ(t->starts, 5);
    tally_close(t);
    return 0;
}

/* --- while it starts --- */

ACTOR_TEST(a_block_that_ends_while_a_worker_starts_does_not_wait_for_its_setup)
{
    int rc = 0;
    char path[64];
    struct tally *t;
    int64_t began = bough_now();
    tally_open(&t, path, sizeof(path))->sleeps = 60000;
    struct bough_pool_options options = {
        .type = "frail", .place = place, .workers = 2, .argument = bough_text(path)};
    bough_with_pool (p, &options, &rc)
        while (__atomic_load_n(&t->starts, __ATOMIC_RELAXED) < 2 && rc == 0)
            rc = bough_sleep(BOUGH_MS);
    CHECK(bough_now() - began < 20 * BOUGH_SEC);
    tally_close(t);
    return rc;
}

ACTOR_TEST(a_call_that_waits_for_workers_to_start_can_be_cancelled)
{
    int rc = 0;
    char path[64];
    struct tally *t;
    tally_open(&t, path, sizeof(path))->sleeps = 60000;
    struct bough_pool_options options = {
        .type = "frail", .place = place, .workers = 1, .argument = bough_text(path)};
    bough_with_pool (p, &options, &rc) {
        long y;
        bough_fail_after (10 * BOUGH_MS, &rc)
            rc = ask_long(p, "square", 5, &y);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    tally_close(t);
    return rc;
}

ACTOR_TEST(a_worker_that_is_killed_in_its_setup_fails_the_start)
{
    int rc = 0;
    struct bough_pool_options options = {.type = "frail", .place = place, .workers = 1};
    options.argument = bough_text("/nowhere");
    bough_with_pool (p, &options, &rc) {
        long y;
        rc = ask_long(p, "square", 5, &y);
    }
    CHECK_EQ(rc, -ENOENT);
    return 0;
}

/* --- many times --- */

struct mapped {
    int done, died;
};

static int note_death(void *arg, size_t index, int rc, struct bough_message *reply)
{
    struct mapped *m = arg;
    (void)index, (void)reply;
    m->done += rc == 0;
    m->died += rc == -EOWNERDEAD;
    return rc == -EOWNERDEAD ? 0 : rc;
}

static int kill_workers(void *arg)
{
    struct bough_pool *p = arg;
    for (int i = 0; i < 10; i++) {
        pid_t pid;
        int rc = ask_who(p, 0, &pid);
        if (rc == -ECANCELED)
            return rc;
        if (rc == 0)
            kill(pid, SIGKILL);
        rc = bough_sleep(5 * BOUGH_MS);
        if (rc < 0)
            return rc;
    }
    return 0;
}

ACTOR_TEST(a_map_whose_workers_are_killed_again_and_again_comes_to_its_end)
{
    int rc = 0;
    int64_t times[400];
    struct mapped m = {0};
    struct bough_pool_options options = {
        .type = "crew", .place = place, .workers = 2, .concurrency = 2, .restarts = 100};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    for (int i = 0; i < 400; i++)
        times[i] = BOUGH_MS / 2;
    bough_with_pool (p, &options, &rc) {
        struct bough_pool_map_options map = {.items = times,
                                             .item_size = sizeof(*times),
                                             .count = 400,
                                             .each = note_death,
                                             .all = true,
                                             .arg = &m};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, kill_workers, p);
            if (rc == 0)
                rc = bough_pool_map(p, "compute", &map);
        }
    }
    CHECK_EQ(m.done + m.died, 400);
    CHECK(m.died >= 1);
    return rc;
}

/* Its death was no failure of its, but that the next one cannot start is. */
ACTOR_TEST(a_worker_that_died_of_a_cancel_and_cannot_start_again_fails_the_pool)
{
    int rc = 0;
    char path[64];
    struct tally *t = tally_open(&t, path, sizeof(path));
    struct bough_pool_options options = {.type = "frail",
                                         .place = place,
                                         .argument = bough_text(path),
                                         .workers = 1,
                                         .restarts = 3,
                                         .grace = 20 * BOUGH_MS,
                                         .kill_on_cancel = true};
    bough_with_pool (p, &options, &rc) {
        CHECK_EQ(ask_time(p, "sleep", 0), 0);
        t->fails_from = 2;
        bough_move_on_after (10 * BOUGH_MS, &rc)
            rc = ask_time(p, "deaf", place == BOUGH_PLACE_THREAD ? 100 * BOUGH_MS : BOUGH_MINUTE);
        CHECK_EQ(rc, 0);
        rc = ask_time(p, "sleep", 0);
        CHECK_EQ(rc, -EOWNERDEAD);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(t->starts, 5); /* the one that lived, and one more than are allowed */
    tally_close(t);
    return 0;
}
