/* Random trees of scopes and tasks against a model that computes everything anew after each step.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

enum { CLEAR, SOFT, HARD };
enum { NODES_MAX = 60, SLEEPERS_MAX = 30 };

/* A scope, and what it should be. Parents come before their children. */
struct node {
    struct bough_scope *scope;
    int parent; /* -1: none */
    int own, level, shutting;
    bool shield, graceful;
    int link; /* the node that is cancelled with this one; -1: none */
};

struct sleeper {
    int node;
    bool woken, should_wake;
    bool waits_for_shutdown;
    int result;
    struct bough_wait end; /* cannot be cancelled */
};

struct tree {
    unsigned random;
    int node_count, sleeper_count;
    struct node nodes[NODES_MAX];
    struct sleeper sleepers[SLEEPERS_MAX];
};

static unsigned draw(struct tree *t, unsigned limit)
{
    t->random = t->random * 1664525 + 1013904223;
    return (t->random >> 10) % limit;
}

/* --- the model --- */

static int max(int a, int b)
{
    return a > b ? a : b;
}

static void compute(struct tree *t)
{
    bool changed = true;
    while (changed) { /* a link may go backwards */
        changed = false;
        for (int i = 0; i < t->node_count; i++) {
            struct node *node = &t->nodes[i], *parent = &t->nodes[max(node->parent, 0)];
            bool visible = node->parent >= 0 && !node->shield;
            int level = visible ? parent->level : CLEAR;
            if (node->graceful && level == SOFT)
                level = CLEAR;
            node->level = max(node->own, level);
            node->shutting = max(node->own, visible ? parent->shutting : CLEAR);
            if (node->link >= 0 && t->nodes[node->link].own < node->level) {
                t->nodes[node->link].own = node->level;
                changed = true;
            }
        }
    }
    for (int i = 0; i < t->sleeper_count; i++) {
        struct sleeper *s = &t->sleepers[i];
        const struct node *node = &t->nodes[s->node];
        s->should_wake |=
            node->level != CLEAR || (s->waits_for_shutdown && node->shutting != CLEAR);
    }
}

static void check(struct tree *t)
{
    for (int i = 0; i < t->node_count; i++) {
        const struct node *node = &t->nodes[i];
        CHECK_EQ(node->scope->level, node->level);
        CHECK_EQ(node->scope->shutting, node->shutting);
        CHECK_EQ(bough_scope_cancel_called(node->scope), node->own != CLEAR);
        CHECK_EQ(bough_scope_reason(node->scope) != NULL, node->level != CLEAR);
    }
    for (int i = 0; i < t->sleeper_count; i++) {
        const struct sleeper *s = &t->sleepers[i];
        CHECK_EQ(s->woken, s->should_wake);
        if (s->woken && !s->waits_for_shutdown)
            CHECK_EQ(s->result, -ECANCELED);
    }
}

/* --- the tree --- */

static int node_new(struct tree *t, int parent, struct bough_scope *scope, bool graceful)
{
    int i = t->node_count++;
    CHECK(i < NODES_MAX);
    t->nodes[i] = (struct node){.scope = scope,
                                .parent = parent,
                                .shield = scope->shield,
                                .graceful = graceful,
                                .link = -1};
    return i;
}

struct branch {
    struct tree *tree;
    int parent;
    int depth;
};

static int sleep_here(struct tree *t, int node)
{
    struct sleeper *s = &t->sleepers[t->sleeper_count++];
    CHECK(t->sleeper_count <= SLEEPERS_MAX);
    *s = (struct sleeper){.node = node,
                          .waits_for_shutdown = draw(t, 3) == 0,
                          .end = {.what = "the end of the test"}};
    s->result = s->waits_for_shutdown ? bough_wait_shutdown() : bough_sleep_forever();
    s->woken = true;
    (void)bough_wait(&s->end);
    return s->result;
}

static int grow(void *arg);

/* A nursery with tasks, and this task asleep in it. */
static int grow_nursery(struct tree *t, int parent, int depth)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct branch branch = {t, node_new(t, parent, bough_nursery_scope(n), false), depth};
        for (unsigned i = 1 + draw(t, 2); i > 0 && rc == 0; i--)
            rc = bough_nursery_start_soon_with(n, grow, &branch, sizeof(branch));
        rc = bough_keep(rc, sleep_here(t, branch.parent));
    }
    return rc;
}

/* Some scopes, a nursery inside unless it is deep enough. */
static int grow(void *arg)
{
    struct branch b = *(struct branch *)arg;
    int rc = 0;
    struct bough_scope a = BOUGH_SCOPE(.shield = draw(b.tree, 4) == 0), c = BOUGH_SCOPE();
    c.graceful = draw(b.tree, 3) == 0;
    bough_scope_enter(&a);
    b.parent = node_new(b.tree, b.parent, &a, false);
    bough_scope_enter(&c);
    b.parent = node_new(b.tree, b.parent, &c, c.graceful);
    rc = b.depth > 0 ? grow_nursery(b.tree, b.parent, b.depth - 1) : sleep_here(b.tree, b.parent);
    return bough_scope_exit(&a, bough_scope_exit(&c, rc));
}

