/* Frames: what goes over a link between two runs.
 *
 *     0       4         5      6       8         16      24
 *     | size  | version | type | flags | context | value | payload ...
 *
 * Little-endian, as all machines are that we run on; 'size' is that of the payload. The context is
 * the call or dialogue that it is about, 0: the connection. 'value' is a number that the type gives
 * a meaning to, so that frames which control have no payload, and never need memory to arrive.
 *
 * A payload is one allocation with its bytes behind it, handed over from owner to owner until it is
 * a message of the user's.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/entry.h"
#include "bough/list.h"
#include "bough/message.h"

enum {
    FRAME_VERSION = 1,
    MESSAGE_LIMIT = 16 << 20,           /* what a user may send */
    FRAME_LIMIT = MESSAGE_LIMIT + 4096, /* of a payload: there may be a name before it */
};

enum frame_type {
    /* The start: child to parent, parent to child, and what comes of it. */
    FRAME_HELLO = 1, /* the token; value: pid */
    FRAME_SPEC,      /* fields: see actor/self.c; value: the grace */
    FRAME_READY,
    /* Calls and dialogues. */
    FRAME_CALL,       /* operation, 0, request; value: the window, FRAME_IS_DIALOGUE */
    FRAME_STARTED,    /* what bough_call_started() gave; value: the window */
    FRAME_DATA,       /* a message */
    FRAME_CREDIT,     /* value: so many bytes have been received */
    FRAME_FINISH,     /* no more data from here */
    FRAME_CANCEL,     /* the reason, in words */
    FRAME_CANCEL_ACK, /* it has come */
    FRAME_REPLY,      /* the outcome: a value, */
    FRAME_ERROR,      /* errors (actor/failure.h), */
    FRAME_CANCELLED,  /* or why, in words; FRAME_AS_ASKED: by FRAME_CANCEL */
    /* The end of an actor. */
    FRAME_BYE,     /* end, please: value 0: when the calls have ended; 1: now, and why, in words */
    FRAME_BYE_ACK, /* it has come */
    FRAME_LEAVING, /* no call is in flight any more */
    FRAME_ENDED,   /* the last one: FRAME_ERROR's payload, or nothing */
    /* Names (actor/names.h). */
    FRAME_NAME_ADD,    /* the name of an actor that is up below the child; value: pid */
    FRAME_NAME_REMOVE, /* of one that has ended; value: pid of one whose parent has died */
    FRAME_FIND,        /* fields: the name, who wants it; context: which; value: FIND_... */
    FRAME_FOUND,       /* context: which; value: 0 and a descriptor, or < 0: it is not to be had */
    FRAME_CONNECT,     /* fields: the name, who wants it; and a descriptor to him */
    /* Of the link itself (actor/socket_in.c): the last ones, nobody above sees them. */
    FRAME_FD_FOLLOWS, /* the next frame comes with a descriptor */
    FRAME_ARENA,      /* a descriptor, and its size; 0 and none: it is given up (actor/arena.h) */
    FRAME_TYPES,      /* how many there are */
};

enum {
    FRAME_IS_DIALOGUE = 1,
    FRAME_AS_ASKED = 2,
    FRAME_IN_ARENA = 0x4000, /* the payload is in shared memory; eight bytes say where */
    FRAME_HAS_FD = 0x8000,   /* a descriptor comes with its first byte */
};

struct frame_head {
    uint32_t size;
    uint8_t version;
    uint8_t type;
    uint16_t flags;
    uint64_t context;
    int64_t value;
};
_Static_assert(sizeof(struct frame_head) == 24, "it goes over the wire as it is");

/* A payload. */
struct bough_frame_data {
    struct bough_list link; /* in the inbox of who it is for */
    size_t size;
    size_t capacity;                           /* of all of it, for base/spare */
    char bytes[] __attribute__((aligned(16))); /* and a zero */
};

struct frame {
    struct frame_head head;
    struct bough_frame_data *data; /* NULL: no payload, or 'lost' */
    int fd;                        /* -1: none */
    bool lost;                     /* there was no memory for its payload, which is gone */
};

/* NULL: no memory. */
struct bough_frame_data *frame_data_new(size_t size);
void frame_data_free(struct bough_frame_data *data); /* NULL is fine */

/* What the frame has is freed, and closed. */
void frame_release(struct frame *f);

/* Its payload as text, "" if there is none. */
const char *frame_text(const struct frame *f);

/* Could the head be one of ours? 0, or -EPROTO and what is wrong with it. */
BOUGH_MUST_CHECK int frame_check(const struct frame_head *head);

/* The message that the payload is; takes it over, NULL is an empty one. */
struct bough_message message_of(struct bough_frame_data *data);
