/* Peers that reset the connection, at each byte of a protocol.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <bough/reader.h>

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

static void make_peer(struct bough_stream **ret_stream, int *ret_peer)
{
    int fds[2];
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], ret_stream), 0);
    *ret_peer = fds[1];
}

/* One that we have often heard from, so that a driver may receive ahead. */
static void make_chatty_peer(struct bough_stream **ret_stream, int *ret_peer)
{
    int fds[2];
    make_tcp(fds);
    *ret_stream = make_chatty(fds[0], fds[1]);
    *ret_peer = fds[1];
}

typedef void make_peer_fn(struct bough_stream **ret_stream, int *ret_peer);

/* --- a protocol of lines and sizes --- */

static const char dialogue[] = "HELO there\r\nDATA 5\r\nhello\r\nQUIT\r\n";
enum { DIALOGUE = sizeof(dialogue) - 1 };

/* What was understood of it, with a space behind each word. 0: the end; < 0. */
static int understand(struct bough_stream *s, char *ret_words)
{
    struct bough_reader r;
    char buffer[32], data[5], *line;
    int rc;
    *ret_words = '\0';
    bough_reader_init(&r, s, buffer, sizeof(buffer));
    while ((rc = bough_reader_line(&r, 20, &line, NULL)) == 1) {
        strncat(ret_words, line, 4);
        strcat(ret_words, " ");
        if (strcmp(line, "DATA 5") != 0)
            continue;
        if ((rc = bough_reader_exact(&r, data, sizeof(data))) != 1)
            break;
        strncat(ret_words, data, 5);
        if ((rc = bough_reader_line(&r, 0, &line, NULL)) != 1)
            break;
    }
    return rc;
}

/* The words that are complete after 'size' bytes. */
static const char *words_within(size_t size)
{
    static const struct {
        size_t size;
        const char *words;
    } steps[] = {{DIALOGUE, "HELO DATA helloQUIT "},
                 {25, "HELO DATA hello"},
                 {20, "HELO DATA "},
                 {12, "HELO "},
                 {0, ""}};
    size_t i = 0;
    while (size < steps[i].size)
        i++;
    return steps[i].words;
}

static int reset_at_every_byte(make_peer_fn *make)
{
    for (size_t size = 0; size <= DIALOGUE; size++) {
        struct bough_stream *s;
        char words[64];
        int peer;
        make(&s, &peer);
        CHECK_EQ(write(peer, dialogue, size), (ssize_t)size);
        reset(peer);
        CHECK_EQ(understand(s, words), -EPIPE);
        CHECK_HAS(bough_error_message(bough_error_last()), "reset");
        CHECK_STR(words, words_within(size));
        bough_stream_free(s);
    }
    return 0;
}

IO_TEST(a_peer_may_be_reset_at_every_byte_and_what_was_complete_is_understood)
{
    return reset_at_every_byte(make_peer);
}

IO_TEST(so_may_one_that_is_received_ahead_from)
{
    return reset_at_every_byte(make_chatty_peer);
}

struct listener_task {
    struct bough_stream *stream;
    char words[64];
};

static int understand_it(void *arg)
{
    struct listener_task *t = arg;
    return understand(t->stream, t->words);
}

static int waits_for_the_reset_at_every_byte(make_peer_fn *make)
{
    for (size_t size = 0; size <= DIALOGUE; size++) {
        struct listener_task task;
        struct waiter w = {.call = understand_it, .object = &task};
        int peer, rc = 0;
        make(&task.stream, &peer);
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            for (size_t i = 0; i < size; i++) {
                CHECK_EQ(write(peer, dialogue + i, 1), 1);
                CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
            }
            CHECK_EQ(w.rc, STILL_WAITING);
            reset(peer);
        }
        CHECK_EQ(rc, 0);
        CHECK_EQ(w.rc, -EPIPE);
        CHECK_STR(task.words, words_within(size));
        bough_stream_free(task.stream);
    }
    return 0;
}

IO_TEST(a_reader_that_waits_meets_the_reset_at_every_byte)
{
    return waits_for_the_reset_at_every_byte(make_peer);
}

IO_TEST(so_does_one_that_is_received_ahead_for)
{
    return waits_for_the_reset_at_every_byte(make_chatty_peer);
}

static int end_at_every_byte(make_peer_fn *make)
{
    for (size_t size = 0; size <= DIALOGUE; size++) {
        struct bough_stream *s;
        char words[64];
        int peer;
        make(&s, &peer);
        CHECK_EQ(write(peer, dialogue, size), (ssize_t)size);
        close(peer);
        int rc = understand(s, words);
        /* Behind "hello" the reader is between two messages. */
        bool between = size == 0 || dialogue[size - 1] == '\n' || size == 25;
        CHECK_EQ(rc, between ? 0 : -EPROTO);
        CHECK_STR(words, words_within(size));
        bough_stream_free(s);
    }
    return 0;
}

IO_TEST(the_end_at_every_byte_is_told_from_a_reset)
{
    return end_at_every_byte(make_peer);
}

IO_TEST(also_where_it_is_received_ahead)
{
    return end_at_every_byte(make_chatty_peer);
}

/* --- who hears of it --- */

IO_TEST(a_reset_stays_a_reset)
{
    struct bough_stream *s;
    char byte;
    int peer;
    make_peer(&s, &peer);
    reset(peer);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bough_stream_receive_some(s, &byte, 1), -EPIPE);
    CHECK_EQ(bough_stream_send_all(s, "x", 1), -EPIPE);
    bough_stream_free(s);
    return 0;
}

IO_TEST(a_reset_that_the_sender_has_met_is_no_end_for_the_receiver)
{
    struct bough_stream *s;
    char byte;
    int peer;
    make_peer(&s, &peer);
    CHECK_EQ(write(peer, "x", 1), 1);
    reset(peer);
    CHECK_EQ(bough_wait_readable(bough_stream_fd(s)), 0);
    CHECK_EQ(bough_stream_send_all(s, "x", 1), -EPIPE);
    CHECK_EQ(bough_stream_receive_some(s, &byte, 1), 1); /* it came before */
    CHECK_EQ(bough_stream_receive_some(s, &byte, 1), -EPIPE);
    CHECK_HAS(bough_error_message(bough_error_last()), "reset");
    bough_stream_free(s);
    return 0;
}

IO_TEST(an_end_stays_an_end_although_nobody_takes_what_we_send)
{
    struct bough_stream *s;
    char byte;
    int peer, rc = 0;
    make_peer(&s, &peer);
    CHECK_EQ(write(peer, "x", 1), 1);
    close(peer);
    while (rc == 0)
        rc = bough_stream_send_all(s, "x", 1);
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(bough_stream_receive_some(s, &byte, 1), 1);
    CHECK_EQ(bough_stream_receive_some(s, &byte, 1), 0);
    bough_stream_free(s);
    return 0;
}

/* A Unix socket with unread data in it is reset when it is closed. */
IO_TEST(a_unix_peer_that_has_not_read_all_is_a_reset_and_stays_one)
{
    struct bough_stream *s;
    char byte;
    int fds[2];
    make_socketpair(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &s), 0);
    CHECK_EQ(bough_stream_send_all(s, "unread", 6), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    bough_notify_closing(fds[1]);
    close(fds[1]);
    CHECK_EQ(bough_stream_receive_some(s, &byte, 1), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bough_stream_receive_some(s, &byte, 1), -EPIPE);
    bough_stream_free(s);
    return 0;
}
