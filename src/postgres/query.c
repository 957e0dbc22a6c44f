/* Queries and their rows.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "postgres/connection.h"

static bool is_copy(ExecStatusType status)
{
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* 0: the result is a good one. */
static int check(struct bough_postgres *p, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (is_copy(status)) {
        p->broken = true;
        return bough_fail_text(-ENOTSUP, "COPY from or to the client is not supported");
    }
    if (status == PGRES_BAD_RESPONSE || status == PGRES_FATAL_ERROR)
        return bough__postgres_refused(p, result);
    return 0;
}

static int begin(struct bough_postgres *p, const char *sql, int count, const char *const *values)
{
    int rc = bough__postgres_check_count(count);
    if (rc < 0)
        return rc;
    /* The simple protocol alone takes several statements. */
    int sent = count ? PQsendQueryParams(p->conn, sql, count, NULL, values, NULL, NULL, 0)
                     : PQsendQuery(p->conn, sql);
    if (!sent)
        return bough__postgres_fail(p, PQstatus(p->conn) == CONNECTION_OK ? -ENOMEM : -EPIPE);
    return 0;
}

/* The last result, or the first failure; and all that comes after it, so that the connection is
 * ready for the next. */
static int collect(struct bough_postgres *p, PGresult **ret_result)
{
    PGresult *kept = NULL, *result;
    int rc = bough__postgres_flush(p), failed = 0;
    while (rc == 0 && !p->broken) {
        rc = bough__postgres_result(p, &result);
        if (rc < 0 || !result)
            break;
        PQclear(kept);
        kept = result;
        if (failed == 0)
            failed = check(p, result);
    }
    rc = rc < 0 ? rc : failed;
    if (rc < 0) {
        PQclear(kept);
        return rc;
    }
    *ret_result = kept;
    return 0;
}

int bough_postgres_query(struct bough_postgres *p, const char *sql, int count,
                         const char *const *values, struct pg_result **ret_result)
{
    PGresult *result = NULL;
    int rc = bough__postgres_enter(p);
    if (rc < 0)
        return rc;
    rc = begin(p, sql, count, values);
    if (rc == 0)
        rc = collect(p, &result);
    if (rc == -ECANCELED)
        bough__postgres_stop(p);
    bough__postgres_leave(p);
    if (rc < 0)
        return rc;
    if (ret_result)
        *ret_result = result;
    else
        PQclear(result);
    return 0;
}

/* --- row by row --- */

static int see_all(struct bough_postgres *p, bough_postgres_row_fn *fn, void *arg)
{
    PGresult *result;
    int rc = bough__postgres_flush(p), failed = 0;
    while (rc == 0 && !p->broken) {
        rc = bough__postgres_result(p, &result);
        if (rc < 0 || !result)
            break;
        if (failed == 0)
            failed = check(p, result);
        if (failed == 0 && PQresultStatus(result) == PGRES_SINGLE_TUPLE)
            rc = fn(result, arg);
        PQclear(result);
    }
    return rc != 0 ? rc : failed;
}

int bough_postgres_rows(struct bough_postgres *p, const char *sql, int count,
                        const char *const *values, bough_postgres_row_fn *fn, void *arg)
{
    int rc = bough__postgres_enter(p);
    if (rc < 0)
        return rc;
    rc = begin(p, sql, count, values);
    if (rc == 0) {
        PQsetSingleRowMode(p->conn);
        rc = see_all(p, fn, arg);
        if (rc != 0)
            bough__postgres_stop(p); /* does nothing if the server has ended it */
    }
    bough__postgres_leave(p);
    return rc;
}
