/* Arenas: memory that two processes share, through which large payloads go.
 *
 *     sender                                          receiver
 *     arena_make(), and the descriptor, as a frame  ->  arena_map(): checked, mapped, accepted
 *     arena_reserve(), arena_fill(), and the place  ->  arena_take(): copied out, released
 *     arena_close(), and a frame that says so       ->  arena_unmap()
 *
 * It is a ring, one for each direction of a link, that the sender writes and the receiver copies
 * out of in the same order. Two words in front of it belong to the receiver: that it has been
 * mapped, and how far it has been read. So releasing costs no frame and cannot fail; a sender that
 * finds no room, or nothing accepted yet, sends what it has over the socket.
 *
 * Neither end trusts the other. The memory cannot shrink (it is sealed against that), places are
 * checked, bytes are looked at only in the copy. The sender reads nothing but the two words; one
 * that cannot be ends its use of arenas on this link. Memory is there before it is written (else a
 * write to it could be a SIGBUS): what cannot be had is not used.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "bough/message.h"

enum {
    ARENA_FROM = 2 << 10, /* smaller ones gain, too, but then every link had one */
    ARENA_LEAST = 512 << 10,
    ARENA_MOST = 32 << 20, /* and no more is mapped; it has memory as far as it was used */
};

struct arena_words;

/* Of who sends. Zeroed: none yet. */
struct arena_out {
    struct arena_words *words; /* NULL: none */
    char *bytes;
    uint64_t size;     /* of the ring */
    uint64_t backed;   /* so far it has memory */
    uint64_t start;    /* The positions, which count for ever: it was last empty here, */
    uint64_t released; /* has been read up to here, */
    uint64_t end;      /* and written up to here. */
    unsigned wishes;   /* payloads that no arena was large enough for */
    bool used;         /* since the last arena_is_idle() */
    bool distrusted;   /* no more of them on this link */
};

/* Of who receives. Zeroed: none. */
struct arena_in {
    struct arena_words *words; /* NULL: none */
    const char *bytes;
    uint64_t size;
};

/* --- sending --- */

/* Is there room for so many bytes? Then arena_fill() puts them there. */
bool arena_reserve(struct arena_out *a, size_t size, uint64_t *ret_place);
void arena_fill(struct arena_out *a, uint64_t place, const struct bough_bytes *parts);

/* After arena_reserve() failed: should there be an arena, or a larger one? Only from the second
 * payload on: a single one is cheaper over the socket. */
bool arena_is_wanted(struct arena_out *a, size_t size);

/* A new one, for such payloads, in place of the old one. Its descriptor, which is the caller's, and
 * is for the other end together with the size; or why there is none: then it goes without. */
BOUGH_MUST_CHECK int arena_make(struct arena_out *a, size_t size);

/* Was it not used since the last call, and has all been read? */
bool arena_is_idle(struct arena_out *a);

void arena_close(struct arena_out *a);

/* --- receiving --- */

/* Map what came, in place of the old one; takes the descriptor over. 0, also if it could not be
 * mapped: then the other end never uses it; -EPROTO: it is no such thing, and why. */
BOUGH_MUST_CHECK int arena_map(struct arena_in *a, int fd, int64_t size);

/* Copy a payload out, or (to NULL) only release it. 1, as other reads of a link; -EPROTO. */
BOUGH_MUST_CHECK int arena_take(struct arena_in *a, uint64_t place, size_t size, char *to);

void arena_unmap(struct arena_in *a);
