/* A child process: waiting for it, stopping it, never leaving it behind.
 *
 * Its death is read from a pidfd. One task watches that; the others that wait are in a list, and
 * are told by whoever learns of the death first. If the watcher gives up it hands over to the next
 * in the list. Where there are no pidfds (a sandbox, Valgrind) the watcher asks every few
 * milliseconds.
 *
 * A process that leads a group is not reaped before the close: while it is a zombie its number is
 * taken, and so a signal to the group can reach nobody else.
 * SPDX-License-Identifier: MIT */
#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/scope.h"
#include "bough/signal.h"
#include "bough/stream.h"
#include "bough/wait.h"
#include "io/fd.h"
#include "process/spawn.h"

enum { WAIT_PIDFD = 3 /* P_PIDFD, which older headers lack */, STATUS_UNKNOWN = 0 };
#define GRACE (5 * BOUGH_SEC)
#define ASK_AGAIN (5 * BOUGH_MS) /* if there is no pidfd, or no memory to wait for it */

struct bough_process {
    pid_t pid;
    int pidfd;  /* -1: there is none, or none any more */
    int status; /* -1: it has not ended */
    bool reaped;
    bool stopped; /* we asked it to end, so any status is fine */
    bool whole_group, any_status;
    int stop_signal;
    int64_t grace;
    uint64_t sent;             /* signals that we have sent, as bits */
    int *watcher;              /* where the task that watches the pidfd wants the status */
    struct bough_list waiters; /* the other tasks that wait */
    struct bough_stream *streams[3];
    char name[32];
};

/* --- how it ended --- */

const char *bough_status_text(int status, char *buffer, size_t size)
{
    int killer = bough_status_signal(status);
    if (killer)
        snprintf(buffer, size, "was killed by %s%s", bough_signal_name(killer),
                 status & 0x80 ? " (core dumped)" : "");
    else
        snprintf(buffer, size, "exited with %d", bough_status_exit_code(status));
    return buffer;
}

int bough__process_failed(const struct bough_process *p, int status, const char *said)
{
    char how[64];
    return bough_fail(-EOWNERDEAD, "process %d (%s) %s%s%s", (int)p->pid, p->name,
                      bough_status_text(status, how, sizeof(how)), *said ? ": " : "", said);
}

static bool is_expected(const struct bough_process *p, int status)
{
    int killer = bough_status_signal(status);
    return status == 0 || p->stopped || (killer && (p->sent >> (killer - 1) & 1));
}

int bough_process_check(const struct bough_process *p, int status)
{
    return is_expected(p, status) ? 0 : bough__process_failed(p, status, "");
}

/* --- waiting --- */

static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status;
    }
}

/* It has ended: tell all who wait. None of them looks at 'p' again. */
static void ended(struct bough_process *p, int status)
{
    p->status = status;
    if (p->watcher)
        *p->watcher = status;
    p->watcher = NULL;
    if (p->pidfd >= 0)
        bough__fd_close(p->pidfd);
    p->pidfd = -1;
    bough_wake_all(&p->waiters, status);
}

/* Has it ended? */
static bool look(struct bough_process *p)
{
    siginfo_t info = {0};
    if (p->status >= 0)
        return true;
    int rc = waitid(p->pidfd < 0 ? P_PID : (idtype_t)WAIT_PIDFD,
                    (id_t)(p->pidfd < 0 ? p->pid : p->pidfd), &info,
                    WEXITED | WNOHANG | (p->whole_group ? WNOWAIT : 0));
    if (rc == 0 && info.si_pid == 0)
        return false;
    /* ECHILD: somebody else has reaped it, or SIGCHLD is ignored. */
    p->reaped = rc < 0 || !p->whole_group;
    ended(p, rc < 0 ? STATUS_UNKNOWN : status_of(&info));
    return true;
}

