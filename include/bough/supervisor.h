/* Supervisors: children that are started in order, and started again when they end.
 *
 *     static int database(void *arg)
 *     {
 *         struct config *config = arg;
 *         int rc = open_it(config);
 *         if (rc == 0) {
 *             bough_started(NULL);                               // now those after it may start
 *             rc = serve(config);
 *         }
 *         return rc;
 *     }
 *
 *     static int serve_all(void *arg)
 *     {
 *         int rc = 0;
 *         struct bough_supervisor_options options = {
 *             .strategy = BOUGH_REST_FOR_ONE, .intensity = 3, .period = 10 * BOUGH_SEC};
 *         bough_with_supervisor (sv, &options, &rc) {
 *             struct bough_child_spec db = {
 *                 .id = "db", .fn = database, .arg = arg, .start_timeout = BOUGH_SEC};
 *             struct bough_actor_spec actor = {.type = "web", .place = BOUGH_PLACE_PROCESS};
 *             struct bough_child_spec web = {
 *                 .id = "web", .actor = &actor, .backoff = {.first = 100 * BOUGH_MS}};
 *             rc = bough_supervise(sv, &db, NULL);               // it is up when this returns
 *             if (rc == 0)
 *                 rc = bough_supervise(sv, &web, NULL);
 *             if (rc == 0)
 *                 rc = bough_sleep_forever();                    // or anything that uses them
 *         }                                                      // stopped, the last one first
 *         return rc;
 *     }
 *
 * After Erlang's supervisors. A supervisor is no other kind of nursery: it is a block with a
 * nursery in it, in which the failure of a child is not that of the block, but a reason to start it
 * again, so often and no more. The rules:
 *
 *  - Children are in the order in which they were supervised. Strategies: when one has to be
 *    started again, one_for_one starts that one; rest_for_one first stops those after it, the last
 *    one first, and then starts all of these in order, each when the one before it is up;
 *    one_for_all does that with all of them. Those that had been stopped or had ended for good
 *    stay so.
 *  - Which one has to: a permanent child always, also if it ended well; a transient one if it
 *    failed (< 0, died, or was cancelled by somebody else than its supervisor); a temporary one
 *    never, and it is forgotten when it has ended, also if it was stopped for the sake of another.
 *  - Limit: more than 'intensity' of these episodes within 'period', an attempt to start that
 *    failed being one, and the supervisor gives up: the body is cancelled, the children are
 *    stopped, and the block fails with a group: -BOUGH_ERESTART, "restart limit reached", and then
 *    the causes, the last intensity + 1 of them. What fails while it is stopped for the sake of
 *    another belongs to that episode, and is no other one.
 *  - The end of the body, however it came, is the end of the children: stopped one after the other,
 *    the last one first, when the body has left. Its error is the first one; what a child fails
 *    with while it is being stopped follows. No child ends the block by itself, but for
 *    .auto_shutdown: then the end of significant children cancels the body; their failure is the
 *    block's.
 *  - A cancel beats a restart: from then on none begins, and one that is under way is cancelled.
 *    The children do not feel that cancel, but are stopped as ever, when the body has left.
 *  - Stopping a task: its scope is shut down, softly first (bough_graceful), after 'shutdown' hard.
 *    More cannot be done to a task than to wait. Stopping an actor: it is cancelled, and after
 *    'shutdown' the ladder of bough/actor.h begins.
 *  - Backoff delays one child. Others are started and stopped meanwhile, unless the strategy has
 *    them wait for that child. All times are of the run's clock.
 *  - Handles have a generation: what was meant for one life of a child does not reach the next.
 *
 * Children that were not given by the code of a block, but added while it ran, are not there in
 * the next life of that block: whoever supervises a supervisor starts it from its beginning. A
 * supervisor dies with its process; so do the actors, in processes, that it had.
 *
 * A child inherits the task locals of who opened the block. All functions belong to the thread of
 * the run; they may be called by the body, by tasks below it, and by the children.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/actor.h"

BOUGH_BEGIN_DECLS

struct bough_supervisor;
struct bough_supervisor_report;

enum bough_strategy {
    BOUGH_ONE_FOR_ONE,
    BOUGH_ONE_FOR_ALL,
    BOUGH_REST_FOR_ONE,
};

enum bough_restart {
    BOUGH_PERMANENT,
    BOUGH_TRANSIENT,
    BOUGH_TEMPORARY,
};

/* When do children that end by themselves, and are not started again, end the block? */
enum bough_auto_shutdown {
    BOUGH_NEVER_SIGNIFICANT, /* they do not */
    BOUGH_ANY_SIGNIFICANT,   /* when the first significant one has ended */
    BOUGH_ALL_SIGNIFICANT,   /* when all that there are have */
};

/* Zero means the default. */
struct bough_supervisor_options {
    enum bough_strategy strategy;
    int intensity;  /* so many restarts are allowed ...; default 1; < 0: none */
    int64_t period; /* ... within this time; default 5 s */
    enum bough_auto_shutdown auto_shutdown;
    const char *name; /* for people; default "supervisor" */
    /* Called for all that happens, to log it. It must not block, nor call the supervisor. */
    void (*report)(const struct bough_supervisor_report *report, void *arg);
    void *report_arg;
};

