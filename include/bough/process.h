/* Child processes: started, talked to, waited for, and never left behind.
 *
 * To the end, with what it wrote:
 *
 *     struct bough_process_options options = {.argv = BOUGH_ARGV("git", "rev-parse", "HEAD")};
 *     struct bough_process_result result;
 *     rc = bough_process_run(&options, &result);
 *     if (rc < 0)
 *         return rc;     // "process 123 (git) exited with 128: fatal: not a git repository"
 *     printf("%s", result.out);
 *     bough_process_result_free(&result);
 *
 * Beside other work, with streams:
 *
 *     struct bough_process_options options = {
 *         .argv = BOUGH_ARGV("sort", "-n"),
 *         .in = BOUGH_PIPE,
 *         .out = BOUGH_PIPE,
 *     };
 *     bough_with_process (p, &options, &rc) {
 *         struct bough_stream *in = bough_process_stdin(p), *out = bough_process_stdout(p);
 *         rc = bough_stream_send_all(in, "2\n1\n", 4);
 *         if (rc == 0)
 *             rc = bough_stream_close(in);                // the end of its input
 *         while (rc >= 0 && (rc = bough_stream_receive_some(out, buffer, sizeof(buffer))) > 0)
 *             fwrite(buffer, 1, (size_t)rc, stdout);
 *     }                                                   // it has ended; rc tells how
 *
 * The rules:
 *
 *  - No call that owns a process returns before the process is gone and reaped. Its block is that
 *    of a nursery with one child: the end of the body closes the pipes and waits for it; a body
 *    that fails, is left early or is cancelled stops it.
 *  - Stopping is SIGTERM (and SIGCONT, in case it is stopped), after the grace (5 s) SIGKILL, and
 *    then the wait for its end. Cancels do not cut that short. Its input is closed first; its
 *    output is not, but nobody may be reading it.
 *  - If we are killed ourselves (by SIGKILL, or by SIGTERM where nobody receives it) nobody stops
 *    them, and they go on. So receive SIGTERM (bough/signal.h).
 *  - A process that exits with other than 0, or is killed by a signal, is an error, -EOWNERDEAD,
 *    with the detail in words; unless .any_status is set, or it was us who sent that signal, or
 *    stopped it.
 *  - A program that cannot be started is an error of the start: -ENOENT, -EACCES. Nothing is left
 *    of it.
 *  - Descriptors: the child has 0, 1, 2 and those in .fds, no others, whether they are
 *    close-on-exec or not.
 *  - Signals: none are blocked in the child, and SIGPIPE has its default action. What the parent
 *    ignores otherwise, it ignores (nohup).
 *  - A group (.group or .session) is the process and all that it starts, unless that leaves the
 *    group. Signals go to all of it, and whoever is left of it at the end of the block is
 *    killed.
 *
 * The terminal. A child in our group (the default) gets what the terminal sends to it: at Ctrl-C
 * both get SIGINT, the run is cancelled and stops the child, which knows already. With .group it
 * gets nothing of that: the run alone decides. But such a group is in the background: reading from
 * the terminal stops it (SIGTTIN). bough never moves the foreground; a shell that wants to calls
 * tcsetpgrp() with bough_process_pid(), and takes the terminal back (SIGTTOU ignored) afterwards.
 * With .session it has no terminal at all.
 *
 * The start is vfork-like: it takes as long as the exec, some tenths of a millisecond, whatever the
 * size of the parent, and the run stands still meanwhile. Death is known by a pidfd (where there
 * are none, by asking every 5 ms). If the program ignores SIGCHLD, or reaps children that are ours,
 * how they ended is not known, and counts as 0.
 *
 * All of it belongs to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "bough/block.h"
#include "bough/time.h"

BOUGH_BEGIN_DECLS

struct bough_process;
struct bough_stream;

/* What one of the child's first three descriptors is. */
enum bough_stdio_kind {
    /* What the call says: bough_process_start() inherits; bough_process_run() gives no input and
     * captures output and errors, if a result is wanted. */
    BOUGH_STDIO_DEFAULT,
    BOUGH_STDIO_INHERIT, /* ours */
    BOUGH_STDIO_NULL,    /* /dev/null */
    BOUGH_STDIO_PIPE,    /* a pipe whose other end is a stream of the process */
    BOUGH_STDIO_FD,      /* a descriptor of ours, which stays ours */
    BOUGH_STDIO_STDOUT,  /* of .err: the same as .out */
};
struct bough_stdio {
    enum bough_stdio_kind kind;
    int fd;
};
#define BOUGH_INHERIT ((struct bough_stdio){BOUGH_STDIO_INHERIT, -1})
#define BOUGH_NULL ((struct bough_stdio){BOUGH_STDIO_NULL, -1})
#define BOUGH_PIPE ((struct bough_stdio){BOUGH_STDIO_PIPE, -1})
#define BOUGH_FD(fd) ((struct bough_stdio){BOUGH_STDIO_FD, fd})
#define BOUGH_TO_STDOUT ((struct bough_stdio){BOUGH_STDIO_STDOUT, -1})

