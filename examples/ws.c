/* SPDX-License-Identifier: MIT */
#include "ws.h"

#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include <wslay/wslay.h>

#define PING (100 * BOUGH_MS)
#define SILENCE (300 * BOUGH_MS)   /* without a byte: the peer is lost */
#define HANDSHAKE (250 * BOUGH_MS) /* connect and upgrade take no longer */

struct message {
    unsigned char opcode; /* 0: none; only see what wslay has to write */
    unsigned short size;
    char text[WEBSOCKET_TEXT];
};

struct websocket {
    struct bough_stream *stream;
    wslay_event_context_ptr wslay;
    /* To the writer; a rendezvous, so that a message that was not sent is nowhere. And from the
     * reader. */
    struct bough_sender *to_writer, *to_body;
    struct bough_receiver *from_body, *from_reader;
    int64_t heard;   /* when the last bytes came */
    bool delivering; /* the reader waits for the body */
    bool leaving;    /* the body has ended: what still comes is dropped */
    bool broken;     /* half a frame was sent, or the peer is gone */
    int delivered;   /* what the delivery came to */
    struct websocket_input in;
    size_t out_size;
    unsigned char out[1024];
};

/* --- what wslay calls; it sees only our buffers --- */

static ssize_t wslay_recv(wslay_event_context_ptr ctx, uint8_t *buffer, size_t size, int flags,
                          void *arg)
{
    struct websocket_input *in = &((struct websocket *)arg)->in;
    size_t there = in->size - in->at;
    (void)flags;
    if (there == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size = size < there ? size : there;
    memcpy(buffer, in->bytes + in->at, size);
    in->at += size;
    return (ssize_t)size;
}

static ssize_t wslay_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t size, int flags,
                          void *arg)
{
    struct websocket *ws = arg;
    size_t room = sizeof(ws->out) - ws->out_size;
    (void)flags;
    if (room == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size = size < room ? size : room;
    memcpy(ws->out + ws->out_size, data, size);
    ws->out_size += size;
    return (ssize_t)size;
}

static int wslay_mask(wslay_event_context_ptr ctx, uint8_t *buffer, size_t size, void *arg)
{
    (void)arg;
    if (getrandom(buffer, size, 0) == (ssize_t)size)
        return 0;
    wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* This may wait: it runs in the reader, and nobody else reads. */
static void wslay_message(wslay_event_context_ptr ctx,
                          const struct wslay_event_on_msg_recv_arg *got, void *arg)
{
    struct websocket *ws = arg;
    struct message m = {.opcode = got->opcode, .size = (unsigned short)got->msg_length};
    (void)ctx;
    if (got->opcode != WSLAY_TEXT_FRAME || ws->leaving || ws->delivered < 0)
        return;
    memcpy(m.text, got->msg, got->msg_length);
    ws->delivering = true;
    ws->delivered = bough_send(ws->to_body, &m);
    ws->delivering = false;
    ws->heard = bough_now();
}

/* --- the three tasks --- */

/* Write all that wslay has to say. */
static int flush(struct websocket *ws)
{
    while (wslay_event_want_write(ws->wslay)) {
        if (wslay_event_send(ws->wslay) != 0)
            return bough_fail(-EPROTO, "cannot make a frame");
        int rc = bough_stream_send_all(ws->stream, ws->out, ws->out_size);
        ws->out_size = 0;
        if (rc < 0) {
            ws->broken = true;
            return rc == -EPIPE ? bough_fail(-EPIPE, "connection lost: the peer is gone") : rc;
        }
    }
    return 0;
}

static int writer(void *arg)
{
    struct websocket *ws = arg;
    struct message m;
    int rc;
    while ((rc = bough_receive(ws->from_body, &m)) > 0) {
        struct wslay_event_msg msg = {m.opcode, (const uint8_t *)m.text, m.size};
        if (m.opcode && wslay_event_queue_msg(ws->wslay, &msg) == WSLAY_ERR_NOMEM)
            return bough_fail(-ENOMEM, "a message");
        rc = flush(ws);
        if (rc < 0)
            break;
    }
    return rc;
}

/* Tell the writer of something, if it is idle; if it is not it will see for itself, or it is about
 * to send anyway. */
static int nudge(struct websocket *ws, unsigned char opcode)
{
    int rc = bough_send_nowait(ws->to_writer, &(struct message){.opcode = opcode});
    return rc == -EAGAIN ? 0 : rc;
}

/* Receive something, and let wslay look at it. 1; 0: the peer has said goodbye. */
static int receive(struct websocket *ws)
{
    if (ws->in.at == ws->in.size) {
        int n = bough_stream_receive_some(ws->stream, ws->in.bytes, sizeof(ws->in.bytes));
        if (n == 0 || n == -EPIPE) {
            ws->broken = true;
            return bough_fail(-EPIPE, "connection lost: the peer closed it without a goodbye");
        }
        if (n < 0)
            return n;
        ws->heard = bough_now();
        ws->in.at = 0;
        ws->in.size = (size_t)n;
    }
    if (wslay_event_recv(ws->wslay) != 0)
        return bough_fail(-EPROTO, "a frame that is none");
    if (ws->delivered < 0)
        return ws->delivered;
    if (wslay_event_get_close_received(ws->wslay))
        return 0;
    return wslay_event_want_read(ws->wslay) ? 1
                                            : bough_fail(-EPROTO, "the peer broke the protocol");
}

static int reader(void *arg)
{
    struct websocket *ws = arg;
    int rc;
    do {
        rc = receive(ws);
        if (rc >= 0 && wslay_event_want_write(ws->wslay)) {
            int woken = nudge(ws, 0); /* a ping was answered, or a goodbye */
            rc = woken < 0 ? woken : rc;
        }
    } while (rc > 0);
    if (rc == 0)
        bough_sender_close(ws->to_body); /* no more messages */
    return rc;
}

static int watcher(void *arg)
{
    struct websocket *ws = arg;
    int rc = 0;
    while (rc == 0) {
        rc = nudge(ws, WSLAY_PING);
        if (rc == 0)
            rc = bough_sleep(PING);
        /* If the body does not take its messages we do not read, and cannot know. */
        if (rc == 0 && !ws->delivering && bough_now() - ws->heard > SILENCE) {
            ws->broken = true;
            return bough_fail(-EPIPE, "connection lost: no pong for 300 ms");
        }
    }
    return rc;
}

/* --- the managers --- */

/* The close handshake, when nobody else uses the connection any more. */
static int goodbye(struct websocket *ws)
{
    ws->leaving = true;
    ws->delivered = 0;
    if (!wslay_event_get_close_received(ws->wslay))
        (void)wslay_event_queue_close(ws->wslay, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
    int rc = flush(ws);
    while (rc == 0 && wslay_event_want_read(ws->wslay)) {
        rc = receive(ws);
        rc = rc > 0 ? 0 : rc;
    }
    return rc;
}

static int session(struct bough_manager *self, struct websocket *ws)
{
    int rc = 0;
    ws->heard = bough_now();
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, reader, ws);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, writer, ws);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, watcher, ws);
        if (rc == 0)
            rc = bough_yield(self, ws);
        bough_scope_cancel(bough_nursery_scope(n), "the body is done");
    }
    if (ws->broken)
        return rc; /* nobody is there to say goodbye to */
    int cleanup = 0;
    bough_shielded (BOUGH_SEC, &cleanup)
        cleanup = goodbye(ws);
    return bough_keep(rc, cleanup);
}