/* How long to wait before it is started again: 'first' the first time (0: not at all), 'factor'
 * times as long (default 2; at least 1) each time after that, 'max' at most (default 1 minute),
 * and of that a random part, up to 'jitter' of it (0 to 1), less. From the beginning when it has
 * been up for 'reset_after' (default: the supervisor's period). */
struct bough_backoff {
    int64_t first;
    double factor;
    int64_t max;
    double jitter;
    int64_t reset_after;
};

/* All is copied, but for what 'arg' points at. */
struct bough_child_spec {
    const char *id;    /* for people, errors, and bough_supervisor_find(); one of each */
    bough_task_fn *fn; /* a task; or */
    void *arg;
    const struct bough_actor_spec *actor; /* an actor; its grace and may_fail are not looked at */
    enum bough_restart restart;
    /* A task that has this calls bough_started() when it is up, within this time; 0: it is up as
     * soon as there is a task, as with start_soon(). For an actor: until it is up; 0: no limit. */
    int64_t start_timeout;
    int64_t shutdown; /* from asked to forced; default 5 s; < 0: no time; BOUGH_NEVER: all of it */
    bool significant; /* for .auto_shutdown; not for permanent ones */
    struct bough_backoff backoff;
};

/* One life of a child. */
struct bough_supervised {
    unsigned number;
    uint64_t generation; /* 1 when it was up for the first time */
};

/* --- the block --- */

/* 'sv' is declared by it, a struct bough_supervisor *; options may be NULL. If it cannot be opened
 * the body does not run, and *rc is why: -ENOMEM, -EAGAIN; -EINVAL: bad options. Its ways out are
 * those of bough_with_nursery. */
#define bough_with_supervisor(sv, ... /* options, rc */)                                           \
    for (struct bough_supervisor_block BOUGH_PASTE(bough_block_, sv)                               \
             BOUGH_CLEANUP(bough_supervisor_block_abandon),                                        \
         *BOUGH_PASTE(bough_open_, sv) = bough_supervisor_block_enter(                             \
             &BOUGH_PASTE(bough_block_, sv), __VA_ARGS__, BOUGH_SITE("bough_with_supervisor"));    \
         BOUGH_PASTE(bough_open_, sv); BOUGH_PASTE(bough_open_, sv) = bough_supervisor_block_exit( \
                                           &BOUGH_PASTE(bough_block_, sv)))                        \
        BOUGH_BLOCK_GUARD_(sv)                                                                     \
    for (__attribute__((unused)) struct bough_supervisor *sv =                                     \
             BOUGH_PASTE(bough_block_, sv).supervisor;                                             \
         !BOUGH_PASTE(bough_block_, sv).ended; BOUGH_PASTE(bough_block_, sv).ended = true)

/* The plain pair. Opening does not block. Closing is the end of the body, 'rc' is how it ended:
 * stops the children, waits for them, and returns the result of the block. */
BOUGH_MUST_CHECK int bough_supervisor_open(const struct bough_supervisor_options *options,
                                           struct bough_supervisor **ret_sv);
#define bough_supervisor_open(...) /* a compound literal in it has commas */                       \
    bough_supervisor_open_at(__VA_ARGS__, BOUGH_SITE("supervisor"))
BOUGH_MUST_CHECK int bough_supervisor_open_at(const struct bough_supervisor_options *options,
                                              struct bough_supervisor **ret_sv,
                                              const struct bough_site *site);
BOUGH_MUST_CHECK int bough_supervisor_close(struct bough_supervisor *sv, int rc);

/* --- children --- */

/* Add a child, after the others, and wait until it is up; while others are being started again it
 * may have to wait for its turn. 'ret_handle' may be NULL. A checkpoint; cancelled, nothing is left
 * of it. 0; what the child failed with before it was up (there is no second attempt, and it is not
 * there); -ETIMEDOUT: its start took too long; -EPROTO: it ended without bough_started(); -EEXIST:
 * there is one with that id; -EINVAL: a bad spec; -EBADF: the supervisor is stopping; -ENOMEM. */
BOUGH_MUST_CHECK int bough_supervise(struct bough_supervisor *sv,
                                     const struct bough_child_spec *spec,
                                     struct bough_supervised *ret_handle);
#define bough_supervise(...) /* a compound literal in it has commas */                             \
    bough_supervise_at(__VA_ARGS__, BOUGH_SITE("bough_supervise"))
BOUGH_MUST_CHECK int bough_supervise_at(struct bough_supervisor *sv,
                                        const struct bough_child_spec *spec,
                                        struct bough_supervised *ret_handle,
                                        const struct bough_site *site);

/* All of these fail with -ESTALE if the handle is of another life than the child's last one, or if
 * the child is not there any more. The first three are checkpoints; called from inside that child
 * they fail with -EDEADLK. If they are cancelled, what they have asked for still happens.
 *
 * Stop it, and wait until it has ended; it is not started again until bough_supervisor_restart().
 * 0, or what it failed with while it was stopped. A temporary child is then forgotten. */
