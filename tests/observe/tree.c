/* The tree of tasks: the walk, and how it is printed.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static char *picture(void)
{
    static char text[1 << 20];
    FILE *f = fmemopen(text, sizeof(text), "w");
    CHECK(f);
    bough_tree_print(f);
    fclose(f);
    return text;
}

/* The line of the picture that has 'part', without its end. */
static const char *line_with(const char *part)
{
    static char line[600];
    char *text = picture(), *at = strstr(text, part);
    if (!at)
        test_fail(__FILE__, __LINE__, "no %s in:\n%s", part, text);
    while (at > text && at[-1] != '\n')
        at--;
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

static int sleeper(void *arg)
{
    if (arg)
        bough_task_set_name("%s", (char *)arg);
    return bough_sleep(BOUGH_MINUTE);
}

static int with_deadline(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_fail_after (90 * BOUGH_SEC, &rc)
        rc = bough_sleep(BOUGH_MINUTE);
    return rc;
}

static int in_a_shield(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep(BOUGH_MINUTE);
    return rc;
}

static int parent(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleeper, "inner-1"), 0);
        rc = bough_nursery_start_soon(n, sleeper, "inner-2");
    }
    return rc;
}

TASK_TEST(the_picture_has_every_task_with_its_name_function_and_place)
{
    int rc = 0, line = 0;
    bough_with_nursery (n, &rc) {
        line = __LINE__ + 1;
        CHECK_EQ(bough_nursery_start_soon(n, sleeper, "conn-1"), 0);
        CHECK_EQ(bough_nursery_start_soon(n, parent, NULL), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        char place[200];
        snprintf(place, sizeof(place), "tree.c:%d)", line);
        CHECK_HAS(line_with("conn-1"), "(sleeper ");
        CHECK_HAS(line_with("conn-1"), place);
        CHECK_HAS(line_with("main"), "runs");
        CHECK_HAS(line_with("parent"), "the tasks of its nursery");
        (void)line_with("inner-1");
        (void)line_with("inner-2");
        break;
    }
    return rc;
}

TASK_TEST(it_says_what_a_task_waits_for_and_since_when)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleeper, NULL), 0);
        CHECK_HAS(line_with("sleeper"), "is ready");
        CHECK_EQ(bough_sleep(1500 * BOUGH_MS), 0);
        CHECK_HAS(line_with("sleeper"), "waits: sleep, for 1.5 s");
        CHECK_EQ(bough_sleep(20 * BOUGH_SEC), 0);
        CHECK_HAS(line_with("sleeper"), "for 21 s");
        break;
    }
    return rc;
}

TASK_TEST(it_shows_scopes_with_deadlines_shields_and_cancels)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, with_deadline, NULL), 0);
        CHECK_EQ(bough_nursery_start_soon(n, in_a_shield, NULL), 0);
        CHECK_EQ(bough_sleep(5 * BOUGH_SEC), 0);
        CHECK_HAS(line_with("with_deadline"), "bough_fail_after");
        CHECK_HAS(line_with("with_deadline"), "ends in 85 s");
        CHECK_HAS(line_with("in_a_shield"), "shielded");
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        CHECK_HAS(line_with("main"), "cancelled");
        CHECK_HAS(line_with("with_deadline"), "cancelled");
        CHECK(!strstr(line_with("in_a_shield"), "cancelled"));
    }
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(children_are_indented_below_their_parent)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, parent, NULL), 0);
        CHECK_EQ(bough_nursery_start_soon(n, sleeper, "outer"), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        char *text = picture();
        char *main_at = strstr(text, "  main"), *parent_at = strstr(text, "    parent"),
             *inner_at = strstr(text, "      inner-1"), *inner2_at = strstr(text, "      inner-2"),
             *outer_at = strstr(text, "    outer");
        CHECK(main_at && parent_at && inner_at && inner2_at && outer_at);
        CHECK(main_at < parent_at && parent_at < inner_at && inner_at < inner2_at &&
              inner2_at < outer_at);
        break;
    }
    return rc;
}

static unsigned count_tasks(unsigned *ret_deepest)
{
    struct bough_task_info info = {0};
    unsigned count = 0;
    *ret_deepest = 0;
    while (bough_task_next(&info)) {
        count++;
        *ret_deepest = info.depth > *ret_deepest ? info.depth : *ret_deepest;
    }
    return count;
}

static int branch(void *arg)
{
    int rc = 0, depth = (int)(intptr_t)arg;
    if (depth == 0)
        return bough_sleep(BOUGH_MINUTE);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, branch, (void *)(intptr_t)(depth - 1)), 0);
        bough_with_nursery (empty, &rc)
            bough_with_nursery (inner, &rc) {
                CHECK_EQ(bough_nursery_start_soon(inner, branch, (void *)(intptr_t)(depth - 1)), 0);
                rc = bough_nursery_start_soon(inner, branch, (void *)(intptr_t)(depth - 1));
            }
    }
    return rc;
}

TASK_TEST(the_walk_visits_every_task_once_through_several_nurseries_of_one_task)
{
    int rc = 0;
    unsigned deepest, count;
    struct bough_run_stats stats;
    CHECK_EQ(count_tasks(&deepest), 1);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, branch, (void *)(intptr_t)5), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        bough_run_statistics(&stats);
        count = count_tasks(&deepest);
        CHECK_EQ(count, stats.tasks);
        CHECK_EQ(count, 1 + (729 - 1) / 2);
        CHECK_EQ(deepest, 6);
        break;
    }
    CHECK_EQ(count_tasks(&deepest), 1);
    return rc;
}