/* Wait for news of it. The status; -EAGAIN: look again; or why not. */
static int watch(struct bough_process *p)
{
    int status = -1;
    p->watcher = &status;
    int rc = p->pidfd < 0 ? bough_sleep(ASK_AGAIN) : bough__fd_wait(p->pidfd, BOUGH_READABLE);
    if (status >= 0)
        return status;
    p->watcher = NULL;
    if (rc < 0 && !bough_list_is_empty(&p->waiters))
        bough_wake(bough_container_of(p->waiters.next, struct bough_wait, link), -EAGAIN);
    return rc < 0 ? rc : -EAGAIN;
}

/* Wait beside the watcher. The same results. */
static int queue(struct bough_process *p)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "the end of a process"};
    bough_list_push(&p->waiters, &wait.link);
    return bough_wait(&wait);
}

static int await_end(struct bough_process *p)
{
    int rc = -EAGAIN;
    while (rc == -EAGAIN) {
        if (look(p))
            return p->status;
        rc = p->watcher ? queue(p) : watch(p);
    }
    return rc;
}

/* The same, whoever is cancelled, for 'limit' at most; p->status tells. */
static void await_end_shielded(struct bough_process *p, int64_t limit)
{
    struct bough_scope shield =
        BOUGH_SCOPE(.deadline = bough_after(bough_now(), limit), .shield = true);
    int rc = 0;
    bough_with_scope (&shield, &rc)
        while ((rc = await_end(p)) < 0 && rc != -ECANCELED)
            if ((rc = bough_sleep(ASK_AGAIN)) < 0)
                break;
}

int bough_process_wait(struct bough_process *p)
{
    int rc = bough_pass();
    return rc < 0 ? rc : await_end(p);
}

int bough_process_poll(struct bough_process *p)
{
    return look(p) ? p->status : bough_fail_text(-EAGAIN, "the process has not ended");
}

/* --- signals, stopping --- */

/* Where vfork is fork (an emulator, Valgrind) it may not be in its group yet. */
static int kill_group(const struct bough_process *p, int number)
{
    int rc = kill(-p->pid, number);
    return rc < 0 && errno == ESRCH ? kill(p->pid, number) : rc;
}

static int send_signal(struct bough_process *p, int number)
{
    bool gone = look(p);
    if (p->reaped || (gone && !p->whole_group))
        return -ESRCH;
    int rc = p->whole_group ? kill_group(p, number)
             : p->pidfd < 0 ? kill(p->pid, number)
                            : (int)syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0);
    if (rc < 0)
        return -errno;
    if (number > 0)
        p->sent |= UINT64_C(1) << (number - 1);
    return 0;
}

int bough_process_signal(struct bough_process *p, int number)
{
    int rc = send_signal(p, number);
    return rc < 0 ? bough_fail(rc, "process %d (%s) cannot be sent %s", (int)p->pid, p->name,
                               bough_signal_name(number))
                  : 0;
}

int bough_process_stop(struct bough_process *p)
{
    if (look(p))
        return p->status;
    p->stopped = true;
    if (p->grace >= 0) {
        (void)send_signal(p, p->stop_signal);
        (void)send_signal(p, SIGCONT); /* what is stopped would not notice */
        await_end_shielded(p, p->grace);
    }
    if (!look(p)) {
        (void)send_signal(p, SIGKILL);
        await_end_shielded(p, BOUGH_NEVER);
    }
    return p->status;
}

/* --- the end --- */

static void close_streams(struct bough_process *p, int count)
{
    for (int i = 0; i < count; i++)
        if (p->streams[i])
            (void)bough_stream_close(p->streams[i]);
}

/* Also of one that was only half started. */
static void process_free(struct bough_process *p)
{
    for (int i = 0; i < 3; i++)
        bough_stream_free(p->streams[i]);
    free(p);
}

