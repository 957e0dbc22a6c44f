/* Pipes of the system.
 * SPDX-License-Identifier: MIT */
#include "io.h"

static int make_pipe_pair(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    (void)arg;
    return bough_pipe_open(ret_b, ret_a);
}

IO_TEST(pipes_keep_the_contract)
{
    return bough_test_stream_contract(make_pipe_pair, NULL);
}

IO_TEST(the_ends_of_a_pipe_are_closed_on_exec_and_do_not_block)
{
    struct bough_stream *ends[2];
    CHECK_EQ(bough_pipe_open(&ends[0], &ends[1]), 0);
    for (int i = 0; i < 2; i++) {
        CHECK(fcntl(bough_stream_fd(ends[i]), F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(bough_stream_fd(ends[i]), F_GETFL) & O_NONBLOCK);
        bough_stream_free(ends[i]);
    }
    return 0;
}

IO_TEST(freeing_the_writing_end_is_the_end)
{
    struct bough_stream *in, *out;
    char buffer[8];
    CHECK_EQ(bough_pipe_open(&in, &out), 0);
    CHECK_EQ(bough_stream_send_all(out, "abc", 3), 0);
    CHECK_EQ(bough_stream_send_all(in, "x", 1), -EBADF);
    bough_stream_free(out);
    CHECK_EQ(bough_stream_receive_some(in, buffer, 8), 3);
    CHECK_EQ(bough_stream_receive_some(in, buffer, 8), 0);
    bough_stream_free(in);
    return 0;
}

static int open_and_use(void *arg)
{
    struct bough_stream *in = NULL, *out = NULL;
    char byte;
    (void)arg;
    int before = open_descriptors(), rc = bough_pipe_open(&in, &out);
    if (rc < 0) {
        CHECK(!in && !out);
        CHECK_EQ(open_descriptors(), before);
        return rc;
    }
    rc = bough_stream_send_all(out, "x", 1);
    if (rc == 0)
        rc = bough_stream_receive_some(in, &byte, 1);
    bough_stream_free(in);
    bough_stream_free(out);
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

TASK_TEST(the_wrong_end_of_a_pipe_is_told_from_a_closed_one)
{
    struct bough_stream *in, *out;
    char byte;
    CHECK_EQ(bough_pipe_open(&in, &out), 0);
    CHECK_EQ(bough_stream_send_all(in, "x", 1), -EBADF);
    CHECK_HAS(bough_error_message(bough_error_last()), "this way");
    CHECK_EQ(bough_stream_receive_some(out, &byte, 1), -EBADF);
    CHECK_HAS(bough_error_message(bough_error_last()), "this way");
    CHECK_EQ(bough_stream_close(out), 0);
    CHECK_EQ(bough_stream_send_all(out, "x", 1), -EBADF);
    CHECK_HAS(bough_error_message(bough_error_last()), "closed");
    bough_stream_free(in);
    bough_stream_free(out);
    return 0;
}

TEST(a_pipe_that_cannot_be_had_leaves_nothing_behind)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, open_and_use, NULL) >= 2);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, open_and_use, NULL) >= 3);
}
