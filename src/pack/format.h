/* Formats of bough_pack() and bough_unpack(), read letter by letter.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Past what is for the eye only. */
const char *format_skip(const char *at);

/* How many values (of a map: pairs) are in the brackets that 'at' is behind the opening one of. A
 * format that does not close them panics. */
size_t format_count(const char *format, const char *at);

/* It makes no sense at this place: panics. */
__attribute__((noreturn)) void format_is_bad(const char *format, const char *at);
