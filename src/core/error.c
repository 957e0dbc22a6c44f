/* Errors: the last few failures of each task, and what is done with them.
 * SPDX-License-Identifier: MIT */
#include "core/error.h"

#include <string.h>

#include "base/panic.h"
#include "base/sys.h"

enum { MESSAGE_MAX = 1024 };

/* What failed outside a run, per thread. */
static __thread struct error_slots outside;

static struct error_slots *slots_here(void)
{
    struct bough_task *task = bough__current;
    return task ? &task->errors : &outside;
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

/* The slot to reuse when not simply the next one: an empty one, or the oldest. But the newest group
 * is spared: of any other failure the int says the code, of a group it says nothing. */
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
        slot->tree = record_new(slot->code, NULL, slot->text, bough__current);
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
    return record_new(code, NULL, "", task);
}

struct bough_error *error_take_result(int code, const struct bough_task *task)
{
    struct bough_error *e = error_take(code);
    return e ? e : record_new(code, task->site, "", task);
}

int error_give_as(struct bough_error *e, int code)
{
    slots_push(slots_here(),
               (struct error_slot){.code = e ? e->code : code, .tree = e, .text = e ? NULL : ""});
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
    slots_push(slots_here(),
               (struct error_slot){.code = code,
                                   .text = "",
                                   .tree = record_new(code, site, message, bough__current)});
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

/* Of 'e', which was the failure *rc; what is left of it is that now. */
static bool take_out(int *rc, struct bough_error *e, record_test_fn *matches, const void *arg)
{
    bool found = record_strip(&e, matches, arg);
    *rc = e ? error_give(e) : 0;
    return found;
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
    return take_out(rc, e, record_has_code, &code);
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
    struct bough_error *e = record_new(code, NULL, "", bough__current);
    if (e)
        e->echo = true;
    return error_give_as(e, code);
}

static void mark_echoes(struct bough_error *e)
{
    for (struct bough_error *leaf = e->is_group ? e->first : e; leaf; leaf = leaf->next)
        leaf->echo = true;
}

int bough_error_echo(int rc)
{
    struct bough_error *e = error_take(rc);
    if (e)
        mark_echoes(e);
    return error_give_as(e, rc);
}

bool bough_catch_echo(int *rc, int code)
{
    struct bough_error *e = *rc < 0 ? error_take(*rc) : NULL;
    if (!e) { /* no detail: the int is all there is */
        bool is = *rc < 0 && *rc == code;
        *rc = is ? 0 : *rc;
        return is;
    }
    return take_out(rc, e, record_is_echo, NULL);
}

bool bough_error_is_echo(const struct bough_error *leaf)
{
    return leaf->echo;
}

void bough_error_mark_echo(struct bough_error *leaf, const void *by)
{
    if (!leaf)
        return;
    leaf->echo = true;
    leaf->echo_by = by;
}

bool bough_catch_echo_by(int *rc, const void *by)
{
    struct bough_error *e = *rc < 0 ? error_take(*rc) : NULL;
    if (!e)
        return false;
    return take_out(rc, e, record_is_echo, by);
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
        int code = rc == -ECANCELED ? cleanup_rc : cleanup_rc == -ECANCELED ? rc : -BOUGH_EGROUP;
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