static void reap_group(struct bough_process *p)
{
    if (p->reaped)
        return;
    (void)kill(-p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0); /* it is a zombie */
    /* Who is left of its group has been killed, and is our child now if orphans come to us: if we
     * are a subreaper (bough/actor.h), or the first process of a container. */
    while (p->whole_group && (waitpid(-p->pid, NULL, 0) > 0 || errno == EINTR))
        ;
}

int bough_process_close(struct bough_process *p, int rc)
{
    if (rc >= 0) {
        close_streams(p, 3);
        int waited = bough_process_wait(p);
        rc = waited < 0 ? waited : rc;
    }
    if (rc < 0) {
        struct bough_error *e = bough_error_detach(rc);
        /* Its output stays open, for last words. */
        close_streams(p, 1);
        (void)bough_process_stop(p);
        rc = bough_error_attach(e, rc);
    }
    if (rc != -ECANCELED && !p->any_status && !is_expected(p, p->status))
        rc = bough_keep(rc, bough__process_failed(p, p->status, ""));
    reap_group(p);
    process_free(p);
    return rc;
}

/* --- the start --- */

static int pidfd_open_for(pid_t pid)
{
    return sys_call(EMFILE, syscall(SYS_pidfd_open, pid, 0)); /* close-on-exec, always */
}

static int open_pipe(struct bough_process *p, int number, int *ret_theirs)
{
    int fds[2], ours = number == 0 ? 1 : 0;
    int rc = sys_call(EMFILE, pipe2(fds, O_CLOEXEC));
    if (rc < 0)
        return bough_fail_text(rc, "no pipe for a process");
    rc = bough_fd_stream_open(fds[ours], &p->streams[number]);
    if (rc < 0) {
        close(fds[!ours]);
        return rc;
    }
    *ret_theirs = fds[!ours];
    return 0;
}

/* What the child's 'number' is, and is it to be closed here afterwards? */
static int open_stdio(struct bough_process *p, int number, const struct bough_stdio *wanted,
                      int *ret_fd, bool *ret_ours)
{
    *ret_ours = false;
    switch (wanted->kind) {
    case BOUGH_STDIO_DEFAULT:
    case BOUGH_STDIO_INHERIT:
        *ret_fd = SPAWN_INHERIT;
        return 0;
    case BOUGH_STDIO_NULL:
        *ret_fd = SPAWN_NULL;
        return 0;
    case BOUGH_STDIO_FD:
        *ret_fd = wanted->fd;
        return wanted->fd >= 0 ? 0 : bough_fail(-EINVAL, "descriptor %d for a child", wanted->fd);
    case BOUGH_STDIO_STDOUT:
        *ret_fd = SPAWN_STDOUT;
        return number == 2 ? 0 : bough_fail_text(-EINVAL, "only .err can be the same as .out");
    case BOUGH_STDIO_PIPE:
        *ret_ours = true;
        return open_pipe(p, number, ret_fd);
    }
    return bough_fail(-EINVAL, "no such kind of stdio: %d", (int)wanted->kind);
}

static int spawn_with_stdio(struct bough_process *p, const struct bough_process_options *o)
{
    const struct bough_stdio *wanted[3] = {&o->in, &o->out, &o->err};
    int fds[3], rc = 0, opened = 0;
    bool ours[3];
    for (; rc == 0 && opened < 3; opened += rc == 0)
        rc = open_stdio(p, opened, wanted[opened], &fds[opened], &ours[opened]);
    if (rc == 0)
        rc = bough__spawn(o, fds);
    while (opened--)
        if (ours[opened])
            close(fds[opened]);
    return rc;
}

/* It runs, and cannot be watched. */
static int kill_at_once(struct bough_process *p, int rc)
{
    (void)(p->whole_group ? kill_group(p, SIGKILL) : kill(p->pid, SIGKILL));
    (void)waitpid(p->pid, NULL, 0);
    return bough_fail(rc, "process %d (%s) cannot be watched, and was killed", (int)p->pid,
                      p->name);
}

