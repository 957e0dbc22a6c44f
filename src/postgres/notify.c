/* Notifications: LISTEN, and what comes of it.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bough/error.h"
#include "postgres/connection.h"

int bough_postgres_listen(struct bough_postgres *p, const char *channel)
{
    char *name = PQescapeIdentifier(p->conn, channel, strlen(channel)), *sql = NULL;
    if (!name)
        return bough__postgres_fail(p, -EINVAL);
    int rc = asprintf(&sql, "LISTEN %s", name) < 0 ? -ENOMEM : 0;
    PQfreemem(name);
    if (rc < 0)
        return bough_fail_text(rc, "no memory for a query");
    rc = bough_postgres_query(p, sql, 0, NULL, NULL);
    free(sql);
    return rc;
}

static int next(struct bough_postgres *p)
{
    PGnotify *notification;
    while (!(notification = PQnotifies(p->conn))) {
        int rc = bough__postgres_read(p);
        if (rc < 0)
            return rc;
    }
    PQfreemem(p->notification);
    p->notification = notification;
    return 1;
}

int bough_postgres_receive(struct bough_postgres *p,
                           struct bough_postgres_notification *ret_notification)
{
    int rc = bough__postgres_enter(p);
    if (rc < 0)
        return rc;
    rc = next(p);
    bough__postgres_leave(p);
    if (rc == 1)
        *ret_notification = (struct bough_postgres_notification){
            p->notification->relname, p->notification->extra, p->notification->be_pid};
    return rc;
}
