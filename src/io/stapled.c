/* Two streams, one a direction, stapled together.
 *
 * The halves keep most of the contract by themselves. What is left is the end of sending, which may
 * have to be made out of a close, and then has to look like one.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/stream.h"
#include "bough/wait.h"

struct stapled {
    struct bough_stream stream;
    struct bough_stream *send_half, *receive_half;
    bool sending; /* a task is in it */
    bool ended, closed;
    bool orphan; /* freed while a task was in it: it frees it */
};

static struct stapled *stapled_of(struct bough_stream *s)
{
    return bough_container_of(s, struct stapled, stream);
}

static int closed_here(void)
{
    return bough_fail_text(-EBADF, "the stream is closed");
}

static int busy(void)
{
    return bough_fail_text(-EBUSY, "another task is sending into this stream");
}

/* The task that sends is out again. */
static void leave(struct stapled *t)
{
    t->sending = false;
    if (BOUGH_UNLIKELY(t->orphan))
        free(t);
}

/* --- the calls --- */

static int stapled_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct stapled *t = stapled_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (t->closed || t->ended)
        return closed_here();
    if (t->sending)
        return busy();
    t->sending = true;
    rc = bough_stream_send_all(t->send_half, data, size);
    leave(t);
    return rc;
}

static int stapled_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    return bough_stream_receive_some(stapled_of(s)->receive_half, ret_buffer, size);
}

static int end_sending(struct stapled *t)
{
    int rc = bough_stream_send_eof(t->send_half);
    if (rc == 0)
        t->ended = true;
    if (rc != -ENOTSUP)
        return rc;
    (void)bough_catch(&rc, -ENOTSUP);
    t->ended = true; /* a close closes, whatever it returns */
    return bough_stream_close(t->send_half);
}

static int stapled_send_eof(struct bough_stream *s)
{
    struct stapled *t = stapled_of(s);
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (t->closed)
        return closed_here();
    if (t->sending)
        return busy();
    if (t->ended)
        return 0;
    t->sending = true;
    rc = end_sending(t);
    leave(t);
    return rc;
}

static int stapled_close(struct bough_stream *s)
{
    struct stapled *t = stapled_of(s);
    t->closed = true;
    int rc = bough_stream_close(t->send_half);
    return bough_keep(rc, bough_stream_close(t->receive_half));
}

static void stapled_free(struct bough_stream *s)
{
    struct stapled *t = stapled_of(s);
    t->closed = true;
    bough_stream_free(t->send_half);
    bough_stream_free(t->receive_half);
    if (t->sending)
        t->orphan = true;
    else
        free(t);
}

static const struct bough_stream_operations stapled_operations = {
    .name = "stapled stream",
    .send_all = stapled_send_all,
    .receive_some = stapled_receive_some,
    .send_eof = stapled_send_eof,
    .close = stapled_close,
    .free = stapled_free,
};

int bough_stapled_stream_open(struct bough_stream *send_half, struct bough_stream *receive_half,
                              struct bough_stream **ret_stream)
{
    struct stapled *t = sys_malloc(sizeof(*t));
    if (!t) {
        bough_stream_free(send_half);
        bough_stream_free(receive_half);
        return bough_fail_text(-ENOMEM, "no memory for a stream");
    }
    *t = (struct stapled){
        .stream.operations = &stapled_operations,
        .send_half = send_half,
        .receive_half = receive_half,
    };
    *ret_stream = &t->stream;
    return 0;
}
