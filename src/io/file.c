/* Files: what is cached at once, the rest by the driver or in a thread.
 *
 * The descriptor is shared by the handle and by each call that is under way; the last one closes
 * it. So a close or a free never has to wait for a call, and no call finds another file under its
 * number.
 * SPDX-License-Identifier: MIT */
#include "io/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"

struct bough_file {
    int fd;       /* -1: closed */
    int shared;   /* what calls that are under way use, after a close */
    unsigned in;  /* calls that are under way */
    bool no_wait; /* reads may ask for what is cached */
    bool flows;   /* a pipe or the like, without positions */
    bool orphan;  /* freed, with calls under way */
};

/* --- by name --- */

int bough__path_call(bough_thread_fn *fn, struct bough_io_operation *o, const char *what)
{
    int rc = bough__operation(o, fn);
    if (rc >= 0 || rc == -ECANCELED)
        return rc;
    return bough_fail(rc, "%s %s: %s", what, o->path, bough_error_name(rc));
}

/* --- opening --- */

static int closed(void)
{
    return bough_fail_text(-EBADF, "the file is closed");
}

int bough_file_adopt(int fd, struct bough_file **ret_file)
{
    bool flows = lseek(fd, 0, SEEK_CUR) < 0;
    if (flows && errno == EBADF)
        return bough_fail(-EBADF, "descriptor %d is not open", fd);
    struct bough_file *f = sys_malloc(sizeof(*f));
    if (!f)
        return bough_fail_text(-ENOMEM, "no memory for a file");
    *f = (struct bough_file){.fd = fd, .shared = fd, .no_wait = true, .flows = flows};
    *ret_file = f;
    return 0;
}

static int open_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EMFILE, open(o->path, o->flags | O_CLOEXEC, (mode_t)o->mode));
}

int bough_file_open(const char *path, int flags, unsigned mode, struct bough_file **ret_file)
{
    struct bough_io_operation o = {
        .kind = BOUGH_OPERATION_OPEN, .path = path, .flags = flags, .mode = mode};
    int fd = bough__path_call(open_it, &o, "open");
    if (fd < 0)
        return fd;
    int rc = bough_file_adopt(fd, ret_file);
    if (rc < 0)
        close(fd);
    return rc;
}

int bough_file_fd(const struct bough_file *f)
{
    return f->fd;
}

/* --- calls on an open file --- */

/* Is nobody left who needs the descriptor? */
static bool is_last(const struct bough_file *f)
{
    return f->in == 0 && f->fd < 0 && f->shared >= 0;
}

/* A call is over: if it was the last of a file that has been closed, close that; nobody asks how it
 * went. */
static void leave(struct bough_file *f)
{
    f->in--;
    if (is_last(f)) {
        close(f->shared);
        f->shared = -1;
    }
    if (f->orphan && f->in == 0)
        free(f);
}

static BOUGH_COLD int failed(int rc, const char *what)
{
    return rc == -ECANCELED ? rc : bough_fail(rc, "%s: %s", what, bough_error_name(rc));
}

static int file_call(struct bough_file *f, bough_thread_fn *fn, struct bough_io_operation *o,
                     const char *what)
{
    if (f->fd < 0)
        return closed();
    o->fd = f->fd;
    f->in++;
    int rc = bough__operation(o, fn);
    leave(f);
    return rc < 0 ? failed(rc, what) : rc;
}

static int count_of(size_t size)
{
    return size < INT_MAX ? (int)size : INT_MAX;
}

/* --- positions --- */

static int bad_offset(int64_t offset)
{
    return bough_fail(-EINVAL, "a position before the beginning of a file: %lld",
                      (long long)offset);
}

/* Said here, for a driver's kernel may do as if there had been no position: io_uring takes from the
 * pipe. */
static int no_position(const struct bough_file *f)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    return f->fd < 0 ? closed() : bough_fail_text(-ESPIPE, "a pipe or the like has no positions");
}

/* --- reading --- */

static int read_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return o->offset < 0 ? sys_call(EIO, read(o->fd, o->data, o->size))
                         : sys_call(EIO, pread(o->fd, o->data, o->size, o->offset));
}

/* What is in the cache, up to the first byte that is not; -EAGAIN: nothing. */
static int read_cached(int fd, const struct bough_io_operation *o)
{
    struct iovec bytes = {.iov_base = o->data, .iov_len = o->size};
    return sys_call(EAGAIN, preadv2(fd, &bytes, 1, o->offset, RWF_NOWAIT));
}

