/* Readers: a buffer over a stream, for protocols that are made of messages: lines, headers, so many
 * bytes.
 *
 *     static int greet(struct bough_connection *c, void *arg)
 *     {
 *         char buffer[4096];
 *         struct bough_reader r;
 *         char *line;
 *         int rc;
 *         bough_reader_init(&r, c->stream, buffer, sizeof(buffer));
 *         while ((rc = bough_reader_line(&r, 512, &line, NULL)) == 1) { // without its "\r\n"
 *             if (strcmp(line, "QUIT") == 0)
 *                 return 0;
 *             if ((rc = answer(c->stream, line)) < 0)
 *                 return rc;
 *         }
 *         return rc;   // 0: the end, between two lines; -EPROTO: in one; -EMSGSIZE: over 512 bytes
 *     }
 *
 * The buffer is yours, so nothing is allocated and nothing has to be freed; what comes back as a
 * pointer is in it, and stays there until the next call on the reader. A message must fit into it,
 * whole: its size is the limit of all limits.
 *
 * A call that fails has taken nothing, whether it was cancelled, timed out, or met a message that
 * is too long: what has arrived is in the buffer, and the next call finds it. (bough_reader_fill()
 * alone goes past the buffer; it counts.) What was read ahead can be had with bough_reader_ahead(),
 * or by giving the reader itself on as a stream: &r.stream receives what is in the buffer and then
 * what comes, and passes all else through. That is how a protocol that begins with lines goes over
 * to TLS, or to a tunnel; the stream that is made over the reader has to be freed before the reader
 * goes.
 *
 * All calls that may wait are checkpoints, and fail with what bough_stream_receive_some() fails
 * with; and -EBUSY if another task is in the reader. Sending goes to the stream itself, meanwhile,
 * as ever.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/stream.h"

BOUGH_BEGIN_DECLS

struct bough_reader {
    /* The reader as a stream. Closing and freeing it closes and frees the one below; the reader is
     * yours. */
    struct bough_stream stream;
    /* Private. */
    struct bough_stream *source;
    char *buffer;
    size_t capacity, first,
        count;    /* 'count' bytes from 'first' on have been received and not taken */
    bool reading; /* a task is in it */
    bool closed;  /* through 'stream' */
};

/* A reader of 'source' with 'buffer', of 'size' bytes. Nothing is received yet. Both must outlive
 * it; neither is freed by it. */
void bough_reader_init(struct bough_reader *r, struct bough_stream *source, void *buffer,
                       size_t size);

/* --- messages that are copied --- */

/* Take what is there, at least one byte, at most 'size', waiting for it:
 * bough_stream_receive_some(), buffer first. The number of bytes; 0: the end; -EINVAL: size is 0.
 */
BOUGH_MUST_CHECK int bough_reader_some(struct bough_reader *r, void *ret_data, size_t size);

/* Take exactly 'size' bytes, or none. 1; 0: the end, before the first of them; -EPROTO: the end,
 * after some, which are left in the buffer; -EMSGSIZE: more than the buffer has room for: see
 * bough_reader_fill(). Size 0: 1. */
BOUGH_MUST_CHECK int bough_reader_exact(struct bough_reader *r, void *ret_data, size_t size);

/* The same for sizes that do not fit into the buffer: into 'data', past it. *done counts the bytes
 * that are in 'data', from the call's beginning (where it is what it is: 0) on every way out, so
 * that a call that was cancelled can be made again and goes on. 1; 0: the end, and *done is 0;
 * -EPROTO: the end, after *done bytes; -EINVAL: *done is more than 'size'. */
BOUGH_MUST_CHECK int bough_reader_fill(struct bough_reader *r, void *data, size_t size,
                                       size_t *done);

/* --- messages that stay in the buffer --- */

/* Take up to the first 'delimiter' and with it; *ret_data is what stood before it, with a NUL
 * behind it, of *ret_size bytes (may be NULL). 1; 0: the end, and nothing before it; -EPROTO: the
 * end, and bytes before it without a delimiter, which are left in the buffer; -EMSGSIZE: more than
 * 'limit' bytes are before it (0: as many as the buffer holds with it); all are left, and
 * bough_reader_skip() could skip them; -EINVAL: an empty delimiter. */
BOUGH_MUST_CHECK int bough_reader_until(struct bough_reader *r, const void *delimiter,
                                        size_t delimiter_size, size_t limit, char **ret_data,
                                        size_t *ret_size);

/* Take a line, which ends with LF or CRLF; *ret_line is without it, and 'limit' counts without it.
 * Results as above. A last line that has no end is -EPROTO, too: most protocols want it so. Whoever
 * does not takes it with bough_reader_some(). */
BOUGH_MUST_CHECK int bough_reader_line(struct bough_reader *r, size_t limit, char **ret_line,
                                       size_t *ret_size);

/* Wait until 'size' bytes are there, and look at them; they are not taken. How many there are at
 * *ret_data, at least 'size'; fewer: the end comes after them; -EMSGSIZE: more than the buffer has
 * room for. */
BOUGH_MUST_CHECK int bough_reader_peek(struct bough_reader *r, size_t size, const char **ret_data);

/* --- what was read ahead --- */

/* What is in the buffer: the number of bytes at *ret_data (may be NULL). Does not wait. */
size_t bough_reader_ahead(const struct bough_reader *r, const char **ret_data);

/* Drop up to 'size' bytes of what is in the buffer: how many it were. Does not wait. Not while a
 * task is in the reader. */
size_t bough_reader_skip(struct bough_reader *r, size_t size);

BOUGH_END_DECLS
