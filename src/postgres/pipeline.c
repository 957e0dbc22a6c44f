/* Pipelines: many commands, one round trip.
 *
 * All commands and the end mark (sync) are put into libpq's buffer first, so that whatever happens
 * then the server ends at the mark. The results come command by command, each followed by NULL, and
 * then the mark's own.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "bough/error.h"
#include "postgres/connection.h"

static int put_all(struct bough_postgres *p, const struct bough_postgres_command *commands,
                   unsigned count)
{
    int put = PQenterPipelineMode(p->conn);
    for (unsigned i = 0; i < count && put; i++)
        put = PQsendQueryParams(p->conn, commands[i].sql, commands[i].count, NULL,
                                commands[i].values, NULL, NULL, 0);
    if (put)
        put = PQpipelineSync(p->conn);
    if (put)
        return 0;
    p->broken = true; /* half a pipeline cannot be taken back */
    return bough__postgres_fail(p, PQstatus(p->conn) == CONNECTION_OK ? -ENOMEM : -EPIPE);
}

/* All results of one command, of which the last is kept. */
static int get_one(struct bough_postgres *p, PGresult **kept, int *failed)
{
    PGresult *result;
    int rc;
    while ((rc = bough__postgres_result(p, &result)) == 0 && result) {
        ExecStatusType status = PQresultStatus(result);
        PQclear(*kept);
        *kept = result;
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
            p->broken = true;
            return bough_fail_text(-ENOTSUP, "COPY from or to the client is not supported");
        }
        if (*failed == 0 && (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE))
            *failed = bough__postgres_refused(p, result);
        if (p->broken)
            return *failed;
    }
    return rc;
}

static int get_all(struct bough_postgres *p, struct bough_postgres_command *commands,
                   unsigned count)
{
    PGresult *mark = NULL;
    int failed = 0, rc = bough__postgres_flush(p);
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = get_one(p, &commands[i].result, &failed);
    if (rc == 0)
        rc = get_one(p, &mark, &failed);
    PQclear(mark);
    if (rc == 0 && !PQexitPipelineMode(p->conn)) {
        p->broken = true;
        rc = bough__postgres_fail(p, -EPROTO);
    }
    return rc < 0 ? rc : failed;
}

int bough_postgres_pipeline(struct bough_postgres *p, struct bough_postgres_command *commands,
                            unsigned count)
{
    int rc = bough__postgres_enter(p);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < count; i++) {
        commands[i].result = NULL;
        rc = rc < 0 ? rc : bough__postgres_check_count(commands[i].count);
    }
    if (rc == 0)
        rc = put_all(p, commands, count);
    if (rc == 0)
        rc = get_all(p, commands, count);
    if (rc == -ECANCELED)
        bough__postgres_stop(p);
    for (unsigned i = 0; i < count && rc < 0; i++) {
        PQclear(commands[i].result);
        commands[i].result = NULL;
    }
    bough__postgres_leave(p);
    return rc;
}
