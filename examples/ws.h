/* A WebSocket (RFC 6455) as a manager: connected or accepted on the way in, said goodbye on the way
 * out, and watched in between.
 *
 *     bough_with (struct websocket *, ws, websocket_connect, &address, &rc) {
 *         rc = websocket_send(ws, "hello");
 *         if (rc == 0)
 *             rc = websocket_receive(ws, text);
 *     }
 *
 * Around the body three tasks run in a nursery of the manager: a reader, a writer, and a watcher
 * that pings. If the peer closes without a goodbye, or nothing is heard of it for 300 ms, one of
 * them fails with -EPIPE, "connection lost"; then the body is cancelled wherever it waits, and the
 * block ends with that error.
 *
 * The framing is wslay's; the handshake is in ws_handshake.c. Needs the package libwslay-dev.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <bough.h>

enum { WEBSOCKET_TEXT = 256 }; /* the longest message, with its NUL */

struct websocket;

struct websocket_address {
    const char *host;
    unsigned port;
};

/* Managers; both yield a struct websocket *. The client side: arg is a struct websocket_address *.
 * -EPIPE when there is no answer in time; what bough_tcp_connect() fails with. */
int websocket_connect(struct bough_manager *self, void *arg);

/* The server side: arg is the struct bough_stream * that was accepted, which stays the caller's. */
int websocket_accept(struct bough_manager *self, void *arg);

/* Send a text message. 0; -ECANCELED: nothing of it was sent, and the connection is as good as
 * before; -EMSGSIZE. */
BOUGH_MUST_CHECK int websocket_send(struct websocket *ws, const char *text);

/* The next message. 1; 0: the peer has said goodbye; -ECANCELED: nothing was taken. */
BOUGH_MUST_CHECK int websocket_receive(struct websocket *ws, char text[static WEBSOCKET_TEXT]);

/* --- the handshake --- */

/* Bytes that were received and not used yet. */
struct websocket_input {
    size_t at, size;
    unsigned char bytes[2048];
};

/* Do the upgrade (RFC 6455, section 4). What comes after it stays in 'in'. 0; -EPROTO: that is no
 * WebSocket; -EPIPE. */
BOUGH_MUST_CHECK int websocket_upgrade_client(struct bough_stream *s, const char *host,
                                              struct websocket_input *in);
BOUGH_MUST_CHECK int websocket_upgrade_server(struct bough_stream *s, struct websocket_input *in);
