/* What the fuzz targets share. A target is a program of libFuzzer: it gets bytes, makes of them
 * what its parser is to read, and aborts if the parser does other than it should.
 *
 * To add one: a file here, a line in meson.build, and perhaps a few inputs to begin with in
 * corpus/NAME/. ./dev fuzz runs all; build-fuzz/fuzz/NAME FILE runs one on what it once failed on.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>
#include <bough/testing.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* --- the input, taken from its front --- */

struct input {
    const uint8_t *data;
    size_t size;
};

/* 0 .. most; 0 when nothing is left. */
static inline unsigned take_number(struct input *in, unsigned most)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++ % (most + 1);
}

/* Up to a NUL or the end, as a string, which is to be freed. */
static inline char *take_text(struct input *in)
{
    size_t size = strnlen((const char *)in->data, in->size);
    char *text = strndup((const char *)in->data, size);
    CHECK(text);
    size += size < in->size;
    in->data += size;
    in->size -= size;
    return text;
}

/* --- a stream that gives the input, a few bytes at a time --- */

struct source {
    struct bough_stream stream;
    const uint8_t *data;
    size_t size, at;
    size_t step; /* so many bytes at most; 0: as many as are wanted */
    char *sent;  /* what was sent into it, and how much */
    size_t sent_size;
};

static inline int source_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct source *source = bough_container_of(s, struct source, stream);
    size_t n = source->size - source->at;
    if (n > size)
        n = size;
    if (source->step && n > source->step)
        n = source->step;
    if (n)
        memcpy(ret_buffer, source->data + source->at, n);
    source->at += n;
    return (int)n;
}

static inline int source_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct source *source = bough_container_of(s, struct source, stream);
    source->sent = realloc(source->sent, source->sent_size + size + 1);
    CHECK(source->sent);
    if (size)
        memcpy(source->sent + source->sent_size, data, size);
    source->sent_size += size;
    source->sent[source->sent_size] = '\0';
    return 0;
}

static inline int source_close(struct bough_stream *s)
{
    (void)s;
    return 0;
}

static inline void source_init(struct source *source, const struct input *in, size_t step)
{
    static const struct bough_stream_operations operations = {.name = "input",
                                                              .send_all = source_send_all,
                                                              .receive_some = source_receive_some,
                                                              .send_eof = source_close,
                                                              .close = source_close};
    *source = (struct source){
        .stream.operations = &operations, .data = in->data, .size = in->size, .step = step};
}

/* --- a run --- */

static inline void fuzz_run(bough_task_fn *fn, void *arg)
{
    int rc = bough_test_run(NULL, fn, arg);
    if (rc < 0) {
        bough_error_print(bough_error_last(), stderr);
        abort();
    }
}
