/* The types of actors that this program has.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/actor.h"

/* By constructors, before there are threads. */
void type_add(struct bough_actor_type *type);

/* NULL: there is none of that name. */
const struct bough_actor_type *type_find(const char *name);

/* Could one be started? Of another program (NULL: it is this one) that is not known. 0, -ENOENT. */
BOUGH_MUST_CHECK int type_check(const char *name, const char *program);
