/* Streams in memory: two pipes, crossed.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/stream.h"
#include "bough/wait.h"

/* One direction: a ring of bytes, and who waits for it. */
struct pipe {
    char *ring;
    size_t capacity, first, count;
    bool ended;                         /* the writer will not write */
    struct bough_wait *writer, *reader; /* waiting for room, for bytes */
    bool writing, reading;              /* a task is in it */
};

/* What two streams share; freed with the second. */
struct pair {
    struct pipe pipes[2];
    unsigned refs;
};

struct memory_stream {
    struct bough_stream stream;
    struct pair *pair;
    struct pipe *in, *out;
    struct memory_stream *peer; /* NULL: freed */
    bool closed;
    bool orphan; /* freed while a task was in it: the last one out frees it */
};

static struct memory_stream *memory_of(struct bough_stream *s)
{
    return bough_container_of(s, struct memory_stream, stream);
}

/* --- the ring --- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t pipe_put(struct pipe *p, const char *data, size_t size)
{
    size_t n = smaller(size, p->capacity - p->count), at = (p->first + p->count) % p->capacity;
    size_t head = smaller(n, p->capacity - at);
    memcpy(p->ring + at, data, head);
    memcpy(p->ring, data + head, n - head);
    p->count += n;
    return n;
}

static size_t pipe_take(struct pipe *p, char *buffer, size_t size)
{
    size_t n = smaller(size, p->count), head = smaller(n, p->capacity - p->first);
    memcpy(buffer, p->ring + p->first, head);
    memcpy(buffer + head, p->ring, n - head);
    p->first = (p->first + n) % p->capacity;
    p->count -= n;
    return n;
}

/* --- waiting --- */

struct pipe_wait {
    struct bough_wait wait;
    struct bough_wait **place; /* where the pipe keeps it */
};

static bool pipe_abort(struct bough_wait *wait)
{
    *bough_container_of(wait, struct pipe_wait, wait)->place = NULL;
    return true;
}

static int pipe_wait(struct bough_wait **place, const char *what)
{
    struct pipe_wait w = {.wait = {.abort = pipe_abort, .what = what}, .place = place};
    *place = &w.wait;
    return bough_wait(&w.wait);
}

static void pipe_wake(struct bough_wait **place)
{
    struct bough_wait *wait = *place;
    *place = NULL;
    if (wait)
        bough_wake(wait, 0);
}

/* --- the stream --- */

static int closed_here(void)
{
    return bough_fail_text(-EBADF, "the stream is closed");
}

static int send_rest(struct memory_stream *m, const char *data, size_t size)
{
    struct pipe *p = m->out;
    for (;;) {
        if (m->closed)
            return closed_here();
        if (!m->peer || m->peer->closed)
            return bough_fail_text(-EPIPE, "the peer has closed the stream");
        size_t n = pipe_put(p, data, size);
        if (n)
            pipe_wake(&p->reader);
        data += n;
        size -= n;
        if (size == 0)
            return 0;
        int rc = pipe_wait(&p->writer, "room in a memory stream");
        if (rc < 0)
            return rc;
    }
}

static void pair_release(struct pair *pair)
{
    if (--pair->refs)
        return;
    free(pair->pipes[0].ring);
    free(pair->pipes[1].ring);
    free(pair);
}

/* A task is out again. */
static void leave(struct memory_stream *m)
{
    if (!m->orphan || m->in->reading || m->out->writing)
        return;
    pair_release(m->pair);
    free(m);
}

static int memory_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct memory_stream *m = memory_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (m->closed || m->out->ended)
        return closed_here();
    if (m->out->writing)
        return bough_fail_text(-EBUSY, "another task is sending into this stream");
    m->out->writing = true;
    rc = send_rest(m, data, size);
    m->out->writing = false;
    leave(m);
    bough_passed();
    return rc;
}

static int receive(struct memory_stream *m, char *buffer, size_t size)
{
    struct pipe *p = m->in;
    for (;;) {
        if (m->closed)
            return closed_here();
        if (p->count) {
            int n = (int)pipe_take(p, buffer, size);
            pipe_wake(&p->writer);
            return n;
        }
        if (p->ended || !m->peer || m->peer->closed)
            return 0;
        int rc = pipe_wait(&p->reader, "bytes from a memory stream");
        if (rc < 0)
            return rc;
    }
}

static int memory_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct memory_stream *m = memory_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (m->closed)
        return closed_here();
    if (m->in->reading)
        return bough_fail_text(-EBUSY, "another task is receiving from this stream");
    m->in->reading = true;
    rc = receive(m, ret_buffer, size);
    m->in->reading = false;
    leave(m);
    bough_passed();
    return rc;
}

static int memory_send_eof(struct bough_stream *s)
{
    struct memory_stream *m = memory_of(s);
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (m->closed)
        return closed_here();
    if (m->out->writing)
        return bough_fail_text(-EBUSY, "another task is sending into this stream");
    m->out->ended = true;
    pipe_wake(&m->out->reader);
    return 0;
}

static int memory_close(struct bough_stream *s)
{
    struct memory_stream *m = memory_of(s);
    m->closed = true;
    for (int i = 0; i < 2; i++) {
        pipe_wake(&m->pair->pipes[i].reader);
        pipe_wake(&m->pair->pipes[i].writer);
    }
    return 0;
}

static void memory_free(struct bough_stream *s)
{
    struct memory_stream *m = memory_of(s);
    (void)memory_close(s);
    if (m->peer)
        m->peer->peer = NULL;
    m->orphan = true;
    leave(m);
}

static const struct bough_stream_operations memory_operations = {
    .name = "memory stream",
    .send_all = memory_send_all,
    .receive_some = memory_receive_some,
    .send_eof = memory_send_eof,
    .close = memory_close,
    .free = memory_free,
};

static struct memory_stream *memory_new(struct pair *pair, int in)
{
    struct memory_stream *m = sys_malloc(sizeof(*m));
    if (!m)
        return NULL;
    *m = (struct memory_stream){
        .stream.operations = &memory_operations,
        .pair = pair,
        .in = &pair->pipes[in],
        .out = &pair->pipes[!in],
    };
    pair->refs++;
    return m;
}

static int pair_fill(struct pair *pair, size_t capacity, struct memory_stream *ret_streams[2])
{
    for (int i = 0; i < 2; i++) {
        pair->pipes[i].capacity = capacity;
        pair->pipes[i].ring = sys_malloc(capacity);
        ret_streams[i] = memory_new(pair, i);
        if (!pair->pipes[i].ring || !ret_streams[i])
            return -ENOMEM;
    }
    ret_streams[0]->peer = ret_streams[1];
    ret_streams[1]->peer = ret_streams[0];
    return 0;
}

int bough_memory_stream_pair(size_t capacity, struct bough_stream **ret_a,
                             struct bough_stream **ret_b)
{
    struct memory_stream *streams[2] = {NULL, NULL};
    if (capacity == 0)
        return bough_fail_text(-EINVAL, "a memory stream has a buffer of one byte at least");
    struct pair *pair = sys_calloc(1, sizeof(*pair));
    if (!pair)
        return bough_fail_text(-ENOMEM, "no memory for a stream");
    pair->refs = 1;
    int rc = pair_fill(pair, capacity, streams);
    if (rc == 0) {
        *ret_a = &streams[0]->stream;
        *ret_b = &streams[1]->stream;
    } else {
        for (int i = 0; i < 2; i++)
            if (streams[i])
                memory_free(&streams[i]->stream);
        rc = bough_fail_text(rc, "no memory for a stream");
    }
    pair_release(pair);
    return rc;
}
