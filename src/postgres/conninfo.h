/* Where to connect to, inside bough-postgres.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <libpq-fe.h>

enum { CONNINFO_MOST = 64 };

/* Keywords and values for PQconnectStartParams(), with host names resolved. */
struct bough__conninfo {
    PQconninfoOption *options;
    const char *keywords[CONNINFO_MOST + 1], *values[CONNINFO_MOST + 1];
    char *hosts, *addresses, *ports; /* lists with commas, when there were names to resolve */
};

/* The size of a message of libpq, without the line's end. */
int bough__postgres_length(const char *message);

/* A checkpoint if there is a name to resolve. 0, -EINVAL, -ENOMEM, what bough_resolve() says. To be
 * closed on every path. */
int bough__conninfo_open(struct bough__conninfo *info, const char *text);
void bough__conninfo_close(struct bough__conninfo *info);