/* Another descriptor for the child: our 'fd' is 'as' there (3 .. 255). */
struct bough_process_fd {
    int fd;
    int as;
};

/* .argv = BOUGH_ARGV("ls", "-l") */
#define BOUGH_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Zero means the default for every field; only argv must be there. None of it is needed after the
 * start. */
struct bough_process_options {
    const char *const *argv; /* ends with NULL */
    /* The file to execute; default argv[0]. Without a slash it is looked for in our PATH. */
    const char *program;
    const char *const *env; /* "NAME=value", ends with NULL; default: ours */
    /* Where it starts; a relative program is relative to it. Default: ours. */
    const char *cwd;
    struct bough_stdio in, out, err;
    const struct bough_process_fd *fds;
    size_t fd_count;
    bool group;      /* in a process group of its own, and signals are for all of it */
    bool session;    /* the same, and a session of its own: no terminal */
    bool any_status; /* whatever it ends with is no error */
    int stop_signal; /* default SIGTERM */
    /* From there to SIGKILL. Default 5 s; BOUGH_NEVER: no SIGKILL; < 0: SIGKILL at once. */
    int64_t grace;

    /* For bough_process_run(). */
    const void *input; /* what it reads, if .in is the default */
    size_t input_size;
    size_t limit;   /* of what it may write, to each; default 16 MiB */
    int64_t linger; /* see there; default none */
};

/* --- to the end --- */

struct bough_process_result {
    int status;      /* as of waitpid(2), see below */
    char *out, *err; /* what was captured, with a zero after it; NULL if it was not captured */
    size_t out_size, err_size;
};

/* Run a program to its end. What it wrote to a default .out and .err is in the result, which is to
 * be freed; with a NULL for the result they are inherited. Input, output and errors flow at the
 * same time, so no full pipe holds up another; input that it does not read is no error. A
 * checkpoint. 0; -EOWNERDEAD: it ended badly, and the detail has the end of what it wrote to .err;
 * -EMSGSIZE: it wrote more than the limit, and was stopped; -ECANCELED, after it was stopped; what
 * bough_process_start() fails with.
 *
 * The output ends with the process: what it left in the pipes is in the result. A descendant that
 * still has them does not hold this up, and what it writes later is lost; unless .linger says how
 * long to wait for all to close them (BOUGH_NEVER: as long as it takes). */
BOUGH_MUST_CHECK int bough_process_run(const struct bough_process_options *options,
                                       struct bough_process_result *ret_result);

/* Free what is in it, and clear it. */
void bough_process_result_free(struct bough_process_result *result);

/* --- beside other work --- */

/* Start a program. It has to be closed. A checkpoint; cancelled, nothing was started. 0; -ENOENT,
 * -EACCES, -ENOEXEC and the like: no such program, or directory; -EINVAL: the options make no
 * sense; -EMFILE, -EAGAIN, -ENOMEM. */
BOUGH_MUST_CHECK int bough_process_start(const struct bough_process_options *options,
                                         struct bough_process **ret_process);

