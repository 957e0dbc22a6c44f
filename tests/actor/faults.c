/* A whole session, with the 1st, 2nd, ... allocation or system call of it failing: it may fail with
 * whatever that leads to, but it ends, and nothing is left. In a thread both ends are in this
 * process, and have the faults; of a process only the parent has them.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

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
                                    .grace = 300 * BOUGH_MS};
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
                                        .grace = 300 * BOUGH_MS};
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

static void fail_each(enum bough_fault fault, enum bough_place place, int (*fn)(void *),
                      int at_least)
{
    int rc, nth = 1;
    bool hit;
    if (place == BOUGH_PLACE_PROCESS && test_is_emulated())
        return;
    int fds = count_in("/proc/self/fd");
    do {
        bough_fault_set(fault, nth);
        rc = bough_run(fn, &place);
        hit = bough_fault_was_hit(fault);
        bough_fault_set(fault, 0);
        if (count_in("/proc/self/fd") != fds || waitpid(-1, NULL, WNOHANG) != -1)
            test_fail(__FILE__, __LINE__, "fault %d leaves something behind", nth);
        if (!hit && rc < 0)
            bough_error_print(bough_error_last(), stderr);
        bough_error_clear();
    } while (hit && ++nth);
    CHECK_EQ(rc, 0);
    CHECK(nth > at_least);
}

TEST(each_allocation_of_a_session_with_a_thread_fails)
{
    fail_each(BOUGH_FAULT_MEMORY, BOUGH_PLACE_THREAD, whole_session, 20);
}

TEST(each_system_call_of_a_session_with_a_thread_fails)
{
    fail_each(BOUGH_FAULT_CALL, BOUGH_PLACE_THREAD, whole_session, 2);
}

TEST(each_allocation_of_the_parent_of_a_process_fails)
{
    fail_each(BOUGH_FAULT_MEMORY, BOUGH_PLACE_PROCESS, whole_session, 10);
}

TEST(each_system_call_of_the_parent_of_a_process_fails)
{
    fail_each(BOUGH_FAULT_CALL, BOUGH_PLACE_PROCESS, whole_session, 5);
}

TEST(each_allocation_of_two_levels_of_threads_fails)
{
    fail_each(BOUGH_FAULT_MEMORY, BOUGH_PLACE_THREAD, two_levels, 20);
}

TEST(each_system_call_of_two_levels_of_threads_fails)
{
    fail_each(BOUGH_FAULT_CALL, BOUGH_PLACE_THREAD, two_levels, 5);
}

TEST(each_allocation_of_the_parent_of_two_levels_of_processes_fails)
{
    fail_each(BOUGH_FAULT_MEMORY, BOUGH_PLACE_PROCESS, two_levels, 10);
}

TEST(each_system_call_of_the_parent_of_two_levels_of_processes_fails)
{
    fail_each(BOUGH_FAULT_CALL, BOUGH_PLACE_PROCESS, two_levels, 5);
}
