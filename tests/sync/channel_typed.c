/* Channels with a type.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/channel.h>

struct job {
    int number;
    char name[20];
};

BOUGH_CHANNEL(jobs, struct job)
BOUGH_CHANNEL(texts, const char *)
BOUGH_CHANNEL(buffers, char *)
BOUGH_CHANNEL(numbers, double) /* of these, some functions stay unused: no warning */

TASK_TEST(a_typed_channel_carries_its_type)
{
    struct jobs_sender *tx;
    struct jobs_receiver *rx;
    struct job in = {.number = 7, .name = "seven"}, out = {0};
    int rc = jobs_open(2, &tx, &rx);
    if (rc < 0)
        return rc;
    const struct job *constant = &in;
    CHECK_EQ(jobs_send(tx, constant), 0);
    CHECK_EQ(jobs_receive(rx, &out), 1);
    CHECK_EQ(out.number, 7);
    CHECK_STR(out.name, "seven");
    jobs_sender_close(tx);
    CHECK_EQ(jobs_receive(rx, &out), 0);
    jobs_receiver_close(rx);
    return 0;
}

TASK_TEST(it_has_all_the_functions_of_a_channel)
{
    struct texts_sender *tx, *tx2;
    struct texts_receiver *rx, *rx2;
    const char *text = "hello", *back = NULL;
    CHECK_EQ(texts_open(1, &tx, &rx), 0);
    CHECK_EQ(texts_sender_clone(tx, &tx2), 0);
    CHECK_EQ(texts_receiver_clone(rx, &rx2), 0);
    texts_sender_close(tx);
    texts_receiver_close(rx);
    CHECK_EQ(texts_receive_nowait(rx2, &back), -EAGAIN);
    CHECK_EQ(texts_send_nowait(tx2, &text), 0);
    CHECK_EQ(texts_send_nowait(tx2, &text), -EAGAIN);
    CHECK_EQ(texts_send_nowait(tx, &text), -EBADF);
    CHECK_EQ(texts_receive_nowait(rx2, &back), 1);
    CHECK(back == text);
    texts_receiver_close(rx2);
    CHECK_EQ(texts_send(tx2, &text), -EPIPE);
    texts_sender_close(tx2);
    texts_sender_close(NULL);
    texts_receiver_close(NULL);
    return 0;
}

TASK_TEST(a_type_may_be_a_pointer)
{
    struct buffers_sender *tx;
    struct buffers_receiver *rx;
    char text[] = "hello", *buffer = text, *back = NULL;
    char *const constant = text;
    CHECK_EQ(buffers_open(2, &tx, &rx), 0);
    CHECK_EQ(buffers_send(tx, &buffer), 0);
    CHECK_EQ(buffers_send(tx, &constant), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(buffers_receive(rx, &back), 1);
        CHECK(back == text);
    }
    buffers_sender_close(tx);
    buffers_receiver_close(rx);
    return 0;
}

static int send_squares(void *arg)
{
    int rc = 0;
    for (double x = 1; x <= 5 && rc == 0; x++)
        rc = numbers_send(arg, &(double){x * x});
    numbers_sender_close(arg);
    return rc;
}

TASK_TEST(a_typed_channel_may_be_a_rendezvous)
{
    struct numbers_sender *tx;
    struct numbers_receiver *rx;
    double sum = 0, x;
    int rc = numbers_open(0, &tx, &rx);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, send_squares, tx);
        while (rc >= 0 && (rc = numbers_receive(rx, &x)) > 0)
            sum += x;
    }
    CHECK_EQ((int)sum, 55);
    numbers_receiver_close(rx);
    return rc;
}

/* The generic handles say as much about a channel, const or not. */
TASK_TEST(stats_can_be_asked_at_either_end)
{
    struct bough_sender *tx;
    struct bough_receiver *rx;
    struct bough_channel_stats stats = {0};
    int rc = bough_channel_open(sizeof(int), 5, &tx, &rx);
    if (rc < 0)
        return rc;
    bough_channel_stats(tx, &stats);
    CHECK_EQ(stats.capacity, 5);
    stats.capacity = 0;
    bough_channel_stats((const struct bough_sender *)tx, &stats);
    CHECK_EQ(stats.capacity, 5);
    stats.capacity = 0;
    bough_channel_stats(rx, &stats);
    CHECK_EQ(stats.capacity, 5);
    stats.capacity = 0;
    bough_channel_stats((const struct bough_receiver *)rx, &stats);
    CHECK_EQ(stats.capacity, 5);
    bough_sender_close(tx);
    bough_receiver_close(rx);
    return 0;
}
