/* Readers, against a model that sees all of the stream at once.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <bough/reader.h>

enum { CAPACITY = 64, OPERATIONS = 32 };

struct model {
    const uint8_t *data;
    size_t size, at; /* what was taken */
    size_t capacity;
};

struct reading {
    struct input ops;
    struct source source;
    struct bough_reader reader;
    struct model m;
};

static size_t left(const struct model *m)
{
    return m->size - m->at;
}

static void is_next(struct model *m, const void *data, size_t size)
{
    CHECK(size <= left(m));
    CHECK(size == 0 || memcmp(data, m->data + m->at, size) == 0);
}

static size_t limit_of(const struct model *m, size_t limit, size_t delimiter)
{
    size_t most = m->capacity - delimiter;
    return limit && limit < most ? limit : most;
}

/* What looking for a delimiter within 'most' bytes ends with; where it is, into *ret_at. */
static int expect(const struct model *m, const char *delimiter, size_t size, size_t most,
                  size_t *ret_at)
{
    const uint8_t *begin = m->data + m->at;
    const uint8_t *found = left(m) ? memmem(begin, left(m), delimiter, size) : NULL;
    *ret_at = found ? (size_t)(found - begin) : 0;
    if (found && *ret_at <= most)
        return 1;
    if (found || left(m) >= most + size)
        return -EMSGSIZE;
    return left(m) ? -EPROTO : 0;
}

static void until(struct reading *r)
{
    static const char *const delimiters[] = {"\n", "\r\n", "aa", "aab", "\r\n\r\n"};
    const char *delimiter = delimiters[take_number(&r->ops, 4)];
    size_t size = strlen(delimiter), limit = take_number(&r->ops, 70), at, got = 0;
    char *data = NULL;
    int rc = bough_reader_until(&r->reader, delimiter, size, limit, &data, &got);
    if (size > r->m.capacity) {
        CHECK(rc == -EMSGSIZE);
        return;
    }
    CHECK(rc == expect(&r->m, delimiter, size, limit_of(&r->m, limit, size), &at));
    if (rc != 1)
        return;
    CHECK(got == at && data[got] == '\0');
    is_next(&r->m, data, got);
    r->m.at += got + size;
}

static void line(struct reading *r)
{
    size_t limit = take_number(&r->ops, 70), at, got = 0;
    size_t allowed = limit_of(&r->m, limit, 1), most = allowed + 1;
    char *data = NULL;
    if (most > r->m.capacity - 1)
        most = r->m.capacity - 1;
    int rc = bough_reader_line(&r->reader, limit, &data, &got);
    int expected = expect(&r->m, "\n", 1, most, &at);
    size_t end = expected == 1 && at && r->m.data[r->m.at + at - 1] == '\r' ? 2 : 1;
    if (expected == 1 && at + 1 - end > allowed)
        expected = -EMSGSIZE;
    CHECK(rc == expected);
    if (rc != 1)
        return;
    CHECK(got == at + 1 - end && data[got] == '\0');
    is_next(&r->m, data, got);
    r->m.at += got + end;
}

static void exact(struct reading *r)
{
    char data[CAPACITY + 8];
    size_t size = take_number(&r->ops, CAPACITY + 8);
    int rc = bough_reader_exact(&r->reader, data, size);
    if (size > r->m.capacity)
        CHECK(rc == -EMSGSIZE);
    else if (size <= left(&r->m))
        CHECK(rc == 1);
    else
        CHECK(rc == (left(&r->m) ? -EPROTO : 0));
    if (rc != 1)
        return;
    is_next(&r->m, data, size);
    r->m.at += size;
}

static void fill(struct reading *r)
{
    char data[256];
    size_t done = 0, size = take_number(&r->ops, 255);
    int rc = bough_reader_fill(&r->reader, data, size, &done);
    if (size <= left(&r->m))
        CHECK(rc == 1 && done == size);
    else
        CHECK(done == left(&r->m) && rc == (done ? -EPROTO : 0));
    is_next(&r->m, data, done);
    r->m.at += done;
}

static void some(struct reading *r)
{
    char data[CAPACITY + 8];
    size_t size = take_number(&r->ops, CAPACITY + 8);
    int rc = bough_reader_some(&r->reader, data, size);
    if (size == 0) {
        CHECK(rc == -EINVAL);
        return;
    }
    CHECK(rc >= 0 && (size_t)rc <= size && (rc == 0) == (left(&r->m) == 0));
    is_next(&r->m, data, (size_t)rc);
    r->m.at += (size_t)rc;
}

static void peek(struct reading *r)
{
    const char *data = NULL;
    size_t size = take_number(&r->ops, CAPACITY + 8);
    int rc = bough_reader_peek(&r->reader, size, &data);
    if (size > r->m.capacity) {
        CHECK(rc == -EMSGSIZE);
        return;
    }
    CHECK(rc >= 0 && ((size_t)rc >= size || (size_t)rc == left(&r->m)));
    is_next(&r->m, data, (size_t)rc);
}

static void skip(struct reading *r)
{
    const char *data;
    size_t ahead = bough_reader_ahead(&r->reader, &data), size = take_number(&r->ops, CAPACITY);
    is_next(&r->m, data, ahead);
    size_t skipped = bough_reader_skip(&r->reader, size);
    CHECK(skipped == (size < ahead ? size : ahead));
    r->m.at += skipped;
}

static int read_it(void *arg)
{
    static void (*const operations[])(struct reading * r) = {until, line, exact, fill,
                                                             some,  peek, skip};
    struct reading *r = arg;
    char *buffer = malloc(r->m.capacity); /* so that a byte beyond it is noticed */
    CHECK(buffer);
    bough_reader_init(&r->reader, &r->source.stream, buffer, r->m.capacity);
    while (r->ops.size)
        operations[take_number(&r->ops, 6)](r);
    free(buffer);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct reading r = {.m.capacity = 1 + take_number(&in, CAPACITY - 1)};
    size_t step = take_number(&in, 9), count = take_number(&in, OPERATIONS);
    r.ops = (struct input){in.data, count < in.size ? count : in.size};
    in.data += r.ops.size;
    in.size -= r.ops.size;
    source_init(&r.source, &in, step);
    r.m.data = in.data;
    r.m.size = in.size;
    fuzz_run(read_it, &r);
    return 0;
}
