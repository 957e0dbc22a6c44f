/* Removing a directory with all that is in it.
 *
 * By descriptors, so that whoever renames things meanwhile cannot lead us elsewhere, and without
 * recursion: the directories that we are in are a stack.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/thread.h"
#include "io/file.h"
#include "io/remove.h"

struct level {
    DIR *directory;
    char name[256]; /* in the one above; the first: none */
};

struct removal {
    const char *path;
    struct level *levels;
    size_t depth, room;
};

/* The directory that has 'name', and the name in it. */
static int parent_of(const struct removal *r)
{
    return r->depth > 1 ? dirfd(r->levels[r->depth - 2].directory) : AT_FDCWD;
}

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

static int enter(struct removal *r, int at, const char *name)
{
    int rc = removal_grow(r);
    if (rc < 0)
        return rc;
    int fd = sys_call(EMFILE, openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0)
        return fd;
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        return -ENOMEM;
    }
    struct level *level = &r->levels[r->depth++];
    level->directory = directory;
    if (at != AT_FDCWD)
        strcpy(level->name, name); /* a name of the system's: it fits */
    return 0;
}

static void drop(struct removal *r)
{
    closedir(r->levels[--r->depth].directory);
}

/* Out of a directory that is empty now. */
static int leave(struct removal *r)
{
    int at = parent_of(r);
    const char *name = r->depth > 1 ? r->levels[r->depth - 1].name : r->path;
    int rc = sys_call(EACCES, unlinkat(at, name, AT_REMOVEDIR));
    if (rc == -ENOTEMPTY && r->depth) { /* somebody has put something in */
        rewinddir(r->levels[r->depth - 1].directory);
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
