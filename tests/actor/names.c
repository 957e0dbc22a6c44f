/* Names, and the tree: actors that find each other across threads and processes.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <sys/mman.h>

static int who(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_text(bough_actor_self()));
}

/* "name": find it from here, and ask it who it is. */
static int ask(struct bough_call *call, void *state)
{
    struct bough_actor *a;
    struct bough_message reply;
    char name[64];
    struct bough_bytes request = bough_call_request(call);
    (void)state;
    snprintf(name, sizeof(name), "%.*s", (int)request.size, (const char *)request.data);
    int rc = bough_actor_find(name, &a);
    if (rc < 0)
        return rc;
    rc = bough_call(a, "who", BOUGH_NO_BYTES, &reply);
    if (rc == 0) {
        rc = bough_call_reply(call, bough_message_bytes(&reply));
        bough_message_free(&reply);
    }
    bough_actor_release(a);
    return rc;
}

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_sleep_forever();
}

static int say_pid(struct bough_call *call, void *state)
{
    pid_t pid = getpid();
    (void)state;
    return bough_call_reply(call, BOUGH_BYTES(pid));
}

/* Goes on for a while when its caller is gone, and looks at who that was. */
static int linger(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d), ignored = 0;
    (void)state;
    bough_shielded (BOUGH_SEC, &ignored) {
        ignored = bough_sleep(150 * BOUGH_MS);
        CHECK_EQ(bough_dialogue_send(d, bough_text("too late")), -EOWNERDEAD);
    }
    CHECK_STR(bough_call_peer(call), "m1");
    return rc;
}

/* Has one lingering for us at "l2", until we are killed. */
static int tease(struct bough_call *call, void *state)
{
    struct bough_actor *a;
    (void)call, (void)state;
    int rc = bough_actor_find("l2", &a);
    if (rc == 0)
        bough_with_dialogue (d, a, "linger", BOUGH_NO_BYTES, &rc)
            rc = bough_sleep_forever();
    return rc;
}

static const struct bough_operation leaf_operations[] = {{"linger", linger},
                                                         {"tease", tease},
                                                         {"pid", say_pid},
                                                         {"who", who},
                                                         {"ask", ask},
                                                         {"hang", hang},
                                                         {0}};
BOUGH_ACTOR(leaf, .operations = leaf_operations);

/* One that has a leaf of its own; the argument: its place, and its name. */
struct leaf_wanted {
    enum bough_place place;
    char name[16];
};

static int with_leaf(struct bough_manager *self, void *arg)
{
    struct leaf_wanted wanted;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &wanted);
    if (rc < 0)
        return rc;
    bough_with_actors (an, &rc) {
        struct bough_actor *leaf;
        struct bough_actor_spec spec = {.type = "leaf", .name = wanted.name, .place = wanted.place};
        rc = bough_actor_start(an, &spec, &leaf);
        if (rc == 0)
            rc = bough_yield(self, leaf);
    }
    return rc;
}
BOUGH_ACTOR(middle, .operations = leaf_operations, .manager = with_leaf);

static void start_middle(struct bough_actors *an, enum bough_place place, const char *name,
                         const char *leaf, struct bough_actor **ret_actor)
{
    struct leaf_wanted wanted = {.place = place};
    snprintf(wanted.name, sizeof(wanted.name), "%s", leaf);
    struct bough_actor_spec spec = {
        .type = "middle", .name = name, .place = place, .argument = BOUGH_BYTES(wanted)};
    CHECK_EQ(bough_actor_start(an, &spec, ret_actor), 0);
}

static void check_says(struct bough_actor *a, const char *operation, const char *request,
                       const char *expected)
{
    struct bough_message reply = {0};
    int rc = bough_call(a, operation, bough_text(request), &reply);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    CHECK_EQ(rc, 0);
    CHECK_STR((char *)reply.data, expected);
    bough_message_free(&reply);
}

ACTOR_TEST(an_actor_of_an_actor_is_found_by_its_name)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *middle, *leaf;
        start_middle(an, place, "m1", "l1", &middle);
        CHECK_EQ(bough_actor_find("l1", &leaf), 0);
        check_says(leaf, "who", "", "l1");
        bough_actor_release(leaf);
    }
    return rc;
}

