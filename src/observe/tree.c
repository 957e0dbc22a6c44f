/* The tree of tasks, for people.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "bough/observe.h"
#include "bough/wait.h"

/* "1.2 s", "40 ms": one unit, two digits or so. */
static void print_duration(int64_t ns, FILE *to)
{
    if (ns < 0)
        ns = 0;
    if (ns >= 10 * BOUGH_SEC)
        fprintf(to, "%" PRId64 " s", ns / BOUGH_SEC);
    else if (ns >= BOUGH_SEC)
        fprintf(to, "%.1f s", (double)ns / (double)BOUGH_SEC);
    else if (ns >= BOUGH_MS)
        fprintf(to, "%" PRId64 " ms", ns / BOUGH_MS);
    else
        fprintf(to, "%" PRId64 " us", ns / BOUGH_US);
}

/* The scopes of the task itself, innermost first: what is interesting about them. */
static void print_scopes(const struct bough_task_info *info, int64_t now, FILE *to)
{
    for (const struct bough_scope *s = info->scope; s && s->task == info->task; s = s->parent) {
        int64_t deadline = bough_scope_deadline(s);
        const char *why = bough_scope_reason(s);
        if (deadline == BOUGH_NEVER && !s->shield && !why)
            continue;
        fprintf(to, "; %s %s:%d", s->opened_at ? s->opened_at->what : "scope",
                s->opened_at ? s->opened_at->file : "", s->opened_at ? s->opened_at->line : 0);
        if (s->shield)
            fprintf(to, " shielded");
        if (why)
            fprintf(to, " cancelled");
        else if (deadline != BOUGH_NEVER) {
            fprintf(to, " ends in ");
            print_duration(deadline - now, to);
        }
    }
}

static void print_frames(const struct bough_task_info *info, FILE *to)
{
    const struct bough_site *site;
    for (unsigned i = 0; (site = bough_task_frame(info->task, i)); i++)
        if (site->line)
            fprintf(to, "; in %s %s:%d", site->what, site->file, site->line);
}

void bough_task_print(const struct bough_task_info *info, FILE *to)
{
    const struct bough_site *site = info->started_at;
    int64_t now = bough_now();
    fprintf(to, "  %*s%s", (int)(info->depth < 40 ? info->depth : 40) * 2, "", info->name);
    if (site && site->line)
        fprintf(to, " (%s %s:%d)", site->what, site->file, site->line);
    if (info->waits_for) {
        fprintf(to, " waits: %s, for ", info->waits_for);
        print_duration(now - info->since, to);
    } else {
        fprintf(to, info->running ? " runs" : " is ready");
    }
    print_scopes(info, now, to);
    print_frames(info, to);
    fputc('\n', to);
}

void bough_tree_print(FILE *to)
{
    struct bough_task_info info = {0};
    if (!bough_task_next(&info)) {
        fprintf(to, "no bough run in this thread\n");
        return;
    }
    fprintf(to, "tasks:\n");
    do {
        if (!info.hidden)
            bough_task_print(&info, to);
    } while (bough_task_next(&info));
}
