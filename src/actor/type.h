/* The types of actors that this program has.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/actor.h"

/* By constructors, before there are threads. */
void type_add(struct bough_actor_type *type);

/* NULL: there is none of that name. */
const struct bough_actor_type *type_find(const char *name);
