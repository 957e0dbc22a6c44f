/* SPDX-License-Identifier: MIT */
#include "actor/type.h"

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
