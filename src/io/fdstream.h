/* Streams over descriptors, inside the library: system calls of others on a stream's descriptor,
 * under the stream's rules, and descriptors that nobody else knows. For users: bough/stream.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/stream.h"

/* As bough_fd_stream_open(), of a descriptor that nobody else knows: all that comes is the stream's
 * to receive, until somebody asks bough_stream_fd(). */
int bough__fd_stream_open_private(int fd, struct bough_stream **ret_stream);

/* As bough_stream_fd(), for who tells nobody. */
int bough__fd_stream_fd(const struct bough_stream *s);

/* One try: what it did (>= 0), -EAGAIN, or another error. */
typedef int bough__fd_stream_call_fn(int fd, void *arg);

/* As bough_stream_send_all() and bough_stream_receive_some(), but for the call that is made, until
 * it gives something other than -EAGAIN. -EINVAL: not a stream over a Unix socket. */
int bough__fd_stream_send_by(struct bough_stream *s, bough__fd_stream_call_fn *call, void *arg);
int bough__fd_stream_receive_by(struct bough_stream *s, bough__fd_stream_call_fn *call, void *arg);
