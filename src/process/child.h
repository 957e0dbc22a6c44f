/* Child processes, inside the library. For users: bough/process.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/process.h"

/* -EOWNERDEAD, in words; 'said' are its last ones, or "". */
int bough__process_failed(const struct bough_process *p, int status, const char *said);
