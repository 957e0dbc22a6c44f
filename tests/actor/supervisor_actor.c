/* Supervisors of actors, in threads and in processes.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <malloc.h>
#include <unistd.h>

/* --- an actor that can be told to die --- */

struct mortal {
    struct bough_event die;
    int code;
};

static int wait_for_death(void *arg)
{
    struct mortal *m = arg;
    int rc = bough_event_wait(&m->die);
    return rc < 0 ? rc : bough_fail(m->code, "told to die");
}

/* Its argument, if there is one: how long it lives. */
static int live(struct bough_manager *self, void *arg)
{
    const struct bough_bytes *argument = arg;
    struct mortal m = {.code = -EIO};
    int64_t lives_for = BOUGH_NEVER;
    int rc = argument->size ? bough_bytes_get(*argument, &lives_for) : 0;
    if (rc < 0 || lives_for < 0)
        return rc < 0 ? rc : bough_fail(-ENXIO, "it cannot be set up");
    bough_event_init(&m.die);
    if (lives_for == 0)
        bough_event_set(&m.die);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, wait_for_death, &m);
        if (rc == 0)
            rc = bough_yield(self, &m);
    }
    return rc;
}

static int die(__attribute__((unused)) struct bough_call *call, void *state)
{
    bough_event_set(&((struct mortal *)state)->die);
    return bough_sleep_forever();
}

static int tell_pid(struct bough_call *call, __attribute__((unused)) void *state)
{
    pid_t pid = getpid();
    return bough_call_reply(call, BOUGH_BYTES(pid));
}

static int hang(__attribute__((unused)) struct bough_call *call,
                __attribute__((unused)) void *state)
{
    return bough_sleep_forever();
}

static int be_deaf(__attribute__((unused)) struct bough_call *call,
                   __attribute__((unused)) void *state)
{
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    for (;;)
        pause();
    return 0;
}

static int be_killed(__attribute__((unused)) struct bough_call *call,
                     __attribute__((unused)) void *state)
{
    return raise(SIGKILL);
}

static const struct bough_operation operations[] = {
    {"die", die},         {"pid", tell_pid},        {"hang", hang},
    {"be_deaf", be_deaf}, {"be_killed", be_killed}, {0}};
BOUGH_ACTOR(mortal, .operations = operations, .manager = live);

#define MORTAL(at) (&(struct bough_actor_spec){.type = "mortal", .name = "m", .place = (at)})

static int pid_of(struct bough_supervisor *sv, struct bough_supervised handle, pid_t *ret_pid)
{
    struct bough_message reply;
    int rc = bough_supervisor_call(sv, handle, "pid", BOUGH_NO_BYTES, &reply);
    if (rc < 0)
        return rc;
    rc = bough_message_get(&reply, ret_pid);
    bough_message_free(&reply);
    return rc;
}

/* --- lives --- */

ACTOR_TEST(an_actor_that_failed_is_started_again_and_handles_of_before_are_stale)
{
    struct bough_child_spec spec = {.id = "m", .actor = MORTAL(place)};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised old, now;
        pid_t before, after;
        CHECK_EQ(bough_supervise(sv, &spec, &old), 0);
        CHECK_EQ(pid_of(sv, old, &before), 0);
        CHECK(bough_supervisor_call(sv, old, "die", BOUGH_NO_BYTES, NULL) < 0);
        CHECK_EQ(bough_supervisor_wait(sv, old, &now), 0);
        CHECK_EQ(pid_of(sv, old, &after), -ESTALE);
        CHECK_EQ(pid_of(sv, now, &after), 0);
        CHECK_EQ(before != after, place == BOUGH_PLACE_PROCESS);
    }
    return rc;
}

ACTOR_TEST(an_actor_whose_setup_fails_is_not_there)
{
    int64_t bad = -1;
    struct bough_actor_spec actor = {
        .type = "mortal", .place = place, .argument = BOUGH_BYTES(bad)};
    struct bough_child_spec spec = {.id = "m", .actor = &actor};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, &spec, &handle), -ENXIO);
        CHECK_STR(bough_error_message(bough_error_last()), "it cannot be set up");
        CHECK_EQ(bough_supervisor_find(sv, "m", &handle), -ENOENT);
    }
    return rc;
}

struct caller {
    struct bough_supervisor *sv;
    struct bough_supervised handle;
    int rc;
};

static int call_and_hang(void *arg)
{
    struct caller *c = arg;
    c->rc = bough_supervisor_call(c->sv, c->handle, "hang", BOUGH_NO_BYTES, NULL);
    return 0;
}

