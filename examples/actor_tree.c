/* A tree of actors, three levels deep, whose middle is killed.
 *
 * An office is an actor with two clerks, actors of its own: in processes, or with "--place thread"
 * all in one. The clerks are found by name from the top, and the tasks of all of them are one tree.
 * Then the office is killed (kill -9), while a clerk is busy for us: the call fails, the block ends
 * with what has happened, and nobody is left of the tree.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <bough.h>

/* --- clerks --- */

static int copy(struct bough_call *call, void *state)
{
    (void)state;
    printf("  %s: is to copy \"%s\"\n", bough_actor_self(),
           (const char *)bough_call_request(call).data);
    fflush(stdout); /* which may be a pipe, and shared */
    int rc = bough_sleep(50 * BOUGH_MS);
    return rc < 0 ? rc : bough_call_reply(call, bough_call_request(call));
}

static int file_for_ever(struct bough_call *call, void *state)
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

static const struct bough_operation clerk_operations[] = {
    {"copy", copy}, {"file", file_for_ever}, {"pid", say_pid}, {0}};
BOUGH_ACTOR(clerk, .operations = clerk_operations);

/* --- the office: a manager around its work, which has the clerks --- */

static int office_manager(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    if (rc < 0)
        return rc;
    bough_with_actors (an, &rc) {
        struct bough_actor *a, *b;
        rc = bough_actor_start(
            an, &(struct bough_actor_spec){.type = "clerk", .name = "anna", .place = place}, &a);
        if (rc == 0)
            rc = bough_actor_start(
                an, &(struct bough_actor_spec){.type = "clerk", .name = "bert", .place = place},
                &b);
        if (rc == 0)
            rc = bough_yield(self, a);
    }
    return rc;
}
BOUGH_ACTOR(office, .operations = clerk_operations, .manager = office_manager);

/* --- the top --- */

struct play {
    enum bough_place place;
    pid_t clerks[2];
};

/* A clerk's process, asked through a connection of our own. */
static int find_clerk(const char *name, struct bough_actor **ret_clerk, pid_t *ret_pid)
{
    struct bough_message reply;
    int rc = bough_actor_find(name, ret_clerk);
    if (rc == 0)
        rc = bough_call(*ret_clerk, "pid", BOUGH_NO_BYTES, &reply);
    if (rc < 0)
        return rc;
    rc = bough_message_get(&reply, ret_pid);
    bough_message_free(&reply);
    return rc;
}

static int ask_anna(struct bough_actor *anna)
{
    struct bough_message reply;
    int rc = bough_call(anna, "copy", (struct bough_bytes){"the letter", 11}, &reply);
    if (rc < 0)
        return rc;
    printf("anna has copied \"%s\"\n", (char *)reply.data);
    bough_message_free(&reply);
    return 0;
}

static int kill_soon(void *arg)
{
    int rc = bough_sleep(50 * BOUGH_MS);
    if (rc == 0) {
        printf("-- kill -9 %d, the office\n", (int)bough_actor_pid(arg));
        kill(bough_actor_pid(arg), SIGKILL);
    }
    return rc;
}

/* Kill the office while bert is busy. In threads there is nobody to kill: it is told to stop. */
static int accident(struct play *play, struct bough_actor *office, struct bough_actor *bert)
{
    int rc = 0;
    if (play->place == BOUGH_PLACE_THREAD)
        return bough_actor_stop(office, NULL);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, kill_soon, office);
        if (rc == 0)
            rc = bough_call(bert, "file", BOUGH_NO_BYTES, NULL);
        printf("the call to bert: %s\n", bough_error_name(rc));
    }
    return rc;
}

static int act(struct play *play, struct bough_actors *an)
{
    struct bough_actor *office, *anna, *bert;
    struct bough_actor_spec spec = {.type = "office",
                                    .name = "office",
                                    .place = play->place,
                                    .argument = BOUGH_BYTES(play->place)};
    int rc = bough_actor_start(an, &spec, &office);
    if (rc == 0)
        rc = find_clerk("anna", &anna, &play->clerks[0]);
    if (rc == 0)
        rc = find_clerk("bert", &bert, &play->clerks[1]);
    if (rc == 0)
        rc = ask_anna(anna);
    if (rc == 0)
        rc = bough_actor_tree_print(stdout);
    return rc < 0 ? rc : accident(play, office, bert);
}

static int top(void *arg)
{
    struct play *play = arg;
    int rc = 0;
    bough_with_actors (an, &rc)
        rc = act(play, an);
    printf("the block has ended: %s\n", rc < 0 ? bough_error_name(rc) : "well");
    if (rc < 0)
        bough_error_print(bough_error_last(), stdout);
    for (int i = 0; play->place == BOUGH_PLACE_PROCESS && i < 2; i++)
        printf("clerk %d: %s\n", i + 1, kill(play->clerks[i], 0) < 0 ? "gone" : "STILL THERE");
    /* The office died, and bert, who saw that he was an orphan, stopped: that was the play. */
    (void)bough_catch(&rc, -EOWNERDEAD);
    (void)bough_catch(&rc, -ECANCELED);
    return rc;
}

int main(int argc, char **argv)
{
    struct play play = {.place = BOUGH_PLACE_PROCESS};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "--place") == 0 && strcmp(argv[2], "thread") == 0)
        play.place = BOUGH_PLACE_THREAD;
    else if (argc > 1 && !(argc == 3 && strcmp(argv[2], "process") == 0)) {
        fprintf(stderr, "usage: %s [--place thread|process]\n", argv[0]);
        return 2;
    }
    int rc = bough_run(top, &play);
    return rc < 0;
}