BOUGH_MUST_CHECK int bough_supervisor_stop(struct bough_supervisor *sv,
                                           struct bough_supervised handle);
/* The same, and forget it. */
BOUGH_MUST_CHECK int bough_supervisor_remove(struct bough_supervisor *sv,
                                             struct bough_supervised handle);
/* Start it again, at once, with what the strategy says of the others; it counts for no limit. Waits
 * until it is up, whether at the first attempt or a later one. As bough_supervisor_wait(). */
BOUGH_MUST_CHECK int bough_supervisor_restart(struct bough_supervisor *sv,
                                              struct bough_supervised handle,
                                              struct bough_supervised *ret_handle);

/* Wait until it is up in a later life than that of 'handle', which may be an old one. A checkpoint.
 * 0, and the new handle; -ESTALE: it will not start again; -EBADF: the supervisor is stopping;
 * -ECANCELED. */
BOUGH_MUST_CHECK int bough_supervisor_wait(struct bough_supervisor *sv,
                                           struct bough_supervised handle,
                                           struct bough_supervised *ret_handle);

/* The child with that id, in its present life, or in its last one. Does not block. 0, -ENOENT. */
BOUGH_MUST_CHECK int bough_supervisor_find(struct bough_supervisor *sv, const char *id,
                                           struct bough_supervised *ret_handle);

/* --- children that are actors --- */

/* bough_call() to that life of it: if it dies meanwhile it is -EOWNERDEAD, as there; afterwards
 * -ESTALE: bough_supervisor_wait() for the next one. -EINVAL: it is a task. */
BOUGH_MUST_CHECK int bough_supervisor_call(struct bough_supervisor *sv,
                                           struct bough_supervised handle, const char *operation,
                                           struct bough_bytes request,
                                           struct bough_message *ret_reply);

/* The actor itself, for dialogues. It may be dead, but is there until it is released; the next life
 * waits for that, and so does the end of the block. Neither is a checkpoint. 0, -ESTALE,
 * -EINVAL. */
BOUGH_MUST_CHECK int bough_supervisor_actor(struct bough_supervisor *sv,
                                            struct bough_supervised handle,
                                            struct bough_actor **ret_actor);
void bough_supervisor_release(struct bough_supervisor *sv, struct bough_supervised handle);

/* --- seeing --- */

enum bough_child_state {
    BOUGH_CHILD_STARTING,
    BOUGH_CHILD_UP,
    BOUGH_CHILD_STOPPING,
    BOUGH_CHILD_WAITING, /* to be started again: for its backoff, or for others */
    BOUGH_CHILD_ENDED,   /* stopped, or ended for good */
};

struct bough_child_info {
    struct bough_supervised handle;
    const char *id; /* good until the child is forgotten */
    enum bough_child_state state;
    unsigned starts; /* attempts to start it, the first one included */
    int last_rc;     /* how its last life, or attempt, ended */
    int64_t since;   /* it is up, or was last, since then */
    bool overdue;    /* it was to stop by now, and there is nothing more to be done */
};

/* Of the first 'size' children, in order; returns how many there are. */
size_t bough_supervisor_list(const struct bough_supervisor *sv, struct bough_child_info *infos,
                             size_t size);

struct bough_supervisor_stats {
    unsigned children, up;
    uint64_t starts;   /* that went well */
    uint64_t failures; /* children that ended otherwise than they should, and failed starts */
    uint64_t episodes; /* what the limit counts */
};
void bough_supervisor_statistics(const struct bough_supervisor *sv,
                                 struct bough_supervisor_stats *ret_stats);

enum bough_supervisor_event {
    BOUGH_REPORT_STARTED,
    BOUGH_REPORT_START_FAILED,
    BOUGH_REPORT_ENDED,   /* by itself, or as it was told to */
    BOUGH_REPORT_OVERDUE, /* it does not stop, and nothing can make it */
    BOUGH_REPORT_LIMIT,   /* because of this child the supervisor gives up */
};

struct bough_supervisor_report {
    enum bough_supervisor_event event;
    const char *supervisor, *child;
    uint64_t generation;             /* of the child: the life that this is about */
    int rc;                          /* how it ended */
    const struct bough_error *error; /* and in detail; NULL if there is none */
    bool was_asked;                  /* it was stopped */
    bool again;                      /* it is going to be started again, ... */
    int64_t delay;                   /* ... after this time at the earliest */
};

/* --- what the block is made of --- */

struct bough_supervisor_block {
    struct bough_supervisor *supervisor; /* NULL once it is closed */
    int *rc;
    bool ended;
};
struct bough_supervisor_block *
bough_supervisor_block_enter(struct bough_supervisor_block *b,
                             const struct bough_supervisor_options *options, int *rc,
                             const struct bough_site *site);
struct bough_supervisor_block *bough_supervisor_block_exit(struct bough_supervisor_block *b);
void bough_supervisor_block_abandon(struct bough_supervisor_block *b);

BOUGH_END_DECLS
