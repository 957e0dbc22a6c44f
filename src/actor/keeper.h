/* The keeper: the task that has an actor, from its start until it is gone.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/handle.h"

/* The task; 'arg' is the actor. Says bough_started() when it is up. Its result is that of the start
 * before that, and the outcome of the actor after it. */
int keeper_main(void *arg);

/* Ask it to end: gently if 'reason' is NULL. Idempotent. */
void keeper_ask(struct bough_actor *a, const char *reason);

/* How it ended, when it is gone: any number of times. */
int keeper_outcome(const struct bough_actor *a);