static int with_channels(struct bough_manager *self, struct websocket *ws)
{
    int rc = bough_channel_open(sizeof(struct message), 0, &ws->to_writer, &ws->from_body);
    if (rc < 0)
        return rc;
    rc = bough_channel_open(sizeof(struct message), 16, &ws->to_body, &ws->from_reader);
    if (rc == 0) {
        rc = session(self, ws);
        bough_sender_close(ws->to_body);
        bough_receiver_close(ws->from_reader);
    }
    bough_sender_close(ws->to_writer);
    bough_receiver_close(ws->from_body);
    return rc;
}

static int with_wslay(struct bough_manager *self, struct websocket *ws, bool server)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = wslay_recv,
        .send_callback = wslay_send,
        .genmask_callback = wslay_mask,
        .on_msg_recv_callback = wslay_message,
    };
    if ((server ? wslay_event_context_server_init
                : wslay_event_context_client_init)(&ws->wslay, &callbacks, ws) != 0)
        return bough_fail(-ENOMEM, "no WebSocket");
    wslay_event_config_set_max_recv_msg_length(ws->wslay, WEBSOCKET_TEXT - 1);
    int rc = with_channels(self, ws);
    wslay_event_context_free(ws->wslay);
    return rc;
}

int websocket_connect(struct bough_manager *self, void *arg)
{
    struct websocket_address *address = arg;
    struct websocket ws = {0};
    int rc = 0;
    bough_fail_after (HANDSHAKE, &rc) {
        rc = bough_tcp_connect(address->host, address->port, &ws.stream);
        if (rc == 0)
            rc = websocket_upgrade_client(ws.stream, address->host, &ws.in);
    }
    if (bough_catch(&rc, -ETIMEDOUT))
        rc = bough_fail(-EPIPE, "connection lost: no answer to the handshake");
    if (rc == 0)
        rc = with_wslay(self, &ws, false);
    bough_stream_free(ws.stream);
    return rc;
}

int websocket_accept(struct bough_manager *self, void *arg)
{
    struct websocket ws = {.stream = arg};
    int rc = 0;
    bough_fail_after (HANDSHAKE, &rc)
        rc = websocket_upgrade_server(ws.stream, &ws.in);
    return rc < 0 ? rc : with_wslay(self, &ws, true);
}

/* --- for the body --- */

int websocket_send(struct websocket *ws, const char *text)
{
    struct message m = {.opcode = WSLAY_TEXT_FRAME};
    size_t size = strlen(text);
    if (size >= sizeof(m.text))
        return bough_fail(-EMSGSIZE, "a message of %zu bytes", size);
    m.size = (unsigned short)size;
    memcpy(m.text, text, size);
    return bough_send(ws->to_writer, &m);
}

int websocket_receive(struct websocket *ws, char text[static WEBSOCKET_TEXT])
{
    struct message m;
    int rc = bough_receive(ws->from_reader, &m);
    if (rc <= 0)
        return rc;
    memcpy(text, m.text, m.size);
    text[m.size] = '\0';
    return 1;
}
