/* SPDX-License-Identifier: MIT */
#include "actor/why.h"

#include <stdio.h>

#include "bough/actor.h"
#include "bough/task.h"

static const char *say(const char *reason, const char *task, char text[WHY_TEXT])
{
    const char *self = bough_actor_self();
    snprintf(text, WHY_TEXT, "%.400s%s%s%s, in %s%s", reason, task ? " (task " : "",
             task ? task : "", task ? ")" : "", self ? "the actor " : "the root", self ? self : "");
    return text;
}

const char *why_scope(const struct bough_scope *s, const char *otherwise, char text[WHY_TEXT])
{
    const char *reason = bough_scope_reason(s);
    if (!reason)
        return say(otherwise, NULL, text);
    if (bough_scope_reason_kind(s) != BOUGH_CANCEL_ELSEWHERE)
        return say(reason, NULL, text);
    snprintf(text, WHY_TEXT, "%s", reason);
    return text;
}

const char *why_words(const char *words, char text[WHY_TEXT])
{
    return say(words ? words : "no reason given", bough_task_name(NULL), text);
}
