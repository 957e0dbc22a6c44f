/* Assertions, and what a panic shows below its message.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "bough/panic.h"

/* A broken invariant of ours, not of the caller's. */
#define bough_assert(condition)                                                                    \
    (BOUGH_LIKELY(condition) ? (void)0                                                             \
                             : bough_panic("internal error: %s does not hold (%s:%d)", #condition, \
                                           __FILE__, __LINE__))

/* Draws the task tree; set by what knows it, so that the bottom need not know the top. */
extern void (*bough__panic_picture)(FILE *to);
