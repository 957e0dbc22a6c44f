/* The order of the tasks inside a pass, when a seed asks for another one than first come, first
 * served.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

/* Shuffle run->batch, drawing from run->random. */
void order_shuffle(struct run *run);
