/* libuv (libuv1-dev): callbacks, no tasks, so only what it has. Writes are tried at once, as its
 * manual advises for small replies, and queued only if the socket is full.
 * SPDX-License-Identifier: MIT */
#include <uv.h>

#include "../listen.h"
#include "../measure.h"

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    char buffer[4096];
};

static void on_close(uv_handle_t *handle)
{
    free(handle);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)handle;
    (void)size;
    *buffer = uv_buf_init(c->buffer, sizeof(c->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)stream;
    if (n < 0) {
        uv_close((uv_handle_t *)stream, on_close);
        return;
    }
    uv_buf_t reply = uv_buf_init(buffer->base, (unsigned)n);
    int sent = n > 0 ? uv_try_write(stream, &reply, 1) : 0;
    sent = sent < 0 ? 0 : sent;
    if (sent < n) {
        reply = uv_buf_init(buffer->base + sent, (unsigned)(n - sent));
        uv_write(&c->write, stream, &reply, 1, NULL);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (status < 0 || !c || uv_tcp_init(listener->loop, &c->tcp) < 0 ||
        uv_accept(listener, (uv_stream_t *)&c->tcp) < 0)
        exit(1);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_buffer, on_read);
}

static double echo(void)
{
    uv_tcp_t listener;
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_open(&listener, listen_anywhere());
    if (uv_listen((uv_stream_t *)&listener, 1024, on_connection) < 0)
        return 0;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static uv_timer_t timer;

static void on_timer(uv_timer_t *t)
{
    (void)t;
}

static double timeout(void)
{
    long times = 5000000;
    uv_timer_init(uv_default_loop(), &timer);
    double start = cpu_ns();
    for (long i = 0; i < times; i++) {
        uv_timer_start(&timer, on_timer, 1000, 0);
        uv_timer_stop(&timer);
    }
    return (cpu_ns() - start) / (double)times;
}

static long expired;

static void on_sleep_end(uv_timer_t *t)
{
    (void)t;
    expired++;
}

static double sleepers_100k(void)
{
    double start = cpu_ns();
    uv_timer_t *timers = calloc(MANY, sizeof(*timers));
    for (long i = 0; i < MANY; i++) {
        uv_timer_init(uv_default_loop(), &timers[i]);
        uv_timer_start(&timers[i], on_sleep_end, (uint64_t)sleep_us(i) / 1000, 0);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return expired == MANY ? (cpu_ns() - start) / MANY : 0;
}

static const struct measure measures[] = {
    {"timeout", timeout},
    {"sleepers-100k", sleepers_100k},
    {"echo", echo},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return measure_main(argc, argv, measures);
}
