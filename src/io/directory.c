/* Directories, and files by their names.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "io/file.h"

/* --- names --- */

int bough_path_stat(const char *path, struct stat *ret_stat)
{
    return bough__stat_call(&(struct bough_io_operation){.fd = AT_FDCWD, .path = path}, ret_stat);
}

int bough_path_lstat(const char *path, struct stat *ret_stat)
{
    struct bough_io_operation o = {.fd = AT_FDCWD, .path = path, .flags = AT_SYMLINK_NOFOLLOW};
    return bough__stat_call(&o, ret_stat);
}

static int rename_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EXDEV, rename(o->path, o->other));
}

int bough_path_rename(const char *from, const char *to)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_RENAME, .path = from, .other = to};
    return bough__path_call(rename_it, &o, "rename");
}

static int unlink_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EACCES, unlinkat(AT_FDCWD, o->path, o->flags));
}

int bough_path_unlink(const char *path)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_UNLINK, .path = path};
    return bough__path_call(unlink_it, &o, "unlink");
}

int bough_path_rmdir(const char *path)
{
    struct bough_io_operation o = {
        .kind = BOUGH_OPERATION_UNLINK, .path = path, .flags = AT_REMOVEDIR};
    return bough__path_call(unlink_it, &o, "rmdir");
}

static int mkdir_it(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(ENOSPC, mkdir(o->path, (mode_t)o->mode));
}

int bough_path_mkdir(const char *path, unsigned mode)
{
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_MKDIR, .path = path, .mode = mode};
    return bough__path_call(mkdir_it, &o, "mkdir");
}

/* --- what is in a directory --- */

/* The names one behind the other, and what belongs to each; put together when all are there. */
struct listing {
    struct bough_io_operation operation; /* first */
    struct bough_directory_entry *entries;
    size_t count, room;
    char *names;
    size_t names_size, names_room;
};

static void *grown(void *old, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return old;
    size_t more = *room ? 2 * *room : 64;
    while (more < needed)
        more *= 2;
    void *p = sys_realloc(old, more * size);
    if (p)
        *room = more;
    return p;
}

static int listing_add(struct listing *l, const struct dirent *d)
{
    size_t size = strlen(d->d_name) + 1;
    void *p = grown(l->entries, &l->room, l->count + 1, sizeof(*l->entries));
    if (!p)
        return -ENOMEM;
    l->entries = p;
    p = grown(l->names, &l->names_room, l->names_size + size, 1);
    if (!p)
        return -ENOMEM;
    l->names = p;
    memcpy(l->names + l->names_size, d->d_name, size);
    l->names_size += size;
    l->entries[l->count++] = (struct bough_directory_entry){.type = d->d_type, .inode = d->d_ino};
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int listing_fill(struct listing *l, DIR *directory)
{
    for (;;) {
        errno = 0;
        struct dirent *d =
            sys_fails(SYS_FAULT_CALL) ? (errno = EIO, (struct dirent *)NULL) : readdir(directory);
        if (!d)
            return -errno;
        if (is_dots(d->d_name))
            continue;
        int rc = listing_add(l, d);
        if (rc < 0)
            return rc;
    }
}

/* One block: the entries, then their names. */
static int listing_join(struct listing *l)
{
    struct bough_directory_entry *all = sys_malloc(l->count * sizeof(*all) + l->names_size + 1);
    if (!all)
        return -ENOMEM;
    char *name = (char *)(all + l->count);
    if (l->count) {
        memcpy(all, l->entries, l->count * sizeof(*all));
        memcpy(name, l->names, l->names_size);
    }
    for (size_t i = 0; i < l->count; i++) {
        all[i].name = name;
        name += strlen(name) + 1;
    }
    free(l->entries);
    l->entries = all;
    return 0;
}

static int listing_read(void *arg)
{
    struct listing *l = arg;
    int fd = sys_call(EMFILE, open(l->operation.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    DIR *directory = sys_fails(SYS_FAULT_MEMORY) ? (errno = ENOMEM, (DIR *)NULL) : fdopendir(fd);
    if (!directory) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    int rc = listing_fill(l, directory);
    closedir(directory);
    return rc < 0 ? rc : listing_join(l);
}

int bough_directory_read(const char *path, struct bough_directory_entry **ret_entries,
                         size_t *ret_count)
{
    struct listing l = {.operation.path = path};
    int rc = bough__path_call(listing_read, &l.operation, "read the directory");
    free(l.names);
    if (rc < 0) {
        free(l.entries);
        return rc;
    }
    *ret_entries = l.entries;
    *ret_count = l.count;
    return 0;
}
