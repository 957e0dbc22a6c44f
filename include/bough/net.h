/* TCP: connecting, listening, serving.
 *
 *     static int greet(struct bough_connection *c, void *arg)    // one task a connection
 *     {
 *         return bough_stream_send_all(c->stream, "hello\n", 6);
 *     }                                                          // closed and freed now
 *
 *     static int server(void *arg)
 *     {
 *         struct bough_listener *l;
 *         int rc = bough_tcp_listen("localhost", 8080, &l);
 *         if (rc < 0)
 *             return rc;
 *         rc = bough_serve(l, greet, NULL);                      // until cancelled
 *         bough_listener_free(l);
 *         return rc;
 *     }
 *
 *     struct bough_stream *s;                                    // the other side
 *     rc = bough_tcp_connect("localhost", 8080, &s);
 *
 * What is connected or accepted is a struct bough_stream (bough/stream.h). All of it belongs to the
 * thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/socket.h"
#include "bough/stream.h"

BOUGH_BEGIN_DECLS

/* --- names --- */

/* The addresses of 'host', at most 'capacity' of them, in the order in which the system prefers
 * them: by getaddrinfo() in a worker thread, so the hosts file and all that is configured count; or
 * by the resolver of the run, if it has one (below). 'host' may be an address, too. A checkpoint.
 * How many were found, at least 1; -ENOENT: no such host; -EHOSTUNREACH: the name server does not
 * answer; -EINVAL; -ECANCELED (a thread's result is thrown away when it comes); -ENOMEM, -EAGAIN
 * (no thread). */
BOUGH_MUST_CHECK int bough_resolve(const char *host, unsigned port,
                                   struct bough_address *ret_addresses, unsigned capacity);

/* Who is asked for names: getaddrinfo(), unless the run has another one, such as bough-ares
 * (bough/ares.h). It is also the place for a table of names in a test. */
struct bough_resolver {
    /* What bough_resolve() does once it knows that 'host' is a name and 'capacity' is not 0. Waits;
     * a checkpoint. Returns what bough_resolve() does. */
    int (*resolve)(struct bough_resolver *resolver, const char *host, unsigned port,
                   struct bough_address *ret_addresses, unsigned capacity);
};

/* From now on this run asks 'resolver' (NULL: getaddrinfo() again) wherever it is given a name:
 * bough_resolve(), connecting, listening. It stays yours, and must live as long as it is set and
 * anybody waits in it. Does not block. 0; -ENOMEM, but not for NULL. */
BOUGH_MUST_CHECK int bough_resolver_set(struct bough_resolver *resolver);
struct bough_resolver *bough_resolver_get(void);

/* bough_resolve(), by a resolver that need not be the one of the run. NULL: getaddrinfo(). */
BOUGH_MUST_CHECK int bough_resolve_by(struct bough_resolver *resolver, const char *host,
                                      unsigned port, struct bough_address *ret_addresses,
                                      unsigned capacity);

/* --- connecting --- */

/* Connect to a host by name or address. When it has several addresses they are tried in turn, with
 * a head start of 250 ms each, families alternating; the first connection wins (RFC 8305, "Happy
 * Eyeballs"). Nagle's delay is off. A checkpoint. 0; what bough_resolve() says; if no address
 * answers the error of the first (-ECONNREFUSED, -ENETUNREACH ...), with all of them in its detail;
 * -ECANCELED: nothing is left open. */
BOUGH_MUST_CHECK int bough_tcp_connect(const char *host, unsigned port,
                                       struct bough_stream **ret_stream);

/* The same, to addresses. */
BOUGH_MUST_CHECK int bough_tcp_connect_to(const struct bough_address *addresses, unsigned count,
                                          struct bough_stream **ret_stream);

/* --- listening --- */

struct bough_listener;

/* Listen on all addresses of 'host' (NULL: of this machine, IPv4 and IPv6). Port 0: one that is
 * free, the same for all. Binding to a port that was used a moment ago is allowed. A checkpoint. 0;
 * -EADDRINUSE, -EACCES, ...; what bough_resolve() says. */
BOUGH_MUST_CHECK int bough_tcp_listen(const char *host, unsigned port,
                                      struct bough_listener **ret_listener);

/* The port it listens on. */
unsigned bough_listener_port(const struct bough_listener *l);

/* The next connection. A checkpoint. 0; -EBADF: the listener was closed; -EMFILE and the like: the
 * connection still waits; -EBUSY: another task accepts; -ECANCELED. */
BOUGH_MUST_CHECK int bough_listener_accept(struct bough_listener *l,
                                           struct bough_stream **ret_stream);

/* Close it; who waits in it gets -EBADF. Idempotent. */
void bough_listener_close(struct bough_listener *l);

/* Close and free. No task may be in it. NULL is fine. */
void bough_listener_free(struct bough_listener *l);

/* --- serving --- */

/* A connection that is served. What is in 'stream' when the handler has returned is closed and
 * freed, so a handler may put another stream there that has taken this one over, such as the
 * encrypted one of bough_tls_accept(); or NULL, when the connection is somebody else's from now on.
 */
struct bough_connection {
    struct bough_stream *stream;
};

/* What serves one connection, in a task of its own; 'c' is there until it returns. */
typedef int bough_serve_fn(struct bough_connection *c, void *arg);

struct bough_serve_options {
    /* So many connections at once; the others wait in the kernel's queue. 0: no limit. */
    unsigned limit;
    /* Called with the result of a connection that failed (< 0, not cancelled), in its task; what it
     * returns counts instead: 0 goes on serving. NULL: the failure ends the server. */
    int (*on_error)(int rc, void *arg);
};

/* Accept connections and start fn(connection, arg) for each, until cancelled or a connection fails.
 * When descriptors or memory are out it waits a moment and goes on. Returns < 0: -ECANCELED, -EBADF
 * (the listener was closed), or the failures of connections. All connections have ended then. */
BOUGH_MUST_CHECK int bough_serve(struct bough_listener *l, bough_serve_fn *fn, void *arg);
BOUGH_MUST_CHECK int bough_serve_with(struct bough_listener *l,
                                      const struct bough_serve_options *options, bough_serve_fn *fn,
                                      void *arg);

BOUGH_END_DECLS
