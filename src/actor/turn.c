/* How a program that was started to be an actor turns into it, before its main().
 *
 * Constructors run in the order in which they stand in the program's array of them; those of the
 * file with BOUGH_ACTOR may come before those of other files. So the rest of them is called here,
 * which also makes all types known; then the actor takes the place of main().
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "actor/place_process.h"
#include "actor/type.h"

static void call_the_rest(const struct bough_constructors *c)
{
    bough_constructor_fn *const *at = c->start;
    if (!c->start || !c->end)
        return;
    while (at < c->end && *at != c->self)
        at++;
    for (at += at < c->end; at < c->end; at++)
        (*at)(c->argc, c->argv, c->envp);
}

void bough_actor_type_register(struct bough_actor_type *type,
                               const struct bough_constructors *constructors)
{
    static bool turning;
    type_add(type);
    if (turning || !place_process_is_actor())
        return;
    turning = true;
    call_the_rest(constructors);
    exit(place_process_main());
}
