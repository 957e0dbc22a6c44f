/* What a struct bough_actor is: a session with it, and if it was started here, what keeps it.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/news.h"
#include "actor/session.h"
#include "actor/why.h"
#include "bough/actor.h"
#include "bough/sync.h"

struct names;
struct place;

enum actor_state {
    ACTOR_STARTING,
    ACTOR_UP,
    ACTOR_STOPPING, /* it has been asked to end, or has died and is being cleaned up after */
    ACTOR_GONE,
};

enum { ACTOR_NAME = 64 };

struct bough_actor {
    struct bough_list link;    /* in its block */
    struct bough_list sibling; /* among all of the run that are up (actor/names.h) */
    struct session session;
    enum actor_state state;
    char name[ACTOR_NAME];
    enum bough_place where;
    pid_t pid;

    /* Of those that were started here (block is not NULL); the keeper's. */
    struct bough_actors *block;
    const struct bough_site *site;       /* of bough_actor_start() */
    const struct bough_actor_spec *spec; /* during the start */
    struct place *place;
    struct names *names; /* the run's; held */
    const struct bough_task *keeper;
    char type[ACTOR_NAME];
    unsigned char token[16];
    int64_t grace;
    bool may_fail;
    bool kill_on_cancel;
    struct news news;  /* some of this has changed: */
    bool asked_gently; /* to end: when its calls have ended */
    bool asked_hard;   /* now, with 'reason' */
    bool identified, ready;
    bool acknowledged; /* it knows that it is to end */
    bool leaving;      /* and its calls have ended */
    bool stuck;        /* it does not answer */
    bool lost;         /* its link has ended */
    bool over;         /* the thread or process has */
    bool watched;      /* a task waits for that */
    char reason[WHY_TEXT];
    bool reported;        /* how it failed is the block's failure, too */
    struct frame outcome; /* FRAME_ENDED, if it has come */
    int died;             /* < 0: why, if that has not come, and in words: */
    char how[128];
    struct bough_event gone; /* for those that join */
    unsigned held;           /* by its block, and by those that look at it meanwhile */
};

/* Keep it, also if its block ends. The last one frees it. */
void actor_hold(struct bough_actor *a);
void actor_release(struct bough_actor *a);
/* The same by its session, whose owner it is. */
void actor_hold_session(struct session *s, bool on);