ACTOR_TEST(actors_in_different_branches_find_each_other)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1, *m2, *l1;
        start_middle(an, place, "m1", "l1", &m1);
        start_middle(an, place, "m2", "l2", &m2);
        check_says(m1, "ask", "l2", "l2");
        check_says(m1, "ask", "m2", "m2");
        CHECK_EQ(bough_actor_find("l1", &l1), 0);
        check_says(l1, "ask", "l2", "l2");
        check_says(l1, "ask", "m1", "m1");
        bough_actor_release(l1);
    }
    return rc;
}

ACTOR_TEST(a_name_that_nobody_has_is_not_found)
{
    int rc = 0;
    struct bough_actor *a;
    CHECK_EQ(bough_actor_find("x", &a), -ENOENT);
    bough_with_actors (an, &rc) {
        struct bough_actor *m1;
        start_middle(an, place, "m1", "l1", &m1);
        CHECK_EQ(bough_call(m1, "ask", bough_text("x"), NULL), -ENOENT);
        CHECK_HAS(bough_error_message(bough_error_last()), "\"x\"");
    }
    return rc;
}

ACTOR_TEST(an_actor_does_not_find_itself)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1;
        start_middle(an, place, "m1", "l1", &m1);
        CHECK_EQ(bough_call(m1, "ask", bough_text("m1"), NULL), -EINVAL);
    }
    return rc;
}

static int wait_for_late(void *arg)
{
    struct bough_actor *a;
    int rc = bough_actor_wait("late", &a);
    if (rc == 0)
        check_says(a, "who", "", "late");
    *(bool *)arg = rc == 0;
    bough_actor_release(rc == 0 ? a : NULL);
    return rc;
}

ACTOR_TEST(a_name_can_be_waited_for)
{
    int rc = 0;
    bool found = false;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1;
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, wait_for_late, &found);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK(!found);
            start_middle(an, place, "m1", "late", &m1);
        }
    }
    CHECK(found);
    return rc;
}

ACTOR_TEST(a_wait_for_a_name_can_be_cancelled)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1, *a;
        start_middle(an, place, "m1", "l1", &m1);
        bough_fail_after (5 * BOUGH_MS, &rc)
            rc = bough_actor_wait("never", &a);
        CHECK_EQ(rc, -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_name_is_gone_with_its_actor)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1, *a;
        start_middle(an, place, "m1", "l1", &m1);
        CHECK_EQ(bough_actor_stop(m1, NULL), 0);
        CHECK_EQ(bough_actor_find("m1", &a), -ENOENT);
        CHECK_EQ(bough_actor_find("l1", &a), -ENOENT);
    }
    return rc;
}

ACTOR_TEST(a_found_actor_that_has_ended_is_dead_to_its_finder)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1, *l1;
        start_middle(an, place, "m1", "l1", &m1);
        CHECK_EQ(bough_actor_find("l1", &l1), 0);
        bough_move_on_after (5 * BOUGH_MS, &rc)
            rc = bough_call(l1, "hang", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, 0);
        CHECK_EQ(bough_actor_stop(m1, "enough"), 0);
        CHECK_EQ(bough_call(l1, "who", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
        bough_actor_release(l1);
    }
    return rc;
}

ACTOR_TEST(the_tree_shows_the_tasks_of_all_actors)
{
    int rc = 0;
    char *text = NULL;
    size_t size;
    bough_with_actors (an, &rc) {
        struct bough_actor *m1, *m2;
        start_middle(an, place, "m1", "l1", &m1);
        start_middle(an, place, "m2", "l2", &m2);
        FILE *to = open_memstream(&text, &size);
        CHECK_EQ(bough_actor_tree_print(to), 0);
        fclose(to);
        CHECK_HAS(text, "actor m1 (middle,");
        CHECK_HAS(text, "      actor l2 (leaf,");
        CHECK_HAS(text, "waits: calls");
        const char *above = strstr(text, "\n    m1 ("), *next = strstr(text, "\n    m2 (");
        CHECK(above && next && above < next); /* each below the task that keeps it */
        CHECK(strstr(above, "actor m1 (") < next && strstr(above, "actor l1 (") < next);
        CHECK(!strstr(text, "reader of") && !strstr(text, "pump to") &&
              !strstr(text, "watcher of") && !strstr(text, ":tree"));
        free(text);
    }
    return rc;
}

