/* A whole session, with the 1st, 2nd, ... allocation or system call of it failing: it may fail with
 * whatever that leads to, but it ends, and nothing is left. In a thread both ends are in this
 * process, and have the faults; of a process it is the parent, or the actor.
 * SPDX-License-Identifier: MIT */
#include "faulted.h"

/* --- over there --- */

static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

static int fail(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_fail(-EIO, "disk %d is gone", 7);
}

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_sleep_forever();
}

static int mirror(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, bough_text("welcome"), &d);
    while (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        rc = bough_dialogue_send(d, bough_message_bytes(&m));
        bough_message_free(&m);
    }
    return rc < 0 ? rc : bough_call_reply(call, bough_text("bye"));
}

static const struct bough_operation operations[] = {
    {"echo", echo}, {"fail", fail}, {"hang", hang}, {"mirror", mirror}, {0}};

static int setup(struct bough_bytes argument, void **ret_state)
{
    *ret_state = malloc(argument.size + 1);
    return *ret_state ? bough_checkpoint() : -ENOMEM;
}

static int teardown(void *state)
{
    free(state);
    return 0;
}
BOUGH_ACTOR(clerk, .operations = operations, .setup = setup, .teardown = teardown);

static int with_clerk(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {.type = "clerk", .name = "leaf", .place = place};
        rc = bough_actor_start(an, &spec, &a);
        if (rc == 0)
            rc = bough_yield(self, a);
    }
    return rc;
}
BOUGH_ACTOR(office, .operations = operations, .manager = with_clerk);

/* --- here --- */

static int crowd;

static int sleeper(void *arg)
{
    (void)arg;
    return bough_sleep_forever();
}

static int converse(struct bough_actor *a)
{
    int rc = 0;
    bough_with_dialogue (d, a, "mirror", bough_text("hello"), &rc) {
        struct bough_message m;
        for (int i = 0; i < 3 && rc == 0; i++) {
            rc = bough_dialogue_send(d, BOUGH_BYTES(i));
            if (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
                bough_message_free(&m);
                rc = 0;
            }
        }
        if (rc == 0)
            rc = bough_dialogue_result(d, &m);
        if (rc == 0)
            bough_message_free(&m);
    }
    return rc;
}

static int session(struct bough_actors *an, enum bough_place place)
{
    struct bough_actor *a;
    struct bough_message reply;
    struct bough_actor_spec spec = {.type = "clerk",
                                    .name = "c",
                                    .place = place,
                                    .argument = bough_text("x"),
                                    .grace = BOUGH_MINUTE};
    int rc = bough_actor_start(an, &spec, &a);
    if (rc < 0)
        return rc;
    rc = bough_call(a, "echo", bough_text("there and back"), &reply);
    if (rc == 0)
        bough_message_free(&reply);
    if (rc == 0)
        rc = bough_call(a, "fail", BOUGH_NO_BYTES, NULL);
    if (rc == -EIO)
        rc = 0;
    if (rc == 0)
        bough_move_on_after (2 * BOUGH_MS, &rc)
            rc = bough_call(a, "hang", BOUGH_NO_BYTES, NULL);
    if (rc == 0)
        rc = converse(a);
    return rc < 0 ? rc : bough_actor_stop(a, NULL);
}

static int whole_session(void *arg)
{
    int rc = 0;
    bough_with_actors (an, &rc)
        rc = session(an, *(enum bough_place *)arg);
    return rc;
}

/* Stacks come in slabs, of 16 first: so that each task of a session is in turn the one for which
 * there is none left. */
static int in_a_crowd(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < crowd && rc == 0; i++)
            rc = bough_nursery_start_service(n, sleeper, NULL);
        if (rc == 0)
            rc = whole_session(arg);
    }
    return rc;
}

static int call_hang(void *arg)
{
    return bough_call(arg, "hang", BOUGH_NO_BYTES, NULL);
}

/* And over there. */
static int many_calls(void *arg)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {
            .type = "clerk", .place = *(enum bough_place *)arg, .grace = BOUGH_MINUTE};
        rc = bough_actor_start(an, &spec, &a);
        if (rc == 0)
            bough_with_nursery (n, &rc) {
                for (int i = 0; i < 20 && rc == 0; i++)
                    rc = bough_nursery_start_soon(n, call_hang, a);
                if (rc == 0)
                    rc = bough_call(a, "echo", BOUGH_NO_BYTES, NULL);
                bough_scope_cancel(bough_nursery_scope(n), "enough");
            }
    }
    return rc;
}

static int call_much(void *arg)
{
    static char much[100 << 10];
    return bough_call(arg, "echo", (struct bough_bytes){much, sizeof(much)}, NULL);
}

