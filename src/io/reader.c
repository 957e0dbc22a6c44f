/* Readers: messages from a stream.
 *
 * All is built on more(): one receive into the free end of the buffer. A message is looked for in
 * what is there, and taken only when it is complete, so there is nothing to undo when the receive
 * fails.
 * SPDX-License-Identifier: MIT */
#include "bough/reader.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bough/error.h"
#include "bough/wait.h"

/* --- the buffer --- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static char *first(const struct bough_reader *r)
{
    return r->buffer + r->first;
}

static void take(struct bough_reader *r, size_t size)
{
    r->first += size;
    r->count -= size;
    if (r->count == 0)
        r->first = 0;
}

static size_t take_into(struct bough_reader *r, void *data, size_t size)
{
    size_t n = smaller(size, r->count);
    if (n)
        memcpy(data, first(r), n);
    take(r, n);
    return n;
}

/* Room for a message of 'size' bytes, which fits. */
static void make_room(struct bough_reader *r, size_t size)
{
    if (r->first + size <= r->capacity && r->first + r->count < r->capacity)
        return;
    memmove(r->buffer, first(r), r->count);
    r->first = 0;
}

/* Receive some more of a message of up to 'size' bytes. The number of bytes; 0: the end. */
static int more(struct bough_reader *r, size_t size)
{
    make_room(r, size);
    size_t end = r->first + r->count;
    int n = bough_stream_receive_some(r->source, r->buffer + end, r->capacity - end);
    if (n > 0)
        r->count += (size_t)n;
    return n;
}

/* --- entering and leaving --- */

static int enter(struct bough_reader *r)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (r->closed)
        return bough_fail_text(-EBADF, "the stream is closed");
    if (r->reading)
        return bough_fail_text(-EBUSY, "another task is in this reader");
    r->reading = true;
    return 0;
}

static int leave(struct bough_reader *r, int rc)
{
    r->reading = false;
    bough_passed();
    return rc;
}

static int too_large(const struct bough_reader *r, size_t size)
{
    return bough_fail(-EMSGSIZE, "%zu bytes do not fit into the reader's buffer of %zu", size,
                      r->capacity);
}

/* The stream has ended; 'have' bytes of a message came before. */
static int ended(size_t have, const char *message)
{
    if (have == 0)
        return 0;
    return bough_fail(-EPROTO, "the stream ended in the middle of %s, after %zu bytes of it",
                      message, have);
}

/* --- copied --- */

static int some(struct bough_reader *r, void *data, size_t size)
{
    if (r->count == 0 && size >= r->capacity)
        return bough_stream_receive_some(r->source, data, size);
    int n = r->count ? 1 : more(r, 1);
    return n <= 0 ? n : (int)take_into(r, data, smaller(size, INT_MAX));
}

int bough_reader_some(struct bough_reader *r, void *ret_data, size_t size)
{
    if (size == 0)
        return bough_fail_text(-EINVAL, "a receive into a buffer of 0 bytes");
    int rc = enter(r);
    return rc < 0 ? rc : leave(r, some(r, ret_data, size));
}

static int exact(struct bough_reader *r, void *data, size_t size)
{
    while (r->count < size) {
        int n = more(r, size);
        if (n <= 0)
            return n < 0 ? n : ended(r->count, "a message");
    }
    take_into(r, data, size);
    return 1;
}

int bough_reader_exact(struct bough_reader *r, void *ret_data, size_t size)
{
    if (size > r->capacity)
        return too_large(r, size);
    int rc = enter(r);
    return rc < 0 ? rc : leave(r, exact(r, ret_data, size));
}

static int fill(struct bough_reader *r, char *data, size_t size, size_t *done)
{
    while (*done < size) {
        int n = some(r, data + *done, size - *done);
        if (n <= 0)
            return n < 0 ? n : ended(*done, "a message");
        *done += (size_t)n;
    }
    return 1;
}

int bough_reader_fill(struct bough_reader *r, void *data, size_t size, size_t *done)
{
    if (*done > size)
        return bough_fail_text(-EINVAL, "more is done than there was to do");
    int rc = enter(r);
    return rc < 0 ? rc : leave(r, fill(r, data, size, done));
}

/* --- in the buffer --- */

/* What is looked for: a delimiter, not after more than 'limit' bytes. */
struct until {
    const char *delimiter;
    size_t size, limit;
    size_t slack;        /* look so many bytes further: they may turn out not to count */
    const char *message; /* for errors */
};

static int too_long(const struct until *u)
{
    return bough_fail(-EMSGSIZE, "%s of more than %zu bytes, which is the limit", u->message,
                      u->limit);
}

/* Where the delimiter is, from the first byte on; < 0: not in what is there. The first 'seen' bytes
 * have been looked at before. */
static ptrdiff_t find(const struct bough_reader *r, const struct until *u, size_t seen)
{
    size_t from = seen < u->size ? 0 : seen - u->size + 1;
    const char *at = memmem(first(r) + from, r->count - from, u->delimiter, u->size);
    return at ? at - first(r) : -1;
}

