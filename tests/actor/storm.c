/* Kill storms: the root, the one in the middle or the leaf of a tree of three processes is killed,
 * in each phase of its life, while it works. Whoever it is, the others are gone soon after, and
 * nobody is left: no orphan, no zombie, no descriptor.
 *
 * The test is not in the tree: it is the subreaper of all, so it sees whoever stays behind. It
 * learns of the phase from a page that all share. BOUGH_STORM=200: so many times each; ./dev storm.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum phase { NOTHING, STARTING, IDLE, CALLING, STREAMING, STOPPING };
enum member { ROOT, MIDDLE, LEAF };

#define GRACE (300 * BOUGH_MS)
#define LINGER (30 * BOUGH_MS) /* in a phase that would be over soon */
enum { LIMIT_MS = 8000 };

struct page {
    enum phase wanted; /* what the tree is to do */
    enum member victim;
    enum phase phase; /* it does */
    pid_t pids[3];
};

static struct page *page;

#define PAGE "BOUGH_STORM_PAGE"

static void map_page(int fd)
{
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(page != MAP_FAILED);
}

/* In an actor. */
static void open_page(enum member member)
{
    int fd = open(getenv(PAGE), O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    map_page(fd);
    close(fd);
    __atomic_store_n(&page->pids[member], getpid(), __ATOMIC_SEQ_CST);
}

static void reach(enum phase phase)
{
    if (page->wanted == phase)
        __atomic_store_n(&page->phase, phase, __ATOMIC_SEQ_CST);
}

/* In a phase that the victim is in alone. */
static int linger(enum member member, enum phase phase)
{
    int rc = 0;
    if (page->wanted != phase || page->victim != member)
        return 0;
    reach(phase);
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep(LINGER);
    return rc;
}

/* --- the actors --- */

static int hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    reach(CALLING);
    return bough_sleep_forever();
}

static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

static int flood(struct bough_call *call, void *state)
{
    static char block[10000];
    struct bough_dialogue *d;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    while (rc == 0)
        rc = bough_dialogue_send(d, (struct bough_bytes){block, sizeof(block)});
    return rc;
}

static int leaf_setup(struct bough_bytes argument, void **ret_state)
{
    (void)argument, (void)ret_state;
    open_page(LEAF);
    return linger(LEAF, STARTING);
}

static int leaf_teardown(void *state)
{
    (void)state;
    return linger(LEAF, STOPPING);
}

static const struct bough_operation leaf_operations[] = {
    {"hang", hang}, {"echo", echo}, {"flood", flood}, {0}};
BOUGH_ACTOR(leaf, .operations = leaf_operations, .setup = leaf_setup, .teardown = leaf_teardown);

static int relay(struct bough_call *call, void *state)
{
    struct bough_actor *leaf = state;
    struct bough_message reply;
    int rc = bough_call(leaf, "echo", bough_call_request(call), &reply);
    if (rc < 0)
        return rc;
    rc = bough_call_reply(call, (struct bough_bytes){reply.data, reply.size});
    bough_message_free(&reply);
    return rc;
}

static int relay_hang(struct bough_call *call, void *state)
{
    (void)call;
    return bough_call(state, "hang", BOUGH_NO_BYTES, NULL);
}

static int relay_flood(struct bough_call *call, void *state)
{
    struct bough_dialogue *down;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &down);
    if (rc < 0)
        return rc;
    bough_with_dialogue (up, state, "flood", BOUGH_NO_BYTES, &rc) {
        struct bough_message m;
        for (int i = 0; (rc = bough_dialogue_receive(up, &m)) == 1; i++) {
            rc = bough_dialogue_send(down, (struct bough_bytes){m.data, m.size});
            bough_message_free(&m);
            if (rc < 0)
                break;
            if (i == 100)
                reach(STREAMING);
        }
    }
    return rc;
}

static int middle_life(struct bough_manager *m, void *arg)
{
    int rc = 0;
    (void)arg;
    open_page(MIDDLE);
    bough_with_actors (an, &rc) {
        struct bough_actor *leaf;
        struct bough_actor_spec spec = {
            .type = "leaf", .place = BOUGH_PLACE_PROCESS, .grace = GRACE / 2};
        rc = linger(MIDDLE, STARTING);
        if (rc == 0)
            rc = bough_actor_start(an, &spec, &leaf);
        if (rc == 0)
            rc = bough_yield(m, leaf);
        if (linger(MIDDLE, STOPPING) < 0)
            rc = bough_keep(rc, -EIO);
    }
    return rc;
}

static const struct bough_operation middle_operations[] = {
    {"relay", relay}, {"hang", relay_hang}, {"flood", relay_flood}, {0}};
BOUGH_ACTOR(middle, .operations = middle_operations, .manager = middle_life);

