/* What a supervisor and its children are.
 *
 * Tasks: the block's owner runs the body. The *governor* (supervisor_rules.c) is a task of the
 * supervisor's nursery, it alone decides who is stopped and started. Each *life* of a child
 * (supervisor_life.c) is another task of that nursery; in it is a scope that is shielded from the
 * nursery's, and in that the child. So no cancel reaches a child but the governor's.
 *
 *     down --the governor starts a life--> starting --it is up--> up
 *     starting, up --the life has ended--> ended --the governor has judged it--> down
 *
 * Everybody else changes what is wanted (the flags), and says that there is news.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/news.h"
#include "bough/supervisor.h"

enum life_state { LIFE_DOWN, LIFE_STARTING, LIFE_UP, LIFE_ENDED };

struct child {
    struct bough_list link;  /* among its supervisor's, in order */
    struct bough_list ended; /* among those that are to be judged, in the order of their ends */
    struct bough_supervisor *sv;
    struct bough_child_spec spec; /* ours, as is what it points at: */
    struct bough_actor_spec actor_spec;
    char *texts;
    const struct bough_site *site;
    unsigned number;
    unsigned users; /* who looks at it: when it is forgotten the last one frees it */
    bool forgotten;
    struct bough_list waiters; /* for any change */

    /* What is wanted. */
    bool wanted;               /* to be up, now or when its turn has come */
    bool leaving;              /* to be stopped, in its turn: after those behind it */
    bool unproven;             /* it has never been up: a failure is for who waits for that */
    bool refused;              /* and there was one: rc, error */
    bool to_forget;            /* when it is down */
    unsigned stoppers;         /* who wait for its end, and want to know of a failure: rc, error */
    int64_t not_before, delay; /* for its backoff; and how long that was */
    unsigned streak;           /* failures in a row */

    /* Its present life, or the last one. */
    enum life_state state;
    uint64_t generation; /* of those that were up */
    unsigned starts;     /* attempts */
    bool asked;          /* to end, by us */
    bool was_up;
    bool overdue;
    int64_t overdue_at;
    int64_t since;
    int rc, last_rc;
    struct bough_error *error;
    struct bough_scope scope;
    const struct bough_scope *starting; /* a task is in it until it calls bough_started() */
    struct bough_actor *actor;          /* NULL once it may not be called any more */
    unsigned holds;                     /* who use that */
    struct news released;
};

struct episode {
    int64_t at;
    int rc;
    struct bough_error *error; /* NULL: there was no memory */
};

struct bough_supervisor {
    struct bough_nursery nursery;            /* around the body; the governor and the lives in it */
    struct bough_supervisor_options options; /* with the defaults put in */
    const struct bough_site *site;
    char name[64];
    struct bough_list children;
    struct bough_list ended;
    struct news news; /* for the governor: */
    bool told;        /* there is some */
    bool ending;      /* no restarts any more */
    bool left;        /* the body has ended: stop them */
    unsigned last_number;
    uint64_t starts, failures, episodes;
    uint64_t dice;
    int gave_up;   /* < 0: what the block fails with because of the limit; the causes are below */
    char why[192]; /* in words */
    int failed;    /* what children failed with that is the block's failure */
    struct bough_error *errors; /* and in detail */
    unsigned window;            /* intensity + 1 */
    struct episode ring[];      /* the last ones */
};

/* Something has changed: the governor has to look. */
void supervisor_tell(struct bough_supervisor *sv);

/* A failure that is to come out of the block; 'e' is taken over. */
void supervisor_keep(struct bough_supervisor *sv, int rc, struct bough_error *e);

void supervisor_report(struct child *c, enum bough_supervisor_event event, int rc);

/* --- children --- */

static inline bool child_runs(const struct child *c)
{
    return c->state == LIFE_STARTING || c->state == LIFE_UP;
}

static inline struct child *child_of(struct bough_list *link)
{
    return bough_container_of(link, struct child, link);
}

/* Something about it has changed: who waits for it looks, and the governor does. */
void child_changed(struct child *c);

/* Wait for the next change. 0, -ECANCELED. */
BOUGH_MUST_CHECK int child_await(struct child *c);

/* What it failed with goes to the running task: returns rc. */
BOUGH_MUST_CHECK int child_outcome(struct child *c);

/* Ask it to end, now: it runs, and was not asked yet. */
void child_ask(struct child *c, const char *why);

/* It is not there any more for anybody else. */
void child_forget(struct child *c);
/* As long as somebody uses it, it is not freed. */
void child_use(struct child *c);
void child_unuse(struct child *c);