ACTOR_TEST(the_tree_of_all_comes_on_a_signal)
{
    int rc = 0, fd = memfd_create("stderr", 0), stderr_before = dup(2);
    static char text[16384]; /* not on the stack, which Valgrind does not grow for a signal */
    text[0] = '\0';
    CHECK(dup2(fd, 2) == 2);
    bough_with_actors (an, &rc) {
        struct bough_actor *m1;
        start_middle(an, place, "m1", "l1", &m1);
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_service(n, bough_actor_tree_on_signal, NULL);
            if (rc == 0)
                rc = bough_checkpoint();
            CHECK_EQ(raise(SIGUSR1), 0);
            bough_fail_after (20 * BOUGH_SEC, &rc)
                while (rc == 0 && !strstr(text, "actor l1 (leaf,")) {
                    rc = bough_sleep(BOUGH_MS);
                    CHECK(pread(fd, text, sizeof(text) - 1, 0) >= 0);
                }
        }
    }
    CHECK(dup2(stderr_before, 2) == 2);
    close(stderr_before);
    close(fd);
    CHECK_EQ(rc, 0);
    return rc;
}

/* One that has a middle of its own, and lives on when that dies. */
static int with_middle(struct bough_manager *self, void *arg)
{
    struct leaf_wanted wanted;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &wanted);
    if (rc < 0)
        return rc;
    bough_with_actors (an, &rc) {
        struct bough_actor *middle;
        struct bough_actor_spec spec = {.type = "middle",
                                        .name = "m",
                                        .place = wanted.place,
                                        .argument = BOUGH_BYTES(wanted),
                                        .may_fail = true};
        rc = bough_actor_start(an, &spec, &middle);
        if (rc == 0)
            rc = bough_yield(self, middle);
    }
    return rc;
}
BOUGH_ACTOR(top, .operations = leaf_operations, .manager = with_middle);

static pid_t pid_of(const char *name)
{
    struct bough_actor *a;
    struct bough_message reply;
    pid_t pid;
    CHECK_EQ(bough_actor_find(name, &a), 0);
    CHECK_EQ(bough_call(a, "pid", BOUGH_NO_BYTES, &reply), 0);
    CHECK_EQ(bough_message_get(&reply, &pid), 0);
    bough_message_free(&reply);
    bough_actor_release(a);
    return pid;
}

static int kill_soon(void *arg)
{
    int rc = bough_sleep(30 * BOUGH_MS);
    kill(bough_actor_pid(arg), SIGKILL);
    return rc;
}

ACTOR_TEST(an_operation_may_outlive_the_connection_that_asked_for_it)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct leaf_wanted wanted = {.place = place, .name = "l1"};
        struct bough_actor_spec spec = {.type = "middle",
                                        .name = "m1",
                                        .place = place,
                                        .argument = BOUGH_BYTES(wanted),
                                        .may_fail = true};
        struct bough_actor *m1, *m2;
        CHECK_EQ(bough_actor_start(an, &spec, &m1), 0);
        start_middle(an, place, "m2", "l2", &m2);
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, kill_soon, m1);
            CHECK_EQ(bough_call(m1, "tease", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
        }
        CHECK_EQ(rc, 0);
        rc = bough_sleep(200 * BOUGH_MS);
        check_says(m2, "ask", "l2", "l2"); /* it is still there */
    }
    return rc;
}

ACTOR_TEST(an_orphan_whose_grandparent_lives_is_reaped_by_the_root)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct leaf_wanted wanted = {.place = place, .name = "l"};
        struct bough_actor_spec spec = {
            .type = "top", .name = "t", .place = place, .argument = BOUGH_BYTES(wanted)};
        struct bough_actor *top;
        CHECK_EQ(bough_actor_start(an, &spec, &top), 0);
        pid_t middle = pid_of("m"), leaf = pid_of("l");
        CHECK_EQ(kill(middle, SIGKILL), 0);
        bough_fail_after (20 * BOUGH_SEC, &rc)
            while (rc == 0 && (kill(leaf, 0) == 0 || kill(middle, 0) == 0))
                rc = bough_sleep(BOUGH_MS);
        CHECK_EQ(rc, 0);
        CHECK(bough_actor_is_up(top));
    }
    return rc;
}
