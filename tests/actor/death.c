/* Actors that die, in every phase, of everything: all calls to them fail at once, their block is
 * told in words, and nothing is left. Processes only; a thread dies with its program.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <sys/resource.h>

/* --- over there --- */

/* How to die: the name of a way, at the begin of the text. */
static void die(const char *way, size_t size)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (size >= 4 && memcmp(way, "kill", 4) == 0)
        kill(getpid(), SIGKILL);
    else if (size >= 5 && memcmp(way, "abort", 5) == 0)
        abort();
    else if (size >= 5 && memcmp(way, "exit3", 5) == 0)
        exit(3);
    else if (size >= 5 && memcmp(way, "exit0", 5) == 0)
        _exit(0);
    else if (size >= 4 && memcmp(way, "segv", 4) == 0) {
        signal(SIGSEGV, SIG_DFL); /* nobody is to explain */
        raise(SIGSEGV);
    }
}

static int op_die(struct bough_call *call, void *state)
{
    struct bough_bytes way = bough_call_request(call);
    (void)state;
    die(way.data, way.size);
    return 0;
}

static int die_in_stream(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    for (int i = 0; i < 10 && rc == 0; i++)
        rc = bough_dialogue_send(d, BOUGH_BYTES(i));
    if (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1)
        die(m.data, m.size);
    return rc;
}

static int die_when_cancelled(struct bough_call *call, void *state)
{
    struct bough_bytes way = bough_call_request(call);
    (void)state;
    note("waits;");
    (void)bough_sleep_forever();
    die(way.data, way.size);
    return 0;
}

static int hang(struct bough_call *call, void *state)
{
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, NULL);
    note("hangs;");
    return rc < 0 ? rc : bough_sleep_forever();
}

static int close_the_link(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    for (int fd = 3; fd < 20; fd++)
        shutdown(fd, SHUT_RDWR);
    return bough_sleep_forever();
}

/* "setup kill", "teardown kill", ... */
static char *phase;
static int setup(struct bough_bytes argument, void **ret_state)
{
    (void)ret_state;
    phase = strndup(argument.data ? argument.data : "", argument.size);
    if (strncmp(phase, "setup ", 6) == 0)
        die(phase + 6, strlen(phase + 6));
    return 0;
}

static int teardown(void *state)
{
    (void)state;
    if (strncmp(phase, "teardown ", 9) == 0)
        die(phase + 9, strlen(phase + 9));
    free(phase);
    return 0;
}

static const struct bough_operation operations[] = {
    {"die", op_die}, {"die_in_stream", die_in_stream},   {"die_when_cancelled", die_when_cancelled},
    {"hang", hang},  {"close_the_link", close_the_link}, {0}};
BOUGH_ACTOR(mortal, .operations = operations, .setup = setup, .teardown = teardown);

/* Talks a lot, and then fails, at once. */
enum { WORDS = 3500 /* a window of empty messages */ };

static int talk(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    for (int i = 0; i < WORDS && rc == 0; i++)
        rc = bough_dialogue_send(d, BOUGH_NO_BYTES);
    bough_event_set(state);
    return rc;
}

static int fail_when_told(void *arg)
{
    int rc = bough_event_wait(arg);
    return rc < 0 ? rc : bough_fail(-EIO, "it has talked too much");
}

static int with_much_to_say(struct bough_manager *self, void *arg)
{
    struct bough_event said;
    int rc = 0;
    (void)arg;
    bough_event_init(&said);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, fail_when_told, &said);
        if (rc == 0)
            rc = bough_yield(self, &said);
    }
    return rc;
}

static const struct bough_operation talking[] = {{"talk", talk}, {0}};
BOUGH_ACTOR(talker, .operations = talking, .manager = with_much_to_say);

/* Before the actor's first word: a constructor that runs before any actor. */
__attribute__((constructor(200))) static void die_at_birth(void)
{
    const char *way = getenv("BOUGH_TEST_DIE_AT_BIRTH");
    if (way && getenv("BOUGH_ACTOR"))
        die(way, strlen(way));
}

/* --- here --- */

struct way {
    const char *name, *words;
};
static const struct way ways[] = {{"kill", "SIGKILL"},
                                  {"abort", "SIGABRT"},
                                  {"segv", "SIGSEGV"},
                                  {"exit3", "exited with 3"},
                                  {"exit0", "without a word"}};
enum { WAYS = sizeof(ways) / sizeof(*ways) };

static int each_way(enum bough_place place, int (*fn)(enum bough_place, const struct way *way))
{
    int rc = 0;
    for (int i = 0; i < WAYS && rc == 0 && place == BOUGH_PLACE_PROCESS; i++)
        rc = fn(place, &ways[i]);
    return rc;
}

#define DEATH_TEST(name)                                                                           \
    static int name##_of(enum bough_place place, const struct way *way);                           \
    ACTOR_TEST(name)                                                                               \
    {                                                                                              \
        return each_way(place, name##_of);                                                         \
    }                                                                                              \
    static int name##_of(__attribute__((unused)) enum bough_place place,                           \
                         __attribute__((unused)) const struct way *way)

