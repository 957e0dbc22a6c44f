/* Sends and receives of ints, for struct waiter.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "waiter.h"

#include <bough/channel.h>

struct ends {
    struct bough_sender *tx;
    struct bough_receiver *rx;
};

__attribute__((unused)) static struct ends open_ints(size_t capacity)
{
    struct ends ends;
    CHECK_EQ(bough_channel_open(sizeof(int), capacity, &ends.tx, &ends.rx), 0);
    return ends;
}

__attribute__((unused)) static void close_ends(struct ends ends)
{
    bough_sender_close(ends.tx);
    bough_receiver_close(ends.rx);
}

/* One send or receive of an int. */
struct transfer {
    struct ends ends;
    int item;
};

__attribute__((unused)) static int call_send(void *object)
{
    struct transfer *t = object;
    return bough_send(t->ends.tx, &t->item);
}

__attribute__((unused)) static int call_receive(void *object)
{
    struct transfer *t = object;
    return bough_receive(t->ends.rx, &t->item);
}

__attribute__((unused)) static int send_nowait(struct ends ends, int item)
{
    return bough_send_nowait(ends.tx, &item);
}

/* The item, or what went wrong; items are > 0. 0: the end. */
__attribute__((unused)) static int receive_nowait(struct ends ends)
{
    int item = 0, rc = bough_receive_nowait(ends.rx, &item);
    return rc == 1 ? item : rc;
}

__attribute__((unused)) static struct bough_channel_stats stats_of(struct ends ends)
{
    struct bough_channel_stats by_tx, by_rx;
    bough_channel_stats(ends.tx, &by_tx);
    bough_channel_stats(ends.rx, &by_rx);
    CHECK(memcmp(&by_tx, &by_rx, sizeof(by_tx)) == 0);
    return by_tx;
}

/* A waiter each that sends 'item', or receives, and is parked now. */
__attribute__((unused)) static void park_send(struct bough_nursery *n, struct waiter *w,
                                              struct transfer *t, struct ends ends, int item)
{
    *t = (struct transfer){.ends = ends, .item = item};
    *w = (struct waiter){.call = call_send, .object = t};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}

__attribute__((unused)) static void park_receive(struct bough_nursery *n, struct waiter *w,
                                                 struct transfer *t, struct ends ends)
{
    *t = (struct transfer){.ends = ends};
    *w = (struct waiter){.call = call_receive, .object = t};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}
