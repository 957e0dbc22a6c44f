/* A connection to PostgreSQL, inside bough-postgres.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <libpq-fe.h>

#include "bough/postgres.h"

struct bough_postgres {
    PGconn *conn;
    bool busy;   /* a task is in it */
    bool broken; /* good for nothing but closing */
    char sqlstate[6];
    PGnotify *notification; /* the last that was received */
};

/* Begin and end something with it: one task at a time. 0, -EBUSY, -EPIPE, -ECANCELED. */
int bough__postgres_enter(struct bough_postgres *p);
void bough__postgres_leave(struct bough_postgres *p);

/* Send what libpq has in its buffer, and read meanwhile. */
int bough__postgres_flush(struct bough_postgres *p);

/* Wait until there is something to read, and give it to libpq. */
int bough__postgres_read(struct bough_postgres *p);

/* The next result; NULL: the end of those of one query. */
int bough__postgres_result(struct bough_postgres *p, PGresult **ret_result);

/* Make the server stop what it does, and get ready for the next query: or break. Takes 5 seconds at
 * most, and feels no cancel. */
void bough__postgres_stop(struct bough_postgres *p);

/* How many values a query has: 0, or -EINVAL if that cannot be. */
int bough__postgres_check_count(int count);

/* Record what libpq says of the connection; its last message. */
int bough__postgres_fail(struct bough_postgres *p, int code);
/* Record what the server says in a result that is a failure. */
int bough__postgres_refused(struct bough_postgres *p, const PGresult *result);
