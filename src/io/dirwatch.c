/* Watching directories: inotify.
 *
 * The kernel gives events in bulk; they are kept here and handed out one at a time. A buffer that
 * has room for one with the longest name is never too small for it.
 * SPDX-License-Identifier: MIT */
#include "bough/dirwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"
#include "io/fd.h"

enum { BUFFER = 4096 };

struct bough_dirwatch {
    int fd; /* -1: closed */
    bool receiving;
    size_t at, size; /* in the buffer: what has not been handed out */
    char buffer[BUFFER] __attribute__((aligned(__alignof__(struct inotify_event))));
};

/* Our kinds and the kernel's. */
static const struct {
    int kind;
    uint32_t mask;
} kinds[] = {
    {BOUGH_DIR_CREATED, IN_CREATE},        {BOUGH_DIR_REMOVED, IN_DELETE},
    {BOUGH_DIR_CHANGED, IN_MODIFY},        {BOUGH_DIR_WRITTEN, IN_CLOSE_WRITE},
    {BOUGH_DIR_MOVED_FROM, IN_MOVED_FROM}, {BOUGH_DIR_MOVED_TO, IN_MOVED_TO},
    {BOUGH_DIR_ATTRIBUTES, IN_ATTRIB},     {BOUGH_DIR_GONE, IN_IGNORED},
    {BOUGH_DIR_OVERFLOW, IN_Q_OVERFLOW},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static uint32_t mask_of(int wanted)
{
    uint32_t mask = 0;
    for (int i = 0; i < KINDS; i++)
        if (wanted & BOUGH_DIR_ALL & kinds[i].kind)
            mask |= kinds[i].mask;
    return mask;
}

/* 0: one that we do not speak of. */
static int kind_of(uint32_t mask)
{
    for (int i = 0; i < KINDS; i++)
        if (mask & kinds[i].mask)
            return kinds[i].kind;
    return 0;
}

/* --- opening and closing --- */

int bough_dirwatch_open(struct bough_dirwatch **ret_watch)
{
    int fd = sys_call(EMFILE, inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (fd < 0)
        return bough_fail(fd, "directories cannot be watched: %s", bough_error_name(fd));
    int rc = bough__fd_adopt(fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    struct bough_dirwatch *w = sys_malloc(sizeof(*w));
    if (!w) {
        bough__fd_close(fd);
        return bough_fail_text(-ENOMEM, "no memory to watch directories");
    }
    w->fd = fd;
    w->receiving = false;
    w->at = w->size = 0;
    *ret_watch = w;
    return 0;
}

void bough_dirwatch_close(struct bough_dirwatch *w)
{
    int fd = w->fd;
    w->fd = -1;
    if (fd >= 0)
        bough__fd_close(fd);
}

void bough_dirwatch_free(struct bough_dirwatch *w)
{
    if (!w)
        return;
    bough_dirwatch_close(w);
    free(w);
}

static int closed(void)
{
    return bough_fail_text(-EBADF, "directories are no longer watched by this");
}

/* --- what is watched --- */

int bough_dirwatch_add(struct bough_dirwatch *w, const char *path, int wanted, int *ret_id)
{
    if (w->fd < 0)
        return closed();
    if (wanted == 0 || wanted & ~BOUGH_DIR_ALL)
        return bough_fail(-EINVAL, "0x%x: these are no changes that can be watched for",
                          (unsigned)wanted);
    int id = sys_call(ENOSPC, inotify_add_watch(w->fd, path, mask_of(wanted)));
    if (id < 0)
        return bough_fail(id, "cannot watch %s: %s", path, bough_error_name(id));
    *ret_id = id;
    return 0;
}

int bough_dirwatch_remove(struct bough_dirwatch *w, int id)
{
    if (w->fd < 0)
        return closed();
    int rc = sys_call(EINVAL, inotify_rm_watch(w->fd, id));
    return rc < 0 ? bough_fail(rc, "%d is not watched", id) : 0;
}

/* --- events --- */

static int fill(struct bough_dirwatch *w)
{
    for (;;) {
        int n = sys_call(EIO, read(w->fd, w->buffer, sizeof(w->buffer)));
        if (n > 0) {
            w->at = 0;
            w->size = (size_t)n;
            return 0;
        }
        if (n == -EAGAIN) {
            n = bough__fd_wait(w->fd, BOUGH_READABLE);
            if (n < 0)
                return n;
            if (w->fd < 0)
                return closed();
        } else if (n != -EINTR) {
            return bough_fail(n ? n : -EIO, "watching directories: %s",
                              bough_error_name(n ? n : -EIO));
        }
    }
}

/* The next one in the buffer; false: of no kind that we speak of. */
static bool take(struct bough_dirwatch *w, struct bough_dirwatch_event *ret_event)
{
    const struct inotify_event *e = (const void *)(w->buffer + w->at);
    int kind = kind_of(e->mask);
    w->at += sizeof(*e) + e->len;
    if (!kind)
        return false;
    *ret_event = (struct bough_dirwatch_event){
        .kind = kind,
        .id = e->wd,
        .name = e->len ? e->name : "",
        .is_directory = e->mask & IN_ISDIR,
        .move = e->cookie,
    };
    return true;
}

static int receive(struct bough_dirwatch *w, struct bough_dirwatch_event *ret_event)
{
    for (;;) {
        while (w->at < w->size)
            if (take(w, ret_event))
                return 1;
        int rc = fill(w);
        if (rc < 0)
            return rc;
    }
}

int bough_dirwatch_receive(struct bough_dirwatch *w, struct bough_dirwatch_event *ret_event)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (w->fd < 0)
        return closed();
    if (w->receiving)
        return bough_fail_text(-EBUSY, "another task receives what changes in directories");
    w->receiving = true;
    rc = receive(w, ret_event);
    w->receiving = false;
    bough_passed();
    return rc;
}
