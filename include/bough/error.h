/* Errors: an int that flows up, and behind it a tree that tells the story.
 *
 *     if (connect(...) < 0)
 *         return bough_fail(-errno, "cannot reach %s", name);
 *     ...
 *     rc = serve();                          // a nursery inside: may fail in several ways at once
 *     if (bough_catch(&rc, -ECONNRESET))     // like except*: takes that kind out, wherever it is
 *         reconnect = true;
 *     if (rc < 0)
 *         bough_error_print(bough_error_last(), stderr);
 *
 * A result is >= 0 for success or < 0 for an error, a negated errno:
 *
 *     -ECANCELED   a scope around us is cancelled      -EPIPE       the peer or other side is gone
 *     -ETIMEDOUT   its time was up                     -EOWNERDEAD  a process or lock owner died
 *     -EAGAIN      would block                         -EPROTO      a callee broke the protocol
 *     -EBUSY       two tasks in one resource           -EDEADLK     no task can ever run again
 *     -EBADF       you closed it                       -BOUGH_EGROUP several errors at once
 *                                                      -BOUGH_ERESTART a supervisor gave up
 *
 * The tree belongs to the task: it keeps the last few failures, and what takes an int that is one
 * of them (a nursery, a scope, bough_catch, bough_keep) takes its tree along. So the int alone is
 * passed on, as in any C program. One real leaf: the int is that leaf's code, also when cancels
 * stand beside it. Several: -BOUGH_EGROUP, so that code written for one error cannot silently drop
 * the others.
 *
 * If memory is out the code still arrives, without the detail. Nothing here blocks. Outside a run
 * the errors are kept per thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <stdio.h>

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

/* Several errors at once; and a supervisor that has restarted too often. Outside the range of
 * errno. */
#define BOUGH_EGROUP 4097
#define BOUGH_ERESTART 4098

/* A leaf, or a group of errors. Opaque; read it with the functions below. */
struct bough_error;

/* Record what went wrong, with a message, this place and the running task, and return 'code',
 * which is negative: return bough_fail(-EINVAL, "bad port %d", port); */
int bough_fail(int code, const char *fmt, ...) BOUGH_PRINTF(2, 3);
#define bough_fail(code, ...) bough_fail_at(code, BOUGH_SITE(__func__), __VA_ARGS__)
int bough_fail_at(int code, const struct bough_site *site, const char *fmt, ...) BOUGH_PRINTF(3, 4);

/* The same for a fixed text, which must live for ever: allocates nothing, so it may be used on hot
 * paths. What the library's own calls fail with. */
int bough_fail_text(int code, const char *text);

/* Like except*: if the error *rc (or any leaf of the group) has 'code', which is negative, take
 * those leaves out, leave the rest in *rc (0 when nothing is left) and return true. */
bool bough_catch(int *rc, int code);

/* Join the result of cleanup to the result so far: rc = bough_keep(rc, close_it()). A real error is
 * never replaced by a cancel or by a later error; both are kept in the tree. Two real errors are
 * -BOUGH_EGROUP. If neither is an error, 'rc'. */
BOUGH_MUST_CHECK int bough_keep(int rc, int cleanup_rc);

/* For what hands one failure to several tasks, such as an exit pool: record that 'code' failed
 * elsewhere and is reported there, and return it; later take that record out again, like
 * bough_catch(), wherever it has got to in *rc. True if it was there: the failure was passed on. */
int bough_echo(int code);
int bough_error_echo(int rc); /* the failure that was just recorded here is such a one */
bool bough_catch_echo(int *rc, int code);

/* The same across runs: is a leaf a record of that kind, to be told along with it; and mark one
 * that was read of a message, 'by' being what stands for who is to report it. That record is taken
 * out by bough_catch_echo_by() only, for the same 'by', once that has reported. */
bool bough_error_is_echo(const struct bough_error *leaf);
void bough_error_mark_echo(struct bough_error *leaf, const void *by); /* NULL leaf is fine */
bool bough_catch_echo_by(int *rc, const void *by);

/* To carry the failure 'rc' to another task or thread: take its record out of here (NULL: there is
 * none), give it there to the running task. Attaching returns the code; 'e' may be NULL, and is no
 * longer yours. One that is not attached has to be freed. */
struct bough_error *bough_error_detach(int rc);
int bough_error_attach(struct bough_error *e, int rc);
void bough_error_free(struct bough_error *e); /* NULL is fine */

/* For failures that come from elsewhere, in a message: make a leaf of what was read of it there
 * (all texts are copied, "" is none), and join what came together. Neither blocks; joining takes
 * both over and cannot fail, either may be NULL. NULL: no memory. */
struct bough_error *bough_error_new(int code, const char *message, const char *file, int line,
                                    const char *task);
struct bough_error *bough_error_join(struct bough_error *a, struct bough_error *b);

/* Forget all failures that this task, or outside a run this thread, remembers. For threads that
 * end. */
void bough_error_clear(void);

/* The tree of the last failed call of this task; NULL if there is none, or no memory. It lives
 * until the task's next failure. */
const struct bough_error *bough_error_last(void);

/* Like a good traceback: each leaf with its message, place and the path of tasks it came through;
 * for a cancel its reason. NULL prints that there is no detail. */
void bough_error_print(const struct bough_error *e, FILE *to);

/* What a leaf or group says. For a group: the code as an int would carry it, no message, no place.
 * NULL, as from bough_error_last(), is no error, without words: 0, "", no place. */
int bough_error_code(const struct bough_error *e);
const char *bough_error_message(const struct bough_error *e);
const char *bough_error_file(const struct bough_error *e);
int bough_error_line(const struct bough_error *e);
const char *bough_error_task(const struct bough_error *e); /* "main/server/conn-3" */

/* The members of a group: the first one, then the next until NULL. NULL for a leaf. */
const struct bough_error *bough_error_first(const struct bough_error *group);
const struct bough_error *bough_error_next(const struct bough_error *member);

/* The first leaf with 'code', or NULL: what bough_catch() would take out, to be read before.
 *     printf("%s\n", bough_error_message(bough_error_find(bough_error_last(), -EPIPE))); */
const struct bough_error *bough_error_find(const struct bough_error *e, int code);

/* How many leaves have 'code' (0: all). */
unsigned bough_error_count(const struct bough_error *e, int code);

/* "Connection reset by peer"; also for the codes of this library, and "no error" for what is none.
 * Static. */
const char *bough_error_name(int code);

BOUGH_END_DECLS
