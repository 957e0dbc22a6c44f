/* Serving: a task for each call or dialogue that the other end has opened.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/session.h"
#include "bough/actor.h"

/* What an actor does, over all its sessions. */
struct service {
    const char *name; /* of the actor */
    const struct bough_operation *operations;
    const struct bough_operation *inner; /* our own; no user's name has a colon in front */
    void *state;
    struct bough_nursery *calls; /* their tasks */
    bool accepting;
};

/* FRAME_CALL has come. */
void serve_call(struct session *s, struct frame *f);
