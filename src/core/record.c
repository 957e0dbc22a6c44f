/* Records of errors, and how they are told.
 * SPDX-License-Identifier: MIT */
#include "core/record.h"

#include <string.h>

#include "base/sys.h"

/* One allocation: a leaf, the head of the group that it may come to be the first of, its texts. */
struct leaf {
    struct bough_error error, group;
    char text[];
};

enum { PATH_MAX_SHOWN = 256 };

/* --- leaves --- */

/* "main/server/conn-3" into 'path'; when it is too long the top is left out. Returns its length. */
static size_t task_path(const struct bough_task *task, char path[PATH_MAX_SHOWN])
{
    char *at = path + PATH_MAX_SHOWN - 1;
    *at = '\0';
    for (; task; task = task->parent ? task->parent->task : NULL) {
        if (task->hidden)
            continue;
        const char *name = bough_task_name(task);
        size_t length = strlen(name);
        bool inner = *at != '\0';
        if ((size_t)(at - path) < length + inner + 3) {
            at -= 3;
            memcpy(at, "...", 3);
            break;
        }
        if (inner)
            *--at = '/';
        at -= length;
        memcpy(at, name, length);
    }
    size_t length = strlen(at);
    memmove(path, at, length + 1);
    return length;
}

struct bough_error *record_new(int code, const struct bough_site *site, const char *message,
                               const struct bough_task *task)
{
    char path[PATH_MAX_SHOWN];
    size_t path_length = task_path(task, path);
    size_t message_length = strlen(message);
    struct leaf *leaf = sys_malloc(sizeof(*leaf) + message_length + path_length + 2);
    if (!leaf)
        return NULL;
    char *path_at = leaf->text + message_length + 1;
    memcpy(leaf->text, message, message_length + 1);
    memcpy(path_at, path, path_length + 1);
    leaf->error = (struct bough_error){
        .code = code,
        .message = leaf->text,
        .task = path_at,
        .file = site ? site->file : NULL,
        .line = site ? site->line : 0,
    };
    return &leaf->error;
}

struct bough_error *bough_error_new(int code, const char *message, const char *file, int line,
                                    const char *task)
{
    size_t message_size = strlen(message) + 1, file_size = strlen(file) + 1;
    size_t task_size = strlen(task) + 1;
    struct leaf *leaf = sys_malloc(sizeof(*leaf) + message_size + file_size + task_size);
    if (!leaf)
        return NULL;
    char *file_at = leaf->text + message_size, *task_at = file_at + file_size;
    memcpy(leaf->text, message, message_size);
    memcpy(file_at, file, file_size);
    memcpy(task_at, task, task_size);
    leaf->error = (struct bough_error){
        .code = code,
        .stray = code == -ECANCELED, /* no scope of ours is responsible */
        .message = leaf->text,
        .task = task_at,
        .file = *file ? file_at : NULL,
        .line = line,
    };
    return &leaf->error;
}

static void leaf_free(struct bough_error *e)
{
    free(bough_container_of(e, struct leaf, error));
}

void error_free(struct bough_error *e)
{
    if (!e)
        return;
    for (struct bough_error *leaf = e->is_group ? e->first : e, *next; leaf; leaf = next) {
        next = leaf->next;
        leaf_free(leaf);
    }
}

struct bough_error *error_new_cancel(const struct bough_scope *scope)
{
    const char *reason = scope ? bough_scope_reason(scope) : NULL;
    return record_new(-ECANCELED, NULL, reason ? reason : "", bough__current);
}

void error_mark_stray(struct bough_error *e)
{
    e->stray = true;
}

bool error_is_stray(const struct bough_error *e)
{
    return e && e->stray;
}

/* --- groups --- */

static bool leaf_is_cancel(const struct bough_error *leaf)
{
    return leaf->code == -ECANCELED && !leaf->stray;
}

/* The one rule of what an int says about several errors: cancels do not count beside a real one,
 * and one real one is itself. */
static int group_code(const struct bough_error *group)
{
    int code = -ECANCELED;
    bool found = false;
    for (const struct bough_error *leaf = group->first; leaf; leaf = leaf->next) {
        if (leaf_is_cancel(leaf))
            continue;
        if (found)
            return -BOUGH_EGROUP;
        code = leaf->code;
        found = true;
    }
    return code;
}

/* What to call a list of leaves: nothing, the only one, or a group. */
static struct bough_error *group_of(struct bough_error *first, struct bough_error *last)
{
    if (first == last)
        return first;
    struct bough_error *group = &bough_container_of(first, struct leaf, error)->group;
    *group = (struct bough_error){.is_group = true, .first = first, .last = last};
    group->code = group_code(group);
    return group;
}