/* The end of the message into *ret_at: 1; 0: the stream has ended. */
static int wait_until(struct bough_reader *r, const struct until *u, size_t *ret_at)
{
    size_t seen = 0, most = smaller(u->limit + u->slack, r->capacity - u->size);
    for (;;) {
        ptrdiff_t at = find(r, u, seen);
        if (at > (ptrdiff_t)most || (at < 0 && r->count >= most + u->size))
            return too_long(u);
        if (at >= 0) {
            *ret_at = (size_t)at;
            return 1;
        }
        seen = r->count;
        int n = more(r, most + u->size);
        if (n <= 0)
            return n < 0 ? n : ended(r->count, u->message);
    }
}

/* Take the first 'size' bytes and the delimiter of 'delimiter' bytes, over which the NUL goes. */
static int take_message(struct bough_reader *r, size_t size, size_t delimiter, char **ret_data,
                        size_t *ret_size)
{
    char *data = first(r);
    data[size] = '\0';
    take(r, size + delimiter);
    *ret_data = data;
    if (ret_size)
        *ret_size = size;
    return 1;
}

/* No limit is larger than what the buffer holds. */
static size_t limit_of(const struct bough_reader *r, size_t limit, size_t delimiter)
{
    size_t most = r->capacity - delimiter;
    return limit && limit < most ? limit : most;
}

int bough_reader_until(struct bough_reader *r, const void *delimiter, size_t delimiter_size,
                       size_t limit, char **ret_data, size_t *ret_size)
{
    size_t at;
    if (delimiter_size == 0)
        return bough_fail_text(-EINVAL, "a delimiter of 0 bytes");
    if (delimiter_size > r->capacity)
        return too_large(r, delimiter_size);
    struct until u = {.delimiter = delimiter,
                      .size = delimiter_size,
                      .limit = limit_of(r, limit, delimiter_size),
                      .message = "a message"};
    int rc = enter(r);
    if (rc < 0)
        return rc;
    rc = wait_until(r, &u, &at);
    if (rc == 1)
        rc = take_message(r, at, delimiter_size, ret_data, ret_size);
    return leave(r, rc);
}

static int line(struct bough_reader *r, const struct until *u, char **ret_line, size_t *ret_size)
{
    size_t at;
    int rc = wait_until(r, u, &at);
    if (rc != 1)
        return rc;
    size_t end = at && first(r)[at - 1] == '\r' ? 2 : 1, size = at + 1 - end;
    return size <= u->limit ? take_message(r, size, end, ret_line, ret_size) : too_long(u);
}

int bough_reader_line(struct bough_reader *r, size_t limit, char **ret_line, size_t *ret_size)
{
    if (r->capacity == 0)
        return too_large(r, 1);
    struct until u = {.delimiter = "\n",
                      .size = 1,
                      .limit = limit_of(r, limit, 1),
                      .slack = 1, /* a CR */
                      .message = "a line"};
    int rc = enter(r);
    return rc < 0 ? rc : leave(r, line(r, &u, ret_line, ret_size));
}

static int peek(struct bough_reader *r, size_t size, const char **ret_data)
{
    while (r->count < size) {
        int n = more(r, size);
        if (n < 0)
            return n;
        if (n == 0)
            break;
    }
    *ret_data = first(r);
    return (int)smaller(r->count, INT_MAX);
}

int bough_reader_peek(struct bough_reader *r, size_t size, const char **ret_data)
{
    if (size > r->capacity)
        return too_large(r, size);
    int rc = enter(r);
    return rc < 0 ? rc : leave(r, peek(r, size, ret_data));
}

/* --- ahead --- */

size_t bough_reader_ahead(const struct bough_reader *r, const char **ret_data)
{
    if (ret_data)
        *ret_data = first(r);
    return r->count;
}

size_t bough_reader_skip(struct bough_reader *r, size_t size)
{
    size_t n = smaller(size, r->count);
    take(r, n);
    return n;
}

/* --- as a stream --- */

static struct bough_reader *reader_of(struct bough_stream *s)
{
    return bough_container_of(s, struct bough_reader, stream);
}

static int reader_send_all(struct bough_stream *s, const void *data, size_t size)
{
    return bough_stream_send_all(reader_of(s)->source, data, size);
}

static int reader_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    return bough_reader_some(reader_of(s), ret_buffer, size);
}

static int reader_send_eof(struct bough_stream *s)
{
    return bough_stream_send_eof(reader_of(s)->source);
}

/* Closed is closed: what was read ahead is not received either. */
static int reader_close(struct bough_stream *s)
{
    struct bough_reader *r = reader_of(s);
    r->closed = true;
    return bough_stream_close(r->source);
}

static void reader_free(struct bough_stream *s)
{
    struct bough_reader *r = reader_of(s);
    r->closed = true;
    bough_stream_free(r->source);
}

static const struct bough_stream_operations reader_operations = {
    .name = "reader",
    .send_all = reader_send_all,
    .receive_some = reader_receive_some,
    .send_eof = reader_send_eof,
    .close = reader_close,
    .free = reader_free,
};

void bough_reader_init(struct bough_reader *r, struct bough_stream *source, void *buffer,
                       size_t size)
{
    *r = (struct bough_reader){
        .stream.operations = &reader_operations,
        .source = source,
        .buffer = buffer,
        .capacity = size,
    };
}
