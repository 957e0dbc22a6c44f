/* SPDX-License-Identifier: MIT */
#include "actor/handle.h"

#include <stdlib.h>

void actor_hold(struct bough_actor *a)
{
    a->held++;
}

void actor_release(struct bough_actor *a)
{
    if (--a->held > 0)
        return;
    frame_release(&a->outcome);
    free(a);
}

void actor_hold_session(struct session *s, bool on)
{
    if (on)
        actor_hold(s->owner);
    else
        actor_release(s->owner);
}