/* --- a random step --- */

static void link_nodes(struct tree *t, int from, int to)
{
    for (int i = 0; i < t->node_count; i++)
        if (t->nodes[i].link == to)
            t->nodes[i].link = -1;
    if (t->nodes[from].link >= 0)
        bough_scope_link(NULL, t->nodes[t->nodes[from].link].scope);
    t->nodes[from].link = to;
    bough_scope_link(t->nodes[from].scope, t->nodes[to].scope);
}

static void step(struct tree *t)
{
    int i = (int)draw(t, (unsigned)t->node_count);
    struct node *node = &t->nodes[i];
    switch (draw(t, 12)) {
    case 0:
        bough_scope_cancel(node->scope, "node %d", i);
        node->own = HARD;
        break;
    case 1:
        bough_scope_shutdown(node->scope, BOUGH_NEVER);
        node->own = max(node->own, SOFT);
        break;
    case 2:
        link_nodes(t, i, (int)draw(t, (unsigned)t->node_count));
        break;
    case 3:
        bough_scope_set_deadline(node->scope, bough_now());
        node->own = HARD;
        break;
    default:
        node->shield = !node->shield;
        bough_scope_set_shield(node->scope, node->shield);
    }
    compute(t);
}

static void end(struct tree *t)
{
    for (int i = 0; i < t->node_count; i++)
        bough_scope_cancel(t->nodes[i].scope, "the end");
    (void)bough_wait_all_tasks_blocked();
    for (int i = 0; i < t->sleeper_count; i++)
        bough_wake(&t->sleepers[i].end, 0);
}

static int plays(void *arg)
{
    struct tree t = {.random = *(unsigned *)arg};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct branch branch = {&t, -1, 2};
        rc = bough_nursery_start_soon_with(n, grow, &branch, sizeof(branch));
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        for (int i = 0; i < 40 && rc == 0; i++) {
            step(&t);
            rc = bough_wait_all_tasks_blocked();
            check(&t);
        }
        end(&t);
    }
    CHECK_EQ(rc, 0);
    return rc;
}

TEST(random_trees_agree_with_the_model)
{
    for (unsigned seed = 1; seed <= (unsigned)test_scale(5000); seed++) {
        int rc = bough_test_run(NULL, plays, &seed);
        if (rc < 0) {
            bough_error_print(bough_error_last(), stderr);
            test_fail(__FILE__, __LINE__, "seed %u: %s", seed, bough_error_name(rc));
        }
    }
}

/* --- one task: who absorbs --- */

enum { DEEPEST = 6 };

static bool absorbs(const struct node *chain, int i)
{
    bool outer = i > 0 && !chain[i].shield && chain[i - 1].level != CLEAR &&
                 !(chain[i].graceful && chain[i - 1].level == SOFT);
    return chain[i].level != CLEAR && !outer;
}

static int unwinds(void *arg)
{
    struct tree t = {.random = *(unsigned *)arg};
    struct bough_scope scopes[DEEPEST];
    for (int i = 0; i < DEEPEST; i++) {
        scopes[i] = BOUGH_SCOPE(.shield = draw(&t, 4) == 0);
        scopes[i].graceful = draw(&t, 4) == 0;
        bough_scope_enter(&scopes[i]);
        (void)node_new(&t, i - 1, &scopes[i], scopes[i].graceful);
    }
    int rc = 0;
    while (t.node_count > 0) {
        for (unsigned steps = draw(&t, 3); steps > 0; steps--)
            step(&t);
        check(&t);
        int last = t.node_count - 1, checked = bough_checkpoint();
        CHECK_EQ(checked, t.nodes[last].level != CLEAR ? -ECANCELED : 0);
        if (rc == 0)
            rc = checked;
        bool takes = rc == -ECANCELED && absorbs(t.nodes, last);
        int left = bough_scope_exit(&scopes[last], rc);
        CHECK_EQ(left, takes ? 0 : rc);
        CHECK_EQ(bough_scope_cancelled_caught(&scopes[last]), takes);
        rc = left;
        t.node_count--;
        for (int i = 0; i <= last; i++)
            if (t.nodes[i].link == last)
                t.nodes[i].link = -1;
    }
    return 0; /* what a shield put up too late has stranded is not the question here */
}

TEST(random_chains_agree_with_the_model)
{
    for (unsigned seed = 1; seed <= (unsigned)test_scale(20000); seed++)
        if (bough_test_run(NULL, unwinds, &seed) < 0)
            test_fail(__FILE__, __LINE__, "seed %u", seed);
}
