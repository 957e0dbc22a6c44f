/* Tasks inside GLib's main loop, in the same thread: a GSource makes the steps of the run.
 *
 * A timer of GLib's ticks, and a task talks to a server at each tick; when it has five answers the
 * host cancels the tasks, and leaves when they have ended.
 * SPDX-License-Identifier: MIT */
#include <glib.h>
#include <stdio.h>

#include "guest_program.h"

/* --- the source: to be copied as it is --- */

struct guest_source {
    GSource source;
    struct bough_guest *guest;
    gpointer fd;
    GMainLoop *loop; /* to quit when the run has ended */
};

static gboolean guest_prepare(GSource *source, gint *timeout)
{
    struct guest_source *s = (struct guest_source *)source;
    *timeout = bough_guest_timeout_ms(s->guest);
    return *timeout == 0;
}

static gboolean guest_check(GSource *source)
{
    struct guest_source *s = (struct guest_source *)source;
    return g_source_query_unix_fd(source, s->fd) != 0 || bough_guest_timeout_ms(s->guest) == 0;
}

static gboolean guest_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct guest_source *s = (struct guest_source *)source;
    (void)callback;
    (void)data;
    if (bough_guest_step(s->guest))
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(s->loop);
    return G_SOURCE_REMOVE;
}

static GSource *guest_attach(struct bough_guest *guest, GMainLoop *loop)
{
    static GSourceFuncs functions = {
        .prepare = guest_prepare, .check = guest_check, .dispatch = guest_dispatch};
    GSource *source = g_source_new(&functions, sizeof(struct guest_source));
    struct guest_source *s = (struct guest_source *)source;
    s->guest = guest;
    s->loop = loop;
    s->fd = g_source_add_unix_fd(source, bough_guest_fd(guest), G_IO_IN);
    g_source_attach(source, g_main_loop_get_context(loop));
    return source;
}

/* --- the host --- */

struct host {
    struct bough_guest *guest;
    struct guest_program program;
};

static gboolean on_tick(gpointer data)
{
    struct host *host = data;
    struct guest_program *p = &host->program;
    if (p->echoes == 5) {
        printf("glib: that is enough\n");
        bough_guest_cancel(host->guest, "the host has seen five echoes");
        return G_SOURCE_REMOVE;
    }
    if (p->ticked < 5) {
        guest_program_tick(p);
        printf("glib: tick %u\n", p->ticked);
    }
    return G_SOURCE_CONTINUE;
}

int main(void)
{
    struct host host = {0};
    int rc = bough_guest_start(NULL, guest_program, &host.program, &host.guest);
    if (rc == 0) {
        GMainLoop *loop = g_main_loop_new(NULL, FALSE);
        GSource *source = guest_attach(host.guest, loop);
        g_timeout_add(20, on_tick, &host);
        g_main_loop_run(loop);
        g_source_unref(source);
        g_main_loop_unref(loop);
        rc = bough_guest_finish(host.guest);
    }
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    else
        printf("the loop has ended; a task slept %s\n", host.program.naps ? "meanwhile" : "never");
    return rc < 0;
}
