/* Force a body to end when its connection dies.
 *
 * The connection is a manager: it connects, starts a watcher in a nursery, yields the stream, and
 * disconnects. The watcher listens to the server's heartbeat; the body is busy with something else
 * and would never notice. When the heart stops the watcher fails with "connection lost"; so the
 * body, which is inside the manager's nursery, is cancelled where it waits, cleanup runs, and the
 * caller gets "connection lost", not "cancelled": one error that it can catch, to reconnect.
 *
 * Three servers, each a real process: one is killed (kill -9) in mid-stream, one falls silent (no
 * FIN, no RST: it is stopped), and one works. websocket.c is the same with a real protocol, pings
 * and backoff.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <bough.h>

#include "peer.h"

#define HEARTBEAT (50 * BOUGH_MS)
#define SILENCE (300 * BOUGH_MS)

/* --- the server, in a process of its own --- */

static int beat(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    (void)arg;
    for (;;) {
        int rc = bough_stream_send_all(s, "beat\n", 5);
        if (rc == 0)
            rc = bough_sleep(HEARTBEAT);
        if (rc < 0)
            return rc;
    }
}

/* --- our side --- */

/* Fails when the connection is lost; only ever cancelled otherwise. */
static int watch(void *arg)
{
    struct bough_stream *s = arg;
    char beats[64];
    for (;;) {
        int rc = 0;
        bough_fail_after (SILENCE, &rc)
            rc = bough_stream_receive_some(s, beats, sizeof(beats));
        if (rc == 0)
            return bough_fail(-EPIPE, "connection lost: the server closed it");
        if (bough_catch(&rc, -ETIMEDOUT))
            return bough_fail(-EPIPE, "connection lost: no heartbeat for 300 ms");
        if (rc < 0 && bough_catch(&rc, -EPIPE))
            return bough_fail(-EPIPE, "connection lost: the server is gone");
        if (rc < 0)
            return rc;
    }
}

/* The manager. */
static int connection(struct bough_manager *self, void *arg)
{
    struct peer *peer = arg;
    struct bough_stream *s;
    int rc = bough_tcp_connect("127.0.0.1", peer->port, &s);
    if (rc < 0)
        return rc;
    printf("connected to process %d\n", (int)peer->pid);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, watch, s);
        if (rc == 0)
            rc = bough_yield(self, s);
        bough_scope_cancel(bough_nursery_scope(n), "the body is done");
    }
    /* However it ended: this is cleanup, and may take its time. */
    int cleanup = 0;
    bough_shielded (BOUGH_SEC, &cleanup)
        cleanup = bough_stream_close(s);
    printf("  disconnected\n");
    bough_stream_free(s);
    return bough_keep(rc, cleanup);
}

/* --- the play --- */

/* What the program is really about: it knows nothing of the connection's health. */
static int body(int steps)
{
    int rc = 0;
    for (int step = 1; step <= steps && rc == 0; step++) {
        printf("  the body works: step %d\n", step);
        rc = bough_sleep(100 * BOUGH_MS);
    }
    if (rc == -ECANCELED)
        printf("  the body is cancelled, and cleans up\n");
    return rc;
}

/* What happens to the server while the body works. */
struct accident {
    struct peer *peer;
    void (*strike)(struct peer *peer);
};

static void crash(struct peer *peer)
{
    printf("  -- kill -9 %d\n", (int)peer->pid);
    peer_kill(peer);
}

static void fall_silent(struct peer *peer)
{
    printf("  -- the server %d falls silent\n", (int)peer->pid);
    peer_freeze(peer);
}

static int accident(void *arg)
{
    struct accident *a = arg;
    int rc = bough_sleep(250 * BOUGH_MS);
    if (rc == 0)
        a->strike(a->peer);
    return rc;
}

static int session(struct peer *peer, void (*strike)(struct peer *peer))
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        if (strike)
            rc = BOUGH_START(n, accident, struct accident, .peer = peer, .strike = strike);
        if (rc == 0) {
            bough_with (struct bough_stream *, s, connection, peer, &rc)
                rc = body(strike ? 1000 : 3);
        }
    }
    return rc;
}

static int program(void *arg)
{
    void (*accidents[])(struct peer *) = {crash, fall_silent, NULL};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct peer peer = {0};
        int rc = peer_start(&peer);
        if (rc == 0)
            rc = session(&peer, accidents[i]);
        peer_kill(&peer);
        if (rc == -EPIPE)
            printf("  caught: %s\n", bough_error_message(bough_error_last()));
        if (bough_catch(&rc, -EPIPE)) {
            printf("  reconnecting\n");
            continue;
        }
        printf(rc < 0 ? "failed\n" : "done, without an error\n");
        return rc;
    }
    return bough_fail(-EPROTO, "the last server should have worked");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    peer_main(argc, argv, beat);
    int rc = bough_run(program, NULL);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
