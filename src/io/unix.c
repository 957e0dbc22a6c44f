/* Unix sockets.
 *
 * A socket's file outlives its process. Whether somebody listens is asked by connecting; but
 * between the answer and the unlink() another might replace the file. So all who listen in a
 * directory take turns, by a lock on it that leaves nothing behind. Who holds it has his socket
 * listening when he lets go, so a file that refuses connections is stale.
 * SPDX-License-Identifier: MIT */
#include "bough/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/time.h"
#include "bough/wait.h"
#include "io/fdstream.h"
#include "io/listener.h"

enum { BACKLOG = 4096 };
#define PAUSE_FIRST BOUGH_MS
#define PAUSE_MOST (50 * BOUGH_MS)

/* --- names --- */

int bough_unix_address(const char *name, struct bough_address *ret_address)
{
    struct bough_address address = {.size = 0};
    struct sockaddr_un *un = (struct sockaddr_un *)&address.storage;
    size_t size = strlen(name);
    bool is_abstract = name[0] == '@';
    if (size < 1 + (size_t)is_abstract)
        return bough_fail_text(-EINVAL, "a Unix socket without a name");
    if (size >= sizeof(un->sun_path))
        return bough_fail(-ENAMETOOLONG, "a Unix socket's name may have %zu bytes: \"%s\"",
                          sizeof(un->sun_path) - 1, name);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, name, size);
    if (is_abstract)
        un->sun_path[0] = '\0';
    /* A path with its NUL; an abstract name is all that is there. */
    address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + !is_abstract);
    *ret_address = address;
    return 0;
}

/* --- connecting --- */