static int read_somewhere(struct bough_file *f, struct bough_io_operation *o)
{
    int n, rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (f->fd < 0)
        return closed();
    if (!f->no_wait)
        return file_call(f, read_it, o, "read");
    n = read_cached(f->fd, o);
    if (n >= 0) {
        bough_passed();
        return n;
    }
    if (n != -EAGAIN && n != -EINTR) /* such as EOPNOTSUPP; if it is about the read, it will tell */
        f->no_wait = false;
    return file_call(f, read_it, o, "read");
}

/* A read that got a part of what is there, because the rest is not cached: it gets that, too. */
static int read_rest(struct bough_file *f, struct bough_io_operation *o)
{
    size_t done = 0, size = o->size;
    while (done < size) {
        int n = read_somewhere(f, o);
        if (n < 0)
            return done ? (int)done : n;
        if (n == 0)
            break;
        done += (size_t)n;
        o->data = (char *)o->data + n;
        o->size -= (size_t)n;
        if (o->offset >= 0)
            o->offset += n;
    }
    return (int)done;
}

static int read_at(struct bough_file *f, void *ret_data, size_t size, int64_t offset)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_READ,
                                   .data = ret_data,
                                   .size = (size_t)count_of(size),
                                   .offset = offset};
    if (size == 0)
        return f->fd < 0 ? closed() : bough_pass();
    f->in++; /* it may be freed meanwhile */
    int n = read_rest(f, &o);
    leave(f);
    return n;
}

int bough_file_read(struct bough_file *f, void *ret_data, size_t size)
{
    return read_at(f, ret_data, size, -1);
}

int bough_file_pread(struct bough_file *f, void *ret_data, size_t size, int64_t offset)
{
    if (offset < 0)
        return bad_offset(offset);
    return f->flows ? no_position(f) : read_at(f, ret_data, size, offset);
}

/* --- writing --- */

static int write_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return o->offset < 0 ? sys_call(ENOSPC, write(o->fd, o->data, o->size))
                         : sys_call(ENOSPC, pwrite(o->fd, o->data, o->size, o->offset));
}

static int write_at(struct bough_file *f, const void *data, size_t size, int64_t offset)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_WRITE,
                                   .data = (void *)(uintptr_t)data,
                                   .size = (size_t)count_of(size),
                                   .offset = offset};
    return file_call(f, write_it, &o, "write");
}

int bough_file_write(struct bough_file *f, const void *data, size_t size)
{
    return write_at(f, data, size, -1);
}

int bough_file_pwrite(struct bough_file *f, const void *data, size_t size, int64_t offset)
{
    if (offset < 0)
        return bad_offset(offset);
    return f->flows ? no_position(f) : write_at(f, data, size, offset);
}

static int write_rest(struct bough_file *f, const char *data, size_t size)
{
    do {
        int n = bough_file_write(f, data, size);
        if (n < 0)
            return n;
        data += n;
        size -= (size_t)n;
    } while (size);
    return 0;
}

int bough_file_write_all(struct bough_file *f, const void *data, size_t size)
{
    f->in++; /* it may be freed meanwhile */
    int rc = write_rest(f, data, size);
    leave(f);
    return rc;
}

int64_t bough_file_seek(struct bough_file *f, int64_t offset, int whence)
{
    if (f->fd < 0)
        return closed();
    int64_t at = lseek(f->fd, offset, whence);
    return at < 0 ? bough_fail(-errno, "seek: %s", bough_error_name(-errno)) : at;
}

/* --- the file itself --- */

static int sync_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EIO, o->flags ? fdatasync(o->fd) : fsync(o->fd));
}

static int sync_by(struct bough_file *f, int data_only)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_SYNC, .flags = data_only};
    return file_call(f, sync_it, &o, "sync");
}

int bough_file_sync(struct bough_file *f)
{
    return sync_by(f, 0);
}

int bough_file_sync_data(struct bough_file *f)
{
    return sync_by(f, 1);
}

static int truncate_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EFBIG, ftruncate(o->fd, o->offset));
}

int bough_file_truncate(struct bough_file *f, int64_t size)
{
    return file_call(f, truncate_it, &(struct bough_io_operation){.offset = size}, "truncate");
}

/* --- what is known of it --- */

static int stat_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EIO, statx(o->fd, o->path, o->flags, STATX_BASIC_STATS, o->data));
}

