/* What the block macros are made of: nothing for the rest of the library. For users: bough/block.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/nursery.h"
