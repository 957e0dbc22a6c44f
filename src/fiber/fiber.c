/* SPDX-License-Identifier: MIT */
#include "fiber/fiber.h"

__thread struct fiber *bough__fiber_left;
