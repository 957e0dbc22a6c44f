/* SPDX-License-Identifier: MIT */
#include "pack/format.h"

#include <string.h>

#include "bough/panic.h"

const char *format_skip(const char *at)
{
    while (*at && strchr(" :,", *at))
        at++;
    return at;
}

void format_is_bad(const char *format, const char *at)
{
    bough_panic("the format \"%s\" makes no sense at its position %d (bough/pack.h)", format,
                (int)(at - format));
}

size_t format_count(const char *format, const char *at)
{
    char closing[64];
    size_t depth = 0, count = 0;
    closing[depth] = at[-1] == '[' ? ']' : '}';
    for (at = format_skip(at);; at = format_skip(at + 1)) {
        if (*at == closing[depth]) {
            if (depth-- == 0)
                break;
        } else if (!*at || *at == ']' || *at == '}' || depth + 2 > sizeof(closing)) {
            format_is_bad(format, at);
        } else if (*at != '?') {
            count += depth == 0;
            if (*at == '[' || *at == '{')
                closing[++depth] = *at == '[' ? ']' : '}';
        }
    }
    return closing[0] == ']' ? count : count / 2;
}
