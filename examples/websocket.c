/* A WebSocket client whose server vanishes: the body is forced to end, cleanup runs, and the client
 * reconnects.
 *
 *     ./websocket                     the play: two accidents, and a good end
 *     ./websocket --serve PORT        only the server, until Ctrl-C: for any WebSocket client
 *
 * The connection is a manager (ws.c) with a watcher in a nursery; the body sends orders, and
 * blocks. The server is a process of its own. First it is killed (kill -9); then, another one,
 * stopped, which is like a network that has gone silent: no FIN, no RST, nothing. Both times the
 * body is cancelled where it waits, and the caller gets "connection lost", catches it, and tries
 * again, after a pause that doubles each time.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>

#include "peer.h"
#include "ws.h"

/* --- the server --- */

static int answer(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
    char text[WEBSOCKET_TEXT], reply[WEBSOCKET_TEXT];
    int rc = 0;
    (void)arg;
    bough_with (struct websocket *, ws, websocket_accept, s, &rc) {
        while ((rc = websocket_receive(ws, text)) > 0) {
            snprintf(reply, sizeof(reply), "%.200s: taken", text);
            rc = websocket_send(ws, reply);
            if (rc < 0)
                break;
        }
    }
    return rc;
}

static int report(int rc, void *arg)
{
    (void)arg;
    fprintf(stderr, "a connection failed: %s\n", bough_error_name(rc));
    return 0;
}

static int server(void *arg)
{
    struct bough_listener *listener;
    int rc = bough_tcp_listen("localhost", *(unsigned *)arg, &listener);
    if (rc < 0)
        return rc;
    printf("listening on port %u\n", bough_listener_port(listener));
    rc =
        bough_serve_with(listener, &(struct bough_serve_options){.on_error = report}, answer, NULL);
    bough_listener_free(listener);
    return rc;
}

/* --- the client --- */

struct world {
    struct peer peer;
    struct bough_semaphore up; /* one for each connection that came up */
    int accidents;             /* that are still to happen */
};

static int body(struct websocket *ws, struct world *w)
{
    char text[WEBSOCKET_TEXT];
    snprintf(text, sizeof(text), "order %d", 3 - w->accidents);
    int rc = websocket_send(ws, text);
    if (rc == 0)
        rc = websocket_receive(ws, text);
    if (rc <= 0)
        return rc;
    printf("  the server says: %s\n", text);
    bough_semaphore_release(&w->up);
    if (w->accidents == 0)
        return 0;
    printf("  the body waits for news, which will never come\n");
    rc = websocket_receive(ws, text);
    if (rc == -ECANCELED)
        printf("  the body is cancelled, and cleans up\n");
    return rc;
}

/* Take out of *rc what another attempt may cure; was there anything? What else has failed stays in
 * it. */
static bool is_lost(int *rc)
{
    const struct bough_error *e = *rc < 0 ? bough_error_last() : NULL;
    char why[128];
    snprintf(why, sizeof(why), "%s", e && bough_error_message(e) ? bough_error_message(e) : "lost");
    bool lost = bough_catch(rc, -EPIPE);
    bool refused = bough_catch(rc, -ECONNREFUSED);
    if (lost || refused)
        printf("  caught: %s\n", why);
    return lost || refused;
}

static int client(void *arg)
{
    struct world *w = arg;
    struct websocket_address address = {.host = "127.0.0.1", .port = w->peer.port};
    int64_t pause = 50 * BOUGH_MS;
    for (;;) {
        int rc = 0;
        bough_with (struct websocket *, ws, websocket_connect, &address, &rc) {
            printf("connected\n");
            pause = 50 * BOUGH_MS;
            rc = body(ws, w);
        }
        if (!is_lost(&rc)) {
            if (rc == 0)
                printf("  said goodbye\n");
            return rc;
        }
        printf("  reconnecting in %d ms\n", (int)(pause / BOUGH_MS));
        int slept = bough_sleep(pause); /* with many clients: add a random part */
        rc = bough_keep(rc, slept);
        if (rc < 0)
            return rc;
        pause = pause < 2 * BOUGH_SEC ? 2 * pause : pause;
    }
}

/* --- what happens to the servers --- */

static int replace_server(struct world *w, int64_t after)
{
    int rc = bough_sleep(after);
    if (rc < 0)
        return rc;
    peer_kill(&w->peer);
    rc = peer_start(&w->peer); /* on the same port */
    if (rc == 0)
        printf("-- a new server: %d\n", (int)w->peer.pid);
    return rc;
}

static int accidents(void *arg)
{
    struct world *w = arg;
    int rc = bough_semaphore_acquire(&w->up);
    if (rc == 0)
        rc = bough_sleep(200 * BOUGH_MS);
    if (rc < 0)
        return rc;
    printf("-- kill -9 %d\n", (int)w->peer.pid);
    w->accidents--;
    peer_kill(&w->peer);
    rc = replace_server(w, 250 * BOUGH_MS);
    if (rc == 0)
        rc = bough_semaphore_acquire(&w->up);
    if (rc == 0)
        rc = bough_sleep(200 * BOUGH_MS);
    if (rc < 0)
        return rc;
    printf("-- the server %d falls silent\n", (int)w->peer.pid);
    w->accidents--;
    peer_freeze(&w->peer);
    return replace_server(w, 650 * BOUGH_MS);
}

static int program(void *arg)
{
    struct world w = {.accidents = 2};
    (void)arg;
    bough_semaphore_init(&w.up, 0);
    int rc = peer_start(&w.peer);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, client, &w);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, accidents, &w);
    }
    peer_kill(&w.peer);
    return rc;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    peer_main(argc, argv, answer);
    bool serve = argc == 3 && strcmp(argv[1], "--serve") == 0;
    unsigned port = serve ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    int rc = bough_run(serve ? server : program, &port);
    if (rc < 0 && rc != -EINTR)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0 && rc != -EINTR;
}
