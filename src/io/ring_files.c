/* Operations on files, as requests of an io_uring.
 * SPDX-License-Identifier: MIT */
#include "io/ring_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

static const unsigned char opcodes[BOUGH_OPERATION_KINDS] = {
    [BOUGH_OPERATION_OPEN] = IORING_OP_OPENAT,
    [BOUGH_OPERATION_CLOSE] = IORING_OP_CLOSE,
    [BOUGH_OPERATION_READ] = IORING_OP_READ,
    [BOUGH_OPERATION_WRITE] = IORING_OP_WRITE,
    [BOUGH_OPERATION_SYNC] = IORING_OP_FSYNC,
    [BOUGH_OPERATION_STAT] = IORING_OP_STATX,
    [BOUGH_OPERATION_UNLINK] = IORING_OP_UNLINKAT, /* 5.11, as the next */
    [BOUGH_OPERATION_RENAME] = IORING_OP_RENAMEAT,
    [BOUGH_OPERATION_MKDIR] = IORING_OP_MKDIRAT, /* 5.15 */
};

/* What system calls turn into EINTR, or begin again: requests that were taken back while a thread
 * of the kernel's was in them come to these. */
enum { ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516 };

/* Of no descriptor: is that what it says? */
static bool may_close(struct ring *r)
{
    struct io_uring_cqe cqe;
    struct io_uring_sqe *sqe = bough__ring_sqe(r);
    io_uring_prep_close(sqe, -1);
    sqe->user_data = ABOUT_NOTHING;
    return io_uring_submit_and_wait(&r->kernel, 1) == 1 && ring_next(r, &cqe) && cqe.res == -EBADF;
}

void bough__ring_files_probe(struct ring_files *f, struct ring *r)
{
    struct io_uring_probe *probe =
        sys_fails(SYS_FAULT_CALL) ? NULL : io_uring_get_probe_ring(&r->kernel);
    if (!probe)
        return;
    for (int kind = BOUGH_OPERATION_NONE + 1; kind < BOUGH_OPERATION_KINDS; kind++)
        f->can |= io_uring_opcode_supported(probe, opcodes[kind]) ? 1U << kind : 0;
    free(probe);
    if (!may_close(r))
        f->can &= ~(1U << BOUGH_OPERATION_CLOSE);
}

bool bough__ring_files_can(const struct ring_files *f, enum bough_operation_kind kind)
{
    return f->can & 1U << kind;
}

/* The kernel first tries without waiting, here. Two must not be tried so: an open of a named
 * pipe would not wait for the other end, and the last close of a large file that was unlinked
 * frees all its blocks. */
static bool needs_thread(enum bough_operation_kind kind)
{
    return kind == BOUGH_OPERATION_OPEN || kind == BOUGH_OPERATION_CLOSE;
}

static bool is_at_position(const struct bough_io_operation *o)
{
    return (o->kind == BOUGH_OPERATION_READ || o->kind == BOUGH_OPERATION_WRITE) && o->offset < 0;
}

/* The kernel tries again to do the rest of what was cut short, and if that fails it forgets to move
 * the position over what was done. */
static void mend_position(const struct bough_io_operation *o, int res)
{
    if (is_at_position(o) && o->position >= 0 && res > 0 && (size_t)res < o->size &&
        lseek(o->fd, 0, SEEK_CUR) == o->position)
        (void)lseek(o->fd, o->position + res, SEEK_SET);
}

void bough__ring_files_fill(struct bough_io_operation *o, struct io_uring_sqe *sqe)
{
    if (is_at_position(o))
        o->position = lseek(o->fd, 0, SEEK_CUR); /* of a pipe: -1 */
    switch (o->kind) {
    case BOUGH_OPERATION_OPEN:
        io_uring_prep_openat(sqe, AT_FDCWD, o->path, o->flags | O_CLOEXEC, (mode_t)o->mode);
        break;
    case BOUGH_OPERATION_CLOSE:
        io_uring_prep_close(sqe, o->fd);
        break;
    case BOUGH_OPERATION_READ:
        io_uring_prep_read(sqe, o->fd, o->data, (unsigned)o->size, (uint64_t)o->offset);
        break;
    case BOUGH_OPERATION_WRITE:
        io_uring_prep_write(sqe, o->fd, o->data, (unsigned)o->size, (uint64_t)o->offset);
        break;
    case BOUGH_OPERATION_SYNC:
        io_uring_prep_fsync(sqe, o->fd, o->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case BOUGH_OPERATION_STAT:
        io_uring_prep_statx(sqe, o->fd, o->path, o->flags, STATX_BASIC_STATS, o->data);
        break;
    case BOUGH_OPERATION_UNLINK:
        io_uring_prep_unlinkat(sqe, AT_FDCWD, o->path, o->flags);
        break;
    case BOUGH_OPERATION_RENAME:
        io_uring_prep_renameat(sqe, AT_FDCWD, o->path, AT_FDCWD, o->other, 0);
        break;
    case BOUGH_OPERATION_MKDIR:
        io_uring_prep_mkdirat(sqe, AT_FDCWD, o->path, (mode_t)o->mode);
        break;
    default:
        io_uring_prep_nop(sqe);
    }
    if (needs_thread(o->kind))
        sqe->flags |= IOSQE_ASYNC;
}

static bool may_be_a_refusal(enum bough_operation_kind kind, int res)
{
    return kind != BOUGH_OPERATION_CLOSE &&
           (res == -EACCES || res == -EPERM || res == -EINVAL || res == -EOPNOTSUPP);
}

int bough__ring_files_result(struct ring_files *f, const struct bough_io_operation *o, int res)
{
    unsigned bit = 1U << o->kind;
    if (res <= -ERESTARTSYS && res >= -ERESTART_RESTARTBLOCK)
        res = -EINTR;
    mend_position(o, res);
    if (may_be_a_refusal(o->kind, res))
        return f->proven & bit ? res : -ENOSYS;
    if (res != -ECANCELED)
        f->proven |= bit;
    return res;
}
