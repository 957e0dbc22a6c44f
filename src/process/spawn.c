/* Starting a program through posix_spawn(): the parent's memory is shared until the exec, not
 * copied, and a failed exec is reported here.
 *
 * The child's descriptors are put in place by dup2() one after the other, so none of the sources
 * may have a number that is a target. Those that do are first duplicated to a number above all
 * targets; and all above them is closed in the child, whoever has forgotten to mark it
 * close-on-exec.
 * SPDX-License-Identifier: MIT */
#include "process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"

enum { FIRST_EXTRA = 3, LAST_EXTRA = 255 };

struct spawn {
    const struct bough_process_options *options;
    const int *stdio;
    posix_spawn_file_actions_t actions;
    int highest;                   /* the child's last descriptor */
    int moved[3 + LAST_EXTRA + 1]; /* sources that were in the way, duplicated */
    int moved_count;
};

/* --- descriptors --- */

static bool is_target(const struct bough_process_options *o, int number)
{
    for (size_t i = 0; i < o->fd_count; i++)
        if (o->fds[i].as == number)
            return true;
    return false;
}

static int check_fds(const struct bough_process_options *o)
{
    uint64_t seen[4] = {0};
    for (size_t i = 0; i < o->fd_count; i++) {
        int as = o->fds[i].as;
        if (as < FIRST_EXTRA || as > LAST_EXTRA)
            return bough_fail(-EINVAL, "descriptor %d of a child: 3 to 255 can be given", as);
        if (seen[as / 64] & (UINT64_C(1) << as % 64))
            return bough_fail(-EINVAL, "descriptor %d of a child is given twice", as);
        seen[as / 64] |= UINT64_C(1) << as % 64;
    }
    return 0;
}

/* The child's 'as' is our 'fd'. */
static int give(struct spawn *s, int fd, int as)
{
    if (fd <= s->highest) {
        fd = sys_call(EMFILE, fcntl(fd, F_DUPFD_CLOEXEC, s->highest + 1));
        if (fd < 0)
            return fd;
        s->moved[s->moved_count++] = fd;
    }
    return -posix_spawn_file_actions_adddup2(&s->actions, fd, as);
}

static int give_stdio(struct spawn *s, int number)
{
    int fd = s->stdio[number];
    switch (fd) {
    case SPAWN_INHERIT:
        return 0;
    case SPAWN_NULL:
        return -posix_spawn_file_actions_addopen(&s->actions, number, "/dev/null",
                                                 number == 0 ? O_RDONLY : O_WRONLY, 0);
    case SPAWN_STDOUT:
        return -posix_spawn_file_actions_adddup2(&s->actions, 1, number);
    default:
        return give(s, fd, number);
    }
}

static int give_all(struct spawn *s)
{
    const struct bough_process_options *o = s->options;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = give_stdio(s, i);
    for (size_t i = 0; rc == 0 && i < o->fd_count; i++)
        rc = give(s, o->fds[i].fd, o->fds[i].as);
    for (int i = FIRST_EXTRA; rc == 0 && i <= s->highest; i++)
        if (!is_target(o, i))
            rc = -posix_spawn_file_actions_addclose(&s->actions, i);
    return rc < 0 ? rc : -posix_spawn_file_actions_addclosefrom_np(&s->actions, s->highest + 1);
}

/* --- the rest of it --- */

static int set_attributes(posix_spawnattr_t *attributes, const struct bough_process_options *o)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, pipe_only;
    sigemptyset(&none);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE); /* ignored by us, for our streams */
    if (o->session)
        flags |= POSIX_SPAWN_SETSID;
    else if (o->group)
        flags |= POSIX_SPAWN_SETPGROUP;
    (void)posix_spawnattr_setsigmask(attributes, &none);
    (void)posix_spawnattr_setsigdefault(attributes, &pipe_only);
    (void)posix_spawnattr_setpgroup(attributes, 0);
    return -posix_spawnattr_setflags(attributes, flags);
}

static int spawn_with(struct spawn *s, posix_spawnattr_t *attributes)
{
    const struct bough_process_options *o = s->options;
    pid_t pid;
    int rc = set_attributes(attributes, o);
    if (rc == 0 && o->cwd)
        rc = -posix_spawn_file_actions_addchdir_np(&s->actions, o->cwd);
    if (rc == 0)
        rc = give_all(s);
    if (rc == 0)
        rc = sys_fails(SYS_FAULT_CALL)
                 ? -EAGAIN
                 : -posix_spawnp(&pid, o->program ? o->program : o->argv[0], &s->actions,
                                 attributes, (char *const *)(uintptr_t)o->argv,
                                 o->env ? (char *const *)(uintptr_t)o->env : environ);
    return rc < 0 ? rc : pid;
}

static int spawn_all(struct spawn *s)
{
    posix_spawnattr_t attributes;
    int rc = -posix_spawnattr_init(&attributes);
    if (rc < 0)
        return rc;
    rc = -posix_spawn_file_actions_init(&s->actions);
    if (rc == 0) {
        rc = spawn_with(s, &attributes);
        posix_spawn_file_actions_destroy(&s->actions);
    }
    posix_spawnattr_destroy(&attributes);
    while (s->moved_count)
        close(s->moved[--s->moved_count]);
    return rc;
}

int bough__spawn(const struct bough_process_options *o, const int stdio[3])
{
    struct spawn s = {.options = o, .stdio = stdio, .highest = FIRST_EXTRA - 1};
    int rc = check_fds(o);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < o->fd_count; i++)
        if (o->fds[i].as > s.highest)
            s.highest = o->fds[i].as;
    rc = spawn_all(&s);
    if (rc < 0)
        return bough_fail(rc, "cannot start %s%s%s", o->program ? o->program : o->argv[0],
                          o->cwd ? " in " : "", o->cwd ? o->cwd : "");
    return rc;
}
