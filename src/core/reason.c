/* Why a scope was cancelled, in words.
 * SPDX-License-Identifier: MIT */
#include "core/reason.h"

#include <string.h>

#include "base/sys.h"

const char *reason_site(const struct bough_site *site, char *text, size_t size)
{
    if (site)
        snprintf(text, size, "%s at %s:%d", site->what, site->file, site->line);
    else
        snprintf(text, size, "a scope of the run");
    return text;
}

/* --- what a canceller said --- */

/* Kept by the run as well as by the scope: a scope that was cancelled need not be entered, so its
 * end is not known. */
struct words {
    struct bough_list link;
    char text[];
};

/* A copy; NULL for no words, no memory, or no run. */
char *reason_words_new(const char *text)
{
    struct bough_task *task = bough__current;
    size_t size = text ? strlen(text) + 1 : 0;
    struct words *words = text && task ? sys_malloc(sizeof(*words) + size) : NULL;
    if (!words)
        return NULL;
    bough_list_push(&task->run->words, &words->link);
    return memcpy(words->text, text, size);
}

void reason_words_free(char *text)
{
    struct words *words = bough_container_of(text, struct words, text);
    bough_list_unlink(&words->link);
    free(words);
}

void reason_release_all(struct run *run)
{
    struct bough_list *node;
    while ((node = bough_list_pop(&run->words)))
        free(bough_container_of(node, struct words, link));
}

/* --- the reason as a whole --- */

enum bough_cancel_kind bough_scope_reason_kind(const struct bough_scope *s)
{
    return s->cause ? (enum bough_cancel_kind)s->cause->kind : BOUGH_CANCEL_NONE;
}

static int compose_reason(char **ret_words, const struct bough_scope *cause)
{
    char opened[128], asked[160] = "";
    reason_site(cause->opened_at, opened, sizeof(opened));
    if (cause->asked_at)
        snprintf(asked, sizeof(asked), " (task %s at %s:%d)", cause->asker, cause->asked_at->file,
                 cause->asked_at->line);
    switch (cause->kind) {
    case BOUGH_CANCEL_DEADLINE:
        return asprintf(ret_words, "deadline: the time of %s was up", opened);
    case BOUGH_CANCEL_SIBLING:
        if (cause->code == 0)
            return asprintf(ret_words, "the body was left early in the nursery opened by %s",
                            opened);
        return asprintf(ret_words, "a failure in the nursery opened by %s: %s%s", opened,
                        bough_error_name(cause->code), asked);
    case BOUGH_CANCEL_SHUTDOWN:
        return asprintf(ret_words, "shutdown of %s%s", opened, asked);
    case BOUGH_CANCEL_SIGINT:
        return asprintf(ret_words, "SIGINT");
    case BOUGH_CANCEL_DEADLOCK:
        return asprintf(ret_words, "deadlock: %s", cause->text ? cause->text : "no task can run");
    case BOUGH_CANCEL_ELSEWHERE:
        return asprintf(ret_words, "%s",
                        cause->text && *cause->text ? cause->text : "cancelled in another run");
    default:
        return asprintf(ret_words, "cancelled: %s%s", cause->text ? cause->text : "no reason given",
                        asked);
    }
}

const char *bough_scope_reason(const struct bough_scope *s)
{
    struct run *run = current_task()->run;
    char *words;
    if (!s->cause)
        return NULL;
    if (sys_fails(SYS_FAULT_MEMORY) || compose_reason(&words, s->cause) < 0)
        return "cancelled (no memory to say why)";
    free(run->composed);
    return run->composed = words;
}
