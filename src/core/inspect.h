/* What the core tells about itself. For users: bough/observe.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/nursery.h"
