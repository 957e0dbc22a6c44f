/* Readers: messages from a stream.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <bough/reader.h>

struct fixture {
    struct bough_stream *here, *there;
    struct bough_reader r;
    char buffer[16];
};

static void set_up(struct fixture *f)
{
    CHECK_EQ(bough_memory_stream_pair(64, &f->here, &f->there), 0);
    bough_reader_init(&f->r, f->here, f->buffer, sizeof(f->buffer));
}

static void tear_down(struct fixture *f)
{
    bough_stream_free(f->here);
    bough_stream_free(f->there);
}

static void say(struct fixture *f, const char *text)
{
    CHECK_EQ(bough_stream_send_all(f->there, text, strlen(text)), 0);
}

static void say_the_end(struct fixture *f)
{
    CHECK_EQ(bough_stream_send_eof(f->there), 0);
}

static void check_line(struct fixture *f, const char *expected)
{
    char *line;
    size_t size;
    CHECK_EQ(bough_reader_line(&f->r, 0, &line, &size), 1);
    CHECK_STR(line, expected);
    CHECK_EQ(size, strlen(expected));
}

static int line_of(struct fixture *f, size_t limit)
{
    char *line = f->buffer;
    int rc = bough_reader_line(&f->r, limit, &line, NULL);
    CHECK(rc == 1 || line == f->buffer); /* untouched on failure */
    return rc;
}

/* --- lines --- */

TASK_TEST(lines_end_with_lf_or_crlf)
{
    struct fixture f;
    set_up(&f);
    say(&f, "one\ntwo\r\n\n\r\nth\rree\n");
    check_line(&f, "one");
    check_line(&f, "two");
    check_line(&f, "");
    check_line(&f, "");
    check_line(&f, "th\rree");
    say_the_end(&f);
    CHECK_EQ(line_of(&f, 0), 0);
    CHECK_EQ(line_of(&f, 0), 0);
    tear_down(&f);
    return 0;
}

static int slowly(void *arg)
{
    struct fixture *f = arg;
    for (const char *p = "slow\r\nand steady\n"; *p; p++) {
        CHECK_EQ(bough_stream_send_all(f->there, p, 1), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
    }
    return 0;
}

TASK_TEST(a_line_may_come_byte_by_byte)
{
    struct fixture f;
    int rc = 0;
    set_up(&f);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, slowly, &f), 0);
        check_line(&f, "slow");
        check_line(&f, "and steady");
    }
    tear_down(&f);
    return rc;
}

TASK_TEST(lines_go_round_a_small_buffer)
{
    struct fixture f;
    char text[16];
    set_up(&f);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "%.*s\n", i % 13, "0123456789abcdef");
        say(&f, text);
        say(&f, "xy\r\n");
        text[i % 13] = '\0';
        check_line(&f, text);
        check_line(&f, "xy");
    }
    tear_down(&f);
    return 0;
}

TASK_TEST(a_line_as_long_as_the_limit_passes_with_either_end)
{
    struct fixture f;
    set_up(&f);
    say(&f, "12345\n12345\r\n");
    CHECK_EQ(line_of(&f, 5), 1);
    CHECK_EQ(line_of(&f, 5), 1);
    tear_down(&f);
    return 0;
}

TASK_TEST(a_line_over_the_limit_is_refused_and_the_error_names_the_limit)
{
    struct fixture f;
    set_up(&f);
    say(&f, "123456\n");
    CHECK_EQ(line_of(&f, 5), -EMSGSIZE);
    CHECK_HAS(bough_error_message(bough_error_last()), "more than 5 bytes");
    CHECK_EQ(line_of(&f, 6), 1); /* nothing was lost */
    say(&f, "1234567");          /* no end in sight */
    CHECK_EQ(line_of(&f, 5), -EMSGSIZE);
    CHECK_EQ(bough_reader_ahead(&f.r, NULL), 7);
    tear_down(&f);
    return 0;
}