/* --- the root --- */

/* Calls all the time. */
static int load(void *arg)
{
    static char request[500];
    int rc = 0;
    while (rc == 0)
        rc = bough_call(arg, "relay", (struct bough_bytes){request, sizeof(request)}, NULL);
    return rc;
}

static int work(struct bough_actor *middle)
{
    struct bough_message m;
    int rc = 0;
    switch (page->wanted) {
    case IDLE:
        reach(IDLE);
        return bough_sleep_forever();
    case CALLING:
        return bough_call(middle, "hang", BOUGH_NO_BYTES, NULL);
    case STREAMING:
        bough_with_dialogue (d, middle, "flood", BOUGH_NO_BYTES, &rc) {
            while ((rc = bough_dialogue_receive(d, &m)) == 1)
                bough_message_free(&m);
        }
        return rc;
    default:
        return bough_sleep(BOUGH_MS);
    }
}

static int root_task(void *arg)
{
    int rc = 0;
    (void)arg;
    if (page->victim == ROOT)
        reach(STARTING);
    bough_with_actors (an, &rc) {
        struct bough_actor *middle;
        struct bough_actor_spec spec = {
            .type = "middle", .place = BOUGH_PLACE_PROCESS, .grace = GRACE};
        rc = bough_actor_start(an, &spec, &middle);
        if (rc < 0)
            break;
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, load, middle);
            if (rc == 0)
                rc = work(middle);
            bough_scope_cancel(bough_nursery_scope(n), "enough");
        }
        if (page->victim == ROOT)
            reach(STOPPING);
    }
    return rc;
}

/* Each call that failed tells of it, and so does each actor on the way; or that it was cancelled by
 * an actor, or has come too late for one, which has failed for that reason. */
static bool is_death(const struct bough_error *e)
{
    const struct bough_error *leaf = bough_error_first(e) ? bough_error_first(e) : e;
    bool died = false;
    for (; leaf; leaf = bough_error_next(leaf)) {
        int code = bough_error_code(leaf);
        bool of_the_middle = page->victim == LEAF && (code == -ECANCELED || code == -EPIPE);
        if (code != -EOWNERDEAD && !of_the_middle)
            return false;
        died = died || code == -EOWNERDEAD;
    }
    return died;
}

static void root_main(void)
{
    int fds = count_in("/proc/self/fd");
    page->pids[ROOT] = getpid();
    int rc = bough_run(root_task, NULL);
    if (rc < 0 && !is_death(bough_error_last())) {
        bough_error_print(bough_error_last(), stderr);
        test_fail(__FILE__, __LINE__, "the root: %s", bough_error_name(rc));
    }
    if (rc == 0 && page->wanted != STOPPING)
        test_fail(__FILE__, __LINE__, "the root did not notice");
    bough_error_clear();
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
    CHECK_EQ(count_in("/proc/self/fd"), fds);
    _exit(0);
}

/* --- the test --- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static void give_up(const char *what)
{
    for (int i = 0; i < 3; i++)
        if (page->pids[i] > 0)
            kill(page->pids[i], SIGKILL);
    test_fail(__FILE__, __LINE__, "%s (victim %d, phase %d)", what, page->victim, page->wanted);
}

static void await_phase(void)
{
    for (int64_t end = now_ms() + LIMIT_MS; now_ms() < end; nap(200))
        if (__atomic_load_n(&page->phase, __ATOMIC_SEQ_CST) && page->pids[page->victim])
            return;
    give_up("the phase does not come");
}

/* All that is below us ends. How many of them were not the root? */
static int await_ends(pid_t root)
{
    int strays = 0, status;
    for (int64_t end = now_ms() + LIMIT_MS; now_ms() < end;) {
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0)
            return strays;
        if (pid == 0)
            nap(500);
        else if (pid != root)
            strays++;
        else if (page->victim != ROOT && status != 0)
            give_up("the root failed");
    }
    give_up("somebody stays behind");
    return 0;
}

static void kill_once(enum member victim, enum phase phase, int i)
{
    *page = (struct page){.wanted = phase, .victim = victim};
    pid_t root = fork();
    CHECK(root >= 0);
    if (root == 0)
        root_main();
    page->pids[ROOT] = root;
    await_phase();
    nap(i * 137 % 3000);
    kill(page->pids[victim], SIGKILL);
    int strays = await_ends(root);
    if (victim != ROOT)
        CHECK_EQ(strays, 0); /* the root has reaped them all */
}

static int times(void)
{
    const char *text = getenv("BOUGH_STORM");
    return text ? atoi(text) : test_on_valgrind() || test_is_sanitized() ? 2 : 5;
}

