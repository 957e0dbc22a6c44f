/* Places: where an actor lives. Nothing above knows which one it is, but for this interface.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/handle.h"
#include "actor/link.h"

struct place_kind {
    /* Wait until it has ended. 0, -ECANCELED. One task at a time. */
    int (*wait)(struct place *p);
    /* See to it that it ends, by all means that there are; there may be none. May wait for that,
     * and cannot be cancelled. */
    void (*stop)(struct place *p);
    /* Has it ended otherwise than by coming to its end, or by stop()? 0, or < 0 and in words how.
     * It has ended. */
    int (*died)(struct place *p, char *how, size_t size);
    /* It has ended. */
    void (*free)(struct place *p);
};

struct place {
    const struct place_kind *kind;
};

/* Start what a->spec asks for, with a->token; the link to it is open. 0, or why not, and nothing is
 * left. A checkpoint. */
BOUGH_MUST_CHECK int place_thread(struct bough_actor *a, struct place **ret_place,
                                  struct link **ret_link);
BOUGH_MUST_CHECK int place_process(struct bough_actor *a, struct place **ret_place,
                                   struct link **ret_link);