ACTOR_TEST(calls_in_flight_fail_when_the_actor_does_or_is_stopped)
{
    struct bough_child_spec spec = {.id = "m", .actor = MORTAL(place)};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct caller callers[8];
        struct bough_supervised handle;
        CHECK_EQ(bough_supervise(sv, &spec, &handle), 0);
        for (int round = 0; round < 2; round++) {
            bough_with_nursery (n, &rc) {
                for (int i = 0; i < 8; i++) {
                    callers[i] = (struct caller){.sv = sv, .handle = handle};
                    CHECK_EQ(bough_nursery_start_soon(n, call_and_hang, &callers[i]), 0);
                }
                rc = bough_sleep(20 * BOUGH_MS);
                if (round == 0)
                    CHECK(bough_supervisor_call(sv, handle, "die", BOUGH_NO_BYTES, NULL) < 0);
                else
                    CHECK_EQ(bough_supervisor_stop(sv, handle), 0);
            }
            for (int i = 0; i < 8; i++)
                CHECK(callers[i].rc < 0);
            if (round == 0)
                CHECK_EQ(bough_supervisor_wait(sv, handle, &handle), 0);
        }
        CHECK_EQ(rc, 0);
    }
    return rc;
}

ACTOR_TEST(an_actor_that_is_held_is_there_until_it_is_released)
{
    struct bough_child_spec spec = {.id = "m", .actor = MORTAL(place)};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle, next;
        struct bough_actor *a;
        CHECK_EQ(bough_supervise(sv, &spec, &handle), 0);
        CHECK_EQ(bough_supervisor_actor(sv, handle, &a), 0);
        CHECK(bough_call(a, "die", BOUGH_NO_BYTES, NULL) < 0);
        bough_move_on_after (50 * BOUGH_MS, &rc)
            rc = bough_supervisor_wait(sv, handle, &next);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK(!bough_actor_is_up(a));
        CHECK(bough_call(a, "pid", BOUGH_NO_BYTES, NULL) < 0);
        bough_supervisor_release(sv, handle);
        CHECK_EQ(bough_supervisor_wait(sv, handle, &next), 0);
        CHECK_EQ(bough_supervisor_actor(sv, handle, &a), -ESTALE);
    }
    return rc;
}

static int sit(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

ACTOR_TEST(tasks_and_actors_are_supervised_together)
{
    struct bough_supervisor_options options = {.strategy = BOUGH_REST_FOR_ONE};
    struct bough_child_spec specs[] = {{.id = "before", .fn = sit},
                                       {.id = "m", .actor = MORTAL(place)},
                                       {.id = "after", .fn = sit}};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handles[3];
        struct bough_child_info infos[3];
        struct bough_actor *a;
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_supervise(sv, &specs[i], &handles[i]), 0);
        CHECK_EQ(bough_supervisor_actor(sv, handles[0], &a), -EINVAL);
        CHECK(bough_supervisor_call(sv, handles[1], "die", BOUGH_NO_BYTES, NULL) < 0);
        CHECK_EQ(bough_supervisor_wait(sv, handles[2], &handles[2]), 0);
        CHECK_EQ(bough_supervisor_list(sv, infos, 3), 3);
        CHECK_EQ(infos[0].handle.generation, 1);
        CHECK_EQ(infos[1].handle.generation, 2);
        CHECK_EQ(infos[2].handle.generation, 2);
    }
    return rc;
}

ACTOR_TEST(the_causes_of_a_limit_cross_from_the_actors)
{
    int64_t at_once = 0;
    struct bough_actor_spec actor = {
        .type = "mortal", .name = "brief", .place = place, .argument = BOUGH_BYTES(at_once)};
    struct bough_child_spec spec = {.id = "m", .actor = &actor};
    struct bough_supervisor_options options = {.intensity = 2};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        rc = bough_supervise(sv, &spec, NULL);
        if (rc == 0)
            rc = bough_sleep_forever();
    }
    CHECK(rc == -BOUGH_EGROUP || rc == -EIO); /* it may not even have been up once */
    CHECK_STR(bough_error_message(bough_error_find(bough_error_last(), -EIO)), "told to die");
    CHECK_HAS(bough_error_task(bough_error_find(bough_error_last(), -EIO)), "brief");
    return 0;
}

