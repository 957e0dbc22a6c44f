/* A connection to PostgreSQL: libpq does the talking, we do the waiting.
 *
 * libpq closes and opens sockets as it likes, with numbers that may be the same, so the run is told
 * to forget the number whenever that may have happened.
 * SPDX-License-Identifier: MIT */
#include "postgres/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bough/error.h"
#include "bough/io.h"
#include "bough/panic.h"
#include "bough/scope.h"
#include "bough/thread.h"
#include "bough/wait.h"
#include "postgres/conninfo.h"

#define STOP_WITHIN (5 * BOUGH_SEC)
#define STOP_AGAIN (250 * BOUGH_MS)

/* --- one task at a time --- */

int bough__postgres_enter(struct bough_postgres *p)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (p->busy)
        return bough_fail_text(-EBUSY, "another task uses this connection to PostgreSQL");
    if (p->broken)
        return bough_fail_text(-EPIPE, "this connection to PostgreSQL is broken");
    p->busy = true;
    return 0;
}

void bough__postgres_leave(struct bough_postgres *p)
{
    p->busy = false;
    bough_passed();
}

/* --- waiting --- */

/* libpq has said that it cannot go on; it may have closed its socket, which was 'fd'. */
static int lost(struct bough_postgres *p, int fd)
{
    p->broken = true;
    if (PQsocket(p->conn) != fd)
        bough_notify_closing(fd);
    return bough__postgres_fail(p, -EPIPE);
}

int bough__postgres_read(struct bough_postgres *p)
{
    int fd = PQsocket(p->conn);
    int rc = bough_wait_readable(fd);
    if (rc < 0)
        return rc;
    return PQconsumeInput(p->conn) ? 0 : lost(p, fd);
}

/* Readable or writable: an epoll set is a descriptor that can be waited for. */
static int wait_for_either(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0) {
        int rc = bough_fail(-errno, "cannot wait for PostgreSQL");
        if (set >= 0)
            close(set);
        return rc;
    }
    int rc = bough_wait_readable(set);
    bough_notify_closing(set);
    close(set);
    return rc;
}

/* A server that cannot send may not receive either, so what comes has to be read. */
int bough__postgres_flush(struct bough_postgres *p)
{
    int left;
    while ((left = PQflush(p->conn)) != 0) {
        int fd = PQsocket(p->conn);
        if (left < 0)
            return lost(p, fd);
        int rc = wait_for_either(fd);
        if (rc < 0) {
            p->broken = true; /* half a message */
            return rc;
        }
        if (!PQconsumeInput(p->conn))
            return lost(p, fd);
    }
    return 0;
}

int bough__postgres_result(struct bough_postgres *p, PGresult **ret_result)
{
    while (PQisBusy(p->conn)) {
        int rc = bough__postgres_read(p);
        if (rc < 0)
            return rc;
    }
    *ret_result = PQgetResult(p->conn);
    return 0;
}

/* --- stopping --- */

static int cancel_in_thread(void *arg)
{
    char text[256];
    return PQcancel(arg, text, sizeof(text)) ? 0 : -EPIPE;
}

static void drop_cancel(void *arg)
{
    PQfreeCancel(arg);
}

/* libpq of before 17 can only block in this. If the thread hangs it is left behind. */
static int ask_to_stop(struct bough_postgres *p)
{
    struct bough_thread_options options = {
        .abandon = true, .drop = drop_cancel, .what = "PostgreSQL to take a cancel"};
    PGcancel *cancel = PQgetCancel(p->conn);
    if (!cancel)
        return -ENOMEM;
    int rc = bough_thread_run_with(&options, cancel_in_thread, cancel);
    if (rc != -ECANCELED)
        PQfreeCancel(cancel);
    return rc;
}

