/* libuv (libuv1-dev): callbacks, no tasks, so only what it has. Writes are tried at once, as its
 * manual advises for small replies, and queued only if the socket is full.
 * SPDX-License-Identifier: MIT */
#include <llhttp.h>
#include <uv.h>

#include "../files.h"
#include "../listen.h"
#include "../measure.h"
#include "../system.h"

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    llhttp_t parser;
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

static void reply(struct connection *c, const char *data, ssize_t n)
{
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)n);
    int sent = n > 0 ? uv_try_write(stream, &buffer, 1) : 0;
    sent = sent < 0 ? 0 : sent;
    if (sent < n) {
        buffer = uv_buf_init((char *)data + sent, (unsigned)(n - sent));
        uv_write(&c->write, stream, &buffer, 1, NULL);
    }
}

static void on_read_echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    if (n < 0)
        uv_close((uv_handle_t *)stream, on_close);
    else
        reply((struct connection *)stream, buffer->base, n);
}

static void on_read_http(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)stream;
    if (n < 0 || llhttp_execute(&c->parser, buffer->base, (size_t)n) != HPE_OK)
        uv_close((uv_handle_t *)stream, on_close);
}

static int on_request(llhttp_t *parser)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                 "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                 "Content-Length: 14\r\n\r\nHello, world!\n";
    reply(parser->data, answer, sizeof(answer) - 1);
    return 0;
}

static uv_read_cb on_read;
static llhttp_settings_t settings;

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (status < 0 || !c || uv_tcp_init(listener->loop, &c->tcp) < 0 ||
        uv_accept(listener, (uv_stream_t *)&c->tcp) < 0)
        exit(1);
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_buffer, on_read);
}

static double serve(uv_read_cb read)
{
    uv_tcp_t listener;
    on_read = read;
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_open(&listener, listen_anywhere());
    if (uv_listen((uv_stream_t *)&listener, 1024, on_connection) < 0)
        return 0;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static double echo(void)
{
    return serve(on_read_echo);
}

double http(void)
{
    llhttp_settings_init(&settings);
    settings.on_message_complete = on_request;
    return serve(on_read_http);
}

/* --- files and processes: each of a chain begins the next --- */

static long done, wanted;

static void begin_read(uv_fs_t *request)
{
    static char data[FILE_BLOCK];
    uv_file file = (uv_file)(intptr_t)request->data;
    uv_buf_t buffer = uv_buf_init(data, sizeof(data));
    if (done++ < wanted)
        uv_fs_read(uv_default_loop(), request, file, &buffer, 1, file_offset(done), begin_read);
}

static double read_cached(void)
{
    uv_fs_t request = {.data = (void *)(intptr_t)file_anonymous()};
    wanted = FILE_READS / 20;
    double start = cpu_ns();
    begin_read(&request);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return (cpu_ns() - start) / (double)wanted;
}

static void begin_process(uv_process_t *process);

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
    if (status != 0 || signal != 0)
        exit(1);
    uv_close((uv_handle_t *)process, (uv_close_cb)begin_process);
}

static void begin_process(uv_process_t *process)
{
    char *argv[] = {(char *)nothing_path(), NULL};
    uv_process_options_t options = {.file = argv[0], .args = argv, .exit_cb = on_exit_of};
    if (done++ < wanted && uv_spawn(uv_default_loop(), process, &options) < 0)
        exit(1);
}

double process_start(void)
{
    uv_process_t process;
    wanted = PROCESSES;
    double start = real_ns();
    begin_process(&process);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return (real_ns() - start) / PROCESSES / 1000;
}

/* --- timers --- */

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
    {"timeout", timeout}, {"sleepers-100k", sleepers_100k},
    {"echo", echo},       {"read-cached", read_cached},
    SYSTEM_MEASURES,      {NULL, NULL},
};

int main(int argc, char **argv)
{
    return measure_main(argc, argv, measures);
}
