/* Tasks as in any run: an echo server, a client, and one that sleeps.
 * SPDX-License-Identifier: MIT */
#include "guest_program.h"

#include <stdio.h>
#include <string.h>

static int echo(struct bough_connection *c, void *arg)
{
    char buffer[256];
    int n, rc = 0;
    (void)arg;
    while (rc == 0 && (n = bough_stream_receive_some(c->stream, buffer, sizeof(buffer))) != 0)
        rc = n < 0 ? n : bough_stream_send_all(c->stream, buffer, (size_t)n);
    return rc;
}

static int serve(void *listener)
{
    return bough_serve(listener, echo, NULL);
}

static int nap(void *arg)
{
    struct guest_program *p = arg;
    int rc;
    while ((rc = bough_sleep(5 * BOUGH_MS)) == 0)
        p->naps++;
    return rc;
}

static int talk(struct guest_program *p, struct bough_stream *s)
{
    char buffer[64], *line;
    struct bough_reader reader;
    bough_reader_init(&reader, s, buffer, sizeof(buffer));
    for (;;) {
        char text[32];
        int rc = bough_semaphore_acquire(&p->ticks);
        if (rc < 0)
            return rc;
        int length = snprintf(text, sizeof(text), "tick %u\n", p->echoes + 1);
        rc = bough_stream_send_all(s, text, (size_t)length);
        if (rc == 0)
            rc = bough_reader_line(&reader, sizeof(text), &line, NULL);
        if (rc <= 0)
            return rc < 0 ? rc : bough_fail(-EPIPE, "the server has gone");
        printf("client: the server echoes %s\n", line);
        p->echoes++;
    }
}

int guest_program(void *program)
{
    struct guest_program *p = program;
    struct bough_listener *listener;
    int rc = bough_tcp_listen("127.0.0.1", 0, &listener);
    if (rc < 0)
        return rc;
    p->gate = bough_gate_hold();
    bough_semaphore_init(&p->ticks, 0);
    bough_with_nursery (n, &rc) {
        struct bough_stream *s = NULL;
        rc = bough_nursery_start_soon(n, serve, listener);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, nap, p);
        if (rc == 0)
            rc = bough_tcp_connect("127.0.0.1", bough_listener_port(listener), &s);
        if (rc == 0)
            rc = talk(p, s);
        bough_stream_free(s);
    }
    bough_gate_release(p->gate);
    p->gate = NULL;
    bough_listener_free(listener);
    printf("tasks: all have ended\n");
    return rc;
}

/* In the run, between two tasks. */
static void pass_on(struct bough_entry *entry)
{
    struct guest_program *p = bough_container_of(entry, struct guest_program, entry);
    for (; p->passed_on < p->ticked; p->passed_on++)
        bough_semaphore_release(&p->ticks);
}

void guest_program_tick(struct guest_program *p)
{
    if (!p->gate)
        return;
    p->ticked++;
    p->entry.fn = pass_on;
    (void)bough_enter(p->gate, &p->entry); /* the run has not ended: the gate is there */
}
