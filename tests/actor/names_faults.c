/* Names, and connections between those who are not parent and child, with each allocation or system
 * call failing.
 * SPDX-License-Identifier: MIT */
#include "faulted.h"

/* --- over there --- */

static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

/* Wait for somebody until he comes, and call him. */
static int meet(struct bough_call *call, void *state)
{
    struct bough_actor *a;
    (void)call, (void)state;
    int rc = bough_actor_wait("late", &a);
    if (rc < 0)
        return rc;
    rc = bough_call(a, "echo", bough_text("x"), NULL);
    bough_actor_release(a);
    return rc;
}

static const struct bough_operation operations[] = {{"echo", echo}, {"meet", meet}, {0}};
BOUGH_ACTOR(guest, .operations = operations);

static int with_leaf(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {
            .type = "guest", .name = "leaf", .place = place, .grace = BOUGH_MINUTE};
        rc = bough_actor_start(an, &spec, &a);
        if (rc == 0)
            rc = bough_yield(self, a);
    }
    return rc;
}
BOUGH_ACTOR(house, .operations = operations, .manager = with_leaf);

/* --- here --- */

static int find_leaf(void *arg)
{
    struct bough_actor *a;
    (void)arg;
    int rc = bough_actor_wait("leaf", &a);
    if (rc < 0)
        return rc;
    rc = bough_call(a, "meet", BOUGH_NO_BYTES, NULL);
    bough_actor_release(a);
    return rc;
}

static int meet_here(void *arg)
{
    struct bough_actor *a;
    (void)arg;
    int rc = bough_actor_wait("late", &a);
    return rc < 0 ? rc : bough_call(a, "echo", BOUGH_NO_BYTES, NULL);
}

static int start_guest(struct bough_actors *an, const char *type, const char *name,
                       enum bough_place place)
{
    struct bough_actor *a;
    struct bough_actor_spec spec = {.type = type,
                                    .name = name,
                                    .place = place,
                                    .argument = BOUGH_BYTES(place),
                                    .grace = BOUGH_MINUTE};
    return bough_actor_start(an, &spec, &a);
}

/* The leaf of a house waits for one who comes late, and so do we. Who is there is found, or the
 * search ends otherwise; that nobody comes any more is not one of the ways. */
static int visits(void *arg)
{
    enum bough_place place = *(enum bough_place *)arg;
    int rc = 0;
    bough_with_actors (an, &rc) {
        bough_with_nursery (n, &rc) {
            rc = start_guest(an, "house", "house", place);
            if (rc == 0)
                rc = bough_nursery_start_soon(n, find_leaf, NULL);
            if (rc == 0)
                rc = bough_nursery_start_soon(n, meet_here, NULL);
            if (rc == 0)
                rc = start_guest(an, "guest", "late", place);
        }
    }
    return rc;
}

#define M BOUGH_FAULT_MEMORY
#define C BOUGH_FAULT_CALL
#define T BOUGH_PLACE_THREAD
#define P BOUGH_PLACE_PROCESS

TEST(each_allocation_of_visits_between_threads_fails)
{
    fail_each((struct faulted){visits, M, T, false, 50});
}

TEST(each_system_call_of_visits_between_threads_fails)
{
    fail_each((struct faulted){visits, C, T, false, 20});
}

TEST(each_allocation_of_the_root_fails_while_processes_visit)
{
    fail_each((struct faulted){visits, M, P, false, 30});
}

TEST(each_system_call_of_the_root_fails_while_processes_visit)
{
    fail_each((struct faulted){visits, C, P, false, 20});
}

TEST(each_allocation_of_processes_that_visit_fails)
{
    fail_each((struct faulted){visits, M, P, true, 20});
}

TEST(each_system_call_of_processes_that_visit_fails)
{
    fail_each((struct faulted){visits, C, P, true, 20});
}
