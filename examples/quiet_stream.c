/* A timeout on a stream must not kill the stream.
 *
 * A feed sends ticks over TCP and goes quiet for a while. We want to be told, and keep the feed. So
 * the reader of the feed is a generator, which runs in a task of its own, and the timeout is around
 * our receive: a receive that was cancelled has taken nothing, and the generator does not even
 * notice.
 *
 * The generator has a scope of its own open while it emits. That is fine: the scope is in the
 * generator's task, and cannot leak into ours. An iterator runs in our task, so there it could; and
 * so it is caught. That is shown last.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <bough.h>

#include "peer.h"

enum { TICKS = 12, QUIET_AFTER = 5 };

/* --- the feed, in a process of its own --- */

static int feed(struct bough_connection *c, void *arg)
{
    struct bough_stream *s = c->stream;
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

/* From the socket to whoever asks, until the feed ends; all of it within a minute. */
static int ticks(struct bough_generator *self, void *arg)
{
    struct bough_stream *s = arg;
    unsigned char tick;
    int rc = 0;
    bough_fail_after (BOUGH_MINUTE, &rc) {
        while ((rc = bough_stream_receive_some(s, &tick, 1)) > 0) {
            rc = bough_emit(self, &tick);
            if (rc < 0)
                break;
        }
    }
    return rc;
}

static int consume(struct bough_receiver *rx)
{
    int expected = 1, timeouts = 0;
    for (;;) {
        unsigned char tick;
        int rc = 0;
        bough_move_on_after (250 * BOUGH_MS, &rc)
            rc = bough_receive(rx, &tick);
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

static int program(void *arg)
{
    struct peer peer = {0};
    struct bough_stream *s;
    (void)arg;
    int rc = peer_start(&peer);
    if (rc < 0)
        return rc;
    rc = bough_tcp_connect("127.0.0.1", peer.port, &s);
    if (rc == 0) {
        bough_with_generator (rx, ticks, s, 1, &rc)
            rc = consume(rx);
        bough_stream_free(s);
    }
    peer_kill(&peer);
    return rc;
}

/* --- the cheap kind, and its rule (PEP 789) --- */

static int numbers(struct bough_iterator *self, void *arg)
{
    int rc = 0;
    (void)arg;
    bough_fail_after (BOUGH_SEC, &rc) /* after 1 s this would cancel whoever asked for a number */
        for (int i = 1; rc == 0; i++)
            rc = bough_iterator_emit(self, &i);
    return rc;
}

static int leak_a_scope(void *arg)
{
    struct bough_iterator it;
    int number;
    (void)arg;
    int rc = bough_iterator_open(&it, numbers, NULL, sizeof(number));
    while (rc >= 0 && (rc = bough_next(&it, &number)) > 0)
        rc = bough_sleep(2 * BOUGH_SEC); /* not in the timeout, as far as can be seen from here */
    return bough_iterator_close(&it, rc);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    peer_main(argc, argv, feed);
    int rc = bough_run(program, NULL);
    if (rc < 0)
        bough_error_print(bough_error_last(), stdout);
    printf("an iterator that yields inside its own timeout:\n");
    peer_show_panic(leak_a_scope);
    return rc < 0;
}
