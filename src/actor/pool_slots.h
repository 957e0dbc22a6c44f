/* A pool: its workers, their free slots, and who waits for one.
 *
 *     a call     takes a slot (waits for it), calls that worker, gives the slot back
 *     a worker   offers its slots when it has come up, and each again when it is given back
 *
 * Invariant: if somebody waits, no worker has a free slot. So a slot that becomes free goes to the
 * first who waits, and a newcomer who finds one free passes nobody.
 *
 * A worker is a place for one actor after the other. A slot belongs to a life: the next one does
 * not begin before all slots of the last have been given back, so who has one may use w->actor,
 * dead or alive.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/nursery.h"
#include "bough/pool.h"

enum pool_state {
    POOL_OPEN,
    POOL_DRAINING,  /* the body has ended well: no new calls, those that are here go on */
    POOL_ENDING,    /* and have ended: so do the workers */
    POOL_CANCELLED, /* everything is to end now */
    POOL_FAILED,    /* likewise, because of its workers */
};

/* An end of a worker that was not asked for. */
struct mishap {
    int64_t at;
    struct bough_error *cause;
};

struct worker {
    struct bough_pool *pool;
    struct bough_list link; /* among the free ones, while it has a free slot */
    char name[64];
    struct bough_actor *actor; /* of this life */
    bool open;                 /* its slots are to be had */
    bool excused;              /* it died when what it did was cancelled */
    bool unasked;              /* this life has come to its end before it was to */
    unsigned in_flight;        /* slots that are taken */
    uint64_t taken;            /* that ever were, in this life */
    bool alive;                /* its task is in 'term': */
    struct bough_scope term;   /* around the life; cancelled when that is to come to a good end */
    struct bough_wait *last;   /* it waits for all slots to be given back */
};

struct bough_pool {
    struct bough_pool_options options; /* with the defaults put in */
    enum pool_state state;
    const struct bough_site *site; /* of the block */
    struct bough_nursery nursery;  /* a task for each worker */
    struct bough_list free;        /* workers with a free slot: those with less to do first */
    struct bough_list waiting;     /* struct claim: who wants a slot */
    unsigned users;                /* calls of the public functions that are under way */
    struct bough_wait *drain;      /* somebody waits for that to be 0 */
    struct bough_pool_stats stats;
    char why[160];          /* it has failed or was cancelled */
    struct mishap *mishaps; /* within the last period, oldest first; room for restarts + 1 */
    unsigned mishap_count;
    struct worker workers[];
};

/* Wait for a free slot, and take it. 0; -ECANCELED; -EOWNERDEAD: the pool has failed. A checkpoint.
 */
BOUGH_MUST_CHECK int slots_take(struct bough_pool *p, struct worker **ret_worker);
void slots_give(struct worker *w);

/* A life begins: its slots are to be had; and it ends. */
void slots_open(struct worker *w);
void slots_close(struct worker *w);

/* Turn away who waits, and who will: p->why says why. */
void slots_refuse(struct bough_pool *p, enum pool_state state);
/* What they are told. */
int slots_refused(const struct bough_pool *p);

/* Something in the statistics has changed. */
void slots_progress(const struct bough_pool *p);
