/* The same test, cancelled at every point in turn.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/observe.h"
#include "bough/testing.h"

struct cancelling {
    struct bough_instrument instrument;
    struct bough_scope scope; /* around the test */
    int countdown;
    bool hit;
    bough_task_fn *fn;
    void *arg;
};

static void count_point(struct cancelling *c)
{
    if (c->countdown > 0 && --c->countdown == 0) {
        c->hit = true;
        bough_scope_cancel(&c->scope, "cancelled by the test");
    }
}

static void on_parked(struct bough_instrument *self, struct bough_task *task, const char *what)
{
    (void)task, (void)what;
    count_point(bough_container_of(self, struct cancelling, instrument));
}

static void on_resumed(struct bough_instrument *self, struct bough_task *task)
{
    (void)task;
    count_point(bough_container_of(self, struct cancelling, instrument));
}

static int run_cancelling(void *arg)
{
    struct cancelling *c = arg;
    int rc = 0;
    c->scope = BOUGH_SCOPE();
    bough_with_scope (&c->scope, &rc) {
        bough_instrument_add(&c->instrument);
        rc = c->fn(c->arg);
        bough_instrument_remove(&c->instrument);
    }
    return rc;
}

int bough_test_cancels(bough_task_fn *fn, void *arg)
{
    for (int nth = 1;; nth++) {
        struct cancelling c = {
            .instrument = {.task_parked = on_parked, .task_resumed = on_resumed},
            .countdown = nth,
            .fn = fn,
            .arg = arg,
        };
        int rc = bough_test_run(NULL, run_cancelling, &c);
        if (rc < 0)
            return rc;
        if (!c.hit)
            return nth - 1;
    }
}
