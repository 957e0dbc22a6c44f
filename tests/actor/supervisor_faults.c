/* Supervisors of actors with each allocation or system call failing: while a child is started,
 * dies, is started again, and is removed.
 * SPDX-License-Identifier: MIT */
#include "faulted.h"

#include <bough/supervisor.h>

static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

/* The end of its life, by a failure. */
static int die(struct bough_call *call, void *state)
{
    (void)call;
    bough_event_set(state);
    return bough_sleep_forever();
}

static int await_death(void *arg)
{
    int rc = bough_event_wait(arg);
    return rc < 0 ? rc : bough_fail(-EIO, "told to die");
}

static int live(struct bough_manager *self, void *arg)
{
    struct bough_event death;
    int rc = 0;
    (void)arg;
    bough_event_init(&death);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, await_death, &death);
        if (rc == 0)
            rc = bough_yield(self, &death);
    }
    return rc;
}

static const struct bough_operation operations[] = {{"echo", echo}, {"die", die}, {0}};
BOUGH_ACTOR(mortal, .operations = operations, .manager = live);

static int die_and_come_again(struct bough_supervisor *sv, struct bough_supervised *child)
{
    int rc = bough_supervisor_call(sv, *child, "echo", bough_text("x"), NULL);
    if (rc == 0) {
        rc = bough_supervisor_call(sv, *child, "die", BOUGH_NO_BYTES, NULL);
        CHECK(rc < 0);
        if (rc != -ENOMEM) /* then it did not hear of it */
            rc = bough_supervisor_wait(sv, *child, child);
    }
    if (rc == 0)
        rc = bough_supervisor_call(sv, *child, "echo", bough_text("x"), NULL);
    return rc;
}

static int supervise(void *arg)
{
    struct bough_actor_spec actor = {
        .type = "mortal", .place = *(enum bough_place *)arg, .grace = BOUGH_MINUTE};
    struct bough_child_spec specs[] = {{.id = "a", .actor = &actor}, {.id = "b", .actor = &actor}};
    struct bough_supervisor_options options = {
        .strategy = BOUGH_ONE_FOR_ALL, .intensity = 2, .period = BOUGH_MINUTE};
    int rc = 0;
    bough_with_supervisor (sv, &options, &rc) {
        struct bough_supervised a, b;
        rc = bough_supervise(sv, &specs[0], &a);
        if (rc == 0)
            rc = bough_supervise(sv, &specs[1], &b);
        if (rc == 0)
            rc = die_and_come_again(sv, &a);
        if (rc == 0)
            rc = bough_supervisor_wait(sv, b, &b);
        if (rc == 0)
            rc = bough_supervisor_remove(sv, b);
    }
    return rc;
}

#define M BOUGH_FAULT_MEMORY
#define C BOUGH_FAULT_CALL
#define T BOUGH_PLACE_THREAD
#define P BOUGH_PLACE_PROCESS

TEST(each_allocation_of_a_supervisor_and_its_threads_fails)
{
    fail_each((struct faulted){supervise, M, T, false, 50});
}

TEST(each_system_call_of_a_supervisor_and_its_threads_fails)
{
    fail_each((struct faulted){supervise, C, T, false, 5});
}

TEST(each_allocation_of_a_supervisor_of_processes_fails)
{
    fail_each((struct faulted){supervise, M, P, false, 50});
}

TEST(each_system_call_of_a_supervisor_of_processes_fails)
{
    fail_each((struct faulted){supervise, C, P, false, 20});
}

TEST(each_allocation_of_supervised_processes_fails)
{
    fail_each((struct faulted){supervise, M, P, true, 20});
}

TEST(each_system_call_of_supervised_processes_fails)
{
    fail_each((struct faulted){supervise, C, P, true, 10});
}
