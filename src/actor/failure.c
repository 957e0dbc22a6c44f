/* SPDX-License-Identifier: MIT */
#include "actor/failure.h"

#include <stdio.h>

#include "actor/fields.h"
#include "base/sys.h"
#include "bough/actor.h"
#include "bough/error.h"

enum { LEAVES_MOST = 256, LEAF_FIELDS = 6, PATH = 256 };

/* --- out --- */

struct packing {
    struct bough_bytes fields[LEAVES_MOST * LEAF_FIELDS];
    int64_t numbers[LEAVES_MOST][3];
    char paths[LEAVES_MOST][PATH];
    size_t leaves;
};

/* The tasks of an actor are below the one that has its name; there may be none, or a strange one.
 * Who is no actor has no name. */
static void pack_leaf(struct packing *p, const struct bough_error *leaf, const char *actor)
{
    size_t i = p->leaves++;
    const char *task = bough_error_task(leaf), *file = bough_error_file(leaf);
    struct bough_bytes *fields = p->fields + i * LEAF_FIELDS;
    p->numbers[i][0] = bough_error_code(leaf);
    p->numbers[i][1] = bough_error_line(leaf);
    p->numbers[i][2] = bough_error_is_echo(leaf);
    size_t length = strlen(actor);
    bool told =
        strncmp(task, actor, length) == 0 && (length == 0 || task[length] == '/' || !task[length]);
    snprintf(p->paths[i], sizeof(p->paths[i]), "%s%s%s", told ? "" : actor,
             told || !*task ? "" : "/", task);
    fields[0] = (struct bough_bytes)BOUGH_BYTES(p->numbers[i][0]);
    fields[1] = (struct bough_bytes)BOUGH_BYTES(p->numbers[i][1]);
    fields[2] = field_of_text(bough_error_message(leaf));
    fields[3] = field_of_text(file ? file : "");
    fields[4] = field_of_text(p->paths[i]);
    fields[5] = (struct bough_bytes)BOUGH_BYTES(p->numbers[i][2]);
}

/* A bare code has no words, but a task that it came from. */
static struct bough_error *record_of(int rc)
{
    struct bough_error *e = bough_error_detach(rc);
    return e ? e : bough_error_detach(bough_fail_text(rc, ""));
}

struct bough_frame_data *failure_pack(int rc, const char *actor)
{
    struct bough_frame_data *data = NULL;
    struct bough_error *e = record_of(rc);
    struct packing *p = e ? sys_calloc(1, sizeof(*p)) : NULL;
    if (p) {
        const struct bough_error *leaf = bough_error_first(e) ? bough_error_first(e) : e;
        for (; leaf && p->leaves < LEAVES_MOST; leaf = bough_error_next(leaf))
            pack_leaf(p, leaf, actor);
        data = fields_new(p->fields, p->leaves * LEAF_FIELDS);
    }
    free(p);
    bough_error_free(e);
    return data;
}

/* --- in --- */

/* In an actor, what comes from another one came through it. */
static bool unpack_leaf(struct bough_bytes *rest, const void *by, struct bough_error **e)
{
    const char *self = bough_actor_self();
    char path[PATH];
    int64_t code, line, echo;
    const char *message, *file, *task;
    if (!fields_take_number(rest, &code) || !fields_take_number(rest, &line) ||
        !fields_take_text(rest, &message) || !fields_take_text(rest, &file) ||
        !fields_take_text(rest, &task) || !fields_take_number(rest, &echo))
        return false;
    if (code >= 0 || code < -BOUGH_ERESTART || line < 0 || line > INT32_MAX || echo < 0 || echo > 1)
        return false;
    snprintf(path, sizeof(path), "%s%s%s", self ? self : "", self ? "/" : "", task);
    struct bough_error *leaf = bough_error_new((int)code, message, file, (int)line, path);
    if (echo && by)
        bough_error_mark_echo(leaf, by);
    *e = bough_error_join(*e, leaf);
    return true;
}

int failure_unpack(const struct bough_frame_data *data, int64_t code, const void *by)
{
    struct bough_error *e = NULL;
    if (code >= 0 || code < -BOUGH_ERESTART)
        return bough_fail(-EPROTO, "an actor's failure has the code %lld", (long long)code);
    if (!data)
        return bough_error_attach(NULL, (int)code);
    struct bough_bytes rest = {data->bytes, data->size};
    while (rest.size)
        if (!unpack_leaf(&rest, by, &e)) {
            bough_error_free(e);
            return bough_fail_text(-EPROTO, "an actor's failure is malformed");
        }
    return bough_error_attach(e, e ? bough_error_code(e) : (int)code);
}
