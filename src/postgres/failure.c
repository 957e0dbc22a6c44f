/* Failures of PostgreSQL, as results.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bough/error.h"
#include "postgres/connection.h"
#include "postgres/conninfo.h"

static const struct {
    const char *prefix; /* of SQLSTATE; the first that fits counts */
    int code;
} meanings[] = {
    {"08P01", -EINVAL}, /* not as many values as the query has */
    {"22", -EINVAL},    {"23505", -EEXIST}, {"28", -EACCES},    {"40", -EAGAIN},
    {"42501", -EACCES}, {"42", -EINVAL},    {"53300", -EAGAIN}, {"57014", -ETIMEDOUT},
};

static int code_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].code;
    return -EREMOTEIO;
}

int bough__postgres_fail(struct bough_postgres *p, int code)
{
    const char *message = PQerrorMessage(p->conn);
    return bough_fail(code, "PostgreSQL: %.*s", bough__postgres_length(message), message);
}

/* Not in the server's language, unlike PG_DIAG_SEVERITY. */
static bool is_fatal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

int bough__postgres_refused(struct bough_postgres *p, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || !message) { /* libpq's own */
        p->broken |= PQstatus(p->conn) != CONNECTION_OK;
        message = PQresultErrorMessage(result);
        return bough_fail(p->broken ? -EPIPE : -EREMOTEIO, "PostgreSQL: %.*s",
                          bough__postgres_length(message), message);
    }
    /* It says so before it goes. Its class does not tell: also the connections of a foreign table
     * have 08, and ours goes on when they have failed. */
    p->broken |= is_fatal(result);
    int code = p->broken ? -EPIPE : code_of(state);
    const char *more = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    snprintf(p->sqlstate, sizeof(p->sqlstate), "%s", state);
    return bough_fail(code, "SQLSTATE %s: %s%s%s", state, message, more ? "; " : "",
                      more ? more : "");
}

int bough__postgres_check_count(int count)
{
    if (count >= 0 && count <= UINT16_MAX)
        return 0;
    return bough_fail(-EINVAL, "PostgreSQL: a query has 0 to %d values, not %d", UINT16_MAX, count);
}

const char *bough_postgres_sqlstate(const struct bough_postgres *p)
{
    return p->sqlstate;
}
