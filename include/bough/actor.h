/* Actors: runs of their own, in a thread or in a process, that do what they are asked.
 *
 *     static int square(struct bough_call *call, void *state)         // over there
 *     {
 *         long x;
 *         int rc = bough_bytes_get(bough_call_request(call), &x);
 *         if (rc == 0) {
 *             x *= x;
 *             rc = bough_call_reply(call, BOUGH_BYTES(x));
 *         }
 *         return rc;
 *     }
 *     static const struct bough_operation calc_operations[] = {{"square", square}, {0}};
 *     BOUGH_ACTOR(calc, .operations = calc_operations);
 *
 *     bough_with_actors (an, &rc) {                                   // here
 *         struct bough_actor *calc;
 *         struct bough_message reply;
 *         long x = 12;
 *         struct bough_actor_spec spec = {.type = "calc", .place = BOUGH_PLACE_PROCESS};
 *         rc = bough_actor_start(an, &spec, &calc);
 *         if (rc == 0)
 *             rc = bough_call(calc, "square", BOUGH_BYTES(x), &reply);
 *         if (rc == 0) {
 *             rc = bough_message_get(&reply, &x);
 *             bough_message_free(&reply);
 *         }
 *     }                                                          // it has ended, whatever happened
 *
 * The rules:
 *
 *  - Every task in an actor that was asked for from here has an owner here: a call that waits for
 *    it, or the block of a dialogue. Neither ends before that task has. A connection never owns a
 *    task.
 *  - An actor has an owner, too: the block it was started in. The end of the body lets the calls
 *    that are in flight end, then asks the actors to stop, and waits until they are gone; a body
 *    that fails, is left early or is cancelled cancels what they do. The stop ladder of each, all
 *    at once: asked; after its grace (5 s) SIGTERM; a second later SIGKILL. A thread can only be
 *    asked and waited for.
 *  - An actor that dies fails its block with -EOWNERDEAD (unless .may_fail), and every call to it,
 *    at once. Death is known from the system, not from a connection that ends.
 *  - A failure over there comes out here with its whole tree: codes, messages, places, and the path
 *    of tasks, with the actor's name in front. A cancel here is a message there: the scope of that
 *    task is cancelled, with the reason. The outcome of a call or dialogue is, the first of: the
 *    body's own error; the error from there; death of the actor (-EOWNERDEAD); cancelled by
 *    somebody else (-ECANCELED, an error like any other); our own scope's cancel; the cancel that
 *    we asked for, which is no error; the value.
 *  - No process stays behind: each notices when its parent is gone, whoever was killed by whatever,
 *    stops what it does, and leaves within its grace. Those below an actor that the root of the
 *    tree has started, and that has died, are killed when the root learns of it, which may be
 *    sooner.
 *
 * Processes are this program, started again: it turns into the actor before its main(), after the
 * constructors of the file with BOUGH_ACTOR and of those that come before it have run. Arguments
 * are not handed on, the environment is. Terminal: processes are in a group of their own, so Ctrl-C
 * reaches the run alone, which cancels them. Standard input is /dev/null there, output and errors
 * are ours.
 *
 * Operations run as tasks, all those of an actor in its one thread. All handles here belong to the
 * thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>
#include <sys/types.h>

#include "bough/block.h"
#include "bough/manager.h"
#include "bough/message.h"
#include "bough/nursery.h"

BOUGH_BEGIN_DECLS

struct bough_actor;
struct bough_actors;
struct bough_call;
struct bough_dialogue;

/* --- over there: what an actor can do --- */

/* Runs in a task of its own, once for each call or dialogue. 'state' is what the setup or the
 * manager gave. What it returns, < 0, is the error of the caller; >= 0: the caller gets the reply.
 * It is cancelled when the caller is, or the actor. */
typedef int bough_operation_fn(struct bough_call *call, void *state);

struct bough_operation {
    const char *name;
    bough_operation_fn *fn;
};

struct bough_actor_type {
    const char *name;
    const struct bough_operation *operations; /* ends with {0} */