ACTOR_TEST(a_start_that_is_cancelled_leaves_no_actor)
{
    struct bough_child_spec spec = {.id = "m", .actor = MORTAL(place)};
    int rc = 0;
    for (int i = 0; i < test_scale(50); i++) {
        bough_move_on_after (i * 40 * BOUGH_US, &rc)
            bough_with_supervisor (sv, NULL, &rc)
                rc = bough_supervise(sv, &spec, NULL);
        CHECK_EQ(rc, 0);
    }
    return rc;
}

/* With faults anything may come out, but nobody may be left; see ACTOR_TEST. */
static int live_and_die(enum bough_place place)
{
    struct bough_child_spec spec = {.id = "m",
                                    .actor = MORTAL(place),
                                    .start_timeout = 2 * BOUGH_SEC,
                                    .shutdown = 50 * BOUGH_MS};
    struct bough_supervisor_options options = {.intensity = 3};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        rc = bough_supervise(sv, &spec, &handle);
        if (rc == 0)
            rc = bough_supervisor_call(sv, handle, "die", BOUGH_NO_BYTES, NULL);
        if (rc == -EOWNERDEAD || rc == -ECANCELED || rc == -EPIPE) /* else it lives */
            rc = bough_supervisor_wait(sv, handle, &handle);
        if (rc == 0)
            rc = bough_supervisor_stop(sv, handle);
    }
    return rc;
}

static int live_and_die_task(void *arg)
{
    return live_and_die(*(enum bough_place *)arg);
}

static void check_faults(enum bough_fault fault, enum bough_place place)
{
    bool hit = true;
    int nth = 0;
    while (hit) {
        bough_fault_set(fault, ++nth);
        int rc = bough_run(live_and_die_task, &place);
        hit = bough_fault_was_hit(fault);
        bough_fault_set(fault, 0);
        if (rc < 0 && !hit)
            bough_error_print(bough_error_last(), stderr);
        CHECK(rc == 0 || hit);
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
        CHECK_EQ(errno, ECHILD);
    }
    CHECK(nth > 10);
}

TEST(whichever_allocation_or_call_fails_no_actor_is_left)
{
    if (test_on_valgrind())
        test_skip("too slow under Valgrind");
    check_faults(BOUGH_FAULT_MEMORY, BOUGH_PLACE_THREAD);
    check_faults(BOUGH_FAULT_CALL, BOUGH_PLACE_THREAD);
    if (test_is_emulated())
        return;
    check_faults(BOUGH_FAULT_MEMORY, BOUGH_PLACE_PROCESS);
    check_faults(BOUGH_FAULT_CALL, BOUGH_PLACE_PROCESS);
}

/* --- processes --- */