static bool is_copy(ExecStatusType status)
{
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

static int finish_pipeline(struct bough_postgres *p)
{
    bool on = PQpipelineStatus(p->conn) != PQ_PIPELINE_OFF;
    return on && !PQexitPipelineMode(p->conn) ? -EPIPE : 0;
}

/* Read until nothing more will come: in a pipeline one NULL is the end of a command, and two are
 * the end of all. May be called again after a cancel. */
static int drain(struct bough_postgres *p)
{
    int ends = 0, enough = PQpipelineStatus(p->conn) == PQ_PIPELINE_OFF ? 1 : 2;
    int rc = bough__postgres_flush(p);
    while (rc == 0 && ends < enough) {
        PGresult *result;
        rc = bough__postgres_result(p, &result);
        if (rc < 0)
            return rc;
        ends = result ? 0 : ends + 1;
        if (is_copy(PQresultStatus(result)) || PQstatus(p->conn) != CONNECTION_OK)
            rc = -EPIPE;
        PQclear(result);
    }
    return rc < 0 ? rc : finish_pipeline(p);
}

/* A cancel that comes before the server has begun with the query has no effect, so it is asked
 * again. */
void bough__postgres_stop(struct bough_postgres *p)
{
    int rc = 0;
    bool clean = PQtransactionStatus(p->conn) != PQTRANS_ACTIVE &&
                 PQpipelineStatus(p->conn) == PQ_PIPELINE_OFF;
    bough_shielded (STOP_WITHIN, &rc) {
        while (rc == 0 && !clean && !p->broken) {
            rc = ask_to_stop(p);
            if (rc == 0) {
                bough_move_on_after (STOP_AGAIN, &rc) {
                    rc = drain(p);
                    clean = rc == 0;
                }
            }
        }
    }
    p->broken |= !clean;
}

/* --- connecting --- */

static int wait_for_poll(struct bough_postgres *p, PostgresPollingStatusType wanted)
{
    int fd = PQsocket(p->conn);
    int rc = wanted == PGRES_POLLING_READING ? bough_wait_readable(fd) : bough_wait_writable(fd);
    bough_notify_closing(fd); /* the next step may close it */
    return rc;
}

static bool is_refusal(const char *message)
{
    if (strstr(message, "expected authentication request")) /* it is no PostgreSQL */
        return false;
    return strstr(message, "authentication") || strstr(message, "password") ||
           strstr(message, "no pg_hba.conf entry") || strstr(message, "role \"");
}

/* Of a value that no option can have, said before anybody is asked. */
static bool is_nonsense(const char *message)
{
    return strncmp(message, "invalid ", strlen("invalid ")) == 0;
}

static int connect_failed(struct bough_postgres *p)
{
    /* PQconnectPoll() keeps no SQLSTATE. */
    const char *message = PQerrorMessage(p->conn);
    int code = is_nonsense(message) ? -EINVAL : is_refusal(message) ? -EACCES : -ECONNREFUSED;
    return bough__postgres_fail(p, code);
}

static int connect_now(struct bough_postgres *p)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    if (PQstatus(p->conn) == CONNECTION_BAD)
        return connect_failed(p);
    while (status != PGRES_POLLING_OK) {
        int rc = wait_for_poll(p, status);
        if (rc < 0)
            return rc;
        status = PQconnectPoll(p->conn);
        if (status == PGRES_POLLING_FAILED)
            return connect_failed(p);
    }
    if (PQsetnonblocking(p->conn, 1) != 0)
        return bough__postgres_fail(p, -ENOMEM);
    return 0;
}

static int connect_to(struct bough_postgres *p, const struct bough__conninfo *info)
{
    p->conn = PQconnectStartParams(info->keywords, info->values, 0);
    if (!p->conn)
        return bough_fail_text(-ENOMEM, "no memory for a connection to PostgreSQL");
    return connect_now(p);
}

int bough_postgres_connect(const char *conninfo, struct bough_postgres **ret)
{
    struct bough__conninfo info;
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    struct bough_postgres *p = calloc(1, sizeof(*p));
    if (!p)
        return bough_fail_text(-ENOMEM, "no memory for a connection to PostgreSQL");
    rc = bough__conninfo_open(&info, conninfo);
    if (rc == 0)
        rc = connect_to(p, &info);
    bough__conninfo_close(&info);
    if (rc < 0) {
        bough_postgres_close(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void bough_postgres_close(struct bough_postgres *p)
{
    if (!p)
        return;
    if (p->busy)
        bough_panic("a struct bough_postgres is closed while a task is in it");
    if (p->conn && PQsocket(p->conn) >= 0)
        bough_notify_closing(PQsocket(p->conn));
    PQfreemem(p->notification);
    PQfinish(p->conn);
    free(p);
}

struct pg_conn *bough_postgres_handle(struct bough_postgres *p)
{
    return p->conn;
}
