/* Files and directories that are gone with a block.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "io/file.h"
#include "io/remove.h"

static const char *directory_for(const char *wanted)
{
    if (wanted)
        return wanted;
    const char *from_user = getenv("TMPDIR");
    return from_user && *from_user ? from_user : "/tmp";
}

/* A path to make a name of: to be freed. */
static int template_in(const char *directory, char **ret_path)
{
    static const char name[] = "/bough-XXXXXX";
    size_t size = strlen(directory) + sizeof(name);
    char *path = sys_malloc(size);
    if (!path)
        return bough_fail_text(-ENOMEM, "no memory for a path");
    snprintf(path, size, "%s%s", directory, name);
    *ret_path = path;
    return 0;
}

/* --- directories --- */

static int make_directory(void *operation)
{
    const struct bough_io_operation *o = operation;
    return sys_call(EACCES, mkdtemp((char *)(uintptr_t)o->path) ? 0 : -1);
}

static int remove_it(const char *path)
{
    int rc = bough__operation_always(&(struct bough_io_operation){.path = path}, bough__remove_all);
    return rc < 0 ? bough_fail(rc, "remove %s: %s", path, bough_error_name(rc)) : 0;
}

int bough_temporary_directory(struct bough_manager *self, void *arg)
{
    char *path = NULL;
    int rc = template_in(directory_for(arg), &path);
    if (rc < 0)
        return rc;
    rc = bough__path_call(make_directory, &(struct bough_io_operation){.path = path}, "mkdtemp");
    if (rc == 0) {
        rc = bough_yield(self, path);
        rc = bough_keep(rc, remove_it(path));
    }
    free(path);
    return rc;
}

/* --- files --- */

struct temporary {
    struct bough_io_operation operation; /* the path is the template */
    const char *directory;
};

static int make_named_file(char *path)
{
    int fd = sys_call(EACCES, mkostemp(path, O_CLOEXEC));
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

/* Without a name at all, where the file system can. */
static int make_file(void *arg)
{
    const struct temporary *t = arg;
    int fd = sys_call(EACCES, open(t->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (fd != -EOPNOTSUPP && fd != -EISDIR && fd != -EINVAL)
        return fd;
    return make_named_file((char *)(uintptr_t)t->operation.path);
}

static int open_file(const char *directory, struct bough_file **ret_file)
{
    char *path = NULL;
    int rc = template_in(directory, &path);
    if (rc < 0)
        return rc;
    struct temporary t = {.operation.path = path, .directory = directory};
    int fd = bough__path_call(make_file, &t.operation, "mkstemp");
    free(path);
    if (fd < 0)
        return fd;
    rc = bough_file_adopt(fd, ret_file);
    if (rc < 0)
        close(fd);
    return rc;
}

int bough_temporary_file(struct bough_manager *self, void *arg)
{
    struct bough_file *f;
    int rc = open_file(directory_for(arg), &f);
    if (rc < 0)
        return rc;
    rc = bough_yield(self, f);
    bough_file_free(f);
    return rc;
}
