/* An HTTP/1.1 server; a library of its own, bough-http, on llhttp.
 *
 *     static int page(const struct bough_http_request *request,
 *                     struct bough_http_response *response, void *arg)
 *     {
 *         if (strcmp(request->target, "/") != 0)
 *             return bough_http_response_send(response, 404, "no such page\n", 13);
 *         int rc = bough_http_response_add(response, "Content-Type", "text/plain");
 *         return rc < 0 ? rc : bough_http_response_send(response, 200, "hello\n", 6);
 *     }
 *
 *     static int server(void *arg)
 *     {
 *         struct bough_listener *l;
 *         int rc = bough_tcp_listen(NULL, 8080, &l);
 *         if (rc < 0)
 *             return rc;
 *         rc = bough_http_serve(l, page, NULL);              // until cancelled
 *         bough_listener_free(l);
 *         return rc;
 *     }
 *
 * Each connection is a task, and its requests are handled one after the other, in order, also when
 * the client sends them all at once. The handler may do whatever a task may: wait, open nurseries,
 * have time limits.
 *
 * A body comes as a stream, when the handler asks for it; one that waits to be asked (Expect:
 * 100-continue) is told to go on then. What the handler does not read is skipped, or the connection
 * closed if it is much. An answer goes out whole, or as a stream.
 *
 * What the library does by itself: keep-alive; HEAD; Content-Length, Transfer-Encoding, Connection
 * and Date; 400, 501 or 505 and an end for what is not HTTP, or not as it is spoken here, 408 for
 * who is too slow, 413 and 431 for what is too large, 500 for a handler that fails before it has
 * answered.
 *
 * HTTPS is the same over another stream: a handler of bough_serve() (bough/net.h) that calls
 * bough_tls_accept(tls, c->stream, &c->stream) and then bough_http_serve_stream(). See
 * examples/https_server.c.
 *
 * A shutdown (bough_scope_shutdown()) around bough_http_serve() lets the requests that are being
 * handled be answered and ends the connections that are idle; a cancel ends all. All of it belongs
 * to the thread of the run. Link with pkg-config's bough-http.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/net.h"
#include "bough/time.h"

BOUGH_BEGIN_DECLS

/* --- requests --- */

struct bough_http_header {
    const char *name, *value; /* without the spaces around */
};

/* It and all it points to are good until the handler returns. */
struct bough_http_request {
    const char *method; /* "GET" */
    const char *target; /* as it was sent: "/path?query" */
    unsigned minor;     /* HTTP/1.minor: 0 or 1 */
    unsigned header_count;
    const struct bough_http_header *headers; /* in order, as they were sent */
    int64_t body_size; /* 0: it has no body; -1: the end will tell (chunked) */
    /* Receive the body from it, whether there is one or not; 0 is its end. It can only be received
     * from. Fails, beside what streams fail with, with -EMSGSIZE: the body is larger than allowed;
     * -EPROTO: it is not HTTP; -ETIMEDOUT: the client is too slow; -EPIPE: it is gone. A handler
     * that hands that on has done what is right: the client gets the status that belongs to it, and
     * the server goes on. */
    struct bough_stream *body;
    /* The connection, to ask who it is. Not to be sent to or received from. */
    struct bough_stream *connection;
};

/* The value of the first header of that name, in any case; NULL if there is none. Does not block.
 */
const char *bough_http_request_header(const struct bough_http_request *request, const char *name);

/* --- responses --- */

struct bough_http_response;

/* Add a header, before the answer is sent. Content-Length, Transfer-Encoding, Connection and Date
 * are the library's: -EINVAL; as for a name or value that no header may have. -EMSGSIZE: too many;
 * -EBADF: it is sent. Does not block. */
BOUGH_MUST_CHECK int bough_http_response_add(struct bough_http_response *response, const char *name,
                                             const char *value);

/* This is the last answer on this connection. Before it is sent. Does not block. */
void bough_http_response_close(struct bough_http_response *response);

/* Send the whole answer; 'status' is 200 to 599. To a HEAD, and with 204 and 304, goes no body. A
 * checkpoint. 0; -EBADF: it is sent already; -EPIPE: the client is gone; -ETIMEDOUT: it does not
 * take it; -EINVAL; -ECANCELED. */
BOUGH_MUST_CHECK int bough_http_response_send(struct bough_http_response *response, unsigned status,
                                              const void *body, size_t size);

/* Send the head of an answer, and then the body into *ret_body, of 'size' bytes, or -1: until the
 * end (which is bough_stream_send_eof(), or the handler's return). A client that waits to be asked
 * for its body is, before a status below 300; after others, and after bough_http_response_send(),
 * it can no longer be. The stream is the response's: it need not be closed or freed, and can only
 * be sent to. More than 'size' is -EMSGSIZE; less is a failure of the handler (-EPROTO), and the
 * connection is broken off, so that the client sees it. Results as above, and -EINVAL for a 'size'
 * below -1. */
BOUGH_MUST_CHECK int bough_http_response_begin(struct bough_http_response *response,
                                               unsigned status, int64_t size,
                                               struct bough_stream **ret_body);

/* --- serving --- */

/* Answer one request. 0 or more: it has been answered. < 0: it failed. Then, if nothing has been
 * sent yet, the client gets status 500; the connection is closed; and the server ends, or on_error
 * is asked. A failure of the connection itself (the client is gone, too slow, or does not speak
 * HTTP) that the handler hands on is none of the server. To return 0 without an answer is -EPROTO.
 */
typedef int bough_http_handler_fn(const struct bough_http_request *request,
                                  struct bough_http_response *response, void *arg);

/* What is 0 has the default in brackets. */
struct bough_http_options {
    unsigned limit;   /* so many connections at once; the others wait in the kernel's queue [all] */
    unsigned headers; /* so many in a request [100] */
    size_t head_size; /* bytes of target and headers [16 KiB] */
    size_t body_size; /* bytes of a body; SIZE_MAX: no limit [1 MiB] */
    int64_t idle_timeout; /* between two requests [1 minute] */
    int64_t head_timeout; /* from the first byte of a request to the end of its headers [10 s] */
    int64_t body_timeout; /* for the next bytes of a body [30 s] */
    int64_t send_timeout; /* for the client to take what is sent at once [30 s] */
    /* Called with the result of a handler that failed (< 0, not cancelled), in its task; what it
     * returns counts instead: 0 goes on serving. NULL: the failure ends the server. */
    int (*on_error)(int rc, void *arg);
};

/* Serve until cancelled, or a handler fails. Returns < 0, as bough_serve() does: all connections
 * have ended then. 'options' may be NULL. */
BOUGH_MUST_CHECK int bough_http_serve(struct bough_listener *l, bough_http_handler_fn *handler,
                                      void *arg);
BOUGH_MUST_CHECK int bough_http_serve_with(struct bough_listener *l,
                                           const struct bough_http_options *options,
                                           bough_http_handler_fn *handler, void *arg);

/* The same for one connection, over any stream, such as TLS. Returns when it has ended: 0;
 * -ECANCELED; the failure of a handler; -ENOMEM. The stream is still open, and yours. */
BOUGH_MUST_CHECK int bough_http_serve_stream(struct bough_stream *stream,
                                             const struct bough_http_options *options,
                                             bough_http_handler_fn *handler, void *arg);

BOUGH_END_DECLS
