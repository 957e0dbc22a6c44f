/* Whoever of a tree of processes is killed: nobody is left behind. And what a process is born with.
 *
 * The tree is started by a test child: root -> middle -> leaf, each of which tells its process in a
 * note. All is checked through /proc, with a deadline.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <sys/prctl.h>
#include <time.h>

#define GRACE (300 * BOUGH_MS)

/* --- over there --- */

/* The loop of who does this is stuck, and nothing else gets it to end. */
static int stuck(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    signal(SIGTERM, SIG_IGN);
    note("stuck;");
    for (;;)
        usleep(1000); /* a signal interrupts it, also under ThreadSanitizer */
    return 0;
}

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    note("hangs;");
    return bough_sleep_forever();
}

static int ignores_cancels(struct bough_call *call, void *state)
{
    int rc = 0;
    (void)call, (void)state;
    note("ignores;");
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep_forever();
    return rc;
}

/* "operation": our own actor, 'state', does it. */
static int relay(struct bough_call *call, void *state)
{
    struct bough_bytes request = bough_call_request(call);
    char name[32];
    snprintf(name, sizeof(name), "%.*s", (int)request.size, (const char *)request.data);
    return bough_call(state, name, BOUGH_NO_BYTES, NULL);
}

static const struct bough_operation operations[] = {
    {"stuck", stuck}, {"hang", hang}, {"ignores_cancels", ignores_cancels}, {"relay", relay}, {0}};

static int teardown(void *state)
{
    (void)state;
    note("teardown of %d;", (int)getpid());
    return 0;
}

static int setup(struct bough_bytes argument, void **ret_state)
{
    (void)argument, (void)ret_state;
    note("leaf %d;", (int)getpid());
    return 0;
}
BOUGH_ACTOR(leaf, .operations = operations, .setup = setup, .teardown = teardown);

static int with_leaf(struct bough_manager *self, void *arg)
{
    enum bough_place place = BOUGH_PLACE_PROCESS;
    int rc = 0;
    (void)arg;
    note("middle %d;", (int)getpid());
    bough_with_actors (an, &rc)
        rc = bough_yield(self, start(an, .type = "leaf", .name = "leaf", .grace = GRACE));
    return rc;
}
BOUGH_ACTOR(middle, .operations = operations, .manager = with_leaf);

/* --- the tree --- */

/* What is going on in it when somebody is killed. */
struct doing {
    const char *of_middle, *request; /* a call of the root */
    const char *noted;               /* by which we see that it is going on */
};

static int call_middle(void *arg)
{
    const struct doing *doing = arg;
    enum bough_place place = BOUGH_PLACE_PROCESS;
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m = start(an, .type = "middle", .name = "middle", .grace = GRACE);
        note("up;");
        rc = doing->of_middle ? bough_call(m, doing->of_middle, bough_text(doing->request), NULL)
                              : bough_sleep_forever();
    }
    return rc;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

static void await_noted(const char *text)
{
    for (int i = 0; !strstr(notes(), text); i++) {
        if (i > 20000)
            test_fail(__FILE__, __LINE__, "\"%s\" was never noted; \"%s\" was", text, notes());
        pause_ms(1);
    }
}

static pid_t pid_of(const char *who)
{
    const char *at = strstr(notes(), who);
    CHECK(at != NULL);
    return (pid_t)atoi(at + strlen(who));
}

/* A process that is there and is no zombie. */
static bool lives(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *state = strrchr(text, ')');
    return n > 0 && state && state[2] != 'Z' && state[2] != 'X';
}

static void await_gone(pid_t pid, const char *who)
{
    for (int i = 0; lives(pid); i++) {
        if (i > 10000)
            test_fail(__FILE__, __LINE__, "%s lives on", who);
        pause_ms(1);
    }
}

/* Zombies of orphans are for init, or for a subreaper; here that is us. */
static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