static struct timespec time_of(const struct statx_timestamp *t)
{
    return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

static struct stat stat_of(const struct statx *x)
{
    return (struct stat){
        .st_dev = makedev(x->stx_dev_major, x->stx_dev_minor),
        .st_ino = x->stx_ino,
        .st_mode = x->stx_mode,
        .st_nlink = x->stx_nlink,
        .st_uid = x->stx_uid,
        .st_gid = x->stx_gid,
        .st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor),
        .st_size = (off_t)x->stx_size,
        .st_blksize = (blksize_t)x->stx_blksize,
        .st_blocks = (blkcnt_t)x->stx_blocks,
        .st_atim = time_of(&x->stx_atime),
        .st_mtim = time_of(&x->stx_mtime),
        .st_ctim = time_of(&x->stx_ctime),
    };
}

int bough__stat_call(struct bough_io_operation *o, struct stat *ret_stat)
{
    struct statx x;
    o->kind = BOUGH_OPERATION_STAT;
    o->data = &x;
    int rc = bough__path_call(stat_it, o, "stat");
    if (rc == 0)
        *ret_stat = stat_of(&x);
    return rc;
}

int bough_file_stat(struct bough_file *f, struct stat *ret_stat)
{
    struct statx x;
    struct bough_io_operation o = {
        .kind = BOUGH_OPERATION_STAT, .path = "", .flags = AT_EMPTY_PATH, .data = &x};
    int rc = file_call(f, stat_it, &o, "stat");
    if (rc == 0)
        *ret_stat = stat_of(&x);
    return rc;
}

/* --- closing --- */

static int close_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    int rc = close(o->fd) < 0 && errno != EINTR ? -errno : 0;
    return rc < 0 ? rc : sys_call(EIO, 0); /* closed in any case */
}

int bough_file_close(struct bough_file *f)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_CLOSE, .fd = f->fd};
    if (f->fd < 0)
        return bough_pass();
    f->fd = -1;
    if (!is_last(f))
        return 0;
    f->shared = -1;
    int rc = bough__operation_always(&o, close_it);
    if (rc == -EAGAIN || rc == -ENOMEM) { /* no thread: close it here */
        (void)bough_catch(&rc, rc);
        rc = close_it(&o);
    }
    return rc < 0 ? failed(rc, "close") : 0;
}

void bough_file_free(struct bough_file *f)
{
    if (!f)
        return;
    f->fd = -1;
    f->orphan = true;
    f->in++;
    leave(f);
}

/* --- whole files --- */

struct whole {
    struct bough_io_operation operation; /* first */
    size_t limit, size, room;
    char *data;
};

static int whole_grow(struct whole *w)
{
    if (w->room - w->size > 1) /* a NUL behind it */
        return 0;
    size_t room = w->room ? 2 * w->room : 4096;
    char *data = sys_realloc(w->data, room);
    if (!data)
        return -ENOMEM;
    w->data = data;
    w->room = room;
    return 0;
}

/* The size that a file says it has is but a hint: in /proc it is 0. */
static int whole_read(struct whole *w, int fd)
{
    struct stat st;
    int n = sys_call(EIO, fstat(fd, &st));
    if (n < 0)
        return n;
    if (w->limit && st.st_size > 0 && (size_t)st.st_size > w->limit)
        return -EFBIG;
    w->room = (st.st_size > 0 ? (size_t)st.st_size : 0) + 2;
    w->data = sys_malloc(w->room);
    if (!w->data)
        return -ENOMEM;
    do {
        n = whole_grow(w);
        if (n == 0)
            n = sys_call(EIO, read(fd, w->data + w->size, w->room - w->size - 1));
        if (n > 0)
            w->size += (size_t)n;
        if (w->limit && w->size > w->limit)
            return -EFBIG;
    } while (n > 0 || n == -EINTR);
    return n;
}

static int whole_run(void *arg)
{
    struct whole *w = arg;
    int fd = sys_call(EMFILE, open(w->operation.path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    int rc = whole_read(w, fd);
    close(fd);
    return rc;
}

int bough_file_read_all(const char *path, size_t limit, char **ret_data, size_t *ret_size)
{
    struct whole w = {.operation.path = path, .limit = limit};
    int rc = bough__operation(&w.operation, whole_run);
    if (rc < 0) {
        free(w.data);
        if (rc == -EFBIG && limit)
            return bough_fail(rc, "%s has more than %zu bytes, which is the limit", path, limit);
        return rc == -ECANCELED ? rc : bough_fail(rc, "read %s: %s", path, bough_error_name(rc));
    }
    w.data[w.size] = '\0';
    *ret_data = w.data;
    if (ret_size)
        *ret_size = w.size;
    return 0;
}