struct bough_error *error_join(struct bough_error *a, struct bough_error *b)
{
    if (!a || !b)
        return a ? a : b;
    struct bough_error *first = a->is_group ? a->first : a, *a_last = a->is_group ? a->last : a;
    struct bough_error *second = b->is_group ? b->first : b, *last = b->is_group ? b->last : b;
    a_last->next = second;
    return group_of(first, last);
}

struct bough_error *bough_error_join(struct bough_error *a, struct bough_error *b)
{
    return error_join(a, b);
}

bool record_has_code(const struct bough_error *leaf, const void *code)
{
    return leaf->code == *(const int *)code;
}

static bool leaf_is_own_cancel(const struct bough_error *leaf, const void *arg)
{
    (void)arg;
    return leaf_is_cancel(leaf);
}

bool record_is_echo(const struct bough_error *leaf, const void *by)
{
    return leaf->echo && leaf->echo_by == by;
}

bool record_strip(struct bough_error **e, record_test_fn *matches, const void *arg)
{
    struct bough_error *first = NULL, *last = NULL;
    bool found = false;
    if (!*e)
        return false;
    for (struct bough_error *leaf = (*e)->is_group ? (*e)->first : *e, *next; leaf; leaf = next) {
        next = leaf->next;
        leaf->next = NULL;
        if (matches(leaf, arg)) {
            found = true;
            leaf_free(leaf);
        } else {
            *(first ? &last->next : &first) = leaf;
            last = leaf;
        }
    }
    *e = first ? group_of(first, last) : NULL;
    return found;
}

bool error_strip_cancels(struct bough_error **e)
{
    return record_strip(e, leaf_is_own_cancel, NULL);
}

/* --- asking --- */

int bough_error_code(const struct bough_error *e)
{
    return e ? e->code : 0;
}

const char *bough_error_message(const struct bough_error *e)
{
    return e && e->message ? e->message : "";
}

const char *bough_error_file(const struct bough_error *e)
{
    return e ? e->file : NULL;
}

int bough_error_line(const struct bough_error *e)
{
    return e ? e->line : 0;
}

const char *bough_error_task(const struct bough_error *e)
{
    return e && e->task ? e->task : "";
}

const struct bough_error *bough_error_first(const struct bough_error *group)
{
    return group && group->is_group ? group->first : NULL;
}

const struct bough_error *bough_error_next(const struct bough_error *member)
{
    return member ? member->next : NULL;
}

const struct bough_error *bough_error_find(const struct bough_error *e, int code)
{
    const struct bough_error *leaf = e && e->is_group ? e->first : e;
    while (leaf && leaf->code != code)
        leaf = leaf->next;
    return leaf;
}

unsigned bough_error_count(const struct bough_error *e, int code)
{
    unsigned count = 0;
    if (!e)
        return 0;
    for (const struct bough_error *leaf = e->is_group ? e->first : e; leaf; leaf = leaf->next)
        count += !code || leaf->code == code;
    return count;
}

/* --- telling --- */

const char *bough_error_name(int code)
{
    if (code >= 0)
        return "no error";
    if (code == -BOUGH_EGROUP)
        return "several errors";
    if (code == -BOUGH_ERESTART)
        return "a supervisor gave up";
    const char *name = code > -4096 ? strerrordesc_np(-code) : NULL;
    return name ? name : "unknown error";
}

static void leaf_print(const struct bough_error *leaf, FILE *to)
{
    const char *symbol = leaf->code > -4096 ? strerrorname_np(-leaf->code) : NULL;
    const char *name = bough_error_name(leaf->code);
    fprintf(to, "%s", symbol ? symbol : name);
    fprintf(to, ": %s", leaf->message && *leaf->message ? leaf->message : name);
    if (leaf->file)
        fprintf(to, "\n      at %s:%d", leaf->file, leaf->line);
    if (leaf->task && *leaf->task)
        fprintf(to, "\n      in task %s", leaf->task);
    fputc('\n', to);
}

void bough_error_print(const struct bough_error *e, FILE *to)
{
    if (!e) {
        fprintf(to, "error: no detail was recorded\n");
        return;
    }
    if (!e->is_group) {
        fprintf(to, "error: ");
        leaf_print(e, to);
        return;
    }
    unsigned i = 0;
    fprintf(to, "%u errors:\n", bough_error_count(e, 0));
    for (const struct bough_error *leaf = e->first; leaf; leaf = leaf->next) {
        fprintf(to, "  %u. ", ++i);
        leaf_print(leaf, to);
    }
}
