/* SPDX-License-Identifier: MIT */
#include "core/error.h"

#include <string.h>

#include "base/panic.h"
#include "base/sys.h"

struct bough_error {
    int code;
    bool is_group;
    bool stray;
    bool echo; /* another task reports it */
    int line;
    struct bough_error *next;         /* a leaf: the next of its group */
    struct bough_error *first, *last; /* a group */
    const char *file, *message, *task;
};

/* One allocation: a leaf, the head of the group that it may come to be the first of, its texts. */
struct leaf {
    struct bough_error error, group;
    char text[];
};

enum { MESSAGE_MAX = 1024, PATH_MAX_SHOWN = 256 };

/* What failed outside a run, per thread. */
static __thread struct error_slots outside;

static struct error_slots *slots_here(void)
{
    struct bough_task *task = bough__current;
    return task ? &task->errors : &outside;
}

/* --- leaves --- */

/* "main/server/conn-3" into 'path'; when it is too long the top is left out. Returns its length. */
static size_t task_path(const struct bough_task *task, char path[PATH_MAX_SHOWN])
{
    char *at = path + PATH_MAX_SHOWN - 1;
    *at = '\0';
    while (task) {
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
        task = task->parent ? task->parent->task : NULL;
    }
    size_t length = strlen(at);
    memmove(path, at, length + 1);
    return length;
}

