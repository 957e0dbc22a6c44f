/* The lives of a worker.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/pool_slots.h"

/* A task: one actor after the other, until the pool ends or fails. 'arg' is the struct worker. */
int worker_main(void *arg);
