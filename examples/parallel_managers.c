/* Parallel managers: open several resources at once, use them, close them at once.
 *
 *     ./parallel_managers             the whole play, in four acts
 *     ./parallel_managers 2           only one act, in which upstream 2 refuses (0: none does)
 *
 * Each resource is a manager: a function that opens it, yields it to the body, and closes it. In
 * bough_with_all each manager lives its whole life in a task of its own. So the enters run in
 * parallel, and so do the exits; if one enter fails the others are cancelled, those already entered
 * are exited, and the body never runs; all exits finish, whichever fail; and each manager sees how
 * the body has ended.
 *
 * The upstreams are servers in processes of their own, which take their time; the cache is a Redis,
 * if one listens on port 6379 of this machine (or on $REDIS_PORT).
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bough.h>

#include "peer.h"

enum { UPSTREAMS = 3 };

static int64_t act_began;

static void say(const char *who, const char *what)
{
    printf("  %3d ms  %-10s  %s\n", (int)((bough_now() - act_began) / BOUGH_MS), who, what);
}

/* --- the servers --- */

/* "login 200": welcome, after 200 ms. "login 200 refuse": no. The same for "logout". */
static int serve(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    char line[64], what[16], how[16];
    int rc;
    (void)arg;
    while ((rc = peer_read_line(s, line, sizeof(line))) > 0) {
        int ms = 0, fields = sscanf(line, "%15s %d %15s", what, &ms, how);
        rc = bough_sleep(ms * BOUGH_MS);
        if (rc == 0)
            rc = fields == 2 ? bough_stream_send_all(s, "ok\n", 3)
                             : bough_stream_send_all(s, "no\n", 3);
        if (rc < 0)
            break;
    }
    return rc;
}

/* --- the managers --- */

struct upstream {
    const char *name;
    unsigned port;
    int ms; /* that it takes to log in */
    bool refuses_login, refuses_logout;
};

/* Send a line; the answer must begin with 'expected'. */
static int ask(struct bough_stream *s, const char *request, const char *expected)
{
    char line[64];
    int rc = bough_stream_send_all(s, request, strlen(request));
    if (rc == 0)
        rc = peer_read_line(s, line, sizeof(line));
    if (rc < 0)
        return rc;
    return rc > 0 && strncmp(line, expected, strlen(expected)) == 0
               ? 0
               : bough_fail(-EACCES, "refused: %.*s", (int)strcspn(request, "\r\n"), request);
}

static int ask_upstream(struct bough_stream *s, const char *what, int ms, bool refuses)
{
    char line[64];
    snprintf(line, sizeof(line), "%s %d%s\n", what, ms, refuses ? " refuse" : "");
    return ask(s, line, "ok");
}

/* How the body has ended, for the log. */
static const char *ended(int rc)
{
    return rc == 0            ? "exiting; the body has ended well"
           : rc == -ECANCELED ? "exiting; the body was cancelled"
                              : "exiting; the body has failed, or never ran";
}

/* What an upstream does between its connect and its disconnect. */
static int upstream_session(struct bough_manager *self, struct upstream *u, struct bough_stream *s)
{
    int rc = ask_upstream(s, "login", u->ms, u->refuses_login);
    if (rc < 0) {
        say(u->name, rc == -ECANCELED ? "enter: cancelled" : "enter: FAILED, login refused");
        return rc;
    }
    say(u->name, "entered");
    rc = bough_yield(self, s);
    say(u->name, ended(rc));
    int cleanup = 0; /* it waits for an answer, so it needs a shield when all of us are cancelled */
    bough_shielded (BOUGH_SEC, &cleanup)
        cleanup = ask_upstream(s, "logout", u->ms / 2, u->refuses_logout);
    say(u->name, cleanup < 0 ? "exit: FAILED, logout refused" : "exited");
    return bough_keep(rc, cleanup);
}

static int upstream(struct bough_manager *self, void *arg)
{
    struct upstream *u = arg;
    struct bough_stream *s;
    int rc = bough_tcp_connect("127.0.0.1", u->port, &s);
    if (rc < 0)
        return rc;
    rc = upstream_session(self, u, s);
    bough_stream_free(s);
    return rc;
}

static int temp_directory(struct bough_manager *self, void *arg)
{
    char path[] = "/tmp/bough-XXXXXX";
    (void)arg;
    if (!mkdtemp(path))
        return bough_fail(-errno, "no temporary directory");
    say("directory", "entered");
    int rc = bough_yield(self, path);
    say("directory", ended(rc));
    if (rmdir(path) < 0)
        return bough_keep(rc, bough_fail(-errno, "cannot remove %s", path));
    say("directory", "exited");
    return rc;
}

/* --- Redis, as far as we need it: a line for a line --- */

static unsigned redis_port(void)
{
    const char *port = getenv("REDIS_PORT");
    return port ? (unsigned)strtoul(port, NULL, 10) : 6379;
}

