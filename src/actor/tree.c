/* Each run asks its actors for their tasks, all at once, and prints them among its own, below the
 * task that keeps the actor; who is asked has a little less time than who asks, so that the one
 * that does not answer is named by its parent.
 * SPDX-License-Identifier: MIT */
#include "actor/tree.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "actor/names.h"
#include "bough/error.h"
#include "bough/observe.h"
#include "bough/signal.h"
#include "bough/task.h"

#define PATIENCE BOUGH_SEC
enum { ACTORS_SHOWN = 256 };

/* One that is asked. It may end meanwhile, but its block does not: see actor_hold(). */
struct asked {
    struct bough_actor *actor;
    struct bough_message text;
    int64_t patience;
    int rc;
};

static int ask_one(void *arg)
{
    struct asked *a = arg;
    int64_t theirs = a->patience - a->patience / 5;
    bough_fail_after (a->patience, &a->rc)
        a->rc = bough_call(a->actor, ":tree", BOUGH_BYTES(theirs), &a->text);
    return a->rc == -ECANCELED ? a->rc : 0;
}

static void print_indented(const char *text, int by, FILE *to)
{
    while (*text) {
        const char *end = strchrnul(text, '\n');
        fprintf(to, "%*s%.*s\n", by, "", (int)(end - text), text);
        text = *end ? end + 1 : end;
    }
}

/* Below the line of its keeper. */
static void print_one(const struct asked *a, int indent, FILE *to)
{
    const struct bough_actor *actor = a->actor;
    fprintf(to, "%*sactor %s (%s, %s %d)", indent, "", actor->name, actor->type,
            actor->where == BOUGH_PLACE_THREAD ? "a thread of process" : "process",
            (int)actor->pid);
    if (a->rc < 0)
        fprintf(to, " does not answer: %s\n",
                a->rc == -ETIMEDOUT ? "its time is up" : bough_error_name(a->rc));
    else {
        fprintf(to, ":\n");
        print_indented(a->text.data ? a->text.data : "", indent, to);
    }
}

/* All that are up, some of which may end while they are asked. */
static unsigned collect(struct names *names, int64_t patience, struct asked *all)
{
    unsigned count = 0;
    for (struct bough_actor *a = names_next_actor(names, NULL); a && count < ACTORS_SHOWN;
         a = names_next_actor(names, a)) {
        actor_hold(a);
        all[count++] = (struct asked){.actor = a, .patience = patience};
    }
    return count;
}

static const struct asked *kept_by(const struct bough_task *task, const struct asked *all,
                                   unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (all[i].actor->keeper == task)
            return &all[i];
    return NULL;
}

static void print_tasks(const struct asked *all, unsigned count, FILE *to)
{
    struct bough_task_info info = {0};
    while (bough_task_next(&info)) {
        if (info.hidden)
            continue;
        bough_task_print(&info, to);
        const struct asked *a = kept_by(info.task, all, count);
        if (a)
            print_one(a, 4 + 2 * (int)(info.depth < 40 ? info.depth : 40), to);
    }
}

static int print_asking(struct names *names, int64_t patience, FILE *to)
{
    struct asked *all = calloc(ACTORS_SHOWN, sizeof(*all));
    int rc = 0;
    if (!all)
        return bough_fail_text(-ENOMEM, "no memory for the tree of actors");
    unsigned count = collect(names, patience, all);
    bough_with_nursery (n, &rc)
        for (unsigned i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon(n, ask_one, &all[i]);
    if (rc == 0)
        print_tasks(all, count, to);
    for (unsigned i = 0; i < count; i++) {
        bough_message_free(&all[i].text);
        actor_release(all[i].actor);
    }
    free(all);
    return rc;
}

static int print(int64_t patience, FILE *to)
{
    struct names *names = names_hold();
    if (!names)
        return bough_fail_text(-ENOMEM, "no memory for the tree of actors");
    int rc = print_asking(names, patience, to);
    names_release(names);
    return rc;
}

int bough_actor_tree_print(FILE *to)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    fprintf(to, "tasks:\n");
    return print(PATIENCE, to);
}

/* --- being asked --- */

static int tree(struct bough_call *call, void *state)
{
    char *text = NULL;
    size_t size = 0;
    int64_t patience;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &patience);
    if (rc < 0)
        return rc;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return bough_fail_text(-ENOMEM, "no memory for the tree of actors");
    rc = print(patience, to);
    if (fclose(to) != 0 && rc == 0)
        rc = bough_fail_text(-ENOMEM, "no memory for the tree of actors");
    if (rc == 0)
        rc = bough_call_reply(call, (struct bough_bytes){text, size});
    free(text);
    return rc;
}

const struct bough_operation tree_operations[] = {{":tree", tree}, {0}};

/* --- on a signal --- */

int bough_actor_tree_on_signal(void *arg)
{
    int rc = 0;
    (void)arg;
    bough_with_signals (signals, &rc, SIGUSR1)
        while ((rc = bough_signals_receive(signals)) > 0)
            if ((rc = bough_actor_tree_print(stderr)) < 0)
                break;
    return rc < 0 ? rc : 0;
}
