/* Copying an item of a channel or a broadcast.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <string.h>

#include "bough/attributes.h"

/* Most items are a pointer or a number, which need no call. An item of no size may be NULL, which
 * memcpy() must not see. */
static BOUGH_ALWAYS_INLINE void item_copy(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (BOUGH_LIKELY(size))
        memcpy(to, from, size);
}