static int redis(struct bough_manager *self, void *arg)
{
    struct bough_stream *s;
    (void)arg;
    int rc = bough_tcp_connect("127.0.0.1", redis_port(), &s);
    if (rc < 0)
        return rc;
    rc = ask(s, "PING\r\n", "+PONG");
    if (rc == 0) {
        say("Redis", "entered");
        rc = bough_yield(self, s);
        say("Redis", ended(rc));
    }
    bough_stream_free(s);
    say("Redis", "exited");
    return rc;
}

static bool redis_is_there(void)
{
    struct bough_stream *s;
    int rc = bough_tcp_connect("127.0.0.1", redis_port(), &s);
    if (rc == 0)
        bough_stream_free(s);
    return rc == 0;
}

/* --- the acts --- */

static int act(const char *title, struct upstream *upstreams, bool with_redis, int body_rc)
{
    struct bough_resource all[UPSTREAMS + 2] = {{.fn = temp_directory}};
    size_t count = 1;
    int rc = 0;
    for (int i = 0; i < UPSTREAMS; i++)
        all[count++] = (struct bough_resource){.fn = upstream, .arg = &upstreams[i]};
    if (with_redis)
        all[count++] = (struct bough_resource){.fn = redis};
    printf("%s\n", title);
    act_began = bough_now();
    bough_with_all (all, count, &rc) {
        say("body", "runs, and has all of them");
        if (with_redis)
            rc = ask(all[count - 1].value, "SET bough:example here\r\n", "+OK");
        if (with_redis && rc == 0)
            rc = ask(all[count - 1].value, "GET bough:example\r\n", "$4\r\nhere");
        if (rc == 0)
            rc = bough_sleep(50 * BOUGH_MS);
        if (rc == 0 && body_rc < 0)
            rc = bough_fail(body_rc, "the body has a disk error");
    }
    say("result", rc == 0 ? "no error" : bough_error_name(rc));
    return rc;
}

static int play(void *arg)
{
    const char *refusing = arg;
    struct peer peers[UPSTREAMS] = {{0}};
    struct upstream upstreams[UPSTREAMS] = {
        {"upstream 1", .ms = 100}, {"upstream 2", .ms = 150}, {"upstream 3", .ms = 200}};
    int rc = 0;
    bool with_redis = redis_is_there();
    if (!with_redis)
        printf("no Redis on port %u: skipped\n", redis_port());
    for (int i = 0; i < UPSTREAMS && rc == 0; i++) {
        rc = peer_start(&peers[i]);
        upstreams[i].port = peers[i].port;
    }
    int which = refusing ? atoi(refusing) - 1 : -1;
    if (which >= 0 && which < UPSTREAMS)
        upstreams[which].refuses_login = true;
    if (rc == 0)
        rc = act("1: enters in parallel, exits in parallel", upstreams, with_redis, 0);
    if (rc == 0 && !refusing) {
        upstreams[1].refuses_login = true;
        rc = act("2: one refuses: those already entered are exited", upstreams, with_redis, 0);
        upstreams[1].refuses_login = false;
        if (bough_catch(&rc, -EACCES))
            printf("  the body never ran; caught: the login was refused\n");
    }
    if (rc == 0 && !refusing) {
        upstreams[0].refuses_logout = true;
        rc =
            act("3: the body fails, one exit fails: all exits finish", upstreams, with_redis, -EIO);
        if (rc == -BOUGH_EGROUP && bough_catch(&rc, -EIO) && bough_catch(&rc, -EACCES))
            printf("  caught both: the disk error, and the logout that was refused\n");
    }
    for (int i = 0; i < UPSTREAMS; i++)
        peer_kill(&peers[i]);
    return rc;
}

/* --- how not to do it: enter and exit by hand, each in whatever task comes along --- */

static struct bough_manager strays[2];

static int stray(struct bough_manager *self, void *arg)
{
    (void)arg;
    return bough_yield(self, NULL);
}

static int enter_stray(void *arg)
{
    int rc = bough_manager_enter((struct bough_manager *)arg, stray, NULL, NULL);
    return rc < 0 ? rc : bough_sleep_forever();
}

static int exit_elsewhere(void *arg)
{
    int rc = 0;
    (void)arg;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, enter_stray, &strays[0]);
        if (rc == 0)
            rc = bough_sleep(10 * BOUGH_MS);
        if (rc == 0)
            rc = bough_manager_exit(&strays[0], 0);
    }
    return rc;
}

static int exit_out_of_order(void *arg)
{
    (void)arg;
    int rc = bough_manager_enter(&strays[0], stray, NULL, NULL);
    if (rc == 0)
        rc = bough_manager_enter(&strays[1], stray, NULL, NULL);
    if (rc == 0)
        rc = bough_manager_exit(&strays[0], 0); /* the other one is inside it */
    return rc;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    peer_main(argc, argv, serve);
    int rc = bough_run(play, argv[1]);
    if (rc < 0)
        bough_error_print(bough_error_last(), stdout);
    if (argc == 1) {
        printf("4: enter and exit by hand, from different tasks, and out of order\n");
        peer_show_panic(exit_elsewhere);
        peer_show_panic(exit_out_of_order);
    }
    return rc < 0;
}
