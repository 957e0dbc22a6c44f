/* Run shell commands, some at once, like parallel(1) or xargs -P: what each of them writes stays
 * together, and comes when it has ended; the exit status is how many have failed (at most 100).
 *
 *     ls *.wav | sed 's/.*\.wav/flac "&"/' | ./parallel -j 4
 *     ./parallel --halt --timeout 60 'make -C one' 'make -C two'    60 s for each; the first that
 *                                                                   fails stops the others
 *
 * A nursery with a limit is the queue, and its cancel is the stop: Ctrl-C, SIGTERM, --timeout and
 * --halt end a command with all that it has started (SIGTERM; after 5 seconds SIGKILL), and nothing
 * here has to see to that. No block is left before its processes are gone.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bough.h>

enum { LINE_MOST = 128 * 1024, FAILED_MOST = 100 };

struct parallel {
    unsigned at_once;
    int64_t timeout;
    bool halt;
    char **commands;           /* from our arguments; none: from standard input, a line each */
    struct bough_scope *scope; /* around all of them */
    unsigned failed;
    int stopped_by; /* the signal; 0: none */
};

/* --- one command --- */

struct job {
    struct parallel *parallel;
    char *command; /* the job's, freed by it */
};

/* Blocks if the reader of our output is slow, and may: the commands go on, and so nothing of
 * another command can come in between. */
static int copy_out(const struct bough_file *from, FILE *to)
{
    char buffer[16 * 1024];
    ssize_t n;
    off_t at = 0;
    while ((n = pread(bough_file_fd(from), buffer, sizeof(buffer), at)) > 0) {
        if (fwrite(buffer, 1, (size_t)n, to) < (size_t)n)
            break;
        at += n;
    }
    if (n == 0 && fflush(to) == 0)
        return 0;
    return bough_fail(-errno, "cannot copy the output: %s", strerror(errno));
}

static int run_shell(const struct job *job, struct bough_file *out, struct bough_file *err)
{
    struct bough_process_options options = {
        .argv = BOUGH_ARGV("/bin/sh", "-c", job->command),
        .in = BOUGH_NULL,
        .out = BOUGH_FD(bough_file_fd(out)),
        .err = BOUGH_FD(bough_file_fd(err)),
        .group = true, /* stopped with its children; and Ctrl-C comes to us alone */
    };
    int rc = 0;
    bough_fail_after (job->parallel->timeout, &rc)
        rc = bough_process_run(&options, NULL);
    return rc;
}

/* The output goes to files without names, so it may be large, and is there if it was stopped. */
static int run_command(const struct job *job)
{
    int rc = 0;
    bough_with (struct bough_file *, out, bough_temporary_file, NULL, &rc) {
        bough_with (struct bough_file *, err, bough_temporary_file, NULL, &rc) {
            rc = run_shell(job, out, err);
            rc = bough_keep(rc, copy_out(out, stdout));
            rc = bough_keep(rc, copy_out(err, stderr));
        }
    }
    return rc;
}

/* A command that fails is counted, and with --halt is an error that ends the others. */
static int job(void *arg)
{
    struct job *job = arg;
    int rc = run_command(job);
    if (rc < 0 && rc != -ECANCELED) {
        job->parallel->failed++;
        fprintf(stderr, "failed: %s: %s\n", job->command,
                rc == -ETIMEDOUT ? "it took too long"
                                 : bough_error_message(bough_error_find(bough_error_last(), rc)));
        if (!job->parallel->halt)
            rc = 0;
    }
    free(job->command);
    return rc;
}

/* --- all of them --- */

/* Waits while as many run as may. */
static int start(struct bough_nursery *n, struct parallel *p, const char *command)
{
    char *copy = strdup(command);
    if (!copy)
        return -ENOMEM;
    int rc = BOUGH_START(n, job, struct job, .parallel = p, .command = copy);
    if (rc < 0)
        free(copy);
    return rc;
}

