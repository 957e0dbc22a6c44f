/* A timeout on a stream must not kill the stream.
 *
 * A feed sends ticks over TCP and goes quiet for a while. We want to be told, and keep the feed. So the reader
 * of the feed is a task of its own, and the timeout is around our receive from a channel: a receive
 * that was cancelled has taken nothing, and the reader does not even notice.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <bough.h>

#include "peer.h"

enum { TICKS = 12, QUIET_AFTER = 5 };

/* --- the feed, in a process of its own --- */

static int feed(struct bough_stream *s, void *arg)
{
    (void)arg;
    for (unsigned char tick = 1; tick <= TICKS; tick++) {
        int rc = bough_stream_send_all(s, &tick, 1);
        if (rc == 0)
            rc = bough_sleep(tick == QUIET_AFTER ? 700 * BOUGH_MS : 40 * BOUGH_MS);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- our side --- */

struct reader {
    struct bough_stream *stream;
    struct bough_sender *ticks;
};

/* From the socket into the channel, until the feed ends. */
static int read_feed(void *arg)
{
    struct reader *r = arg;
    unsigned char tick;
    int rc;
    while ((rc = bough_stream_receive_some(r->stream, &tick, 1)) > 0) {
        int number = tick;
        rc = bough_send(r->ticks, &number);
        if (rc < 0)
            break;
    }
    bough_sender_close(r->ticks);
    return rc;
}

static int consume(struct bough_receiver *ticks)
{
    int tick, expected = 1, timeouts = 0;
    for (;;) {
        int rc = 0;
        bough_move_on_after (250 * BOUGH_MS, &rc)
            rc = bough_receive(ticks, &tick);
        if (bough_scope_cancelled_caught(NULL)) {
            printf("  nothing came for 250 ms; the stream is still open, so we go on waiting\n");
            timeouts++;
            continue;
        }
        if (rc <= 0) {
            printf("  the feed has ended: %d ticks, %d timeouts, %s\n", expected - 1, timeouts,
                   expected == TICKS + 1 ? "loses nothing" : "LOST SOME");
            return rc;
        }
        printf("  tick %d\n", tick);
        expected += tick == expected;
    }
}

static int watch_feed(struct bough_stream *stream)
{
    struct bough_sender *tx;
    struct bough_receiver *rx;
    int rc = bough_channel_open(sizeof(int), 0, &tx, &rx);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        rc = BOUGH_START(n, read_feed, struct reader, .stream = stream, .ticks = tx);
        if (rc == 0)
            rc = consume(rx);
    }
    bough_receiver_close(rx);
    return rc;
}

static int program(void *arg)
{
    struct peer peer = {0};
    struct bough_stream *stream;
    (void)arg;
    int rc = peer_start(&peer);
    if (rc < 0)
        return rc;
    rc = bough_tcp_connect("127.0.0.1", peer.port, &stream);
    if (rc == 0) {
        rc = watch_feed(stream);
        bough_stream_free(stream);
    }
    peer_kill(&peer);
    return rc;
}

int main(int argc, char **argv)
{
    peer_main(argc, argv, feed);
    int rc = bough_run(program, NULL);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