static struct bough_error *leaf_new(int code, const struct bough_site *site, const char *message,
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
    return leaf_new(-ECANCELED, NULL, reason ? reason : "", bough__current);
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

/* The one rule of what an int says about several errors: cancels do not count beside a real one, and
 * one real one is itself. */
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

/* What to take out of an error. */
typedef bool leaf_test_fn(const struct bough_error *leaf, int code);

static bool leaf_has_code(const struct bough_error *leaf, int code)
{
    return leaf->code == code;
}

static bool leaf_is_own_cancel(const struct bough_error *leaf, int code)
{
    (void)code;
    return leaf_is_cancel(leaf);
}

static bool leaf_is_echo(const struct bough_error *leaf, int code)
{
    (void)code;
    return leaf->echo;
}

/* Take out the leaves that match; true if there were any. */
static bool error_strip(struct bough_error **e, leaf_test_fn *matches, int code)
{
    struct bough_error *first = NULL, *last = NULL;
    bool found = false;
    if (!*e)
        return false;
    for (struct bough_error *leaf = (*e)->is_group ? (*e)->first : *e, *next; leaf; leaf = next) {
        next = leaf->next;
        leaf->next = NULL;
        if (matches(leaf, code)) {
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
    return error_strip(e, leaf_is_own_cancel, 0);
}

/* --- the last few failures --- */

static void slot_clear(struct error_slot *slot)
{
    error_free(slot->tree);
    *slot = (struct error_slot){0};
}

void error_slots_clear(struct error_slots *slots)
{
    for (int i = 0; i < ERROR_SLOTS && slots->next; i++)
        slot_clear(&slots->slot[i]);
}

/* The newest failure with 'code' (0: with any), or NULL. */
static struct error_slot *slots_newest(struct error_slots *slots, int code)
{
    struct error_slot *newest = NULL;
    for (int i = 0; i < ERROR_SLOTS && slots->next; i++) {
        struct error_slot *slot = &slots->slot[i];
        if (!slot->code || (code && slot->code != code))
            continue;
        if (!newest || (int)(slot->number - newest->number) > 0)
            newest = slot;
    }
    return newest;
}

/* The slot to reuse when not simply the next one: an empty one, or the oldest. But the newest group is spared: of any other failure
 * the int says the code, of a group it says nothing. */
static BOUGH_COLD struct error_slot *slots_spare(struct error_slots *slots)
{
    struct error_slot *group = slots_newest(slots, -BOUGH_EGROUP), *oldest = NULL;
    for (int i = 0; i < ERROR_SLOTS; i++) {
        struct error_slot *slot = &slots->slot[i];
        if (!slot->code)
            return slot;
        if (slot != group && (!oldest || (int)(slot->number - oldest->number) < 0))
            oldest = slot;
    }
    return oldest;
}

/* Forget the oldest failure, to keep this one. */
static void slots_push(struct error_slots *slots, struct error_slot failure)
{
    if (slots->next == 0)
        memset(slots->slot, 0, sizeof(slots->slot));
    struct error_slot *slot = &slots->slot[slots->next % ERROR_SLOTS];
    if (BOUGH_UNLIKELY(slot->code == -BOUGH_EGROUP ||
                       (slot->code && slot->number != slots->next - ERROR_SLOTS)))
        slot = slots_spare(slots);
    error_free(slot->tree);
    *slot = failure;
    slot->number = slots->next;
    if (++slots->next == 0)
        slots->next = ERROR_SLOTS;
}

/* The same of the running task. A cancel that is only a mark (see state.h) hides the
 * records of the cancels before it. */
static struct error_slot *slots_find(int code)
{
    struct bough_task *task = bough__current;
    struct error_slot *slot = slots_newest(slots_here(), code);
    if (slot && code == -ECANCELED && task && (int)(task->cancel_mark - slot->number) > 1)
        return NULL;
    return slot;
}

/* Make its record, if it is still only a text. */
static struct bough_error *slot_record(struct error_slot *slot)
{
    if (!slot->tree && slot->text)
        slot->tree = leaf_new(slot->code, NULL, slot->text, bough__current);
    return slot->tree;
}

struct bough_error *error_take(int code)
{
    struct error_slot *slot = slots_find(code);
    if (!slot)
        return NULL;
    struct bough_error *e = slot_record(slot);
    *slot = (struct error_slot){0};
    return e;
}

/* A leaf for a code that has no record. */
static struct bough_error *leaf_bare(int code)
{
    struct bough_task *task = bough__current;
    if (code == -ECANCELED && task)
        return error_new_cancel(task->scope);
    return leaf_new(code, NULL, "", task);
}

struct bough_error *error_take_result(int code, const struct bough_task *task)
{
    struct bough_error *e = error_take(code);
    return e ? e : leaf_new(code, task->site, "", task);
}

int error_give_as(struct bough_error *e, int code)
{
    slots_push(slots_here(), (struct error_slot){.code = e ? e->code : code, .tree = e, .text = e ? NULL : ""});
    return e ? e->code : code;
}

int error_give(struct bough_error *e)
{
    return error_give_as(e, e->code);
}

int error_absorb(int rc, bool *ret_caught)
{
    struct error_slot *slot = slots_find(rc);
    struct bough_error *e = slot ? slot->tree : NULL;
    if (e) {
        *slot = (struct error_slot){0};
        *ret_caught = error_strip_cancels(&e);
        rc = e ? error_give(e) : 0;
    } else {
        *ret_caught = rc == -ECANCELED;
        rc = *ret_caught ? 0 : rc;
    }
    if (*ret_caught)
        bough__current->cancel_mark = 0;
    return rc;
}

bool error_newest_is_cancel(const struct bough_task *task)
{
    struct error_slots *slots = (struct error_slots *)&task->errors;
    const struct error_slot *newest = slots_newest(slots, -ECANCELED);
    return task->cancel_mark == slots->next + 1 ||
           (newest && newest->number == slots->next - 1 && !error_is_stray(newest->tree));
}

/* --- for the user --- */

static int fail_va(int code, const struct bough_site *site, const char *fmt, va_list args)
{
    char message[MESSAGE_MAX];
    int saved_errno = errno;
    if (code >= 0)
        bough_panic("bough_fail: the code of an error is negative, not %d", code);
    vsnprintf(message, sizeof(message), fmt, args);
    slots_push(slots_here(), (struct error_slot){
        .code = code, .text = "", .tree = leaf_new(code, site, message, bough__current)});
    errno = saved_errno;
    return code;
}

int bough_fail_at(int code, const struct bough_site *site, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fail_va(code, site, fmt, args);
    va_end(args);
    return code;
}

int(bough_fail)(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fail_va(code, NULL, fmt, args);
    va_end(args);
    return code;
}

int bough_fail_text(int code, const char *text)
{
    slots_push(slots_here(), (struct error_slot){.code = code, .text = text});
    return code;
}

void bough_wake_failed(struct bough_wait *wait, int code, const char *text)
{
    if (wait->task)
        slots_push(&wait->task->errors, (struct error_slot){.code = code, .text = text});
    bough_wake(wait, code);
}

bool bough_catch(int *rc, int code)
{
    if (*rc >= 0)
        return false;
    struct bough_error *e = error_take(*rc);
    if (!e) {
        /* No detail: the int is all there is. */
        bool is = *rc == code;
        *rc = is ? 0 : *rc;
        return is;
    }
    bool found = error_strip(&e, leaf_has_code, code);
    *rc = e ? error_give(e) : 0;
    return found;
}

struct bough_error *bough_error_detach(int rc)
{
    return error_take(rc);
}

int bough_error_attach(struct bough_error *e, int rc)
{
    return error_give_as(e, rc);
}

void bough_error_free(struct bough_error *e)
{
    error_free(e);
}

void bough_error_clear(void)
{
    error_slots_clear(slots_here());
}

int bough_echo(int code)
{
    struct bough_error *e = leaf_new(code, NULL, "", bough__current);
    if (e)
        e->echo = true;
    return error_give_as(e, code);
}

bool bough_catch_echo(int *rc, int code)
{
    struct bough_error *e = *rc < 0 ? error_take(*rc) : NULL;
    if (!e) { /* no detail: the int is all there is */
        bool is = *rc < 0 && *rc == code;
        *rc = is ? 0 : *rc;
        return is;
    }
    bool found = error_strip(&e, leaf_is_echo, 0);
    *rc = e ? error_give(e) : 0;
    return found;
}

int bough_keep(int rc, int cleanup_rc)
{
    if (cleanup_rc >= 0)
        return rc;
    if (rc >= 0)
        return cleanup_rc;
    struct bough_error *later = error_take(cleanup_rc), *first = error_take(rc);
    if (!later)
        later = leaf_bare(cleanup_rc);
    if (!first)
        first = leaf_bare(rc);
    if (!first || !later) { /* out of memory: the more telling of the two codes */
        int code = rc == -ECANCELED   ? cleanup_rc
                   : cleanup_rc == -ECANCELED ? rc
                                              : -BOUGH_EGROUP;
        error_free(first);
        error_free(later);
        return error_give_as(NULL, code);
    }
    return error_give(error_join(first, later));
}

const struct bough_error *bough_error_last(void)
{
    /* A wake with -ECANCELED only leaves a mark: nobody asks about most of them. */
    struct bough_task *task = bough__current;
    if (task && task->cancel_mark == task->errors.next + 1)
        (void)error_give_as(error_new_cancel(task->scope), -ECANCELED);
    struct error_slot *slot = slots_find(0);
    return slot ? slot_record(slot) : NULL;
}

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
    return member->next;
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

const char *bough_error_name(int code)
{
    if (code >= 0)
        return "no error";
    if (code == -BOUGH_EGROUP)
        return "several errors";
    const char *name = strerrordesc_np(-code);
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