/* The root fails with 'expected', once or twice: its call may have, too. */
static void kill_in_tree(const char *victim, struct doing doing, int expected)
{
    if (test_is_emulated())
        test_skip("no processes under an emulator");
    int fd = notes_open(), status;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t root = fork();
    CHECK(root >= 0);
    if (root == 0) {
        int rc = bough_run(call_middle, &doing);
        const struct bough_error *e = bough_error_last();
        bool good = rc < 0 && bough_error_count(e, expected) == bough_error_count(e, 0);
        if (!good)
            bough_error_print(e, stderr);
        _exit(good ? 0 : 1);
    }
    await_noted("up;");
    await_noted(doing.noted);
    pid_t middle = pid_of("middle "), leaf = pid_of("leaf ");
    kill(strcmp(victim, "root") == 0     ? root
         : strcmp(victim, "middle") == 0 ? middle
                                         : leaf,
         SIGKILL);
    if (strcmp(victim, "root") == 0) {
        await_gone(root, "the root");
        await_gone(middle, "the middle");
        await_gone(leaf, "the leaf");
        reap_all();
    } else {
        CHECK_EQ(waitpid(root, &status, 0), root);
        CHECK_EQ(status, 0);
        CHECK(!lives(middle)); /* the root has seen to that */
        CHECK(!lives(leaf));
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* and left us nobody */
    }
    if (doing.of_middle == NULL && strcmp(victim, "root") == 0)
        CHECK_HAS(notes(), "teardown"); /* in order */
    close(fd);
}

static const struct doing nothing = {NULL, "", "up;"};
static const struct doing calls = {"relay", "hang", "hangs;"};
static const struct doing leaf_stuck = {"relay", "stuck", "stuck;"};
static const struct doing leaf_ignores = {"relay", "ignores_cancels", "ignores;"};
static const struct doing middle_stuck = {"stuck", "", "stuck;"};

TEST(when_the_root_is_killed_all_go)
{
    kill_in_tree("root", nothing, 0);
}

TEST(when_the_root_is_killed_in_calls_all_go)
{
    kill_in_tree("root", calls, 0);
}

TEST(when_the_root_is_killed_a_stuck_leaf_goes)
{
    kill_in_tree("root", leaf_stuck, 0);
}

TEST(when_the_root_is_killed_a_leaf_that_ignores_cancels_goes)
{
    kill_in_tree("root", leaf_ignores, 0);
}

TEST(when_the_root_is_killed_a_stuck_middle_goes_and_its_leaf)
{
    kill_in_tree("root", middle_stuck, 0);
}

TEST(when_the_middle_is_killed_the_root_is_told_and_the_leaf_goes)
{
    kill_in_tree("middle", nothing, -EOWNERDEAD);
}

TEST(when_the_middle_is_killed_in_calls_the_leaf_goes)
{
    kill_in_tree("middle", calls, -EOWNERDEAD);
}

TEST(when_the_middle_is_killed_a_stuck_leaf_goes)
{
    kill_in_tree("middle", leaf_stuck, -EOWNERDEAD);
}

TEST(when_the_leaf_is_killed_the_middle_fails_and_the_root_is_told)
{
    kill_in_tree("leaf", nothing, -EOWNERDEAD);
}

TEST(when_the_leaf_is_killed_in_a_call_the_root_is_told)
{
    kill_in_tree("leaf", calls, -EOWNERDEAD);
}

/* --- what a process is born with --- */

static int born(struct bough_call *call, void *state)
{
    char text[2048], path[64], target[256];
    int at = 0;
    (void)state;
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "/proc/self/fd/%.20s", e->d_name);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n <= 0 || atoi(e->d_name) == dirfd(d))
            continue;
        target[n] = '\0';
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%s=%s;", e->d_name, target);
    }
    closedir(d);
    return bough_call_reply(call, (struct bough_bytes){text, (size_t)at});
}

static int variable(struct bough_call *call, void *state)
{
    char name[64];
    struct bough_bytes request = bough_call_request(call);
    (void)state;
    snprintf(name, sizeof(name), "%.*s", (int)request.size, (const char *)request.data);
    const char *value = getenv(name);
    return bough_call_reply(call, bough_text(value ? value : "(unset)"));
}

static int command_line(struct bough_call *call, void *state)
{
    char text[256];
    (void)state;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    return bough_call_reply(call, (struct bough_bytes){text, n > 0 ? (size_t)n : 0});
}

