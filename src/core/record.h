/* Records of errors, which are moved from owner to owner.
 *
 * An error is a leaf, or a group, which is a flat list of leaves: where a leaf came from is in its
 * path of tasks, so nothing has to recurse. A group's head is part of the allocation of its first
 * leaf, so that joining two errors never fails.
 *
 * Every error has one owner: a task's slots (core/error: the last few failures), a nursery that
 * collects, or a function that is about to pass it on.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

struct bough_error {
    int code;
    bool is_group;
    bool stray;
    bool echo; /* another task reports it, */
    int line;
    const void *echo_by;              /* in another run: this */
    struct bough_error *next;         /* a leaf: the next of its group */
    struct bough_error *first, *last; /* a group */
    const char *file, *message, *task;
};

/* A leaf, with copies of the texts. NULL: no memory. */
struct bough_error *record_new(int code, const struct bough_site *site, const char *message,
                               const struct bough_task *task);

/* A leaf for a cancel, with its reason. NULL: no memory. */
struct bough_error *error_new_cancel(const struct bough_scope *scope);

void error_free(struct bough_error *e); /* NULL is fine */

/* Both, in this order; either may be NULL. Takes both over. */
struct bough_error *error_join(struct bough_error *a, struct bough_error *b);

/* Take out the leaves that match; true if there were any. *e is NULL when nothing is left. */
typedef bool record_test_fn(const struct bough_error *leaf, const void *arg);
bool record_strip(struct bough_error **e, record_test_fn *matches, const void *arg);
bool record_has_code(const struct bough_error *leaf, const void *code); /* an int */
bool record_is_echo(const struct bough_error *leaf, const void *by);

/* What a scope does that absorbs a cancel: the cancelled leaves go, but for strays. */
bool error_strip_cancels(struct bough_error **e);

/* "An error like any other": a -ECANCELED that no scope is responsible for. Scopes do not strip it.
 */
void error_mark_stray(struct bough_error *e);
bool error_is_stray(const struct bough_error *e);
