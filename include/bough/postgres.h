/* PostgreSQL from tasks; a library of its own, bough-postgres, on libpq.
 *
 *     #include <libpq-fe.h>
 *     #include <bough/postgres.h>
 *
 *     static int rename_user(struct bough_postgres *p, const char *id, const char *name)
 *     {
 *         const char *values[] = {name, id};
 *         struct pg_result *result;
 *         int rc = bough_postgres_query(
 *             p, "UPDATE users SET name = $1 WHERE id = $2 RETURNING old", 2, values, &result);
 *         if (rc < 0)
 *             return rc;                                  // the detail has SQLSTATE and message
 *         for (int i = 0; i < PQntuples(result); i++)
 *             printf("%s\n", PQgetvalue(result, i, 0));
 *         PQclear(result);
 *         return 0;
 *     }
 *
 *     static int work(void *arg)
 *     {
 *         struct bough_postgres *p;
 *         int rc = bough_postgres_connect("host=db.example.org dbname=shop user=clerk", &p);
 *         if (rc < 0)
 *             return rc;
 *         bough_fail_after (5 * BOUGH_SEC, &rc)
 *             rc = rename_user(p, "42", "Ada");
 *         bough_postgres_close(p);
 *         return rc;
 *     }
 *
 * Results are libpq's own (PGresult is a struct pg_result): read them with its functions, and
 * PQclear() them.
 *
 * A connection does one thing at a time: -EBUSY for a second task. For several at once open
 * several, or send a pipeline.
 *
 * Cancelling: the server is told to stop (by PQcancel() in a worker thread), and what still comes
 * is read and dropped, so that the connection can be used again; an open transaction has failed
 * then, and waits for its ROLLBACK. If that cannot be done within 5 seconds, or the query was only
 * half sent, the connection is broken. Either way the result is -ECANCELED. Nobody knows whether
 * the query was done just before.
 *
 * All calls that wait are checkpoints. A connection that is broken (-EPIPE) stays so, and is only
 * good for closing. All of it belongs to the thread of the run. Link with pkg-config's
 * bough-postgres.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */
struct bough_postgres;

/* --- connections --- */

/* Connect; 'conninfo' is libpq's: "host=... dbname=...", or "postgresql://...". What it leaves out
 * comes from the environment. Host names are resolved by bough_resolve(), and all their addresses
 * tried in turn (a name from a service file would be libpq's to resolve, which blocks the run). 0;
 * -EINVAL: conninfo makes no sense; -ENOENT: no such host; -ECONNREFUSED: nobody answers, or not
 * with what we can accept; -EACCES: user or password are not good; -ECANCELED; -ENOMEM. The detail
 * says more. */
BOUGH_MUST_CHECK int bough_postgres_connect(const char *conninfo, struct bough_postgres **ret);

/* Say goodbye and close. No task may be in it (panics). NULL is fine. Does not block. */
void bough_postgres_close(struct bough_postgres *p);

/* libpq's handle, for all that does not wait: PQescapeLiteral(), PQparameterStatus(),
 * PQsetNoticeProcessor() ... */
struct pg_conn *bough_postgres_handle(struct bough_postgres *p);

/* --- queries --- */

/* Run a query with 'count' values for $1, $2, ..., as text; NULL is NULL. Without values it may be
 * several statements with semicolons between: the result is that of the last. *ret_result is to be
 * cleared by PQclear(); NULL for 'ret_result': not wanted.
 *
 * 0; < 0: it failed, the detail begins with its SQLSTATE, and the result is for its class:
 *   -EINVAL     a mistake in the query, or in the data for it (42, 22), or not as many values as
 *               it has (08P01)
 *   -EACCES     not allowed (28, 42501)
 *   -EEXIST     it is there already (23505)        -EREMOTEIO  other constraints (23), and all else
 *   -EAGAIN     the transaction lost against another, try again (40); too many connections (53300)
 *   -ETIMEDOUT  stopped by the server's own limit, or by somebody else (57014)
 *   -EPIPE      the connection is gone
 *   -ENOTSUP    it is a COPY from or to the client; the connection is broken then
 *   -EBUSY, -ECANCELED, -ENOMEM */
BOUGH_MUST_CHECK int bough_postgres_query(struct bough_postgres *p, const char *sql, int count,
                                          const char *const *values, struct pg_result **ret_result);

/* Called with a result of one row; it may wait. 0: go on; other: stop. */
typedef int bough_postgres_row_fn(const struct pg_result *row, void *arg);

/* The same for a result that is too large to be had at once: fn(row, arg) for each row as it comes.
 * When fn does not return 0 the query is stopped like by a cancel, and what it returned is the
 * result. 0: all rows were seen. */
BOUGH_MUST_CHECK int bough_postgres_rows(struct bough_postgres *p, const char *sql, int count,
                                         const char *const *values, bough_postgres_row_fn *fn,
                                         void *arg);

/* SQLSTATE of the last failure that the server told of, "42P01"; "" if there was none. */
const char *bough_postgres_sqlstate(const struct bough_postgres *p);

/* --- pipelines --- */

struct bough_postgres_command {
    const char *sql; /* one statement */
    int count;       /* of values */
    const char *const *values;
    struct pg_result *result; /* set on success, to be cleared by PQclear() */
};

/* Send all commands at once and then get all results: one round trip for all. They are one
 * transaction, unless they begin their own. 0; < 0: the first that failed, as above; nothing of it
 * has been done then (after -EPIPE, -ENOTSUP and -ECANCELED nobody knows), and no result is set. */
BOUGH_MUST_CHECK int bough_postgres_pipeline(struct bough_postgres *p,
                                             struct bough_postgres_command *commands,
                                             unsigned count);

/* --- notifications --- */

struct bough_postgres_notification {
    const char *channel, *payload;
    int sender; /* the server's process for who sent it */
};

/* LISTEN to a channel, whatever characters its name has. */
BOUGH_MUST_CHECK int bough_postgres_listen(struct bough_postgres *p, const char *channel);

/* The next notification, in order, waiting for it; those that came during queries are kept. It is
 * good until the next call. 1; -EPIPE; -EBUSY; -ECANCELED: none was taken. */
BOUGH_MUST_CHECK int bough_postgres_receive(struct bough_postgres *p,
                                            struct bough_postgres_notification *ret_notification);

BOUGH_END_DECLS