static int has_signals_blocked(struct bough_call *call, void *state)
{
    sigset_t set;
    char text[64];
    (void)state;
    sigprocmask(SIG_SETMASK, NULL, &set);
    snprintf(text, sizeof(text), "%s %s", sigismember(&set, SIGTERM) ? "blocked" : "open",
             getpgrp() == getpid() ? "leads" : "follows");
    return bough_call_reply(call, bough_text(text));
}

static const struct bough_operation newborn_operations[] = {
    {"born", born},
    {"variable", variable},
    {"command_line", command_line},
    {"has_signals_blocked", has_signals_blocked},
    {0}};
BOUGH_ACTOR(newborn, .operations = newborn_operations);

static void check_says(struct bough_actor *a, const char *operation, const char *request,
                       const char *expected)
{
    struct bough_message reply = {0};
    CHECK_RC(bough_call(a, operation, bough_text(request), &reply), 0);
    CHECK_STR(reply.data ? (char *)reply.data : "", expected);
    bough_message_free(&reply);
}

ACTOR_TEST(a_process_has_no_descriptors_of_ours_but_its_link)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    int ours = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
    int other = fcntl(ours, F_DUPFD, 50);
    bough_with_actors (an, &rc) {
        struct bough_message reply;
        (void)start(an, .type = "newborn"); /* a sibling, whose link is another one */
        struct bough_actor *a = start(an, .type = "newborn");
        CHECK_RC(bough_call(a, "born", BOUGH_NO_BYTES, &reply), 0);
        const char *fds = reply.data;
        CHECK_HAS(fds, "0=/dev/null;");
        CHECK(!strstr(fds, "passwd"));
        const char *link = strstr(fds, "socket:");
        CHECK(link && !strstr(link + 1, "socket:"));
        bough_message_free(&reply);
    }
    close(ours);
    close(other);
    return rc;
}

ACTOR_TEST(a_process_has_our_environment_or_the_one_it_is_given)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    setenv("BOUGH_TEST_COLOUR", "green", 1);
    static const char *const env[] = {"BOUGH_TEST_COLOUR=red", NULL};
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "newborn");
        check_says(a, "variable", "BOUGH_TEST_COLOUR", "green");
        check_says(a, "variable", "BOUGH_ACTOR", "(unset)"); /* not for its children */
        a = start(an, .type = "newborn", .env = env);
        check_says(a, "variable", "BOUGH_TEST_COLOUR", "red");
        check_says(a, "variable", "PATH", "(unset)");
    }
    unsetenv("BOUGH_TEST_COLOUR");
    return rc;
}

ACTOR_TEST(a_process_is_shown_by_its_name_without_our_arguments)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc)
        check_says(start(an, .type = "newborn", .name = "jim"), "command_line", "", "jim");
    return rc;
}

ACTOR_TEST(a_process_has_no_signals_blocked_and_a_group_of_its_own)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before);
    bough_with_actors (an, &rc)
        check_says(start(an, .type = "newborn"), "has_signals_blocked", "", "open leads");
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* --- the variable by which a program turns into an actor --- */

static int run_self(const char *value)
{
    struct bough_process_result result;
    char variable[256], path[256];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1); /* on Valgrind this is not it */
    CHECK(n > 0);
    path[n] = '\0';
    snprintf(variable, sizeof(variable), "BOUGH_ACTOR=%s", value);
    const char *env[] = {variable, NULL};
    struct bough_process_options options = {
        .argv = BOUGH_ARGV(path), .env = env, .any_status = true};
    CHECK_RC(bough_process_run(&options, &result), 0);
    int code = bough_status_exit_code(result.status);
    if (code == 127)
        CHECK_HAS(result.err, "is for processes that bough starts");
    bough_process_result_free(&result);
    return code;
}

ACTOR_TEST(a_program_that_has_the_variable_by_accident_says_so_and_ends)
{
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    CHECK_EQ(run_self(""), 127);
    CHECK_EQ(run_self("1"), 127);
    CHECK_EQ(run_self("12:zz"), 127);
    CHECK_EQ(run_self("12:00112233445566778899aabbccddeeff00"), 127);
    CHECK_EQ(run_self("12:0011223344556677zz99aabbccddeeff"), 127);
    CHECK_EQ(run_self("1:00112233445566778899aabbccddeeff"), 1); /* that is not its parent */
    return 0;
}