/* The last line need not have an end. */
static int next_line(struct bough_reader *r, char **ret_line)
{
    static char last[LINE_MOST + 1];
    int rc = bough_reader_line(r, 0, ret_line, NULL);
    if (!bough_catch(&rc, -EPROTO))
        return rc;
    rc = bough_reader_some(r, last, LINE_MOST);
    if (rc <= 0)
        return rc;
    last[rc] = '\0';
    *ret_line = last;
    return 1;
}

static int start_lines(struct bough_nursery *n, struct parallel *p, struct bough_stream *input)
{
    static char buffer[LINE_MOST];
    struct bough_reader r;
    char *line;
    int rc;
    bough_reader_init(&r, input, buffer, sizeof(buffer));
    while ((rc = next_line(&r, &line)) == 1) {
        rc = *line ? start(n, p, line) : 0;
        if (rc < 0)
            break;
    }
    return rc;
}

/* Whose standard input this is too shall not find it non-blocking when we have gone. */
static int start_from_input(struct bough_nursery *n, struct parallel *p)
{
    struct bough_stream *input;
    int flags = fcntl(STDIN_FILENO, F_GETFL);
    int rc = bough_fd_stream_open(dup(STDIN_FILENO), &input);
    if (rc < 0)
        return rc;
    rc = start_lines(n, p, input);
    bough_stream_free(input);
    fcntl(STDIN_FILENO, F_SETFL, flags);
    return rc;
}

static int start_all(struct bough_nursery *n, struct parallel *p)
{
    int rc = 0;
    if (!*p->commands)
        return start_from_input(n, p);
    for (char **command = p->commands; *command && rc == 0; command++)
        rc = start(n, p, *command);
    return rc;
}

static int wait_for_signals(void *arg)
{
    struct parallel *p = arg;
    int rc = 0;
    bough_with_signals (signals, &rc, SIGINT, SIGTERM) {
        rc = bough_signals_receive(signals);
        if (rc > 0) {
            p->stopped_by = rc;
            bough_scope_cancel(p->scope, "%s", bough_signal_name(rc));
        }
    }
    return rc;
}

static int run_all(void *arg)
{
    struct parallel *p = arg;
    int rc = 0;
    bough_with_nursery (n, &rc, .limit = p->at_once) {
        p->scope = bough_nursery_scope(n);
        rc = bough_nursery_start_service(n, wait_for_signals, p);
        if (rc == 0)
            rc = start_all(n, p);
    }
    return rc;
}

/* --- the program --- */

/* All of it is a number, and one that makes sense. */
static bool parse_jobs(const char *text, unsigned *ret_jobs)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *ret_jobs = (unsigned)n;
    return isdigit((unsigned char)*text) && !*end && n > 0 && n <= UINT_MAX;
}

static bool parse_seconds(const char *text, int64_t *ret_time)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds > 0 && seconds < 1e9))
        return false;
    *ret_time = (int64_t)(seconds * (double)BOUGH_SEC);
    return true;
}

static bool parse(int argc, char **argv, struct parallel *p)
{
    static const struct option names[] = {{"jobs", required_argument, NULL, 'j'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"halt", no_argument, NULL, 'H'},
                                          {0}};
    int option;
    while ((option = getopt_long(argc, argv, "+j:", names, NULL)) != -1) {
        bool valid = option != '?';
        if (option == 'j')
            valid = parse_jobs(optarg, &p->at_once);
        else if (option == 't')
            valid = parse_seconds(optarg, &p->timeout);
        p->halt |= option == 'H';
        if (!valid)
            return false;
    }
    p->commands = argv + optind;
    return true;
}

int main(int argc, char **argv)
{
    struct parallel p = {.at_once = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
                         .timeout = BOUGH_NEVER};
    if (!parse(argc, argv, &p)) {
        fprintf(stderr, "usage: %s [-j N] [--timeout SECONDS] [--halt] [COMMAND ...]\n", argv[0]);
        return 255;
    }
    int rc = bough_run(run_all, &p);
    if (p.stopped_by)
        return 128 + p.stopped_by;
    if (rc < 0 && !(p.halt && p.failed)) {
        bough_error_print(bough_error_last(), stderr);
        return 255;
    }
    return p.failed < FAILED_MOST ? (int)p.failed : FAILED_MOST;
}
