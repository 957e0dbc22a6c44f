/* Files as streams.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/file.h"
#include "bough/wait.h"

struct file_stream {
    struct bough_stream stream;
    struct bough_file *file;
    int64_t read_at, write_at;
    bool appends;
    bool sending, receiving; /* a task is in it */
    bool orphan;             /* freed while a task was in it: the last one out frees it */
};

static struct file_stream *file_stream_of(struct bough_stream *s)
{
    return bough_container_of(s, struct file_stream, stream);
}

static int busy(const char *direction)
{
    return bough_fail(-EBUSY, "another task is %s this stream", direction);
}

static void leave(struct file_stream *f)
{
    if (f->orphan && !f->sending && !f->receiving)
        free(f);
}

/* 0: go on. */
static int enter(const struct file_stream *f, bool inside, const char *direction)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (bough_file_fd(f->file) < 0)
        return bough_fail_text(-EBADF, "the stream is closed");
    return inside ? busy(direction) : 0;
}

/* Closed while we were in a thread: what it did does not count. The stream's file may be freed by
 * now. */
static int closed_meanwhile(const struct file_stream *f, int rc)
{
    if (!f->orphan && bough_file_fd(f->file) >= 0)
        return rc;
    return rc == -ECANCELED ? rc : bough_fail_text(-EBADF, "the stream is closed");
}

static int send_rest(struct file_stream *f, const char *data, size_t size)
{
    do {
        int n = f->appends ? bough_file_write(f->file, data, size)
                           : bough_file_pwrite(f->file, data, size, f->write_at);
        n = closed_meanwhile(f, n);
        if (n < 0)
            return n;
        data += n;
        size -= (size_t)n;
        f->write_at += n;
    } while (size);
    return 0;
}

static int file_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct file_stream *f = file_stream_of(s);
    int rc = enter(f, f->sending, "sending into");
    if (rc < 0)
        return rc;
    if (size == 0)
        return bough_pass();
    f->sending = true;
    rc = send_rest(f, data, size);
    f->sending = false;
    leave(f);
    return rc;
}

static int file_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct file_stream *f = file_stream_of(s);
    int rc = enter(f, f->receiving, "receiving from");
    if (rc < 0)
        return rc;
    f->receiving = true;
    rc = closed_meanwhile(f, bough_file_pread(f->file, ret_buffer, size, f->read_at));
    if (rc > 0)
        f->read_at += rc;
    f->receiving = false;
    leave(f);
    return rc;
}

static int file_close(struct bough_stream *s)
{
    return bough_file_close(file_stream_of(s)->file);
}

static void file_free(struct bough_stream *s)
{
    struct file_stream *f = file_stream_of(s);
    bough_file_free(f->file);
    f->orphan = true;
    leave(f);
}

static const struct bough_stream_operations file_operations = {
    .name = "file",
    .send_all = file_send_all,
    .receive_some = file_receive_some,
    .close = file_close,
    .free = file_free,
};

int bough_file_stream_open(struct bough_file *file, struct bough_stream **ret_stream)
{
    struct file_stream *f = sys_malloc(sizeof(*f));
    if (!f) {
        bough_file_free(file);
        return bough_fail_text(-ENOMEM, "no memory for a stream");
    }
    *f = (struct file_stream){.stream.operations = &file_operations, .file = file};
    int fd = bough_file_fd(file), flags = fd < 0 ? 0 : fcntl(fd, F_GETFL);
    f->appends = flags >= 0 && flags & O_APPEND;
    *ret_stream = &f->stream;
    return 0;
}
