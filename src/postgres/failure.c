/* Failures of PostgreSQL, as results.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "bough/error.h"
#include "postgres/connection.h"

static const struct {
    const char *prefix; /* of SQLSTATE; the first that fits counts */
    int code;
} meanings[] = {
    {"08", -EPIPE},     {"22", -EINVAL}, {"23505", -EEXIST}, {"28", -EACCES},       {"40", -EAGAIN},
    {"42501", -EACCES}, {"42", -EINVAL}, {"53300", -EAGAIN}, {"57014", -ETIMEDOUT}, {"57P", -EPIPE},
};

static int code_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].code;
    return -EREMOTEIO;
}

/* libpq's messages end with a line's end. */
static int length_of(const char *message)
{
    size_t length = strlen(message);
    while (length && (message[length - 1] == '\n' || message[length - 1] == ' '))
        length--;
    return (int)length;
}

int bough__postgres_fail(struct bough_postgres *p, int code)
{
    const char *message = PQerrorMessage(p->conn);
    return bough_fail(code, "PostgreSQL: %.*s", length_of(message), message);
}

int bough__postgres_refused(struct bough_postgres *p, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || !message) { /* libpq's own */
        p->broken |= PQstatus(p->conn) != CONNECTION_OK;
        message = PQresultErrorMessage(result);
        return bough_fail(p->broken ? -EPIPE : -EREMOTEIO, "PostgreSQL: %.*s", length_of(message),
                          message);
    }
    int code = code_of(state);
    p->broken |= code == -EPIPE; /* and says so, before it goes */
    const char *more = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    snprintf(p->sqlstate, sizeof(p->sqlstate), "%s", state);
    return bough_fail(code, "SQLSTATE %s: %s%s%s", state, message, more ? "; " : "",
                      more ? more : "");
}

const char *bough_postgres_sqlstate(const struct bough_postgres *p)
{
    return p->sqlstate;
}
