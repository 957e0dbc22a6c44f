/* Messages: bytes with a length, which is what actors say to each other.
 *
 *     long x = 12;
 *     struct bough_message reply;
 *     rc = bough_call(calc, "square", BOUGH_BYTES(x), &reply);
 *     if (rc == 0)
 *         rc = bough_message_get(&reply, &x);            // as many bytes as x has, or -EPROTO
 *     bough_message_free(&reply);
 *
 * struct bough_bytes are somebody else's bytes, to be looked at during a call. A struct
 * bough_message owns its bytes until bough_message_free(); they are aligned for any type, and a
 * zero byte follows them, so that text may be printed. A zeroed message is an empty one.
 *
 * Actors of one program on one machine may send structs as they are, without pointers in them. For
 * what another program or another version has to read there is bough/pack.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <string.h>

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_bytes {
    const void *data;
    size_t size;
};

struct bough_message {
    void *data; /* NULL if it is empty */
    size_t size;
    struct bough_frame_data *owner; /* private */
};

/* The bytes of a variable, of a text (without its zero), of a message, and none. */
#define BOUGH_BYTES(x) ((struct bough_bytes){&(x), sizeof(x)})
#define BOUGH_NO_BYTES ((struct bough_bytes){(const void *)0, 0})
static inline struct bough_bytes bough_text(const char *text)
{
    struct bough_bytes bytes = {text, strlen(text)};
    return bytes;
}
static inline struct bough_bytes bough_message_bytes(const struct bough_message *m)
{
    struct bough_bytes bytes = {m->data, m->size};
    return bytes;
}

/* A message of 'size' bytes, to be filled in. Does not block. 0, -ENOMEM. */
BOUGH_MUST_CHECK int bough_message_new(size_t size, struct bough_message *ret_message);

/* Free its bytes and make it empty; freeing an empty one does nothing. From any thread. */
void bough_message_free(struct bough_message *m);

/* Copy a value out: exactly sizeof(*value) bytes must be there, else -EPROTO says how many came.
 * Does not block. */
#define bough_message_get(m, value)                                                                \
    bough_bytes_copy(bough_message_bytes(m), value, sizeof(*(value)))
#define bough_bytes_get(bytes, value) bough_bytes_copy(bytes, value, sizeof(*(value)))
BOUGH_MUST_CHECK int bough_bytes_copy(struct bough_bytes bytes, void *ret_value, size_t size);

BOUGH_END_DECLS