static int kill_it(enum bough_restart restart, bool again)
{
    struct bough_child_spec spec = {
        .id = "m", .actor = MORTAL(BOUGH_PLACE_PROCESS), .restart = restart};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct bough_supervised handle, next;
        CHECK_EQ(bough_supervise(sv, &spec, &handle), 0);
        CHECK_EQ(bough_supervisor_call(sv, handle, "be_killed", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
        CHECK_EQ(bough_supervisor_wait(sv, handle, &next), again ? 0 : -ESTALE);
    }
    return rc;
}

static int kill_each(__attribute__((unused)) void *arg)
{
    CHECK_EQ(kill_it(BOUGH_PERMANENT, true), 0);
    CHECK_EQ(kill_it(BOUGH_TRANSIENT, true), 0);
    return kill_it(BOUGH_TEMPORARY, false);
}

TEST(a_process_that_a_signal_killed_has_failed)
{
    if (test_is_emulated())
        test_skip("no processes under an emulator");
    CHECK_EQ(bough_run(kill_each, NULL), 0);
}

static int stop_a_deaf_one(__attribute__((unused)) void *arg)
{
    struct bough_child_spec spec = {
        .id = "m", .actor = MORTAL(BOUGH_PLACE_PROCESS), .shutdown = 50 * BOUGH_MS};
    int rc = 0;
    bough_with_supervisor (sv, NULL, &rc) {
        struct caller c = {.sv = sv};
        CHECK_EQ(bough_supervise(sv, &spec, &c.handle), 0);
        int64_t begin = bough_now();
        bough_with_nursery (n, &rc) {
            CHECK_EQ(bough_nursery_start_soon(n, call_and_hang, &c), 0);
            bough_move_on_after (20 * BOUGH_MS, &rc)
                rc = bough_supervisor_call(sv, c.handle, "be_deaf", BOUGH_NO_BYTES, NULL);
            rc = 0;
            (void)bough_supervisor_stop(sv, c.handle);
        }
        CHECK(bough_now() - begin >= BOUGH_SEC); /* SIGTERM, a second, SIGKILL */
        CHECK(bough_now() - begin < 10 * BOUGH_SEC);
        rc = 0;
    }
    return rc;
}

TEST(an_actor_that_does_not_stop_in_its_shutdown_time_is_killed)
{
    if (test_is_emulated())
        test_skip("no processes under an emulator");
    int rc = bough_run(stop_a_deaf_one, NULL);
    CHECK(rc == 0 || rc == -EOWNERDEAD);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

static int depend(void *arg)
{
    struct caller *c = arg;
    int rc = bough_supervisor_find(c->sv, "m", &c->handle);
    if (rc < 0)
        return rc;
    bough_started(NULL);
    rc = bough_supervisor_call(c->sv, c->handle, "hang", BOUGH_NO_BYTES, NULL);
    return rc < 0 ? rc : -EPROTO;
}

static int kill_under(enum bough_strategy strategy)
{
    struct bough_supervisor_options options = {.strategy = strategy};
    struct caller c;
    struct bough_child_spec actor = {.id = "m", .actor = MORTAL(BOUGH_PLACE_PROCESS)};
    struct bough_child_spec task = {
        .id = "user", .fn = depend, .arg = &c, .start_timeout = BOUGH_NEVER};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervisor_stats stats;
        struct bough_supervised m, user;
        c.sv = sv;
        CHECK_EQ(bough_supervise(sv, &actor, &m), 0);
        CHECK_EQ(bough_supervise(sv, &task, &user), 0);
        CHECK_EQ(bough_supervisor_call(sv, m, "be_killed", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
        CHECK_EQ(bough_supervisor_wait(sv, user, &user), 0);
        bough_supervisor_statistics(sv, &stats);
        CHECK_EQ(stats.episodes, 1);
        CHECK_EQ(stats.up, 2);
        CHECK_EQ(c.handle.generation, 2);
    }
    return rc;
}

static int kill_under_each(__attribute__((unused)) void *arg)
{
    CHECK_EQ(kill_under(BOUGH_REST_FOR_ONE), 0);
    return kill_under(BOUGH_ONE_FOR_ALL);
}

TEST(who_fails_because_an_actor_has_died_is_part_of_its_episode)
{
    if (test_is_emulated())
        test_skip("no processes under an emulator");
    CHECK_EQ(bough_run(kill_under_each, NULL), 0);
}

/* --- 10,000 restarts --- */

struct soak {
    enum bough_place place;
    int lives;
    size_t bytes_at_first, bytes_at_last;
    int fds_at_first, fds_at_last;
};

static void measure(size_t *ret_bytes, int *ret_fds)
{
    struct mallinfo2 info = mallinfo2();
    *ret_bytes = info.uordblks + info.hblkhd;
    *ret_fds = count_in("/proc/self/fd");
}

static int soak(void *arg)
{
    struct soak *s = arg;
    struct bough_child_spec spec = {.id = "m", .actor = MORTAL(s->place)};
    struct bough_supervisor_options options = {.intensity = 100, .period = 1};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised handle;
        rc = bough_supervise(sv, &spec, &handle);
        int64_t begin = bough_now(); /* on a slow machine they are fewer */
        for (int i = 0; rc == 0 && i < s->lives && bough_now() - begin < 15 * BOUGH_SEC; i++) {
            if (i == s->lives / 50)
                measure(&s->bytes_at_first, &s->fds_at_first);
            CHECK(bough_supervisor_call(sv, handle, "die", BOUGH_NO_BYTES, NULL) < 0);
            rc = bough_supervisor_wait(sv, handle, &handle);
        }
        measure(&s->bytes_at_last, &s->fds_at_last);
    }
    return rc;
}

static void check_soak(enum bough_place place, int lives)
{
    struct soak s = {.place = place, .lives = lives};
    CHECK_EQ(bough_run(soak, &s), 0);
    CHECK_EQ(s.fds_at_last, s.fds_at_first);
    CHECK(s.bytes_at_last < s.bytes_at_first + 64 * 1024);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}

TEST(ten_thousand_restarts_of_a_thread_leave_nothing_behind)
{
    check_soak(BOUGH_PLACE_THREAD, test_scale(10000));
}

TEST(ten_thousand_restarts_of_a_process_leave_nothing_behind)
{
    if (test_is_emulated())
        test_skip("no processes under an emulator");
    check_soak(BOUGH_PLACE_PROCESS, test_scale(10000));
}
