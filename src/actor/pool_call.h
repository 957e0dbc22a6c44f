/* SPDX-License-Identifier: MIT */
#pragma once

#include "actor/pool_slots.h"

/* bough_pool_call() of who is a user of the pool already, also while it drains. */
BOUGH_MUST_CHECK int pool_call(struct bough_pool *p, const char *operation,
                               struct bough_bytes request, struct bough_message *ret_reply);

/* One more, or less, user of the pool, for whom it stays. 0; -EBADF, -EOWNERDEAD, -ECANCELED. */
BOUGH_MUST_CHECK int pool_use(struct bough_pool *p);
void pool_leave(struct bough_pool *p);
