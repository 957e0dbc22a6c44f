/* An exit pool, and an exit stack: a number of managers that is only known at run time.
 *
 *     ./exit_pool [COUNT]             connections to begin with; default 5
 *
 * The pool: COUNT connections are entered in parallel, their values are in the order in which they
 * were asked for, two more are added while the body runs, and all are exited in parallel. The
 * stack: managers and cleanup functions one by one, as if the blocks were nested. The last one in
 * is the first out, and each may see, replace or suppress the error; one is disarmed, and what is
 * left moves to another owner.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bough.h>

#include "peer.h"

enum { MOST = 1000 };

/* --- the server, in a process of its own: it numbers its connections, and takes its time --- */

static int number(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    static int connections;
    char line[32];
    int mine = ++connections;
    (void)arg;
    /* The later it came the sooner it is served: so they come up in another order than they were
     * asked for. */
    int rc = bough_sleep(100 * BOUGH_MS + 100 * BOUGH_MS / mine);
    int size = snprintf(line, sizeof(line), "%d\n", mine);
    if (rc == 0)
        rc = bough_stream_send_all(s, line, (size_t)size);
    return rc == 0 ? peer_read_line(s, line, sizeof(line)) : rc; /* until the client goes */
}

/* --- a connection, as a manager --- */

struct connection {
    unsigned port;
    int slot;   /* the place that it was asked for */
    int number; /* that the server gave it */
    bool quiet;
};

static int greeting(struct bough_stream *s, int *ret_number)
{
    char line[32];
    int rc = peer_read_line(s, line, sizeof(line));
    if (rc <= 0)
        return rc < 0 ? rc : bough_fail(-EPIPE, "the server has gone");
    *ret_number = atoi(line);
    return 0;
}

static int connection(struct bough_manager *self, void *arg)
{
    struct connection *c = arg;
    struct bough_stream *s;
    int rc = bough_tcp_connect("127.0.0.1", c->port, &s);
    if (rc < 0)
        return rc;
    rc = greeting(s, &c->number);
    if (rc == 0) {
        if (!c->quiet)
            printf("  connection %d is up\n", c->slot);
        rc = bough_yield(self, c);
        if (!c->quiet)
            printf("  connection %d closes%s\n", c->slot, rc < 0 ? ", and sees the error" : "");
    }
    bough_stream_free(s);
    return rc;
}

/* --- the pool --- */

static int fill(struct bough_exit_pool *pool, unsigned port, struct connection *connections,
                int count)
{
    struct bough_resource resources[MOST];
    for (int i = 0; i < count; i++) {
        connections[i] = (struct connection){.port = port, .slot = i, .quiet = count > 9};
        resources[i] = (struct bough_resource){.fn = connection, .arg = &connections[i]};
    }
    int64_t began = bough_now();
    int rc = bough_exit_pool_enter_all(pool, resources, (size_t)count);
    if (rc < 0)
        return rc;
    printf("  %d entered in parallel, in %d ms; values in order:", count,
           (int)((bough_now() - began) / BOUGH_MS));
    for (int i = 0; i < count; i++) {
        struct connection *c = resources[i].value;
        if (c->slot != i)
            return bough_fail(-EPROTO, "value %d is in place %d", c->slot, i);
        if (i < 9)
            printf(" %d", c->slot);
    }
    printf(count > 9 ? " ...\n" : "\n");
    return 0;
}

/* One at a time, while the body is at work. */
static int add(struct bough_exit_pool *pool, struct connection *c)
{
    void *value;
    int rc = bough_exit_pool_enter(pool, connection, c, &value);
    if (rc == 0)
        printf("  added while the body runs: connection %d\n", ((struct connection *)value)->slot);
    return rc;
}

static int with_pool(unsigned port, int count)
{
    static struct connection connections[MOST], more[2];
    struct bough_exit_pool pool;
    printf("a pool of %d connections\n", count);
    bough_exit_pool_open(&pool);
    int rc = fill(&pool, port, connections, count);
    for (int i = 0; i < 2 && rc == 0; i++) {
        more[i] = (struct connection){.port = port, .slot = count + i};
        rc = add(&pool, &more[i]);
    }
    rc = bough_exit_pool_close(&pool, rc);
    printf("  all %d have been exited\n", count + 2);
    return rc;
}

/* --- the stack --- */

static int see(void *arg, int rc)
{
    printf("  %s sees %s\n", (const char *)arg, rc < 0 ? bough_error_name(rc) : "no error");
    return rc;
}

static int replace(void *arg, int rc)
{
    (void)see(arg, rc);
    return rc < 0 ? bough_fail(-EPROTO, "the upload is incomplete (%s)", bough_error_name(rc)) : rc;
}

static int suppress(void *arg, int rc)
{
    (void)see(arg, rc);
    if (bough_catch(&rc, -EPROTO))
        printf("    and suppresses it\n");
    return rc;
}

static void remove_file(void *path)
{
    printf("  the file is removed\n");
    unlink(path);
}

/* Open all that is needed into the caller's stack. On failure nothing is left open. */
static int open_all(struct bough_exit_stack *owner, struct connection *c, char *path)
{
    struct bough_exit_stack st;
    struct bough_exit_ticket *ticket = NULL;
    bough_exit_stack_open(&st);
    int rc = bough_exit_stack_push(&st, suppress, "the first in, the last out,", NULL);
    if (rc == 0)
        rc = bough_exit_stack_enter(&st, connection, c, NULL, NULL);
    int fd = rc == 0 ? mkstemp(path) : -1;
    if (rc == 0 && fd < 0)
        rc = bough_fail(-errno, "no temporary file");
    if (rc == 0) {
        close(fd);
        rc = bough_exit_stack_defer(&st, remove_file, path, &ticket);
        if (rc < 0)
            unlink(path); /* the one case in which it is ours to undo */
    }
    if (rc == 0)
        rc = bough_exit_stack_push(&st, replace, "the second in", NULL);
    if (rc == 0)
        rc = bough_exit_stack_push(&st, see, "the last in, the first out,", NULL);
    if (rc == 0) {
        bough_exit_stack_disarm(&st, ticket);
        printf("  disarmed: the file stays\n");
        bough_exit_stack_move(&st, owner);
        printf("  moved to another owner\n");
    }
    return bough_exit_stack_close(&st, rc); /* after the move: empty */
}

static int with_stack(unsigned port)
{
    struct connection c = {.port = port, .slot = 1};
    struct bough_exit_stack st;
    char path[] = "/tmp/bough-XXXXXX";
    printf("a stack\n");
    bough_exit_stack_open(&st);
    int rc = open_all(&st, &c, path);
    if (rc == 0)
        rc = bough_fail(-EIO, "the body has a disk error");
    rc = bough_exit_stack_close(&st, rc);
    printf("  the result: %s\n", rc == 0 ? "no error" : bough_error_name(rc));
    printf("  the file is %s\n", unlink(path) == 0 ? "still there" : "GONE");
    return rc;
}

static int program(void *arg)
{
    struct peer peer = {0};
    int rc = peer_start(&peer);
    if (rc == 0)
        rc = with_pool(peer.port, *(int *)arg);
    if (rc == 0)
        rc = with_stack(peer.port);
    peer_kill(&peer);
    return rc;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    peer_main(argc, argv, number);
    int count = argc > 1 ? atoi(argv[1]) : 5;
    if (count < 1 || count > MOST) {
        fprintf(stderr, "usage: %s [COUNT], 1 to %d\n", argv[0], MOST);
        return 2;
    }
    int rc = bough_run(program, &count);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