/* One failure, of the actor m, in words. */
static void check_told(int rc, const struct way *way)
{
    if (bough_error_count(bough_error_last(), 0) != 1)
        bough_error_print(bough_error_last(), stderr);
    CHECK_EQ(rc, -EOWNERDEAD);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK_HAS(WHY, "the actor m ");
    CHECK_HAS(WHY, way->words);
}

static void check_start_told(struct bough_actors *an, const char *argument, const struct way *way)
{
    struct bough_actor *a = NULL;
    struct bough_actor_spec spec = {.type = "mortal",
                                    .name = "m",
                                    .place = BOUGH_PLACE_PROCESS,
                                    .argument = bough_text(argument)};
    check_told(bough_actor_start(an, &spec, &a), way);
    CHECK_HAS(bough_error_file(bough_error_last()), "actor/death.c"); /* its start */
    CHECK(!a);
    CHECK_EQ(bough_checkpoint(), 0); /* the block lives */
}

DEATH_TEST(death_before_the_first_word)
{
    int rc = 0;
    setenv("BOUGH_TEST_DIE_AT_BIRTH", way->name, 1);
    bough_with_actors (an, &rc)
        check_start_told(an, "", way);
    unsetenv("BOUGH_TEST_DIE_AT_BIRTH");
    return rc;
}

DEATH_TEST(death_in_the_setup)
{
    int rc = 0;
    char argument[32];
    snprintf(argument, sizeof(argument), "setup %s", way->name);
    bough_with_actors (an, &rc)
        check_start_told(an, argument, way);
    return rc;
}

ACTOR_TEST(death_while_idle)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .name = "m");
        kill(bough_actor_pid(a), SIGKILL);
        rc = bough_sleep_forever(); /* the block is told at once */
        CHECK_EQ(rc, -ECANCELED);
        CHECK(!bough_actor_is_up(a));
        CHECK_EQ(bough_actor_pid(a) > 0, true);
    }
    check_told(rc, &ways[0]);
    CHECK_HAS(bough_error_file(bough_error_last()), "tests/actor/");
    return 0;
}

struct caller {
    struct bough_actor *a;
    const char *operation;
    int rc;
    char why[256];
};

static int call_one(void *arg)
{
    struct caller *c = arg;
    c->rc = bough_call(c->a, c->operation, BOUGH_NO_BYTES, NULL);
    if (c->rc < 0)
        snprintf(c->why, sizeof(c->why), "%s", WHY);
    return 0;
}

DEATH_TEST(death_in_a_call_fails_all_calls_at_once)
{
    int rc = 0;
    struct caller callers[5];
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .name = "m", .may_fail = true);
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 5 && rc == 0; i++) {
                callers[i] = (struct caller){.a = a, .operation = "hang"};
                rc = bough_nursery_start_soon(n, call_one, &callers[i]);
            }
            int64_t begun = bough_now();
            check_told(bough_call(a, "die", bough_text(way->name), NULL), way);
            CHECK(bough_now() - begun < 2 * BOUGH_SEC || test_is_sanitized());
        }
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(callers[i].rc, -EOWNERDEAD);
            CHECK_HAS(callers[i].why, way->words);
        }
        check_told(bough_actor_join(a), way);
        check_told(bough_call(a, "hang", BOUGH_NO_BYTES, NULL), way); /* and all that come later */
        CHECK(!bough_actor_is_up(a));
    }
    return rc;
}

DEATH_TEST(a_death_that_the_body_has_seen_is_told_once)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .name = "m");
        rc = bough_call(a, "die", bough_text(way->name), NULL);
    }
    check_told(rc, way);
    return 0;
}

DEATH_TEST(a_death_that_the_body_has_caught_fails_the_block_all_the_same)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .name = "m");
        rc = bough_call(a, "die", bough_text(way->name), NULL);
        CHECK(bough_catch(&rc, -EOWNERDEAD));
    }
    check_told(rc, way);
    return 0;
}

DEATH_TEST(death_in_a_stream)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .name = "m", .may_fail = true);
        bough_with_dialogue (d, a, "die_in_stream", BOUGH_NO_BYTES, &rc) {
            struct bough_message m;
            CHECK_RC(bough_dialogue_send(d, bough_text(way->name)), 0);
            while ((rc = bough_dialogue_receive(d, &m)) == 1)
                bough_message_free(&m);
        }
        check_told(rc, way);
        rc = 0;
    }
    return rc;
}

DEATH_TEST(death_while_stopping)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .name = "m", .may_fail = true);
        struct caller c = {.a = a, .operation = "die_when_cancelled"};
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, call_one, &c);
            await_note("waits;");
            bough_move_on_after (0, &rc)
                rc = bough_actor_stop(a, NULL);
            rc = 0;
        }
        CHECK(c.rc == -EOWNERDEAD || c.rc == 0 || c.rc == -ECANCELED);
    }
    return rc;
}

DEATH_TEST(death_in_the_teardown)
{
    int rc = 0;
    char argument[32];
    snprintf(argument, sizeof(argument), "teardown %s", way->name);
    bough_with_actors (an, &rc)
        (void)start(an, .type = "mortal", .name = "m", .argument = bough_text(argument));
    check_told(rc, way);
    return 0;
}