/* More than a link takes at once, and large enough for shared memory. */
static int much_at_once(void *arg)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {
            .type = "clerk", .place = *(enum bough_place *)arg, .grace = BOUGH_MINUTE};
        rc = bough_actor_start(an, &spec, &a);
        for (int round = 0; round < 2 && rc == 0; round++)
            bough_with_nursery (n, &rc)
                for (int i = 0; i < 20 && rc == 0; i++)
                    rc = bough_nursery_start_soon(n, call_much, a);
    }
    return rc;
}

static int two_levels(void *arg)
{
    enum bough_place place = *(enum bough_place *)arg;
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a, *found;
        struct bough_actor_spec spec = {.type = "office",
                                        .name = "o",
                                        .place = place,
                                        .argument = BOUGH_BYTES(place),
                                        .grace = BOUGH_MINUTE};
        rc = bough_actor_start(an, &spec, &a);
        if (rc == 0)
            rc = bough_actor_find("leaf", &found);
        if (rc == 0) {
            rc = bough_call(found, "echo", bough_text("x"), NULL);
            bough_actor_release(found);
        }
    }
    return rc;
}

/* --- each fault --- */

#define M BOUGH_FAULT_MEMORY
#define C BOUGH_FAULT_CALL
#define T BOUGH_PLACE_THREAD
#define P BOUGH_PLACE_PROCESS

TEST(each_allocation_of_a_session_with_a_thread_fails)
{
    fail_each((struct faulted){whole_session, M, T, false, 20});
}

TEST(each_system_call_of_a_session_with_a_thread_fails)
{
    fail_each((struct faulted){whole_session, C, T, false, 2});
}

TEST(each_allocation_of_the_parent_of_a_process_fails)
{
    fail_each((struct faulted){whole_session, M, P, false, 10});
}

TEST(each_system_call_of_the_parent_of_a_process_fails)
{
    fail_each((struct faulted){whole_session, C, P, false, 5});
}

TEST(each_allocation_of_an_actor_that_is_a_process_fails)
{
    fail_each((struct faulted){whole_session, M, P, true, 10});
}

TEST(each_system_call_of_an_actor_that_is_a_process_fails)
{
    fail_each((struct faulted){whole_session, C, P, true, 5});
}

TEST(each_allocation_of_two_levels_of_threads_fails)
{
    fail_each((struct faulted){two_levels, M, T, false, 20});
}

TEST(each_system_call_of_two_levels_of_threads_fails)
{
    fail_each((struct faulted){two_levels, C, T, false, 5});
}

TEST(each_allocation_of_the_parent_of_two_levels_of_processes_fails)
{
    fail_each((struct faulted){two_levels, M, P, false, 10});
}

TEST(each_system_call_of_the_parent_of_two_levels_of_processes_fails)
{
    fail_each((struct faulted){two_levels, C, P, false, 5});
}

TEST(each_allocation_of_both_of_two_levels_of_processes_fails)
{
    fail_each((struct faulted){two_levels, M, P, true, 10});
}

TEST(each_system_call_of_both_of_two_levels_of_processes_fails)
{
    fail_each((struct faulted){two_levels, C, P, true, 5});
}

static void crowded(enum bough_fault fault, enum bough_place place)
{
    for (crowd = 9; crowd < 16; crowd++)
        fail_each((struct faulted){in_a_crowd, fault, place, false, crowd});
}

TEST(each_allocation_of_a_session_with_a_thread_in_a_crowd_of_tasks_fails)
{
    crowded(M, T);
}

TEST(each_allocation_of_a_session_with_a_process_in_a_crowd_of_tasks_fails)
{
    crowded(M, P);
}

TEST(each_allocation_of_many_calls_of_a_thread_fails)
{
    fail_each((struct faulted){many_calls, M, T, false, 20});
}

TEST(each_system_call_of_many_calls_of_a_thread_fails)
{
    fail_each((struct faulted){many_calls, C, T, false, 5});
}

TEST(each_allocation_of_a_process_with_many_calls_fails)
{
    fail_each((struct faulted){many_calls, M, P, true, 20});
}

TEST(each_system_call_of_a_process_with_many_calls_fails)
{
    fail_each((struct faulted){many_calls, C, P, true, 5});
}

TEST(each_allocation_of_the_parent_of_a_process_with_much_to_do_fails)
{
    fail_each((struct faulted){much_at_once, M, P, false, 30});
}

TEST(each_system_call_of_the_parent_of_a_process_with_much_to_do_fails)
{
    fail_each((struct faulted){much_at_once, C, P, false, 20});
}

TEST(each_allocation_of_a_process_with_much_to_do_fails)
{
    fail_each((struct faulted){much_at_once, M, P, true, 30});
}

TEST(each_system_call_of_a_process_with_much_to_do_fails)
{
    fail_each((struct faulted){much_at_once, C, P, true, 20});
}
