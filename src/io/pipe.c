/* Pipes of the system.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/stream.h"

int bough_pipe_open(struct bough_stream **ret_read, struct bough_stream **ret_write)
{
    struct bough_stream *in, *out;
    int fds[2];
    int rc = sys_call(EMFILE, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    if (rc < 0)
        return bough_fail(rc, "no pipe to be had: %s", bough_error_name(rc));
    rc = bough_fd_stream_open(fds[0], &in);
    if (rc < 0) {
        close(fds[1]);
        return rc;
    }
    rc = bough_fd_stream_open(fds[1], &out);
    if (rc < 0) {
        bough_stream_free(in);
        return rc;
    }
    *ret_read = in;
    *ret_write = out;
    return 0;
}