/* The end of the block: 'rc' is how the body ended. If that is < 0 the process is stopped, else the
 * pipes are closed and its own end is waited for; a cancel meanwhile stops it. It is gone when this
 * returns, its streams are too, and 'p' is freed. Returns 'rc'; or -ECANCELED; or if it ended
 * badly, by itself, -EOWNERDEAD, joined to the body's error if there was one (but a cancel is not
 * joined to anything). */
BOUGH_MUST_CHECK int bough_process_close(struct bough_process *p, int rc);

/* Our ends of its pipes, NULL for what is none. They stay the process's; to give it the end of its
 * input, close the stream (bough_stream_close). */
struct bough_stream *bough_process_stdin(struct bough_process *p);
struct bough_stream *bough_process_stdout(struct bough_process *p);
struct bough_stream *bough_process_stderr(struct bough_process *p);

pid_t bough_process_pid(const struct bough_process *p);

/* Wait until it has ended; the status, which is 0 or more. Any number of tasks may wait, and again.
 * Waiting alone does not close its input. A stopped process has not ended. A checkpoint.
 * -ECANCELED: it goes on; -ENOMEM. */
BOUGH_MUST_CHECK int bough_process_wait(struct bough_process *p);

/* The status if it has ended; -EAGAIN: it has not. Does not block; not a checkpoint. */
BOUGH_MUST_CHECK int bough_process_poll(struct bough_process *p);

/* Send a signal, to the group if it has one. Does not block. 0; -ESRCH: it has ended; -EINVAL;
 * -EPERM. */
BOUGH_MUST_CHECK int bough_process_signal(struct bough_process *p, int number);

/* Stop it, as said above, and return the status. A checkpoint only in so far as other tasks run: a
 * cancel does not cut it short. */
BOUGH_MUST_CHECK int bough_process_stop(struct bough_process *p);

/* A block with a process: 'p' is declared by it, a struct bough_process *. If it cannot be started
 * the body does not run, and *rc is the error. Ways out are those of the other blocks
 * (bough/scope.h): the end of the body waits for the process; break, return and goto stop it. After
 * return and goto an error goes to the enclosing nursery or the task. */
#define bough_with_process(p, ... /* options, rc */)                                               \
    for (struct bough_process_block BOUGH_PASTE(bough_block_, p)                                   \
             BOUGH_CLEANUP(bough_process_block_abandon),                                           \
         *BOUGH_PASTE(bough_open_, p) =                                                            \
             bough_process_block_enter(&BOUGH_PASTE(bough_block_, p), __VA_ARGS__);                \
         BOUGH_PASTE(bough_open_, p);                                                              \
         BOUGH_PASTE(bough_open_, p) = bough_process_block_exit(&BOUGH_PASTE(bough_block_, p)))    \
        BOUGH_BLOCK_GUARD_(p)                                                                      \
    for (__attribute__((unused)) struct bough_process *p = BOUGH_PASTE(bough_block_, p).process;   \
         !BOUGH_PASTE(bough_block_, p).ended; BOUGH_PASTE(bough_block_, p).ended = true)

/* --- how it ended --- */

/* What it passed to exit(), 0 .. 255; -1: it was killed by a signal. */
static inline int bough_status_exit_code(int status)
{
    return (status & 0x7f) == 0 ? (status >> 8) & 0xff : -1;
}

/* The signal that killed it; 0: it exited. */
static inline int bough_status_signal(int status)
{
    return status & 0x7f;
}

/* "exited with 2", "was killed by SIGSEGV (core dumped)", into 'buffer', which is returned. */
const char *bough_status_text(int status, char *buffer, size_t size);

/* 0 if 'status' is; else the error that bough_process_close() would return, without regard to
 * .any_status. */
BOUGH_MUST_CHECK int bough_process_check(const struct bough_process *p, int status);

/* --- what the block is made of --- */

struct bough_process_block {
    struct bough_process *process; /* NULL once it is closed */
    int *rc;
    bool ended; /* the body came to its end, rather than to a break */
};
struct bough_process_block *bough_process_block_enter(struct bough_process_block *b,
                                                      const struct bough_process_options *options,
                                                      int *rc);
struct bough_process_block *bough_process_block_exit(struct bough_process_block *b);
void bough_process_block_abandon(struct bough_process_block *b);

BOUGH_END_DECLS