TASK_TEST(the_walk_tells_parents_states_and_scopes)
{
    int rc = 0;
    struct bough_task_info info = {0};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleeper, NULL), 0);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(bough_nursery_start_soon(n, parent, NULL), 0);
        CHECK(bough_task_next(&info));
        CHECK(info.task == bough_task_current());
        CHECK(info.parent == NULL);
        CHECK(info.running && !info.ready && !info.waits_for);
        CHECK(info.scope == bough_nursery_scope(n));
        CHECK(bough_task_next(&info));
        CHECK_STR(info.name, "sleeper");
        CHECK_STR(info.started_at->what, "sleeper");
        CHECK(info.parent == bough_task_current());
        CHECK_STR(info.waits_for, "sleep");
        CHECK_EQ(info.since, 0);
        CHECK(!info.running && !info.ready);
        CHECK_EQ(info.depth, 1);
        CHECK(bough_task_next(&info));
        CHECK_STR(info.name, "parent");
        CHECK(info.ready && !info.running && !info.waits_for);
        CHECK(!bough_task_next(&info));
        break;
    }
    return rc;
}

/* --- start() --- */

static struct bough_task *starting;

static int say_started_later(__attribute__((unused)) void *arg)
{
    starting = bough_task_current();
    int rc = bough_sleep(BOUGH_SEC);
    if (rc < 0)
        return rc;
    bough_started(NULL);
    return bough_sleep(BOUGH_SEC);
}

static int starter(void *arg)
{
    return bough_nursery_start(arg, say_started_later, NULL, NULL);
}

static struct bough_task *parent_of(const struct bough_task *task)
{
    struct bough_task_info info = {0};
    while (bough_task_next(&info))
        if (info.task == task)
            return info.parent;
    return NULL;
}

TASK_TEST(a_task_under_start_is_below_its_starter_and_moves_when_it_has_started)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        bough_with_nursery (callers, &rc) {
            CHECK_EQ(bough_nursery_start_soon(callers, starter, n), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_STR(bough_task_name(parent_of(starting)), "starter");
            CHECK_EQ(bough_nursery_count(n), 0);
            CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK(parent_of(starting) == bough_task_current());
            CHECK_EQ(bough_nursery_count(n), 1);
            CHECK_EQ(bough_nursery_count(callers), 0);
        }
    return rc;
}

TASK_TEST(printing_does_not_block_or_change_anything)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, parent, NULL), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        errno = ENOTTY;
        bough_assert_no_checkpoints (&rc)
            for (int i = 0; i < 100; i++)
                (void)picture();
        break;
    }
    CHECK_EQ(bough_now(), 0);
    return rc;
}

TEST_PANICS(a_panic_shows_the_tree, "in_the_picture")
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleeper, "in_the_picture"), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_panic("on purpose");
    }
    return rc;
}

static int print_tree_on_signal(__attribute__((unused)) void *arg)
{
    int rc = bough_tree_on_signal(SIGUSR1);
    if (rc < 0)
        return rc;
    raise(SIGUSR1);
    return bough_checkpoint();
}

TEST(sigusr1_prints_the_tree_if_asked)
{
    char text[4096] = "";
    fflush(stderr);
    FILE *before = stderr;
    stderr = fmemopen(text, sizeof(text), "w");
    CHECK_EQ(bough_test_run(NULL, print_tree_on_signal, NULL), 0);
    fclose(stderr);
    stderr = before;
    CHECK_HAS(text, "main");
    CHECK_HAS(text, "runs");
}

static int parked_manager(struct bough_manager *self, void *arg)
{
    (void)arg;
    int rc = bough_yield(self, NULL);
    CHECK_EQ(rc, 0);
    return bough_sleep_forever(); /* in its cleanup */
}

static int leave_manager(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with (void *, nothing, parked_manager, NULL, &rc)
        rc = 0;
    return rc;
}

static int fail_when_told(void *arg)
{
    int rc = bough_event_wait(arg);
    return rc < 0 ? rc : bough_fail(-EIO, "it broke");
}

static int hidden(void *arg)
{
    int rc = 0;
    bough_task_hide();
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fail_when_told, arg);
    return rc;
}

TASK_TEST(a_hidden_task_is_left_out_of_the_tree_and_of_paths)
{
    int rc = 0;
    struct bough_event told;
    bough_event_init(&told);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, hidden, &told), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(!strstr(picture(), "hidden ("));
        CHECK(strncmp(line_with("fail_when_told ("), "    fail_when_told", 18) == 0);
        bough_event_set(&told);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_task(bough_error_last()), "main/fail_when_told");
    return 0;
}

TASK_TEST(the_tree_shows_managers_that_are_open)
{
    int rc = 0;
    char *text = NULL;
    size_t size;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, leave_manager, NULL), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        FILE *to = open_memstream(&text, &size);
        bough_tree_print(to);
        fclose(to);
        CHECK_HAS(text, "sleep forever");
        CHECK_HAS(text, "; in parked_manager");
        bough_scope_cancel(bough_nursery_scope(n), "seen");
    }
    free(text);
    return rc;
}
