/* Tasks inside libuv's loop, in the same thread: a uv_poll_t and a uv_timer_t make the steps of the
 * run.
 *
 * A timer of libuv's ticks, and a task talks to a server at each tick; when it has five answers the
 * host cancels the tasks, and leaves when they have ended.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <uv.h>

#include "guest_program.h"

/* --- the steps: to be copied as they are --- */

struct guest_steps {
    struct bough_guest *guest;
    uv_poll_t readable;
    uv_timer_t due;
};

static void step(struct guest_steps *s);

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* a step finds out by itself */
    (void)events;
    step(poll->data);
}

static void on_due(uv_timer_t *timer)
{
    step(timer->data);
}

/* When the run has ended the handles are closed, so that uv_run() may return. */
static void step(struct guest_steps *s)
{
    if (!bough_guest_step(s->guest)) {
        uv_close((uv_handle_t *)&s->readable, NULL);
        uv_close((uv_handle_t *)&s->due, NULL);
        return;
    }
    int ms = bough_guest_timeout_ms(s->guest);
    uv_update_time(s->due.loop); /* the step has taken some */
    if (ms < 0)
        uv_timer_stop(&s->due);
    else
        uv_timer_start(&s->due, on_due, (uint64_t)ms, 0);
}

/* The first step is made when the loop runs. An error of libuv's. */
static int guest_attach(struct guest_steps *s, struct bough_guest *guest, uv_loop_t *loop)
{
    s->guest = guest;
    s->readable.data = s->due.data = s;
    int error = uv_poll_init(loop, &s->readable, bough_guest_fd(guest));
    if (error)
        return error;
    uv_timer_init(loop, &s->due);
    uv_timer_start(&s->due, on_due, 0, 0);
    return uv_poll_start(&s->readable, UV_READABLE, on_readable);
}

/* --- the host --- */

struct host {
    struct guest_steps steps;
    uv_timer_t ticker;
    struct guest_program program;
};

static void on_tick(uv_timer_t *ticker)
{
    struct host *host = ticker->data;
    struct guest_program *p = &host->program;
    if (p->echoes == 5) {
        printf("libuv: that is enough\n");
        bough_guest_cancel(host->steps.guest, "the host has seen five echoes");
        uv_close((uv_handle_t *)ticker, NULL);
    } else if (p->ticked < 5) {
        guest_program_tick(p);
        printf("libuv: tick %u\n", p->ticked);
    }
}

int main(void)
{
    struct host host = {0};
    struct bough_guest *guest;
    uv_loop_t *loop = uv_default_loop();
    int rc = bough_guest_start(NULL, guest_program, &host.program, &guest);
    if (rc == 0) {
        int error = guest_attach(&host.steps, guest, loop);
        if (error) {
            fprintf(stderr, "libuv: %s\n", uv_strerror(error));
            return 1;
        }
        host.ticker.data = &host;
        uv_timer_init(loop, &host.ticker);
        uv_timer_start(&host.ticker, on_tick, 20, 20);
        uv_run(loop, UV_RUN_DEFAULT);
        uv_loop_close(loop);
        rc = bough_guest_finish(guest);
    }
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    else
        printf("the loop has ended; a task slept %s\n", host.program.naps ? "meanwhile" : "never");
    return rc < 0;
}
