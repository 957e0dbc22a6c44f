/* Removing a directory with all that is in it.
 *
 * By descriptors, so that whoever renames things meanwhile cannot lead us elsewhere, and without
 * recursion: the directories that we are in are a stack. A tree may be deeper than there are
 * descriptors, so only the innermost ones are open; the others are opened again on the way out,
 * through "..", if that is still the same directory.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/thread.h"
#include "io/file.h"
#include "io/remove.h"

enum { OPEN_MOST = 16 };

struct level {
    DIR *directory; /* NULL: closed for now */
    dev_t device;   /* then: which one it was */
    ino_t inode;
    char name[256]; /* in the one above; the first: none */
};

struct removal {
    const char *path;
    struct level *levels;
    size_t depth, room;
};

static int removal_grow(struct removal *r)
{
    if (r->depth < r->room)
        return 0;
    size_t room = r->room ? 2 * r->room : 8;
    struct level *levels = sys_realloc(r->levels, room * sizeof(*levels));
    if (!levels)
        return -ENOMEM;
    r->levels = levels;
    r->room = room;
    return 0;
}

static int level_open(struct level *level, int at, const char *name)
{
    int fd = sys_call(EMFILE, openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0)
        return fd;
    level->directory = fdopendir(fd);
    if (!level->directory) {
        close(fd);
        return -ENOMEM;
    }
    return 0;
}

/* Close it, if it is not yet, until we come back to it. */
static int level_suspend(struct level *level)
{
    struct stat st;
    if (!level->directory)
        return 0;
    int rc = sys_call(EIO, fstat(dirfd(level->directory), &st));
    if (rc < 0)
        return rc;
    level->device = st.st_dev;
    level->inode = st.st_ino;
    closedir(level->directory);
    level->directory = NULL;
    return 0;
}

/* Open it again, from the one below, which may have been moved elsewhere meanwhile. */
static int level_resume(struct level *level, const struct level *below)
{
    struct stat st;
    int rc = level_open(level, dirfd(below->directory), "..");
    if (rc < 0)
        return rc;
    rc = sys_call(EIO, fstat(dirfd(level->directory), &st));
    if (rc < 0)
        return rc;
    return st.st_dev == level->device && st.st_ino == level->inode ? 0 : -ESTALE;
}

static int enter(struct removal *r, int at, const char *name)
{
    int rc = removal_grow(r);
    if (rc < 0)
        return rc;
    struct level *level = &r->levels[r->depth];
    rc = level_open(level, at, name);
    if (rc < 0)
        return rc;
    if (r->depth++ > 0)
        strcpy(level->name, name); /* a name of the system's: it fits */
    return r->depth > OPEN_MOST ? level_suspend(level - OPEN_MOST) : 0;
}

static void drop(struct removal *r)
{
    DIR *directory = r->levels[--r->depth].directory;
    if (directory)
        closedir(directory);
}

/* Out of a directory that is empty now. */
static int leave(struct removal *r)
{
    struct level *level = &r->levels[r->depth - 1], *above = r->depth > 1 ? level - 1 : NULL;
    int rc = above && !above->directory ? level_resume(above, level) : 0;
    if (rc < 0)
        return rc;
    rc = sys_call(EACCES, unlinkat(above ? dirfd(above->directory) : AT_FDCWD,
                                   above ? level->name : r->path, AT_REMOVEDIR));
    if (rc == -ENOTEMPTY) { /* somebody has put something in */
        rewinddir(level->directory);
        return 0;
    }
    drop(r);
    return rc == -ENOENT ? 0 : rc;
}

/* Remove 'name', or enter it if it is a directory. An empty one needs no descriptor. */
static int remove_one(struct removal *r, int at, const char *name)
{
    int rc = sys_call(EACCES, unlinkat(at, name, 0));
    if (rc == -EISDIR || rc == -EPERM) {
        int as_directory = sys_call(EACCES, unlinkat(at, name, AT_REMOVEDIR));
        if (as_directory == -ENOTEMPTY || as_directory == -EEXIST)
            as_directory = enter(r, at, name);
        rc = as_directory == -ENOTDIR ? rc : as_directory;
    }
    return rc == -ENOENT ? 0 : rc;
}

static int step(struct removal *r)
{
    DIR *directory = r->levels[r->depth - 1].directory;
    int rc = bough_thread_check();
    if (rc < 0)
        return rc;
    errno = 0;
    const struct dirent *d = readdir(directory);
    if (!d)
        return errno ? -errno : leave(r);
    if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
        return 0;
    return remove_one(r, dirfd(directory), d->d_name);
}

int bough__remove_all(void *operation)
{
    const struct bough_io_operation *o = operation;
    struct removal r = {.path = o->path};
    int rc = remove_one(&r, AT_FDCWD, o->path);
    while (rc == 0 && r.depth)
        rc = step(&r);
    while (r.depth)
        drop(&r);
    free(r.levels);
    return rc;
}

int bough_path_remove_all(const char *path)
{
    return bough__path_call(bough__remove_all, &(struct bough_io_operation){.path = path},
                            "remove");
}
