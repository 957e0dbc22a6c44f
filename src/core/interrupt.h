/* Ctrl-C: the first SIGINT cancels the main task, a second one has its default meaning.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

/* If this is the main thread, and SIGINT means what it means by default. */
void interrupt_install(struct run *run);
/* Put things back. Idempotent. */
void interrupt_remove(struct run *run);
