/* Streams of bytes: one interface for sockets, pipes, memory, and whatever you make one of.
 *
 *     static int echo(struct bough_stream *s)
 *     {
 *         char buffer[4096];
 *         int n;
 *         while ((n = bough_stream_receive_some(s, buffer, sizeof(buffer))) > 0) {
 *             int rc = bough_stream_send_all(s, buffer, (size_t)n);
 *             if (rc < 0)
 *                 return rc;
 *         }
 *         return n;                                    // 0: the peer is done
 *     }
 *
 * One task may send while another receives; a second one in the same direction gets -EBUSY. Closing
 * wakes both with -EBADF, and closed is closed: every later call is -EBADF. If the peer is gone
 * calls fail with -EPIPE. A stream belongs to the run in which it was opened, and to its thread: it
 * is freed before the run ends.
 *
 * To make a stream, put a struct bough_stream first in a struct of yours and fill in its
 * operations. They must keep what is said of the calls here (bough/testing.h has tools to check
 * that).
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_stream;

struct bough_stream_operations {
    const char *name; /* "socket" */
    int (*send_all)(struct bough_stream *s, const void *data, size_t size);
    int (*receive_some)(struct bough_stream *s, void *ret_buffer, size_t size);
    int (*send_eof)(struct bough_stream *s); /* NULL: -ENOTSUP */
    int (*close)(struct bough_stream *s);
    void (*free)(struct bough_stream *s); /* NULL: the storage is not the stream's */
};

struct bough_stream {
    const struct bough_stream_operations *operations;
};

/* Send all of it. A checkpoint. 0; -EPIPE; -EBADF; -EBUSY; -ECANCELED: some of it may have been
 * sent, and nobody knows how much, so there is not much to do with the stream but to close it. */
BOUGH_MUST_CHECK int bough_stream_send_all(struct bough_stream *s, const void *data, size_t size);

/* Receive what there is, at least one byte, at most 'size' (and INT_MAX), waiting for it. A
 * checkpoint. The number of bytes; 0: the end, the peer has sent all it will; -EPIPE: the peer is
 * gone, and stays so: a connection that was lost never looks like an end; -EBADF; -EBUSY;
 * -ECANCELED: nothing was taken; -EINVAL: size is 0. */
BOUGH_MUST_CHECK int bough_stream_receive_some(struct bough_stream *s, void *ret_buffer,
                                               size_t size);

/* "I have sent all": the peer receives the end, and may go on sending. Sending is -EBADF
 * afterwards. Again: 0. A checkpoint. -ENOTSUP: this stream cannot end one half; -EBUSY: a task is
 * sending. */
BOUGH_MUST_CHECK int bough_stream_send_eof(struct bough_stream *s);

/* Close it, both ways; tasks that wait in it get -EBADF. Works when cancelled, too; idempotent. A
 * stream whose end has to be negotiated may block to do so and be a checkpoint; it is closed on
 * every path. */
BOUGH_MUST_CHECK int bough_stream_close(struct bough_stream *s);

/* Close it if it is not yet, without ceremony, and free it. Tasks that wait in it get -EBADF; no
 * new call may be made. NULL is fine. Does not block. */
void bough_stream_free(struct bough_stream *s);

/* --- streams of the library --- */

/* A stream over a descriptor: a socket, a pipe, a terminal. It becomes non-blocking and the
 * stream's: closed with it, also when this fails. A pipe has one direction, of course; and so that
 * a write into a broken one is an error, SIGPIPE is ignored from now on if it would have killed the
 * process. 0, -EBADF, -ENOMEM. */
BOUGH_MUST_CHECK int bough_fd_stream_open(int fd, struct bough_stream **ret_stream);

/* A pipe of the system: what is sent into one is received from the other. Freeing *ret_write is the
 * end. 0, -EMFILE, -ENFILE, -ENOMEM; nothing is left open then. */
BOUGH_MUST_CHECK int bough_pipe_open(struct bough_stream **ret_read,
                                     struct bough_stream **ret_write);

/* Two streams as one: it sends into 'send_half' and receives from 'receive_half', such as the two
 * pipes of a process. They are the new stream's: closed and freed with it, and also when this
 * fails. If send_half cannot send_eof alone, it is closed instead. Closing closes both, even if one
 * fails. The halves may be one and the same kind, but not the same stream. 0, -ENOMEM. */
BOUGH_MUST_CHECK int bough_stapled_stream_open(struct bough_stream *send_half,
                                               struct bough_stream *receive_half,
                                               struct bough_stream **ret_stream);

/* The descriptor of a stream made by bough_fd_stream_open() or bough/net.h, for getsockopt() and
 * the like; -1 if it is closed or has none. It stays the stream's. A driver may have received what
 * has come for a connection, which is still the stream's to receive; from this call on it leaves
 * what comes to the descriptor. So who hands a connection on, to another process or library, asks
 * before receiving. Does not block. */
int bough_stream_fd(struct bough_stream *s);

/* Two streams in memory, each the peer of the other, with buffers of 'capacity' bytes (at least 1).
 * 0, -ENOMEM, -EINVAL. */
BOUGH_MUST_CHECK int bough_memory_stream_pair(size_t capacity, struct bough_stream **ret_a,
                                              struct bough_stream **ret_b);

BOUGH_END_DECLS
