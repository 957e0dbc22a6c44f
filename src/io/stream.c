/* The interface of streams; the streams themselves are in files of their own.
 * SPDX-License-Identifier: MIT */
#include "bough/stream.h"

#include <errno.h>
#include <limits.h>

#include "bough/error.h"

int bough_stream_send_all(struct bough_stream *s, const void *data, size_t size)
{
    return s->operations->send_all(s, data, size);
}

int bough_stream_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    if (size == 0)
        return bough_fail_text(-EINVAL, "a receive into a buffer of 0 bytes");
    return s->operations->receive_some(s, ret_buffer, size < INT_MAX ? size : INT_MAX);
}

int bough_stream_send_eof(struct bough_stream *s)
{
    if (!s->operations->send_eof)
        return bough_fail(-ENOTSUP, "a %s cannot end one direction alone", s->operations->name);
    return s->operations->send_eof(s);
}

int bough_stream_close(struct bough_stream *s)
{
    return s->operations->close(s);
}

void bough_stream_free(struct bough_stream *s)
{
    if (s && s->operations->free)
        s->operations->free(s);
}