static void storm(enum member victim, enum phase phase)
{
    char path[64];
    if (test_is_emulated())
        test_skip("an emulator does not run what is executed");
    int fd = memfd_create("storm", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, sizeof(struct page)), 0);
    map_page(fd);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    setenv(PAGE, path, 1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int fds = count_in("/proc/self/fd");
    for (int i = 0; i < times(); i++)
        kill_once(victim, phase, i);
    CHECK_EQ(count_in("/proc/self/fd"), fds);
}

#define STORM(test_name, victim, phase)                                                            \
    TEST(test_name)                                                                                \
    {                                                                                              \
        storm(victim, phase);                                                                      \
    }

STORM(the_root_is_killed_while_it_starts, ROOT, STARTING)
STORM(the_root_is_killed_while_all_are_idle, ROOT, IDLE)
STORM(the_root_is_killed_in_a_call, ROOT, CALLING)
STORM(the_root_is_killed_in_a_stream, ROOT, STREAMING)
STORM(the_root_is_killed_while_it_stops, ROOT, STOPPING)
STORM(the_middle_is_killed_while_it_starts, MIDDLE, STARTING)
STORM(the_middle_is_killed_while_all_are_idle, MIDDLE, IDLE)
STORM(the_middle_is_killed_in_a_call, MIDDLE, CALLING)
STORM(the_middle_is_killed_in_a_stream, MIDDLE, STREAMING)
STORM(the_middle_is_killed_while_it_stops, MIDDLE, STOPPING)
STORM(a_leaf_is_killed_while_it_starts, LEAF, STARTING)
STORM(a_leaf_is_killed_while_all_are_idle, LEAF, IDLE)
STORM(a_leaf_is_killed_in_a_call, LEAF, CALLING)
STORM(a_leaf_is_killed_in_a_stream, LEAF, STREAMING)
STORM(a_leaf_is_killed_while_it_stops, LEAF, STOPPING)

/* --- other ways to be a nuisance --- */

/* It does not read, and does not answer: the cancel is not acknowledged, so it is killed. */
static int stopped_peer(void *arg)
{
    int rc = 0;
    (void)arg;
    bough_with_actors (an, &rc) {
        struct bough_actor *leaf;
        struct bough_message m;
        struct bough_actor_spec spec = {
            .type = "leaf", .place = BOUGH_PLACE_PROCESS, .grace = GRACE / 3, .may_fail = true};
        CHECK_EQ(bough_actor_start(an, &spec, &leaf), 0);
        int64_t start = bough_now();
        bough_move_on_after (GRACE, &rc) {
            bough_with_dialogue (d, leaf, "flood", BOUGH_NO_BYTES, &rc) {
                for (int i = 0; (rc = bough_dialogue_receive(d, &m)) == 1; i++) {
                    bough_message_free(&m);
                    if (i == 10)
                        kill(bough_actor_pid(leaf), SIGSTOP);
                }
            }
        }
        if (rc < 0)
            bough_error_print(bough_error_last(), stderr);
        CHECK_EQ(rc, -EOWNERDEAD);
        CHECK(bough_now() - start < 10 * GRACE);
        rc = 0;
    }
    return rc;
}

TEST(a_peer_that_is_stopped_in_a_stream_is_killed)
{
    int fd = memfd_create("storm", MFD_CLOEXEC);
    char path[64];
    if (test_is_emulated())
        test_skip("an emulator does not run what is executed");
    CHECK_EQ(ftruncate(fd, sizeof(struct page)), 0);
    map_page(fd);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    setenv(PAGE, path, 1);
    CHECK_EQ(bough_run(stopped_peer, NULL), 0);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

static int start_more(struct bough_bytes argument, void **ret_state)
{
    int rc = 0;
    (void)ret_state, (void)argument;
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {.type = "bare", .place = BOUGH_PLACE_PROCESS};
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_actor_start(an, &spec, &a);
    }
    return rc < 0 ? rc : bough_fail(-EIO, "it has started others, and fails");
}

BOUGH_ACTOR(bare);
BOUGH_ACTOR(bomb, .setup = start_more);

static int failing_setups(void *arg)
{
    int rc = 0;
    (void)arg;
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        struct bough_actor_spec spec = {.type = "bomb", .place = BOUGH_PLACE_PROCESS};
        for (int i = 0; i < (test_on_valgrind() || test_is_sanitized() ? 3 : 50); i++) {
            CHECK_EQ(bough_actor_start(an, &spec, &a), -EIO);
            CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of it */
            bough_error_clear();
        }
    }
    return rc;
}

TEST(setups_that_start_others_and_fail_leave_none_of_them)
{
    if (test_is_emulated())
        test_skip("an emulator does not run what is executed");
    CHECK_EQ(bough_run(failing_setups, NULL), 0);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}
