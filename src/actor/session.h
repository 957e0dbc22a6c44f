/* A session: one end of a link, and the calls and dialogues that go over it, in both directions.
 *
 *     the reader (a task)  receives frames, and tells whom they are for; it waits for none of them
 *     the pump (a task)    sends what is queued
 *
 * What has to be said and cannot be, for want of memory, breaks the session, and so does a frame
 * that cannot be: the link is hung up, so both ends learn of that, and nothing hangs. A session
 * that is broken fails all that is open on it, with the reason, and all that comes later; but if
 * the other end is an actor that was started here, what is open fails when that is over, so that
 * nothing still runs there.
 *
 * Contexts are numbered by who opens them: the near end even, the far end odd.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/link.h"
#include "actor/table.h"
#include "bough/nursery.h"
#include "bough/timer.h"

struct service;
struct session;

/* A call or dialogue, as the session sees it. */
struct context {
    struct table_node node;
    /* A frame for it. What is wanted of it is taken out. */
    void (*frame)(struct context *c, struct frame *f);
    /* The session is broken: it takes itself off. */
    void (*lost)(struct context *c);
};

struct session {
    struct link *link;
    struct table contexts; /* struct context */
    uint64_t next_context;
    char peer[64];           /* who is at the other end, for people */
    bool nameless;           /* a run that is no actor: 'peer' is words */
    struct service *service; /* what we do for the other end; NULL: nothing */
    void *owner;             /* of the calls below, which run in the reader */

    /* FRAME_CALL: the other end opens a context. */
    void (*called)(struct session *s, struct frame *f);
    /* A frame of the connection, not of a context. What is wanted of it is taken out. NULL: such a
     * frame is malformed. */
    void (*control)(struct session *s, struct frame *f);
    /* The link has ended: code 0 by the other end, < 0 by what. Breaks the session if NULL. */
    void (*lost)(struct session *s, int code);
    /* It has not acknowledged a cancel for so long. */
    void (*stuck)(struct session *s);
    /* Somebody looks at it, or does no more: a call may see the end of its session only after that.
     * NULL: it outlives all calls anyway. */
    void (*hold)(struct session *s, bool on);
    int64_t grace;
    bool impatient;                /* nor ended what was cancelled */
    struct bough_timer unanswered; /* armed while there are 'unacknowledged' cancels */
    unsigned unacknowledged;

    bool stopping;    /* it takes no new calls */
    bool fails_later; /* what is open waits for session_fail_open() */
    int broken;       /* < 0: why */
    char why[160];
    bool told; /* somebody else reports that, too */
};

/* Over 'link', which is taken over. 'far': the end that was started. */
void session_init(struct session *s, struct link *link, bool far);
/* Frees the link. All contexts have gone. */
void session_release(struct session *s);

/* Start the reader and the pump as services of 'n'. */
BOUGH_MUST_CHECK int session_start(struct session *s, struct bough_nursery *n);

/* Hang up; and fail all that is open, unless that waits for session_fail_open(). Idempotent: the
 * first reason counts. */
void session_break(struct session *s, int code, const char *fmt, ...) BOUGH_PRINTF(3, 4);
/* It is broken: fail all that is open. */
void session_fail_open(struct session *s);
/* The failure of whoever uses a broken session. */
int session_failed(const struct session *s);

/* Queue a frame: 'size' is set from the parts. 0; -ENOMEM; -EPIPE: broken, or the other end is
 * gone. None of them is recorded. Takes 'fd' over if it succeeds. */
BOUGH_MUST_CHECK int session_send(struct session *s, struct frame_head head,
                                  struct bough_bytes first, struct bough_bytes second, int fd);

/* The same for what must be said: if it cannot be, the session breaks. */
void session_say(struct session *s, enum frame_type type, uint64_t context, int64_t value,
                 struct bough_bytes payload);
void session_say_flags(struct session *s, enum frame_type type, unsigned flags, uint64_t context,
                       int64_t value, struct bough_bytes payload);

/* A malformed or unexpected frame: nothing else is believed of the other end. */
void session_refuse(struct session *s, const struct frame *f, const char *what);

/* A cancel is on its way: expect an acknowledgement. */
void session_expect_ack(struct session *s);
