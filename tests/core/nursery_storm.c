/* Random programs of nurseries, starts, services, limits, deadlines, cancels and early exits, under
 * random orders: every task ends, and every error arrives, once.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static struct {
    uint64_t state;
    int failures, begun, ended;
} storm;

static unsigned draw(unsigned below)
{
    storm.state = storm.state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(storm.state >> 33) % below;
}

struct node {
    unsigned depth;
};

static int fail_somehow(void)
{
    storm.failures++;
    return bough_fail(-1 - (int)draw(100), "failure %d", storm.failures);
}

static int act(struct bough_nursery *n)
{
    switch (draw(8)) {
    case 0:
        return fail_somehow();
    case 1:
        bough_scope_cancel(bough_nursery_scope(n), "on a whim");
        return 0;
    case 2:
        return bough_checkpoint();
    case 3:
        bough_scope_shutdown(bough_nursery_scope(n), draw(10));
        return 0;
    case 4:
        bough_scope_set_shield(bough_nursery_scope(n), draw(2));
        return 0;
    case 5:
        return 0;
    default:
        return bough_sleep(draw(30));
    }
}

static int grow(struct node node);

static int run_child(void *arg)
{
    storm.begun++;
    int rc = grow(*(struct node *)arg);
    storm.ended++;
    return rc;
}

/* One for bough_nursery_start(): it may fail before it says started. */
static int run_starting(void *arg)
{
    struct node node = *(struct node *)arg;
    int rc = draw(2) ? bough_sleep(draw(20)) : 0;
    storm.begun++;
    if (rc == 0 && draw(4) == 0)
        rc = fail_somehow();
    if (rc == 0) {
        bough_started(NULL);
        rc = grow(node);
    }
    storm.ended++;
    return rc;
}

static int start_one(struct bough_nursery *n, struct node *child)
{
    switch (draw(5)) {
    case 0:
        return bough_nursery_start(n, run_starting, child, NULL);
    case 1:
        return bough_nursery_start_service(n, run_child, child);
    case 2:
        return BOUGH_START(n, run_child, struct node, .depth = child->depth);
    default:
        return bough_nursery_start_soon(n, run_child, child);
    }
}

/* Its children's errors go to the task, not into the value. */
static int leave_by_return(struct node node)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = start_one(n, &node);
        if (rc == 0)
            rc = draw(2) ? bough_checkpoint() : 0;
        return rc;
    }
    return -EPERM;
}

static int grow(struct node node)
{
    int rc = 0;
    struct node children[4];
    if (node.depth == 0)
        return draw(6) ? bough_sleep(draw(50)) : fail_somehow();
    if (draw(6) == 0)
        rc = leave_by_return((struct node){node.depth - 1});
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc, .limit = draw(4) ? 0 : 1 + draw(2)) {
        if (draw(4) == 0)
            bough_scope_set_deadline(bough_nursery_scope(n), bough_now() + draw(40));
        for (unsigned i = 0, count = draw(5); i < count && rc == 0; i++) {
            children[i] = (struct node){node.depth - 1};
            rc = start_one(n, &children[i]);
        }
        if (rc == 0)
            rc = act(n);
        if (draw(8) == 0)
            break;
    }
    if (draw(10) == 0)
        rc = bough_keep(rc, fail_somehow());
    return rc;
}

static int blow(__attribute__((unused)) void *arg)
{
    struct bough_run_stats stats;
    struct node root = {5};
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, run_child, &root);
    unsigned leaves = rc < 0 ? bough_error_count(bough_error_last(), 0) : 0;
    if (leaves != (unsigned)storm.failures) {
        bough_error_print(bough_error_last(), stderr);
        CHECK_EQ(leaves, storm.failures);
    }
    CHECK_EQ(rc == 0, storm.failures == 0);
    CHECK_EQ(rc == -BOUGH_EGROUP, storm.failures > 1);
    CHECK_EQ(storm.begun, storm.ended);
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1);
    CHECK_EQ(stats.timers, 0);
    return bough_checkpoint(); /* and no cancel is left over */
}

TEST(every_task_ends_and_every_error_arrives_once)
{
    int count = test_scale(20000), most = 0;
    for (int i = 1; i <= count; i++) {
        struct bough_run_options options = {.seed = i % 3 ? (uint64_t)i : 0};
        storm.state = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
        storm.failures = storm.begun = storm.ended = 0;
        int rc = bough_test_run(&options, blow, NULL);
        if (rc < 0)
            test_fail(__FILE__, __LINE__, "storm %d: %s", i, bough_error_name(rc));
        most = storm.begun > most ? storm.begun : most;
    }
    CHECK(most > 50);
}
