/* How often, and how long to wait: the window of episodes with their causes, and backoff.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/supervisor.h"

/* An episode begins, because of 'rc' ('e' is taken over). True: that was one too many. */
bool limit_count(struct bough_supervisor *sv, int rc, struct bough_error *e);

/* Another failure, which belongs to the last episode. */
void limit_add(struct bough_supervisor *sv, int rc, struct bough_error *e);

/* The causes, the oldest first, joined to 'rc'; they are gone from the window. */
BOUGH_MUST_CHECK int limit_causes(struct bough_supervisor *sv, int rc);

void limit_release(struct bough_supervisor *sv);

/* It has ended, and is to be started again: how long to wait. Counts. */
int64_t backoff_next(struct child *c);