int bough_unix_connect(const char *name, struct bough_stream **ret_stream)
{
    struct bough_address to;
    int rc = bough_unix_address(name, &to);
    if (rc < 0)
        return rc;
    int fd = bough_socket_open(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    rc = bough_socket_connect(fd, &to);
    if (rc < 0) {
        bough_socket_close(fd);
        return rc;
    }
    return bough_fd_stream_open(fd, ret_stream);
}

/* --- the file --- */

/* The file of a listener: to be removed with it. */
struct socket_file {
    char *path; /* absolute */
    dev_t device;
    ino_t inode;
};

static void socket_file_free(struct socket_file *file)
{
    free(file->path);
    free(file);
}

/* While it still listens: so nobody takes it for stale and replaces it between our look and our
 * unlink(). */
static void socket_file_remove(void *arg)
{
    struct socket_file *file = arg;
    struct stat st;
    if (lstat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode)
        (void)unlink(file->path);
    socket_file_free(file);
}

/* Of the file at 'path', which has just been made. */
static int socket_file_new(const char *path, struct socket_file **ret_file)
{
    struct stat st;
    int rc = sys_call(EIO, lstat(path, &st));
    if (rc < 0)
        return rc;
    struct socket_file *file = sys_malloc(sizeof(*file));
    if (!file)
        return -ENOMEM;
    *file =
        (struct socket_file){.path = realpath(path, NULL), .device = st.st_dev, .inode = st.st_ino};
    if (!file->path) {
        rc = -errno;
        free(file);
        return rc;
    }
    *ret_file = file;
    return 0;
}

/* Does nobody listen behind the file? */
static int is_stale(const char *path, const struct bough_address *at, bool *ret_stale)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    int fd = sys_call(EMFILE, socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return fd;
    int rc = sys_call(EINTR, connect(fd, (const struct sockaddr *)&at->storage, at->size));
    close(fd);
    *ret_stale = rc == -ECONNREFUSED;
    return 0;
}

static int bind_to(int fd, const struct bough_address *at)
{
    return sys_call(EACCES, bind(fd, (const struct sockaddr *)&at->storage, at->size));
}

/* With the directory locked. */
static int bind_path(int fd, const char *path, const struct bough_address *at)
{
    bool stale = false;
    int rc = bind_to(fd, at);
    if (rc != -EADDRINUSE)
        return rc;
    rc = is_stale(path, at, &stale);
    if (rc < 0 || !stale)
        return rc < 0 ? rc : -EADDRINUSE;
    rc = sys_call(EACCES, unlink(path));
    return rc < 0 ? rc : bind_to(fd, at);
}

static int listen_at_path(int fd, const char *path, const struct bough_address *at,
                          struct socket_file **ret_file)
{
    int rc = bind_path(fd, path, at);
    if (rc < 0)
        return rc;
    rc = sys_call(EADDRINUSE, listen(fd, BACKLOG));
    if (rc == 0)
        rc = socket_file_new(path, ret_file);
    if (rc < 0)
        (void)unlink(path);
    return rc;
}

/* --- the lock --- */

static int directory_open(const char *path)
{
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');
    size_t size = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    memcpy(directory, path, size);
    directory[size] = '\0';
    return sys_call(EMFILE, open(size ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int lock_patiently(int fd)
{
    int64_t pause = PAUSE_FIRST;
    for (;;) {
        int rc = sys_call(EINTR, flock(fd, LOCK_EX | LOCK_NB));
        if (rc != -EAGAIN && rc != -EINTR)
            return rc;
        rc = rc == -EAGAIN ? bough_sleep(pause) : bough_checkpoint();
        if (rc < 0)
            return rc;
        pause = 2 * pause < PAUSE_MOST ? 2 * pause : PAUSE_MOST;
    }
}

/* The lock, a descriptor; -EACCES: a directory that may be used but not read, in which nobody can
 * take turns. */
static int directory_lock(const char *path)
{
    int fd = directory_open(path);
    if (fd < 0)
        return fd;
    int rc = lock_patiently(fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

static int listen_in_turn(int fd, const char *path, const struct bough_address *at,
                          struct socket_file **ret_file)
{
    int lock = directory_lock(path);
    if (lock < 0 && lock != -EACCES)
        return lock;
    int rc = listen_at_path(fd, path, at, ret_file);
    if (lock >= 0)
        close(lock);
    return rc;
}

/* --- listening --- */

static int listen_at(int fd, const char *name, const struct bough_address *at,
                     struct socket_file **ret_file)
{
    if (name[0] != '@')
        return listen_in_turn(fd, name, at, ret_file);
    int rc = bind_to(fd, at);
    return rc < 0 ? rc : sys_call(EADDRINUSE, listen(fd, BACKLOG));
}

int bough_unix_listen(const char *name, struct bough_listener **ret_listener)
{
    struct socket_file *file = NULL;
    struct bough_address at;
    int rc = bough_pass();
    if (rc == 0)
        rc = bough_unix_address(name, &at);
    if (rc < 0)
        return rc;
    int fd = bough_socket_open(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    rc = listen_at(fd, name, &at, &file);
    if (rc < 0) {
        bough_socket_close(fd);
        return rc == -ECANCELED
                   ? rc
                   : bough_fail(rc, "cannot listen on %s: %s", name, bough_error_name(rc));
    }
    return bough__listener_open(fd, file ? socket_file_remove : NULL, file, ret_listener);
}

/* --- pairs --- */

int bough_unix_pair(struct bough_stream **ret_a, struct bough_stream **ret_b)
{
    struct bough_stream *a, *b;
    int fds[2];
    int rc =
        sys_call(EMFILE, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    if (rc < 0)
        return bough_fail(rc, "no sockets to be had: %s", bough_error_name(rc));
    rc = bough_fd_stream_open(fds[0], &a);
    if (rc < 0) {
        close(fds[1]);
        return rc;
    }
    rc = bough_fd_stream_open(fds[1], &b);
    if (rc < 0) {
        bough_stream_free(a);
        return rc;
    }
    *ret_a = a;
    *ret_b = b;
    return 0;
}

/* --- who is there --- */

int bough_unix_peer_of(const struct bough_stream *s, struct bough_unix_peer *ret_peer)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    int domain = 0, fd = bough__fd_stream_fd(s);
    socklen_t domain_size = sizeof(domain);
    if (fd < 0)
        return bough_fail_text(-EBADF, "the stream is closed, or not over a socket");
    int rc = sys_call(EINVAL, getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size));
    if (rc < 0 || domain != AF_UNIX)
        return bough_fail_text(-EINVAL, "only a Unix socket knows who its peer is");
    rc = sys_call(EINVAL, getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
    if (rc < 0)
        return bough_fail(rc, "who the peer is cannot be told: %s", bough_error_name(rc));
    *ret_peer = (struct bough_unix_peer){.pid = who.pid, .uid = who.uid, .gid = who.gid};
    return 0;
}