TASK_TEST(the_buffer_is_the_limit_of_all_limits)
{
    struct fixture f;
    set_up(&f);
    say(&f, "0123456789abcde\n"); /* 16 with its end */
    check_line(&f, "0123456789abcde");
    say(&f, "0123456789abcdef\n");
    CHECK_EQ(line_of(&f, 0), -EMSGSIZE);
    CHECK_EQ(line_of(&f, 1000), -EMSGSIZE);
    CHECK_HAS(bough_error_message(bough_error_last()), "15 bytes");
    CHECK_EQ(bough_reader_skip(&f.r, 100), 16);
    check_line(&f, "");
    tear_down(&f);
    return 0;
}

TASK_TEST(the_end_in_the_middle_of_a_line_breaks_the_protocol_and_leaves_the_rest)
{
    struct fixture f;
    char rest[8];
    set_up(&f);
    say(&f, "one\ntw");
    say_the_end(&f);
    check_line(&f, "one");
    CHECK_EQ(line_of(&f, 0), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()), "in the middle of a line, after 2 bytes");
    CHECK_EQ(line_of(&f, 0), -EPROTO);
    CHECK_EQ(bough_reader_some(&f.r, rest, sizeof(rest)), 2);
    CHECK_EQ(memcmp(rest, "tw", 2), 0);
    CHECK_EQ(line_of(&f, 0), 0);
    tear_down(&f);
    return 0;
}

/* --- delimiters --- */

TASK_TEST(a_delimiter_may_be_split_over_receives)
{
    struct fixture f;
    char *data;
    size_t size;
    int rc = 0;
    set_up(&f);
    say(&f, "head\r\n\r");
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_reader_until(&f.r, "\r\n\r\n", 4, 0, &data, &size);
    CHECK_EQ(rc, 0);
    say(&f, "\nbody");
    CHECK_EQ(bough_reader_until(&f.r, "\r\n\r\n", 4, 4, &data, &size), 1);
    CHECK_EQ(size, 4);
    CHECK_STR(data, "head");
    CHECK_EQ(bough_reader_ahead(&f.r, NULL), 4);
    tear_down(&f);
    return 0;
}

TASK_TEST(a_delimiter_that_almost_is_one_is_none)
{
    struct fixture f;
    char *data;
    size_t size;
    set_up(&f);
    say(&f, "aabab");
    say(&f, "aab!");
    CHECK_EQ(bough_reader_until(&f.r, "aab!", 4, 0, &data, &size), 1);
    CHECK_STR(data, "aabab");
    CHECK_EQ(bough_reader_until(&f.r, "", 0, 0, &data, &size), -EINVAL);
    CHECK_EQ(bough_reader_until(&f.r, "0123456789abcdefg", 17, 0, &data, &size), -EMSGSIZE);
    tear_down(&f);
    return 0;
}

TASK_TEST(a_message_over_its_limit_is_refused_even_if_its_delimiter_is_there)
{
    struct fixture f;
    char *data;
    set_up(&f);
    say(&f, "1234||");
    CHECK_EQ(bough_reader_until(&f.r, "||", 2, 3, &data, NULL), -EMSGSIZE);
    CHECK_EQ(bough_reader_until(&f.r, "||", 2, 4, &data, NULL), 1);
    CHECK_STR(data, "1234");
    tear_down(&f);
    return 0;
}

/* --- sizes --- */

TASK_TEST(exactly_so_many_bytes_or_none)
{
    struct fixture f;
    char data[32] = "";
    int rc = 0;
    set_up(&f);
    say(&f, "abc");
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_reader_exact(&f.r, data, 5);
    CHECK_STR(data, "");
    say(&f, "defgh");
    CHECK_EQ(bough_reader_exact(&f.r, data, 0), 1);
    CHECK_EQ(bough_reader_exact(&f.r, data, 5), 1);
    CHECK_STR(data, "abcde");
    CHECK_EQ(bough_reader_exact(&f.r, data, 17), -EMSGSIZE);
    say_the_end(&f);
    CHECK_EQ(bough_reader_exact(&f.r, data, 4), -EPROTO);
    CHECK_EQ(bough_reader_exact(&f.r, data, 3), 1);
    CHECK_EQ(bough_reader_exact(&f.r, data, 1), 0);
    tear_down(&f);
    return rc;
}

