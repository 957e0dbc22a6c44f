/* Serving: a task for each connection, and its requests one after the other.
 *
 * Between requests a soft cancel ends the connection; while one is handled it does not
 * (bough_graceful). Whose fault a failure is decides what becomes of it: the client's ends the
 * connection, the handler's is told to the server.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bough/error.h"
#include "bough/http.h"
#include "bough/scope.h"
#include "http/body.h"
#include "http/parser.h"
#include "http/response.h"

#define LINGER BOUGH_SEC
enum { LINGER_SIZE = 1 << 20 };

struct server {
    struct bough_http_options options;
    bough_http_handler_fn *handler;
    void *arg;
};

struct connection {
    const struct server *server;
    struct bough__http_parser parser;
    struct bough__http_body body;
    struct bough_http_response response;
};

/* --- the end of a connection --- */

/* Closing with bytes unread would reset the connection, and our answer with it: so let the client
 * finish, for a moment. */
static int linger(struct connection *c)
{
    struct bough_stream *s = c->parser.transport;
    int rc = 0;
    bough_move_on_after (LINGER, &rc) {
        rc = bough_stream_send_eof(s);
        for (size_t seen = 0; rc >= 0 && seen < LINGER_SIZE; seen += (size_t)rc) {
            rc = bough_stream_receive_some(s, c->parser.input, HTTP_INPUT);
            if (rc == 0)
                break;
        }
    }
    return rc == -ECANCELED ? rc : 0; /* it is over in any case */
}

/* Half of a body that nothing but the end of the connection ends would be taken for all of it. */
static void reset(struct connection *c)
{
    struct linger at_once = {.l_onoff = 1};
    int fd = bough_stream_fd(c->parser.transport);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static int refuse(struct connection *c, unsigned status)
{
    int rc = bough__http_response_refuse(&c->response, status);
    if (rc < 0 || c->response.sent != HTTP_ALL)
        return rc == -ECANCELED ? rc : 0;
    return linger(c);
}

/* --- a request --- */

/* Did the client, and not the handler, fail? */
static bool is_clients_fault(const struct connection *c)
{
    return c->parser.lost || c->response.lost;
}

static int tell_server(const struct server *server, int rc)
{
    return server->options.on_error ? server->options.on_error(rc, server->arg) : rc;
}

static int handler_failed(struct connection *c, int rc)
{
    if (rc == -ECANCELED)
        return rc;
    /* A status means that the client can be told what it has done. */
    bool may_tell = c->parser.status || !is_clients_fault(c);
    int verdict = is_clients_fault(c) ? 0 : tell_server(c->server, rc);
    int refused = may_tell ? refuse(c, c->parser.status ? c->parser.status : 500) : 0;
    return bough_keep(verdict, refused);
}

/* 1: another request may follow; 0: none; < 0. */
static int answered(struct connection *c)
{
    int rc = 1;
    if (c->response.sent != HTTP_ALL)
        return 0;
    if (c->parser.stage != STAGE_COMPLETE)
        rc = bough__http_body_skip(&c->body);
    if (rc == 0)
        return linger(c);
    return rc == 1 && !c->response.close ? 1 : rc < 0 ? rc : 0;
}

static int handle(struct connection *c)
{
    int rc = c->server->handler(&c->parser.request, &c->response, c->server->arg);
    if (rc >= 0)
        rc = bough__http_response_finish(&c->response);
    return rc < 0 ? handler_failed(c, rc) : answered(c);
}

static int head_failed(struct connection *c, int rc)
{
    if (rc == -ECANCELED || rc == 0)
        return rc;
    return c->parser.status ? refuse(c, c->parser.status) : 0;
}

static int one_request(struct connection *c)
{
    struct bough__http_parser *p = &c->parser;
    bough__http_response_init(&c->response, p->transport, p->options, &p->expects);
    c->response.head_only = c->response.old = false;
    int rc = bough__http_parser_head(p);
    if (rc <= 0)
        return head_failed(c, rc);
    c->response.head_only = strcmp(p->request.method, "HEAD") == 0;
    c->response.old = p->request.minor == 0;
    c->response.close = !p->keep_alive;
    bough_graceful (&rc)
        rc = handle(c);
    if (c->response.unframed && c->response.sent != HTTP_ALL)
        reset(c);
    return rc;
}

/* --- connections --- */

static int connection_run(struct connection *c, struct bough_stream *stream)
{
    int rc = bough__http_parser_open(&c->parser, stream, &c->server->options);
    if (rc < 0)
        return rc;
    bough__http_body_init(&c->body, &c->parser);
    while ((rc = one_request(c)) == 1)
        bough__http_parser_next(&c->parser);
    bough__http_parser_close(&c->parser);
    return rc;
}

static int serve_connection(struct bough_stream *stream, void *arg)
{
    struct connection *c = malloc(sizeof(*c));
    if (!c)
        return bough_fail_text(-ENOMEM, "no memory for an HTTP connection");
    c->server = arg;
    int rc = connection_run(c, stream);
    free(c);
    return rc;
}

/* Memory that is short is a reason to drop a connection, not the server. */
static int serve_accepted(struct bough_connection *accepted, void *arg)
{
    int rc = serve_connection(accepted->stream, arg);
    return rc == -ENOMEM ? 0 : rc;
}

/* --- servers --- */

static void server_init(struct server *server, const struct bough_http_options *options,
                        bough_http_handler_fn *handler, void *arg)
{
    static const struct bough_http_options none;
    struct bough_http_options *o = &server->options;
    *server = (struct server){.options = options ? *options : none, .handler = handler, .arg = arg};
    o->headers = o->headers ? o->headers : 100;
    o->head_size = o->head_size ? o->head_size : 16 * 1024;
    o->body_size = o->body_size ? o->body_size : 1024 * 1024;
    o->idle_timeout = o->idle_timeout ? o->idle_timeout : BOUGH_MINUTE;
    o->head_timeout = o->head_timeout ? o->head_timeout : 10 * BOUGH_SEC;
    o->body_timeout = o->body_timeout ? o->body_timeout : 30 * BOUGH_SEC;
    o->send_timeout = o->send_timeout ? o->send_timeout : 30 * BOUGH_SEC;
}

int bough_http_serve_stream(struct bough_stream *stream, const struct bough_http_options *options,
                            bough_http_handler_fn *handler, void *arg)
{
    struct server server;
    server_init(&server, options, handler, arg);
    return serve_connection(stream, &server);
}

int bough_http_serve_with(struct bough_listener *l, const struct bough_http_options *options,
                          bough_http_handler_fn *handler, void *arg)
{
    struct server server;
    server_init(&server, options, handler, arg);
    struct bough_serve_options serve = {.limit = server.options.limit};
    return bough_serve_with(l, &serve, serve_accepted, &server);
}

int bough_http_serve(struct bough_listener *l, bough_http_handler_fn *handler, void *arg)
{
    return bough_http_serve_with(l, NULL, handler, arg);
}
