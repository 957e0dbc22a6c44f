/* A shared resource: whoever comes first opens it, whoever leaves last closes it.
 *
 *     static int database(struct bough_manager *self, void *arg);      // opens, yields, closes
 *     static struct bough_shared db;
 *
 *     static int request(void *arg)                                    // many tasks
 *     {
 *         int rc = 0;
 *         bough_with_shared (struct connection *, c, &db, &rc) {
 *             rc = query(c, arg);
 *         }
 *         return rc;
 *     }
 *
 *     bough_with_nursery (n, &rc) {
 *         bough_shared_init(&db, n, database, "db.example.org");       // nothing is opened yet
 *         rc = serve(n, request);
 *     }
 *
 * The manager (bough/manager.h) runs in a task of its own, a service of the nursery given to init,
 * so it belongs to none of the users, and they may come and go in any order:
 *
 *  - The first user starts it. All who come while it is being entered wait, and get the value it
 *    yields. If the enter fails, each of them gets the failure, and the next one who comes tries
 *    again. One of them who is cancelled, be it the first, leaves the others waiting; if no one is
 *    left to wait, the enter is cancelled.
 *  - The last one out exits it, waits for that, and gets what the exit fails with. Who comes in the
 *    meantime waits, and opens it anew.
 *  - If the manager fails or times out while it is in use (its own scopes enclose its yield), the
 *    blocks of all users are cancelled. Its yield returns when all have left, and what it returns
 *    comes out of each of the blocks.
 *  - Waiting for the exit is not cut short by a cancel; but when all who wait for it are cancelled,
 *    so is the exit, as it would be with bough_with: cleanup that has to wait then needs
 *    bough_shielded.
 *  - The yield gets 0, or -ECANCELED when the users were cancelled: no single user's result.
 *
 * Users belong in that nursery, in its body or below: then a cancel of it reaches them first, and
 * the resource lives until they have left. One who uses it from outside is cancelled when the
 * nursery ends, with -EPIPE, and who waits for it gets -EBADF; but nobody may come in when the
 * block of the nursery is over.
 *
 * Resources by key: one struct bough_shared for each key, wherever the keys are. It allocates
 * nothing, and may not be moved or freed while it is in use. All of it belongs to the thread of the
 * run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/manager.h"
#include "bough/nursery.h"

BOUGH_BEGIN_DECLS

struct bough_error;

struct bough_shared {
    /* Private. */
    struct bough_nursery *owner;
    bough_manager_fn *fn;
    void *arg;
    const struct bough_site *site;
    unsigned char state;         /* closed, entering, open, ending, ownerless */
    bool broken;                 /* the users are cancelled */
    unsigned users;              /* in their blocks, or waiting for the enter */
    unsigned patient;            /* waiting for the end, and not cancelled */
    unsigned takers;             /* have not taken how it ended */
    int rc;                      /* how it ended */
    struct bough_error *error;   /* the record of that, for the last taker */
    void *value;                 /* what the manager yielded */
    struct bough_wait *idle;     /* the manager, while it is in use */
    struct bough_scope scope;    /* around the manager */
    struct bough_list uses;      /* of struct bough_shared_use */
    struct bough_list entering;  /* waits for the enter */
    struct bough_list ends;      /* waits for the end */
    struct bough_list newcomers; /* waits for the end of this life, to begin the next */
};

/* Not opened yet; it will be in a task of the nursery 'owner', which is open. Neither blocks nor
 * fails. */
void bough_shared_init(struct bough_shared *s, struct bough_nursery *owner, bough_manager_fn *fn,
                       void *arg);
#define bough_shared_init(s, owner, fn, ...) /* arg */                                             \
    bough_shared_init_at(s, owner, fn, __VA_ARGS__, BOUGH_SITE(#fn))
void bough_shared_init_at(struct bough_shared *s, struct bough_nursery *owner, bough_manager_fn *fn,
                          void *arg, const struct bough_site *site);

/* How many use it now, or wait for it to be entered. */
unsigned bough_shared_users(const struct bough_shared *s);

/* A block that uses it: 'name' is declared as a 'type', the value of the manager's yield. If it
 * cannot be entered the body does not run, and *rc is the failure. Ways out are those of
 * bough_with. A checkpoint, also when it is open already. */
#define bough_with_shared(type, name, s, rc)                                                       \
    for (struct bough_shared_block BOUGH_PASTE(bough_block_, name)                                 \
             BOUGH_CLEANUP(bough_shared_block_abandon),                                            \
         *BOUGH_PASTE(bough_open_, name) = bough_shared_block_enter(                               \
             &BOUGH_PASTE(bough_block_, name), s, rc, BOUGH_SITE("bough_with_shared"));            \
         BOUGH_PASTE(bough_open_, name); BOUGH_PASTE(bough_open_, name) = bough_shared_block_exit( \
                                             &BOUGH_PASTE(bough_block_, name)))                    \
        BOUGH_BLOCK_GUARD_(name)                                                                   \
    for (bool BOUGH_PASTE(bough_once_, name) = true; BOUGH_PASTE(bough_once_, name);               \
         BOUGH_PASTE(bough_once_, name) = false)                                                   \
        for (__attribute__((unused))                                                               \
             type name = (type)BOUGH_PASTE(bough_block_, name).use.shared->value;                  \
             BOUGH_PASTE(bough_once_, name); BOUGH_PASTE(bough_once_, name) = false)

/* --- without a block --- */

/* One use, by one task. */
struct bough_shared_use {
    /* Private. */
    struct bough_shared *shared;
    struct bough_scope scope; /* around what uses it: cancelled when it breaks */
    struct bough_list link;
};

/* Use it: from here to the exit it is the innermost scope of the running task, and *ret_value (may
 * be NULL) is good. 0; what the enter failed with; -ENOMEM, -EAGAIN: no stack; -EBADF: the nursery
 * is closed; -EPIPE: the nursery ended; -ECANCELED. Not 0: there is nothing to exit. */
BOUGH_MUST_CHECK int bough_shared_enter(struct bough_shared *s, struct bough_shared_use *use,
                                        void **ret_value);
#define bough_shared_enter(s, use, ret_value)                                                      \
    bough_shared_enter_at(s, use, ret_value, BOUGH_SITE("bough_shared_enter"))
BOUGH_MUST_CHECK int bough_shared_enter_at(struct bough_shared *s, struct bough_shared_use *use,
                                           void **ret_value, const struct bough_site *site);

/* No longer: 'rc' is how the use ended. The last one waits for the manager's exit. Returns rc,
 * joined with what the manager failed with. */
BOUGH_MUST_CHECK int bough_shared_exit(struct bough_shared_use *use, int rc);

/* --- what the block is made of --- */

struct bough_shared_block {
    struct bough_shared_use use;
    int *rc;
    bool open;
};
struct bough_shared_block *bough_shared_block_enter(struct bough_shared_block *b,
                                                    struct bough_shared *s, int *rc,
                                                    const struct bough_site *site);
struct bough_shared_block *bough_shared_block_exit(struct bough_shared_block *b);
void bough_shared_block_abandon(struct bough_shared_block *b);

BOUGH_END_DECLS