TASK_TEST(a_fill_goes_on_where_it_was_cancelled)
{
    struct fixture f;
    char data[64] = "";
    size_t done = 0;
    int rc = 0;
    set_up(&f);
    say(&f, "x\n0123456789");
    check_line(&f, "x");
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_reader_fill(&f.r, data, 30, &done);
    CHECK_EQ(done, 10);
    say(&f, "abcdefghijklmnopqrstuvw");
    CHECK_EQ(bough_reader_fill(&f.r, data, 30, &done), 1);
    CHECK_EQ(done, 30);
    CHECK_STR(data, "0123456789abcdefghijklmnopqrst");
    say_the_end(&f);
    done = 0;
    CHECK_EQ(bough_reader_fill(&f.r, data, 30, &done), -EPROTO);
    CHECK_EQ(done, 3);
    CHECK_EQ(memcmp(data, "uvw", 3), 0);
    done = 0;
    CHECK_EQ(bough_reader_fill(&f.r, data, 30, &done), 0);
    done = 31;
    CHECK_EQ(bough_reader_fill(&f.r, data, 30, &done), -EINVAL);
    tear_down(&f);
    return rc;
}

TASK_TEST(some_is_what_is_there_and_the_buffer_comes_first)
{
    struct fixture f;
    char data[64] = "";
    set_up(&f);
    say(&f, "a\nbcdefghijklmnopqrst");
    check_line(&f, "a");
    CHECK_EQ(bough_reader_some(&f.r, data, 2), 2);
    CHECK_STR(data, "bc");
    CHECK_EQ(bough_reader_some(&f.r, data, sizeof(data)), 12);
    CHECK_EQ(bough_reader_some(&f.r, data, sizeof(data)), 5); /* past the buffer */
    CHECK_EQ(memcmp(data, "pqrst", 5), 0);
    CHECK_EQ(bough_reader_some(&f.r, data, 0), -EINVAL);
    say_the_end(&f);
    CHECK_EQ(bough_reader_some(&f.r, data, 1), 0);
    tear_down(&f);
    return 0;
}

TASK_TEST(a_peek_takes_nothing)
{
    struct fixture f;
    const char *seen = NULL;
    set_up(&f);
    say(&f, "GET");
    CHECK_EQ(bough_reader_peek(&f.r, 2, &seen), 3);
    CHECK_EQ(memcmp(seen, "GET", 3), 0);
    CHECK_EQ(bough_reader_peek(&f.r, 3, &seen), 3);
    CHECK_EQ(bough_reader_peek(&f.r, 17, &seen), -EMSGSIZE);
    say_the_end(&f);
    CHECK_EQ(bough_reader_peek(&f.r, 4, &seen), 3);
    CHECK_EQ(bough_reader_skip(&f.r, 1), 1);
    CHECK_EQ(bough_reader_peek(&f.r, 4, &seen), 2);
    CHECK_EQ(memcmp(seen, "ET", 2), 0);
    CHECK_EQ(bough_reader_ahead(&f.r, &seen), 2);
    CHECK_EQ(memcmp(seen, "ET", 2), 0);
    tear_down(&f);
    return 0;
}

/* --- cancels, and others --- */

static int next_line(void *arg)
{
    return line_of(arg, 0);
}

static int four_bytes(void *arg)
{
    struct fixture *f = arg;
    char data[4];
    return bough_reader_exact(&f->r, data, 4);
}

static int peek_four(void *arg)
{
    struct fixture *f = arg;
    const char *data;
    return bough_reader_peek(&f->r, 4, &data);
}

static int some_bytes(void *arg)
{
    struct fixture *f = arg;
    char data[4];
    return bough_reader_some(&f->r, data, 4);
}

static int (*const calls[])(void *) = {next_line, four_bytes, peek_four, some_bytes};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

TASK_TEST(a_call_that_is_cancelled_before_takes_nothing)
{
    struct fixture f;
    set_up(&f);
    say(&f, "one\ntwo\n");
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(call_cancelled(calls[i], &f), -ECANCELED);
    check_line(&f, "one");
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(call_cancelled(calls[i], &f), -ECANCELED);
    check_line(&f, "two");
    tear_down(&f);
    return 0;
}