ACTOR_TEST(several_deaths_at_once_are_all_told)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        pid_t pids[4];
        for (int i = 0; i < 4; i++)
            pids[i] = bough_actor_pid(start(an, .type = "mortal"));
        for (int i = 0; i < 4; i++)
            kill(pids[i], SIGKILL);
        rc = bough_sleep_forever();
    }
    CHECK(rc == -EOWNERDEAD || rc == -BOUGH_EGROUP);
    CHECK(bough_error_count(bough_error_last(), -EOWNERDEAD) >= 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -EOWNERDEAD),
             bough_error_count(bough_error_last(), 0));
    return 0;
}

ACTOR_TEST(one_that_may_fail_dies_alone)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "mortal", .may_fail = true);
        struct bough_actor *b = start(an, .type = "mortal");
        kill(bough_actor_pid(a), SIGKILL);
        CHECK_EQ(bough_actor_join(a), -EOWNERDEAD);
        CHECK_HAS(WHY, "SIGKILL");
        CHECK_EQ(bough_actor_join(a), -EOWNERDEAD);
        CHECK_EQ(bough_actor_stop(a, NULL), -EOWNERDEAD);
        CHECK(bough_actor_is_up(b));
        CHECK_RC(bough_call(b, "die", bough_text("not at all"), NULL), 0);
    }
    return rc;
}

/* This thread does nothing else meanwhile. */
static void see_it_end(struct bough_actor *a, int threads)
{
    siginfo_t info;
    if (bough_actor_place(a) == BOUGH_PLACE_PROCESS)
        CHECK_EQ(waitid(P_PID, (id_t)bough_actor_pid(a), &info, WEXITED | WNOWAIT), 0);
    else
        while (count_in("/proc/self/task") > threads)
            usleep(1000);
}

/* It is over before any of it has been read. */
static int hear_it_out(struct bough_actor *a, int threads, int *ret_heard)
{
    int rc = 0;
    bough_with_dialogue (d, a, "talk", BOUGH_NO_BYTES, &rc) {
        struct bough_message m;
        see_it_end(a, threads);
        while ((rc = bough_dialogue_receive(d, &m)) == 1) {
            bough_message_free(&m);
            ++*ret_heard;
        }
    }
    return rc;
}

ACTOR_TEST(what_it_said_before_its_end_is_heard)
{
    int rc = 0, heard = 0, threads = count_in("/proc/self/task");
    if (place == BOUGH_PLACE_THREAD && (test_is_sanitized() || test_is_emulated()))
        return 0; /* those have threads of their own */
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "talker", .may_fail = true);
        rc = hear_it_out(a, threads, &heard);
        CHECK_EQ(heard, WORDS);
        CHECK_EQ(bough_actor_join(a), -EIO);
        CHECK_STR(WHY, "it has talked too much");
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_link_that_ends_is_no_death_but_the_way_there)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "mortal", .may_fail = true, .grace = 200 * BOUGH_MS);
        CHECK_EQ(bough_call(a, "close_the_link", BOUGH_NO_BYTES, NULL), -EOWNERDEAD);
        CHECK_EQ(bough_actor_join(a), -EOWNERDEAD);
    }
    return rc;
}

/* --- programs that are no actors --- */

ACTOR_TEST(a_program_that_is_no_actor_is_a_clear_error)
{
    int rc = 0;
    static const char *const programs[] = {"/bin/true", "/bin/false", "/bin/cat"};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = NULL;
        for (int i = 0; i < 3; i++) {
            struct bough_actor_spec spec = {
                .type = "mortal", .place = place, .program = programs[i]};
            rc = bough_actor_start(an, &spec, &a);
            CHECK_EQ(rc, -EPROTO);
            CHECK_HAS(WHY, programs[i]);
        }
        struct bough_actor_spec spec = {
            .type = "mortal", .place = place, .program = "/nowhere/to/be/found"};
        rc = bough_actor_start(an, &spec, &a);
        CHECK(rc == -ENOENT || test_on_valgrind()); /* whose vfork() does not tell */
        CHECK(!a);
        rc = 0;
    }
    return rc;
}

ACTOR_TEST(a_program_that_never_says_a_word_is_stopped_when_the_start_is_cancelled)
{
    static const char script[] = "#!/bin/sh\nexec sleep 1000\n";
    int rc = 0, fd = memfd_create("script", MFD_CLOEXEC);
    char path[64];
    if (place == BOUGH_PLACE_THREAD)
        return close(fd);
    CHECK_EQ(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    int reading = open(path, O_RDONLY | O_CLOEXEC); /* what is open for writing is not executed */
    close(fd);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), reading);
    bough_with_actors (an, &rc) {
        struct bough_actor *a = NULL;
        struct bough_actor_spec spec = {.type = "mortal", .place = place, .program = path};
        bough_fail_after (100 * BOUGH_MS, &rc)
            rc = bough_actor_start(an, &spec, &a);
        CHECK_RC(rc, -ETIMEDOUT);
        rc = 0;
    }
    close(reading);
    return rc;
}
