/* SPDX-License-Identifier: MIT */
#include "actor/type.h"

#include "bough/error.h"

static const struct bough_actor_type *types;

void type_add(struct bough_actor_type *type)
{
    type->next = types;
    types = type;
}

const struct bough_actor_type *type_find(const char *name)
{
    const struct bough_actor_type *type = types;
    while (type && strcmp(type->name, name) != 0)
        type = type->next;
    return type;
}

int type_check(const char *name, const char *program)
{
    if (program || type_find(name))
        return 0;
    return bough_fail(-ENOENT, "the program has no actor of the type \"%s\": BOUGH_ACTOR(%s, ...)",
                      name, name);
}