TASK_TEST(a_call_that_is_cancelled_while_it_waits_takes_nothing)
{
    struct fixture f;
    set_up(&f);
    say(&f, "one\ntw");
    check_line(&f, "one");
    for (int i = 0; i < CALLS - 1; i++)
        CHECK_EQ(call_timed(BOUGH_SEC, calls[i], &f), -ETIMEDOUT);
    say(&f, "o\n");
    check_line(&f, "two");
    CHECK_EQ(call_timed(BOUGH_SEC, some_bytes, &f), -ETIMEDOUT);
    tear_down(&f);
    return 0;
}

TASK_TEST(two_tasks_in_one_reader_are_one_too_many)
{
    struct fixture f;
    struct waiter w = {.call = next_line, .object = &f};
    int rc = 0;
    set_up(&f);
    say(&f, "on");
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        for (int i = 0; i < CALLS; i++)
            CHECK_EQ(calls[i](&f), -EBUSY);
        say(&f, "e\n");
    }
    CHECK_EQ(w.rc, 1);
    tear_down(&f);
    return rc;
}

TASK_TEST(each_call_is_a_checkpoint)
{
    struct fixture f;
    int rc = 0;
    set_up(&f);
    say(&f, "one\n23456789");
    for (int i = 0; i < CALLS; i++) {
        bough_assert_checkpoints (&rc)
            rc = calls[i](&f);
        CHECK(rc > 0);
    }
    tear_down(&f);
    return 0;
}

TASK_TEST(closing_the_stream_wakes_the_reader)
{
    struct fixture f;
    struct waiter w = {.call = next_line, .object = &f};
    int rc = 0;
    set_up(&f);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(bough_stream_close(f.here), 0);
    }
    CHECK_EQ(w.rc, -EBADF);
    tear_down(&f);
    return rc;
}

IO_TEST(a_peer_that_is_gone_is_the_end_or_broken)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct fixture f;
    int fds[2];
    make_tcp(fds);
    CHECK_EQ(bough_fd_stream_open(fds[0], &f.here), 0);
    bough_reader_init(&f.r, f.here, f.buffer, sizeof(f.buffer));
    CHECK_EQ(write(fds[1], "one\ntw", 6), 6);
    check_line(&f, "one");
    CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fds[1]);
    CHECK_EQ(line_of(&f, 0), -EPIPE);
    CHECK_EQ(bough_reader_ahead(&f.r, NULL), 2);
    bough_stream_free(f.here);
    return 0;
}

/* --- as a stream --- */

TASK_TEST(a_reader_gives_back_as_a_stream_what_it_read_ahead)
{
    struct fixture f;
    struct bough_stream *s = &f.r.stream;
    char data[16] = "";
    set_up(&f);
    say(&f, "STARTTLS\r\nhel");
    check_line(&f, "STARTTLS");
    say(&f, "lo");
    CHECK_EQ(receive_exactly(s, data, 5), 5);
    CHECK_STR(data, "hello");
    CHECK_EQ(bough_stream_send_all(s, "hi", 2), 0);
    CHECK_EQ(bough_stream_send_eof(s), 0);
    CHECK_EQ(receive_exactly(f.there, data, 16), 2);
    CHECK_EQ(memcmp(data, "hi", 2), 0);
    tear_down(&f);
    return 0;
}

TASK_TEST(a_reader_that_is_closed_as_a_stream_is_empty)
{
    struct fixture f;
    char data[4];
    set_up(&f);
    say(&f, "one\ntwo");
    check_line(&f, "one");
    CHECK_EQ(bough_stream_close(&f.r.stream), 0);
    CHECK_EQ(bough_stream_receive_some(&f.r.stream, data, 4), -EBADF);
    tear_down(&f);
    return 0;
}

/* Readers of two ends; they and their buffers stay until the process ends. */
static int make_readers(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    static struct fixture all[400];
    static unsigned used;
    struct bough_stream *ends[2], **rets[2] = {ret_a, ret_b};
    (void)arg;
    CHECK_EQ(bough_memory_stream_pair(4096, &ends[0], &ends[1]), 0);
    for (int i = 0; i < 2; i++) {
        struct fixture *f = &all[used++];
        CHECK(used <= 400);
        bough_reader_init(&f->r, ends[i], f->buffer, sizeof(f->buffer));
        *rets[i] = &f->r.stream;
    }
    return 0;
}

TASK_TEST(readers_keep_the_contract_of_streams)
{
    return bough_test_stream_contract(make_readers, NULL);
}