static int begin_to_watch(struct bough_process *p, bool have_pidfds)
{
    if (!have_pidfds)
        return 0;
    int fd = pidfd_open_for(p->pid);
    if (fd == -ESRCH) { /* over, and reaped: SIGCHLD is ignored */
        p->reaped = true;
        p->status = STATUS_UNKNOWN;
        return 0;
    }
    int rc = fd < 0 ? fd : bough__fd_adopt(fd);
    if (rc >= 0) {
        p->pidfd = fd;
        return 0;
    }
    if (fd >= 0)
        bough__fd_close(fd);
    return kill_at_once(p, rc);
}

static int process_start(struct bough_process *p, const struct bough_process_options *o)
{
    /* The place for its pidfd, so that it is not started in vain. */
    int place = pidfd_open_for(getpid());
    bool have_pidfds = place != -ENOSYS && place != -EPERM; /* which is how some sandboxes say it */
    if (place < 0 && have_pidfds)
        return bough_fail_text(place, "no pidfd for a process");
    int rc = spawn_with_stdio(p, o);
    if (place >= 0)
        close(place);
    if (rc < 0)
        return rc;
    p->pid = rc;
    return begin_to_watch(p, have_pidfds);
}

static struct bough_process *process_new(const struct bough_process_options *o)
{
    struct bough_process *p = sys_calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    const char *path = o->program ? o->program : o->argv[0], *slash = strrchr(path, '/');
    snprintf(p->name, sizeof(p->name), "%s", slash ? slash + 1 : path);
    p->pidfd = p->status = -1;
    p->whole_group = o->group || o->session;
    p->any_status = o->any_status;
    p->stop_signal = o->stop_signal ? o->stop_signal : SIGTERM;
    p->grace = o->grace ? o->grace : GRACE;
    bough_list_init(&p->waiters);
    return p;
}

int bough_process_start(const struct bough_process_options *options,
                        struct bough_process **ret_process)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (!options->argv || !options->argv[0])
        return bough_fail_text(-EINVAL, "a process without a program");
    if (options->stop_signal < 0 || options->stop_signal > SIGRTMAX)
        return bough_fail(-EINVAL, "a process cannot be stopped with signal %d: there is none",
                          options->stop_signal);
    struct bough_process *p = process_new(options);
    if (!p)
        return bough_fail_text(-ENOMEM, "no memory for a process");
    rc = process_start(p, options);
    if (rc < 0)
        process_free(p);
    else
        *ret_process = p;
    return rc;
}

/* --- what it has --- */

struct bough_stream *bough_process_stdin(struct bough_process *p)
{
    return p->streams[0];
}

struct bough_stream *bough_process_stdout(struct bough_process *p)
{
    return p->streams[1];
}

struct bough_stream *bough_process_stderr(struct bough_process *p)
{
    return p->streams[2];
}

pid_t bough_process_pid(const struct bough_process *p)
{
    return p->pid;
}

/* --- the block --- */

struct bough_process_block *bough_process_block_enter(struct bough_process_block *b,
                                                      const struct bough_process_options *options,
                                                      int *rc)
{
    *b = (struct bough_process_block){.rc = rc};
    int started = bough_process_start(options, &b->process);
    if (started == 0)
        return b;
    *rc = started;
    return NULL;
}

/* 'broken': left before its end, and not because of an error. */
static int block_close(struct bough_process_block *b, int rc, bool broken)
{
    struct bough_process *p = b->process;
    b->process = NULL;
    if (broken && rc >= 0)
        (void)bough_process_stop(p);
    return bough_process_close(p, rc);
}

struct bough_process_block *bough_process_block_exit(struct bough_process_block *b)
{
    *b->rc = block_close(b, *b->rc, !b->ended);
    return NULL;
}

void bough_process_block_abandon(struct bough_process_block *b)
{
    if (b->process)
        bough_block_defer(block_close(b, bough_block_guess(), true));
}