    /* Before the first operation: 'argument' is that of the spec, good during the call. Its failure
     * is that of the start. */
    int (*setup)(struct bough_bytes argument, void **ret_state);
    /* After the last one, also if the actor is cancelled (then what waits needs bough_shielded),
     * not if the setup failed. */
    int (*teardown)(void *state);

    /* Or both in one, and more: a manager (bough/manager.h) around all that it does; its arg is a
     * struct bough_bytes *, and what it yields is the state. Its nurseries, scopes and actors are
     * open as long as the actor is: if one of them fails, so does the actor. */
    bough_manager_fn *manager;
    const struct bough_actor_type *next; /* private */
};

/* Make a type known by its name, in this program and in every copy of it. At file scope:
 * BOUGH_ACTOR(calc, .operations = calc_operations); */
#define BOUGH_ACTOR(id, ...)                                                                       \
    static struct bough_actor_type bough_actor_type_##id = {.name = #id, __VA_ARGS__};             \
    __attribute__((constructor)) static void bough_actor_register_##id(int argc, char **argv,      \
                                                                       char **envp)                \
    {                                                                                              \
        const struct bough_constructors here = {                                                   \
            __init_array_start, __init_array_end, bough_actor_register_##id, argc, argv, envp};    \
        bough_actor_type_register(&bough_actor_type_##id, &here);                                  \
    }                                                                                              \
    struct bough_actor_type

/* --- an operation's view of its call --- */

/* What was sent along. Good until the operation returns. */
struct bough_bytes bough_call_request(const struct bough_call *call);

/* The value of the call, copied now, sent when the operation has returned well. Once. Does not
 * block. 0; -EPROTO: there is one already; -EMSGSIZE: more than 16 MiB; -ENOMEM. */
BOUGH_MUST_CHECK int bough_call_reply(struct bough_call *call, struct bough_bytes reply);

/* "I am up": ends the enter of the caller's dialogue, with 'value'. From then on there is a stream
 * to and fro, '*ret_dialogue' (may be NULL), which is the call's. If the caller has made a plain
 * call it does nothing, and the stream refuses to be used (-EPROTO). Once; twice panics. Does not
 * block. 0; -EMSGSIZE; -ENOMEM. */
BOUGH_MUST_CHECK int bough_call_started(struct bough_call *call, struct bough_bytes value,
                                        struct bough_dialogue **ret_dialogue);

/* Who asks: the name of the actor, "" for a run that is none. Good until the operation returns. */
const char *bough_call_peer(const struct bough_call *call);

/* The actor whose code this is: its name, NULL in a run that is none; and a handle of who started
 * it, to call back; NULL likewise. Handles are good as long as the actor is. */
const char *bough_actor_self(void);
struct bough_actor *bough_actor_parent(void);

/* --- here: actors in a block --- */

enum bough_place {
    BOUGH_PLACE_THREAD,
    BOUGH_PLACE_PROCESS,
};

/* Zero means the default for every field but the type. None of it is needed after the start. */
struct bough_actor_spec {
    const char *type; /* the name given to BOUGH_ACTOR */
    const char *name; /* for people, errors, bough_actor_find(); default: type-number */
    enum bough_place place;
    struct bough_bytes argument; /* for the setup */
    int64_t grace;               /* from asked to SIGTERM; default 5 s; < 0: SIGKILL at once */
    const char *program;    /* for a process: another program with that type; default: this one */
    const char *const *env; /* for a process; default: ours */
    /* Its failure does not fail the block: it is for who calls bough_actor_join(). */
    bool may_fail;
    /* An operation that has not ended a grace after its call was cancelled: the actor is killed,
     * too, not only if it does not even acknowledge the cancel. (A thread is waited for.) */
    bool kill_on_cancel;
};

/* Start an actor and wait until it is up: identified, and its setup has ended well. It ends with
 * the block 'an' at the latest. 'ret_actor' is good until then. A checkpoint; cancelled, nothing is
 * left of it. 0; what its setup failed with, as recorded there; -ENOENT: no such type, or program;
 * -EOWNERDEAD: it died meanwhile; -EPROTO: a program that is no bough actor, or another version
 * (one that says no word is waited for: put a timeout around the start); -EAGAIN, -EMFILE, -ENOMEM:
 * no thread or process to be had; -EBADF: the block has ended; -EMSGSIZE. */
BOUGH_MUST_CHECK int bough_actor_start(struct bough_actors *an, const struct bough_actor_spec *spec,
                                       struct bough_actor **ret_actor);
#define bough_actor_start(...) /* a compound literal in it has commas */                           \
    bough_actor_start_at(__VA_ARGS__, BOUGH_SITE("bough_actor_start"))
BOUGH_MUST_CHECK int bough_actor_start_at(struct bough_actors *an,
                                          const struct bough_actor_spec *spec,
                                          struct bough_actor **ret_actor,
                                          const struct bough_site *site);

/* Stop it before its block ends: lets its calls end if 'reason' is NULL, else cancels them with
 * that text; then the ladder. A cancel here while it lets them end does that; when this returns it
 * is gone. Any number of tasks may do so. Returns as bough_actor_join(). */
BOUGH_MUST_CHECK int bough_actor_stop(struct bough_actor *a, const char *reason);

/* Wait until it is gone, without asking for it. A checkpoint. 0: it ended well, or as asked; its
 * failure (with .may_fail, else the block has it, too); -EOWNERDEAD: it died; -ECANCELED: we were.
 * Again: the same. -EINVAL: not started here. */
BOUGH_MUST_CHECK int bough_actor_join(struct bough_actor *a);

/* Is it there to be called? False once it has been asked to stop, or has died. */
bool bough_actor_is_up(const struct bough_actor *a);
const char *bough_actor_name(const struct bough_actor *a);
pid_t bough_actor_pid(const struct bough_actor *a); /* ours if it is a thread */
enum bough_place bough_actor_place(const struct bough_actor *a);

/* A block with actors: 'an' is declared by it, a struct bough_actors *. Its ways out are those of
 * bough_with_nursery. */
#define bough_with_actors(an, rc)                                                                  \
    for (struct bough_actors_block BOUGH_PASTE(bough_block_, an)                                   \
             BOUGH_CLEANUP(bough_actors_block_abandon),                                            \
         *BOUGH_PASTE(bough_open_, an) = bough_actors_block_enter(                                 \
             &BOUGH_PASTE(bough_block_, an), rc, BOUGH_SITE("bough_with_actors"));                 \
         BOUGH_PASTE(bough_open_, an);                                                             \
         BOUGH_PASTE(bough_open_, an) = bough_actors_block_exit(&BOUGH_PASTE(bough_block_, an)))   \
        BOUGH_BLOCK_GUARD_(an)                                                                     \
    for (__attribute__((unused)) struct bough_actors *an = &BOUGH_PASTE(bough_block_, an).actors;  \
         !BOUGH_PASTE(bough_block_, an).ended; BOUGH_PASTE(bough_block_, an).ended = true)

/* The plain pair. Opening does not block. Closing is the end of the block, 'rc' is how the body
 * ended: returns the result of the block. */
void bough_actors_open(struct bough_actors *an);
#define bough_actors_open(an) bough_actors_open_at(an, BOUGH_SITE("actors"))
void bough_actors_open_at(struct bough_actors *an, const struct bough_site *site);
BOUGH_MUST_CHECK int bough_actors_close(struct bough_actors *an, int rc);

/* --- names --- */

/* Who has that name in the tree of actors that we are part of. Names need not be unique: it is one
 * that was started below us, if there is one, else one that is nearer to the root, and the oldest
 * of these. The handle may be called like that of an actor of our own; it is good until
 * bough_actor_release(), or until the end of the block that the actor was started in (below us), or
 * of ourself. A checkpoint. 0; -ENOENT: not now; -EINVAL: that is our own name; -ECANCELED;
 * -ENOMEM, -EMFILE; -EPIPE: our parent is gone. */
BOUGH_MUST_CHECK int bough_actor_find(const char *name, struct bough_actor **ret_actor);
/* The same, waiting until there is one. */
BOUGH_MUST_CHECK int bough_actor_wait(const char *name, struct bough_actor **ret_actor);
/* Of what was found; no calls may be in flight on it. NULL is fine, and so is an actor of our own,
 * which is left as it is. */
void bough_actor_release(struct bough_actor *a);

/* --- calls --- */

/* Ask for 'operation' and wait for its reply, which is to be freed ('ret_reply' may be NULL). A
 * checkpoint. A cancel is handed on, and the call waits for what comes of it: a reply that won the
 * race is a reply. If an actor started here does not even acknowledge a cancel within its grace,
 * its loop is stuck, and it is killed. 0; the operation's failure; -ENOSYS: it has no such
 * operation; -EPIPE: it is stopping, and takes no more; -EOWNERDEAD: it is dead, or died;
 * -ECANCELED; -EMSGSIZE: more than 16 MiB; -ENOMEM. */
BOUGH_MUST_CHECK int bough_call(struct bough_actor *a, const char *operation,
                                struct bough_bytes request, struct bough_message *ret_reply);

/* --- dialogues --- */

/* A task over there and a stream of messages to and fro, for a block: it is entered when the
 * operation has called bough_call_started(), and at its end, however that comes, the operation is
 * cancelled if it still runs, and waited for. To let it end by itself, say so:
 * bough_dialogue_finish(), and receive to the end, or bough_dialogue_result().
 *
 *     bough_with_dialogue (d, feed, "watch", bough_text("EURUSD"), &rc) {
 *         struct bough_message m;
 *         while ((rc = bough_dialogue_receive(d, &m)) == 1) {
 *             printf("%s\n", (char *)m.data);
 *             bough_message_free(&m);
 *         }
 *     }
 *
 * 'd' is declared by the block, a struct bough_dialogue *. If it cannot be entered the body does
 * not run and *rc is why: as of bough_call(), or -EPROTO: the operation ended well without
 * bough_call_started(). An operation that fails while the body runs cancels the body; the error
 * comes out of the block. */
#define bough_with_dialogue(d, actor, operation, ... /* request, rc */)                            \
    for (struct bough_dialogue_block BOUGH_PASTE(bough_block_, d)                                  \
             BOUGH_CLEANUP(bough_dialogue_block_abandon),                                          \
         *BOUGH_PASTE(bough_open_, d) =                                                            \
             bough_dialogue_block_enter(&BOUGH_PASTE(bough_block_, d), actor, operation,           \
                                        __VA_ARGS__, BOUGH_SITE("bough_with_dialogue"));           \
         BOUGH_PASTE(bough_open_, d);                                                              \
         BOUGH_PASTE(bough_open_, d) = bough_dialogue_block_exit(&BOUGH_PASTE(bough_block_, d)))   \
        BOUGH_BLOCK_GUARD_(d)                                                                      \
    for (__attribute__((unused)) struct bough_dialogue *d =                                        \
             bough_dialogue_block_dialogue(&BOUGH_PASTE(bough_block_, d));                         \
         !BOUGH_PASTE(bough_block_, d).ended; BOUGH_PASTE(bough_block_, d).ended = true)

/* Both ends have these. A stream has a window of 256 KiB each way: send waits while that much is
 * under way and has not been received; a message that is larger than that counts as one window. One
 * task may send and one receive at a time (-EBUSY). All are checkpoints.
 *
 * Send a copy. 0; -EPIPE: the other end has ended, or receives no more; -EBADF: after
 * bough_dialogue_finish(); -EMSGSIZE; -ECANCELED: nothing was sent; -EOWNERDEAD; -EPROTO: a plain
 * call. */
BOUGH_MUST_CHECK int bough_dialogue_send(struct bough_dialogue *d, struct bough_bytes bytes);
/* The next message, which is to be freed. 1; 0: there are no more; -EOWNERDEAD; -ECANCELED: nothing
 * was taken. What was sent before the end or a failure is received first. */
BOUGH_MUST_CHECK int bough_dialogue_receive(struct bough_dialogue *d,
                                            struct bough_message *ret_message);
/* No more from this end: the other one gets what was sent, and then the end. Idempotent, and no
 * checkpoint. 0, -EOWNERDEAD. */
BOUGH_MUST_CHECK int bough_dialogue_finish(struct bough_dialogue *d);

/* For who has opened it. What the operation said when it started: good as long as the block. */
struct bough_bytes bough_dialogue_value(const struct bough_dialogue *d);
/* Wait for the operation's end and its reply; what it still sends is dropped. Finishes our end. 0,
 * and as bough_call(). Once: the second time the message is empty. */
BOUGH_MUST_CHECK int bough_dialogue_result(struct bough_dialogue *d,
                                           struct bough_message *ret_reply);
/* Cancel the operation: its outcome, cancelled, is then no error of the block. Not a checkpoint. */
void bough_dialogue_cancel(struct bough_dialogue *d, const char *reason);

/* --- seeing --- */

/* bough_tree_print(), and in it, below the block that owns them, the trees of all actors that were
 * started from here, asked for theirs; one that does not answer within a second is said to. A
 * checkpoint. 0, -ECANCELED, -ENOMEM. */
BOUGH_MUST_CHECK int bough_actor_tree_print(FILE *to);

/* A task that prints that to stderr whenever SIGUSR1 comes, until it is cancelled:
 * bough_nursery_start_service(n, bough_actor_tree_on_signal, NULL). */
BOUGH_MUST_CHECK int bough_actor_tree_on_signal(void *arg);

/* --- what the blocks are made of --- */

struct bough_actors {
    /* Private. */
    struct bough_nursery nursery; /* a keeper for each actor */
    struct bough_list members;    /* the actors */
    struct bough_list link;       /* among the blocks of the run */
    unsigned char state;          /* open, ending, closed */
};

struct bough_actors_block {
    struct bough_actors actors;
    int *rc;
    bool ended;
};
struct bough_actors_block *bough_actors_block_enter(struct bough_actors_block *b, int *rc,
                                                    const struct bough_site *site);
struct bough_actors_block *bough_actors_block_exit(struct bough_actors_block *b);
void bough_actors_block_abandon(struct bough_actors_block *b);

struct bough_dialogue_block {
    struct bough_dialogue *dialogue; /* NULL once it is closed */
    struct bough_scope scope;        /* around the body */
    int *rc;
    bool ended;
};
struct bough_dialogue_block *bough_dialogue_block_enter(struct bough_dialogue_block *b,
                                                        struct bough_actor *actor,
                                                        const char *operation,
                                                        struct bough_bytes request, int *rc,
                                                        const struct bough_site *site);
struct bough_dialogue_block *bough_dialogue_block_exit(struct bough_dialogue_block *b);
void bough_dialogue_block_abandon(struct bough_dialogue_block *b);
static inline struct bough_dialogue *bough_dialogue_block_dialogue(struct bough_dialogue_block *b)
{
    return b->dialogue;
}

/* The constructors of the program, and which of them this is: see BOUGH_ACTOR. The symbols are the
 * linker's; a shared library has none, they are NULL there. */
typedef void bough_constructor_fn(int argc, char **argv, char **envp);
struct bough_constructors {
    bough_constructor_fn *const *start, *const *end;
    bough_constructor_fn *self;
    int argc;
    char **argv, **envp;
};
extern bough_constructor_fn *const __init_array_start[] __attribute__((weak, visibility("hidden")));
extern bough_constructor_fn *const __init_array_end[] __attribute__((weak, visibility("hidden")));
void bough_actor_type_register(struct bough_actor_type *type,
                               const struct bough_constructors *constructors);

BOUGH_END_DECLS
