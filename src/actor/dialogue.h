/* One call or dialogue, at one of its ends: its window, its inbox, and what comes for it.
 *
 * The two ends differ in what else they understand: actor/ask.c is the end that has asked,
 * actor/serve.c that which does it.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/session.h"
#include "bough/actor.h"

enum {
    WINDOW = 256 << 10, /* bytes that may be under way in a stream, each way */
    MESSAGE_COST = 64,  /* of a message, beside its bytes */
};

struct dialogue_end {
    /* A frame that is not about the stream. What is wanted of it is taken out. */
    void (*frame)(struct bough_dialogue *d, struct frame *f);
    /* The session is broken; it is off the table already. */
    void (*lost)(struct bough_dialogue *d);
};

struct bough_dialogue {
    struct context context; /* in the session, while 'open' */
    struct session *session;
    const struct dialogue_end *end;
    bool stream;                /* it has one: it is no plain call, and both ends have started */
    bool open;                  /* the other end is there */
    bool finished;              /* no more from here */
    bool ended;                 /* no more from there */
    bool failed;                /* the operation has, which the block here is going to report */
    int64_t may_send, may_come; /* of the windows */
    size_t received;            /* and not reported yet */
    struct bough_list inbox;    /* struct bough_frame_data */
    struct bough_wait *sender, *receiver;
};

static inline uint64_t dialogue_number(const struct bough_dialogue *d)
{
    return d->context.node.key;
}

/* Open at this end, as number 'context' of the session. */
void dialogue_init(struct bough_dialogue *d, struct session *s, const struct dialogue_end *end,
                   uint64_t context);
/* The other end is gone, or has said its last: no more can come or go. What has come stays. */
void dialogue_close(struct bough_dialogue *d);
/* The inbox is thrown away, and the session let go: once, at the end. */
void dialogue_release(struct bough_dialogue *d);

/* Is it not too large? 0, -EMSGSIZE. */
BOUGH_MUST_CHECK int dialogue_check_size(size_t size);
