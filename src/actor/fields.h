/* Payloads with several fields: each a length (32 bits) and so many bytes. What is read is checked.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/frame.h"

/* A payload of 'count' fields. NULL: no memory, or more than FRAME_LIMIT. */
struct bough_frame_data *fields_new(const struct bough_bytes *fields, size_t count);

/* Take the first field off 'rest'. False: there is none, or it is cut short. */
bool fields_take(struct bough_bytes *rest, struct bough_bytes *ret_field);

/* The same for a text, which ends with a zero and has no other. */
bool fields_take_text(struct bough_bytes *rest, const char **ret_text);

/* The same for a number. */
bool fields_take_number(struct bough_bytes *rest, int64_t *ret_number);

/* A text as a field, with its zero. */
static inline struct bough_bytes field_of_text(const char *text)
{
    return (struct bough_bytes){text, strlen(text) + 1};
}
