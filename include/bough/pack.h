/* Messages that other programs can read: MessagePack, from values and to values (bough-pack).
 *
 *     struct bough_message m;
 *     rc = bough_pack(&m, "{s:i, s:s, s:[f, f]}", "id", 7, "name", "anna", "at", 1.5, -2.0);
 *     ...
 *     struct bough_unpacked u;
 *     int id;
 *     const char *name;
 *     double x, y;
 *     rc = bough_unpack(bytes, &u, "{s:i, s:s, s:[f, f]}", "id", &id, "name", &name, "at", &x, &y);
 *     if (rc == 0) {
 *         printf("%d is %s\n", id, name);
 *         bough_unpacked_free(&u);                      // and the texts with it
 *     }
 *
 * A format has a letter for each value; blanks, colons and commas are for the eye only.
 *
 *     letter   to pack            to unpack
 *     i        int                int *              -EPROTO: it does not fit
 *     I        int64_t            int64_t *
 *     u        unsigned           unsigned *
 *     U        uint64_t           uint64_t *
 *     f        double             double *           integers are taken, too
 *     b        int                bool *
 *     s        const char *       const char **      a text, with a zero behind it
 *     x        struct bough_bytes struct bough_bytes *  bytes
 *     n                                              nil
 *     _        nil                                   any value, which is skipped
 *     [...]    an array of these values; unpacked it must have as many
 *     [*i]     size_t, const int *;  size_t *, const int **   an array of one kind: i I u U f
 *     {s:...}  a map: a key (const char *) before each value. Unpacked the keys are looked for:
 *              others may be there, in any order; with s? instead of s one may be missing, and its
 *              variables stay as they are
 *
 * An idea of Jansson's json_pack(). The encoding is that of https://msgpack.org, by msgpack-c. None
 * of this blocks, or belongs to a run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/message.h"

BOUGH_BEGIN_DECLS

/* Encode values. The message is to be freed. 0; -ENOMEM. A format that makes no sense panics. */
BOUGH_MUST_CHECK int bough_pack(struct bough_message *ret_message, const char *format, ...);

/* What texts, bytes and arrays point into. */
struct bough_unpacked {
    void *zone; /* private */
};

/* Decode one value, which is all of 'bytes', into variables, which stay as they are if this fails.
 * 0; -EPROTO: it is no MessagePack, nested deeper than 30, or not what the format says: the failure
 * tells where and what came; -ENOMEM (then some may have been set). A format that makes no sense
 * panics. */
BOUGH_MUST_CHECK int bough_unpack(struct bough_bytes bytes, struct bough_unpacked *ret_unpacked,
                                  const char *format, ...);
void bough_unpacked_free(struct bough_unpacked *u); /* again is fine */

BOUGH_END_DECLS
