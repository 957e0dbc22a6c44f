/* Child processes: real ones, in real time, which is only waited for.
 * SPDX-License-Identifier: MIT */
#include "../io/io.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <bough/process.h>
#include <bough/signal.h>

#define LONG_AGO (25 * BOUGH_SEC)

static int in_time(void *fn)
{
    int rc = 0;
    bough_fail_after (LONG_AGO, &rc)
        rc = ((int (*)(void *))(uintptr_t)fn)(NULL);
    return rc;
}

/* A test on the real driver that leaves no descriptor open and no child. */
static void run_process_test(const char *file, int line, int (*fn)(void *arg))
{
    int before = open_descriptors();
    int rc = bough_run(in_time, (void *)(uintptr_t)fn);
    if (rc < 0) {
        bough_error_print(bough_error_last(), stderr);
        test_fail(file, line, "the test returned %d (%s)", rc, bough_error_name(rc));
    }
    int after = open_descriptors();
    if (after != before)
        test_fail(file, line, "%d descriptors were open before, %d are now", before, after);
    if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
        test_fail(file, line, "a child is left");
}

#define PROCESS_TEST(test_name)                                                                    \
    static int test_name##_task(void *arg);                                                        \
    TEST(test_name)                                                                                \
    {                                                                                              \
        run_process_test(__FILE__, __LINE__, test_name##_task);                                    \
    }                                                                                              \
    static int test_name##_task(__attribute__((unused)) void *arg)

#define SHELL(script) BOUGH_ARGV("/bin/sh", "-c", script)

/* Is it alive, and not only a zombie that its new parent has not reaped? */
static bool is_alive(pid_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    if (fscanf(f, "%*d %*s %c", &state) != 1)
        state = 'X';
    fclose(f);
    return state != 'Z' && state != 'X';
}

static char state_of(pid_t pid)
{
    char path[64], state = '?';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    CHECK(f);
    CHECK_EQ(fscanf(f, "%*d %*s %c", &state), 1);
    fclose(f);
    return state;
}

/* Who was killed may take a moment to go. */
static void wait_until_dead(pid_t pid)
{
    while (is_alive(pid))
        CHECK_EQ(bough_sleep(2 * BOUGH_MS), 0);
}

static pid_t read_pid(struct bough_process *p)
{
    char line[32] = "";
    size_t have = 0;
    while (!strchr(line, '\n')) {
        int n = bough_stream_receive_some(bough_process_stdout(p), line + have,
                                          sizeof(line) - 1 - have);
        CHECK(n > 0);
        have += (size_t)n;
    }
    return (pid_t)atoi(line);
}

/* Until it says something. */
static void read_ready(struct bough_process *p)
{
    char c;
    CHECK_EQ(bough_stream_receive_some(bough_process_stdout(p), &c, 1), 1);
}

static const struct bough_process_options sleeper = {.argv = BOUGH_ARGV("sleep", "100")};

/* --- to the end --- */

PROCESS_TEST(what_a_program_writes_is_in_the_result)
{
    struct bough_process_result r;
    CHECK_EQ(bough_process_run(
                 &(struct bough_process_options){.argv = SHELL("echo out; echo err >&2")}, &r),
             0);
    CHECK_EQ(r.status, 0);
    CHECK_STR(r.out, "out\n");
    CHECK_EQ(r.out_size, 4);
    CHECK_STR(r.err, "err\n");
    bough_process_result_free(&r);
    CHECK(!r.out && !r.err);
    return 0;
}

PROCESS_TEST(one_that_writes_nothing_has_empty_results)
{
    struct bough_process_result r;
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_process_run(&(struct bough_process_options){.argv = BOUGH_ARGV("true")}, &r);
    CHECK_EQ(rc, 0);
    CHECK_STR(r.out, "");
    CHECK_EQ(r.out_size, 0);
    bough_process_result_free(&r);
    return rc;
}

PROCESS_TEST(input_and_output_larger_than_the_pipes_flow_at_the_same_time)
{
    enum { SIZE = 1000000 };
    struct bough_process_result r;
    char *input = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        input[i] = (char)(i * 7 + i / 1000);
    struct bough_process_options options = {
        .argv = SHELL("tee /dev/stderr"), .input = input, .input_size = SIZE};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_EQ(r.out_size, SIZE);
    CHECK_EQ(memcmp(r.out, input, SIZE), 0);
    CHECK_EQ(r.err_size, SIZE);
    CHECK_EQ(memcmp(r.err, input, SIZE), 0);
    bough_process_result_free(&r);
    free(input);
    return 0;
}

PROCESS_TEST(all_output_is_there_however_late_it_is_read)
{
    struct bough_process_result r;
    for (int i = 0; i < test_scale(30); i++) {
        struct bough_process_options options = {.argv =
                                                    SHELL("head -c 200000 /dev/zero; echo end")};
        CHECK_EQ(bough_process_run(&options, &r), 0);
        CHECK_EQ(r.out_size, 200004);
        CHECK_STR(r.out + 200000, "end\n");
        bough_process_result_free(&r);
    }
    return 0;
}

PROCESS_TEST(input_that_is_not_read_is_no_error)
{
    static char input[300000];
    struct bough_process_result r;
    struct bough_process_options options = {
        .argv = BOUGH_ARGV("true"), .input = input, .input_size = sizeof(input)};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(without_input_it_reads_the_end)
{
    struct bough_process_result r;
    CHECK_EQ(bough_process_run(&(struct bough_process_options){.argv = BOUGH_ARGV("cat")}, &r), 0);
    CHECK_STR(r.out, "");
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(without_a_result_nothing_is_captured)
{
    CHECK_EQ(bough_process_run(
                 &(struct bough_process_options){.argv = SHELL("echo to our own stdout")}, NULL),
             0);
    return 0;
}

PROCESS_TEST(a_bad_exit_is_an_error_with_pid_name_code_and_last_words)
{
    struct bough_process_result r = {.status = 77};
    struct bough_process_options options = {
        .argv = SHELL("echo first >&2; echo 'no such thing' >&2; exit 3")};
    CHECK_EQ(bough_process_run(&options, &r), -EOWNERDEAD);
    CHECK_EQ(r.status, 77);
    const char *said = bough_error_message(bough_error_last());
    CHECK_HAS(said, "process ");
    CHECK_HAS(said, " (sh) exited with 3: first\nno such thing");
    CHECK_EQ(said[strlen(said) - 1], 'g');
    return 0;
}

PROCESS_TEST(only_the_end_of_long_last_words_is_told)
{
    struct bough_process_result r;
    struct bough_process_options options = {
        .argv = SHELL("i=0; while [ $i -lt 100 ]; do echo line $i >&2; i=$((i+1)); done; exit 1")};
    CHECK_EQ(bough_process_run(&options, &r), -EOWNERDEAD);
    const char *said = bough_error_message(bough_error_last());
    CHECK_HAS(said, "exited with 1: line ");
    CHECK_HAS(said, "line 99");
    CHECK(!strstr(said, "line 10\n"));
    return 0;
}

PROCESS_TEST(death_by_a_signal_is_an_error_that_names_it)
{
    struct bough_process_result r;
    CHECK_EQ(bough_process_run(
                 &(struct bough_process_options){.argv = SHELL("ulimit -c 0; kill -SEGV $$")}, &r),
             -EOWNERDEAD);
    CHECK_HAS(bough_error_message(bough_error_last()), "(sh) was killed by SIGSEGV");
    return 0;
}

PROCESS_TEST(any_status_takes_it_as_it_is)
{
    struct bough_process_result r;
    struct bough_process_options options = {.argv = SHELL("echo so what; exit 3"),
                                            .any_status = true};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_EQ(bough_status_exit_code(r.status), 3);
    CHECK_EQ(bough_status_signal(r.status), 0);
    CHECK_STR(r.out, "so what\n");
    bough_process_result_free(&r);
    options.argv = SHELL("kill -KILL $$");
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_EQ(bough_status_exit_code(r.status), -1);
    CHECK_EQ(bough_status_signal(r.status), SIGKILL);
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(one_that_writes_more_than_the_limit_is_stopped)
{
    struct bough_process_result r;
    struct bough_process_options options = {.argv = BOUGH_ARGV("yes"), .limit = 100000};
    CHECK_EQ(bough_process_run(&options, &r), -EMSGSIZE);
    CHECK_HAS(bough_error_message(bough_error_last()),
              "(yes) has written more than 100000 bytes to its output");
    return 0;
}

PROCESS_TEST(exactly_the_limit_is_fine)
{
    struct bough_process_result r;
    struct bough_process_options options = {.argv = SHELL("head -c 5000 /dev/zero"), .limit = 5000};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_EQ(r.out_size, 5000);
    bough_process_result_free(&r);
    options.limit = 4999;
    CHECK_EQ(bough_process_run(&options, &r), -EMSGSIZE);
    return 0;
}

/* --- descendants that have the pipes --- */

PROCESS_TEST(a_grandchild_that_has_the_pipe_does_not_hold_it_up)
{
    struct bough_process_result r;
    int64_t before = bough_now();
    CHECK_EQ(bough_process_run(
                 &(struct bough_process_options){.argv = SHELL("sleep 100 & echo $!")}, &r),
             0);
    CHECK(bough_now() - before < 20 * BOUGH_SEC);
    pid_t grandchild = (pid_t)atoi(r.out);
    CHECK(is_alive(grandchild));
    CHECK_EQ(kill(grandchild, SIGKILL), 0);
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(nor_does_one_that_never_stops_writing)
{
    struct bough_process_result r;
    CHECK_EQ(
        bough_process_run(&(struct bough_process_options){.argv = SHELL("echo $$; exec yes")}, &r),
        -EMSGSIZE);
    struct bough_process_options options = {.argv =
                                                SHELL("(while :; do echo on; done) & echo $! >&2")};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    /* Nobody reads any more, so it is killed by SIGPIPE. */
    wait_until_dead((pid_t)atoi(r.err));
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(lingering_waits_for_what_descendants_write)
{
    struct bough_process_result r;
    struct bough_process_options options = {.argv = SHELL("(sleep 0.2; echo later) & echo now"),
                                            .linger = BOUGH_NEVER};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, "now\nlater\n");
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(lingering_ends_when_its_time_is_up)
{
    struct bough_process_result r;
    struct bough_process_options options = {.argv = SHELL("sleep 100 & echo $!"),
                                            .linger = 50 * BOUGH_MS};
    int64_t before = bough_now();
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK(bough_now() - before >= 50 * BOUGH_MS);
    CHECK_EQ(kill((pid_t)atoi(r.out), SIGKILL), 0);
    bough_process_result_free(&r);
    return 0;
}

/* --- the start --- */

PROCESS_TEST(a_program_that_cannot_be_started_is_an_error_of_the_call)
{
    struct bough_process_result r;
    struct bough_process *p = NULL;
    struct bough_process_options options = {.argv = BOUGH_ARGV("no-such-program-here"),
                                            .in = BOUGH_PIPE,
                                            .out = BOUGH_PIPE,
                                            .err = BOUGH_PIPE};
    if (test_is_emulated() || test_on_valgrind())
        test_skip("the emulator's vfork does not report a failed exec");
    CHECK_EQ(bough_process_start(&options, &p), -ENOENT);
    CHECK(!p);
    CHECK_HAS(bough_error_message(bough_error_last()), "cannot start no-such-program-here");
    CHECK_EQ(bough_process_run(
                 &(struct bough_process_options){.argv = BOUGH_ARGV("/nowhere/at/all")}, &r),
             -ENOENT);
    CHECK_EQ(
        bough_process_run(&(struct bough_process_options){.argv = BOUGH_ARGV("/dev/null")}, &r),
        -EACCES);
    options = (struct bough_process_options){.argv = BOUGH_ARGV("true"), .cwd = "/nowhere"};
    CHECK_EQ(bough_process_run(&options, &r), -ENOENT);
    CHECK_HAS(bough_error_message(bough_error_last()), "in /nowhere");
    return 0;
}

PROCESS_TEST(options_that_make_no_sense_are_refused)
{
    static const char *const none[] = {NULL};
    struct bough_process_result r;
    struct bough_process *p;
    struct bough_process_fd twice[] = {{0, 5}, {1, 5}}, low = {0, 2}, high = {0, 256};
    struct bough_process_options options = {0};
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options.argv = none;
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options = (struct bough_process_options){.argv = BOUGH_ARGV("true"), .in = BOUGH_TO_STDOUT};
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options.in = BOUGH_FD(-1);
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options.in = (struct bough_stdio){(enum bough_stdio_kind)77, 0};
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options =
        (struct bough_process_options){.argv = BOUGH_ARGV("true"), .fds = twice, .fd_count = 2};
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options.fds = &low, options.fd_count = 1;
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options.fds = &high;
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options = (struct bough_process_options){.argv = BOUGH_ARGV("true"), .stop_signal = 999};
    CHECK_EQ(bough_process_start(&options, &p), -EINVAL);
    options = (struct bough_process_options){.argv = BOUGH_ARGV("true"), .out = BOUGH_PIPE};
    CHECK_EQ(bough_process_run(&options, &r), -EINVAL);
    options = (struct bough_process_options){
        .argv = BOUGH_ARGV("true"), .in = BOUGH_NULL, .input = "x", .input_size = 1};
    CHECK_EQ(bough_process_run(&options, &r), -EINVAL);
    options = (struct bough_process_options){.argv = BOUGH_ARGV("true"), .input_size = 1};
    CHECK_EQ(bough_process_run(&options, &r), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "NULL");
    return 0;
}

PROCESS_TEST(a_descriptor_that_is_not_open_cannot_be_given)
{
    struct bough_process *p;
    struct bough_process_options options = {.argv = BOUGH_ARGV("true"), .out = BOUGH_FD(999)};
    struct bough_process_fd gone = {998, 5};
    if (test_is_emulated() || test_on_valgrind())
        test_skip("the emulator's vfork does not report a failed dup2");
    CHECK_EQ(bough_process_start(&options, &p), -EBADF);
    options =
        (struct bough_process_options){.argv = BOUGH_ARGV("true"), .fds = &gone, .fd_count = 1};
    CHECK_EQ(bough_process_start(&options, &p), -EBADF);
    return 0;
}

PROCESS_TEST(argv_0_and_the_program_may_differ)
{
    struct bough_process_result r;
    struct bough_process_options options = {.argv = BOUGH_ARGV("another name", "-c", "echo $0"),
                                            .program = "sh"};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, "another name\n");
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(it_has_the_environment_and_the_directory_that_were_asked_for)
{
    struct bough_process_result r;
    struct bough_process_options options = {
        .argv = SHELL("echo $SHADE; pwd"),
        .env = (const char *const[]){"SHADE=deep", NULL},
        .cwd = "/usr",
    };
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, "deep\n/usr\n");
    bough_process_result_free(&r);
    CHECK_EQ(setenv("SHADE", "ours", 1), 0);
    options.env = NULL, options.cwd = NULL;
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_HAS(r.out, "ours\n");
    bough_process_result_free(&r);
    return 0;
}

PROCESS_TEST(output_goes_where_it_is_sent)
{
    struct bough_process_result r;
    char buffer[16] = "";
    struct bough_process_options options = {.argv = SHELL("echo out; echo err >&2"),
                                            .err = BOUGH_TO_STDOUT};
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, "out\nerr\n");
    CHECK(!r.err);
    bough_process_result_free(&r);
    options.out = options.err = BOUGH_NULL;
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK(!r.out && !r.err);
    bough_process_result_free(&r);
    int fds[2];
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    options.out = BOUGH_FD(fds[1]), options.err = BOUGH_FD(fds[1]);
    CHECK_EQ(bough_process_run(&options, NULL), 0);
    CHECK_EQ(read(fds[0], buffer, sizeof(buffer)), 8);
    CHECK_STR(buffer, "out\nerr\n");
    close_both(fds);
    return 0;
}

/* --- descriptors and signals of the child --- */

PROCESS_TEST(no_other_descriptors_are_in_the_child)
{
    struct bough_process_result r;
    /* As a careless library leaves them. */
    int careless = open("/dev/null", O_RDONLY), far = fcntl(careless, F_DUPFD, 500);
    CHECK(careless >= 0 && far >= 500);
    struct bough_process_fd give = {careless, 7};
    struct bough_process_options options = {.argv = SHELL("cd /proc/$$/fd && echo *")};
    if (test_is_emulated())
        test_skip("the emulator's own descriptors are seen");
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, "0 1 2 3\n"); /* 3: the shell reads the directory */
    bough_process_result_free(&r);
    options.fds = &give, options.fd_count = 1;
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, "0 1 2 3 7\n");
    bough_process_result_free(&r);
    close(careless);
    close(far);
    return 0;
}

static void write_file(int fd, const char *text)
{
    CHECK_EQ(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

PROCESS_TEST(descriptors_may_change_places)
{
    char name[] = "/tmp/bough-test-XXXXXX";
    struct bough_process_result r;
    int a = mkostemp(name, O_CLOEXEC);
    CHECK(a >= 3);
    unlink(name);
    char other[] = "/tmp/bough-test-XXXXXX";
    int b = mkostemp(other, O_CLOEXEC);
    CHECK(b >= 3 && b < 100 && a < 100);
    unlink(other);
    write_file(a, "was a\n");
    write_file(b, "was b\n");
    char script[64];
    struct bough_process_fd swap[] = {{a, b}, {b, a}, {a, 200}};
    snprintf(script, sizeof(script), "cat <&%d; cat /dev/fd/%d /dev/fd/200", a, b);
    struct bough_process_options options = {
        .argv = SHELL(script), .in = BOUGH_FD(b), .fds = swap, .fd_count = 3};
    if (a > 9 || b > 9)
        options.argv = BOUGH_ARGV("cat", "/dev/fd/0");
    CHECK_EQ(bough_process_run(&options, &r), 0);
    CHECK_STR(r.out, a > 9 || b > 9 ? "was b\n" : "was b\nwas a\nwas a\n");
    bough_process_result_free(&r);
    CHECK(fcntl(a, F_GETFD) & FD_CLOEXEC);
    close(a);
    close(b);
    return 0;
}

static unsigned long long mask_in(const char *status, const char *field)
{
    const char *at = strstr(status, field);
    CHECK(at);
    return strtoull(at + strlen(field), NULL, 16);
}

PROCESS_TEST(no_signals_are_blocked_in_it_and_sigpipe_is_not_ignored)
{
    struct bough_process_result r;
    sigset_t all, before;
    sigfillset(&all);
    if (test_is_emulated())
        test_skip("the emulator's own signals are seen");
    struct bough_process_options options = {.argv = BOUGH_ARGV("cat", "/proc/self/status")};
    CHECK_EQ(signal(SIGPIPE, SIG_IGN) == SIG_ERR, false);
    CHECK_EQ(signal(SIGHUP, SIG_IGN) == SIG_ERR, false);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
    int rc = bough_process_run(&options, &r);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    CHECK_EQ(rc, 0);
    CHECK_EQ(mask_in(r.out, "SigBlk:\t"), 0);
    unsigned long long ignored = mask_in(r.out, "SigIgn:\t");
    CHECK(!(ignored >> (SIGPIPE - 1) & 1));
    CHECK(ignored >> (SIGHUP - 1) & 1); /* as nohup wants it */
    bough_process_result_free(&r);
    return 0;
}

/* --- streams and the block --- */

PROCESS_TEST(one_can_talk_with_it)
{
    char buffer[16] = "";
    int rc = 0;
    bough_with_process (p,
                        (&(struct bough_process_options){
                            .argv = BOUGH_ARGV("cat"), .in = BOUGH_PIPE, .out = BOUGH_PIPE}),
                        &rc) {
        CHECK(!bough_process_stderr(p));
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(bough_stream_send_all(bough_process_stdin(p), "hello", 5), 0);
            CHECK_EQ(bough_stream_receive_some(bough_process_stdout(p), buffer, sizeof(buffer)), 5);
            CHECK_STR(buffer, "hello");
        }
        CHECK_EQ(bough_process_poll(p), -EAGAIN);
        CHECK_EQ(bough_stream_close(bough_process_stdin(p)), 0);
        CHECK_EQ(bough_stream_receive_some(bough_process_stdout(p), buffer, sizeof(buffer)), 0);
        CHECK_EQ(bough_process_wait(p), 0);
        CHECK_EQ(bough_process_wait(p), 0);
        CHECK_EQ(bough_process_poll(p), 0);
        rc = 4;
    }
    CHECK_EQ(rc, 4);
    return 0;
}

PROCESS_TEST(the_end_of_the_body_closes_its_input_and_waits)
{
    pid_t pid = 0;
    int rc = 0;
    struct bough_process_options options = {
        .argv = SHELL("cat; exit 0"), .in = BOUGH_PIPE, .out = BOUGH_PIPE};
    bough_with_process (p, &options, &rc)
        pid = bough_process_pid(p);
    CHECK_EQ(rc, 0);
    CHECK_EQ(kill(pid, 0), -1);
    return rc;
}

PROCESS_TEST(one_that_still_writes_then_gets_sigpipe_and_that_is_told)
{
    int rc = 0;
    bough_with_process (
        p, (&(struct bough_process_options){.argv = BOUGH_ARGV("yes"), .out = BOUGH_PIPE}), &rc)
        read_ready(p);
    CHECK_EQ(rc, -EOWNERDEAD);
    CHECK_HAS(bough_error_message(bough_error_last()), "(yes) was killed by SIGPIPE");
    return 0;
}

PROCESS_TEST(a_body_that_fails_stops_it)
{
    pid_t pid = 0;
    int rc = 0;
    bough_with_process (p, &sleeper, &rc) {
        pid = bough_process_pid(p);
        rc = bough_fail(-EIO, "the body");
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "the body");
    CHECK_EQ(kill(pid, 0), -1);
    return 0;
}

PROCESS_TEST(break_stops_it)
{
    pid_t pid = 0;
    int rc = 0;
    bough_with_process (p, &sleeper, &rc) {
        pid = bough_process_pid(p);
        rc = 6;
        break;
    }
    CHECK_EQ(rc, 6);
    CHECK_EQ(kill(pid, 0), -1);
    return 0;
}

static int leave_by_return(pid_t *pid)
{
    int rc = 0;
    bough_with_process (p, &sleeper, &rc) {
        *pid = bough_process_pid(p);
        return 5;
    }
    return rc;
}

PROCESS_TEST(return_stops_it)
{
    pid_t pid = 0;
    CHECK_EQ(leave_by_return(&pid), 5);
    CHECK_EQ(kill(pid, 0), -1);
    return 0;
}

PROCESS_TEST(a_block_whose_program_cannot_be_started_does_not_run)
{
    int rc = 0;
    if (test_is_emulated() || test_on_valgrind())
        test_skip("the emulator's vfork does not report a failed exec");
    bough_with_process (p, (&(struct bough_process_options){.argv = BOUGH_ARGV("/nowhere")}), &rc)
        CHECK(!"reached");
    CHECK_EQ(rc, -ENOENT);
    return 0;
}

PROCESS_TEST(a_bad_end_is_the_error_of_the_block)
{
    int rc = 0;
    struct bough_process_options options = {.argv = SHELL("exit 2")};
    bough_with_process (p, &options, &rc)
        CHECK_EQ(bough_status_exit_code(bough_process_wait(p)), 2);
    CHECK_EQ(rc, -EOWNERDEAD);
    CHECK_HAS(bough_error_message(bough_error_last()), "(sh) exited with 2");
    options.any_status = true;
    rc = 0;
    bough_with_process (p, &options, &rc)
        CHECK_EQ(bough_process_check(p, bough_process_wait(p)), -EOWNERDEAD);
    CHECK_EQ(rc, 0);
    return 0;
}

PROCESS_TEST(the_bodys_error_and_a_bad_end_are_both_kept)
{
    int rc = 0;
    bough_with_process (p, (&(struct bough_process_options){.argv = SHELL("exit 2")}), &rc) {
        CHECK(bough_process_wait(p) > 0);
        rc = bough_fail(-EPROTO, "nonsense");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EPROTO));
    CHECK_EQ(rc, -EOWNERDEAD);
    return 0;
}

/* --- cancel and stop --- */

static int run_sleeper(void *arg)
{
    struct bough_process_result r;
    (void)arg;
    return bough_process_run(&sleeper, &r);
}

PROCESS_TEST(a_cancelled_call_returns_when_the_process_is_gone)
{
    int64_t before = bough_now();
    CHECK_EQ(call_timed(100 * BOUGH_MS, run_sleeper, NULL), -ETIMEDOUT);
    CHECK(bough_now() - before < 4 * BOUGH_SEC); /* SIGTERM was enough */
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    return 0;
}

static int touch_file(void *path)
{
    struct bough_process_result r;
    return bough_process_run(&(struct bough_process_options){.argv = BOUGH_ARGV("touch", path)},
                             &r);
}

PROCESS_TEST(cancelled_before_nothing_is_started)
{
    char path[] = "/tmp/bough-test-XXXXXX";
    int fd = mkstemp(path);
    close(fd);
    unlink(path);
    CHECK_EQ(call_cancelled(touch_file, path), -ECANCELED);
    CHECK_EQ(access(path, F_OK), -1);
    return 0;
}

static int sleep_in_block(void *arg)
{
    int rc = 0;
    bough_with_process (p, (const struct bough_process_options *)arg, &rc) {
        if (bough_process_stdout(p))
            read_ready(p);
        rc = bough_sleep_forever();
    }
    return rc;
}

PROCESS_TEST(a_cancelled_body_stops_it)
{
    CHECK_EQ(call_timed(50 * BOUGH_MS, sleep_in_block, (void *)(uintptr_t)&sleeper), -ETIMEDOUT);
    return 0;
}

static int just_wait(void *arg)
{
    int rc = 0;
    bough_with_process (p, (const struct bough_process_options *)arg, &rc)
        ;
    return rc;
}

PROCESS_TEST(a_bad_end_does_not_hide_a_cancel)
{
    struct bough_process_options options = {.argv = SHELL("echo ready; exit 2"), .out = BOUGH_PIPE};
    CHECK_EQ(call_timed(300 * BOUGH_MS, sleep_in_block, &options), -ETIMEDOUT);
    return 0;
}

PROCESS_TEST(a_cancel_while_the_block_waits_at_its_end_stops_it)
{
    CHECK_EQ(call_timed(50 * BOUGH_MS, just_wait, (void *)(uintptr_t)&sleeper), -ETIMEDOUT);
    return 0;
}

PROCESS_TEST(one_that_ignores_sigterm_is_killed_after_the_grace)
{
    int rc = 0, status = 0;
    struct bough_process_options options = {
        .argv = SHELL("trap '' TERM; echo ready; exec sleep 100"),
        .out = BOUGH_PIPE,
        .grace = 200 * BOUGH_MS,
    };
    bough_with_process (p, &options, &rc) {
        read_ready(p);
        int64_t before = bough_now();
        status = bough_process_stop(p);
        CHECK(bough_now() - before >= 200 * BOUGH_MS);
    }
    CHECK_EQ(rc, 0); /* we asked for it */
    CHECK_EQ(bough_status_signal(status), SIGKILL);
    return 0;
}

PROCESS_TEST(a_cancel_does_not_cut_the_grace_short)
{
    struct bough_process_options options = {
        .argv = SHELL("trap 'sleep 0.3; echo bye >&2; exit 0' TERM; echo ready; while :; do sleep "
                      "0.02; done"),
        .out = BOUGH_PIPE,
    };
    int fds[2];
    char buffer[8] = "";
    CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    options.err = BOUGH_FD(fds[1]);
    CHECK_EQ(call_timed(100 * BOUGH_MS, sleep_in_block, &options), -ETIMEDOUT);
    CHECK_EQ(read(fds[0], buffer, sizeof(buffer)), 4);
    CHECK_STR(buffer, "bye\n");
    close_both(fds);
    return 0;
}

PROCESS_TEST(without_grace_it_is_killed_at_once)
{
    int rc = 0, status = 0;
    struct bough_process_options options = {.argv = BOUGH_ARGV("sleep", "100"), .grace = -1};
    bough_with_process (p, &options, &rc)
        status = bough_process_stop(p);
    CHECK_EQ(bough_status_signal(status), SIGKILL);
    options =
        (struct bough_process_options){.argv = SHELL("trap '' TERM; echo ready; exec sleep 100"),
                                       .out = BOUGH_PIPE,
                                       .stop_signal = SIGUSR1};
    bough_with_process (p, &options, &rc) {
        read_ready(p);
        status = bough_process_stop(p);
    }
    CHECK_EQ(bough_status_signal(status), SIGUSR1);
    return rc;
}

PROCESS_TEST(a_stopped_process_has_not_ended_and_can_be_stopped_for_good)
{
    int rc = 0, status = 0;
    struct bough_process_options options = {.argv = BOUGH_ARGV("sleep", "100"),
                                            .grace = BOUGH_NEVER};
    bough_with_process (p, &options, &rc) {
        CHECK_EQ(bough_process_signal(p, SIGSTOP), 0);
        while (state_of(bough_process_pid(p)) != 'T')
            CHECK_EQ(bough_sleep(BOUGH_MS), 0);
        CHECK_EQ(bough_process_poll(p), -EAGAIN);
        status = bough_process_stop(p);
    }
    CHECK_EQ(bough_status_signal(status), SIGTERM);
    return rc;
}

/* --- groups --- */

PROCESS_TEST(a_group_is_stopped_as_a_whole)
{
    pid_t grandchild = 0;
    int rc = 0;
    struct bough_process_options options = {
        .argv = SHELL("sleep 100 & echo $!; wait"), .out = BOUGH_PIPE, .group = true};
    bough_with_process (p, &options, &rc) {
        grandchild = read_pid(p);
        CHECK_EQ(getpgid(bough_process_pid(p)), bough_process_pid(p));
        CHECK_EQ(getpgid(grandchild), bough_process_pid(p));
        CHECK(is_alive(grandchild));
        break;
    }
    wait_until_dead(grandchild);
    return rc;
}

PROCESS_TEST(whoever_of_a_group_is_left_is_killed)
{
    pid_t deaf = 0;
    int rc = 0;
    struct bough_process_options options = {.argv =
                                                SHELL("(trap '' TERM; exec sleep 100) & echo $!"),
                                            .out = BOUGH_PIPE,
                                            .group = true};
    bough_with_process (p, &options, &rc) {
        deaf = read_pid(p);
        CHECK_EQ(bough_process_wait(p), 0);
        CHECK(is_alive(deaf));
        CHECK_EQ(bough_process_signal(p, SIGTERM), 0); /* the group is still there */
        CHECK(is_alive(deaf));
    }
    CHECK_EQ(rc, 0);
    wait_until_dead(deaf);
    return rc;
}

PROCESS_TEST(without_a_group_grandchildren_are_left_alone)
{
    pid_t grandchild = 0;
    int rc = 0;
    struct bough_process_options options = {.argv = SHELL("sleep 100 & echo $!; wait"),
                                            .out = BOUGH_PIPE};
    bough_with_process (p, &options, &rc) {
        grandchild = read_pid(p);
        CHECK_EQ(getpgid(bough_process_pid(p)), getpgrp());
        break;
    }
    CHECK(is_alive(grandchild));
    CHECK_EQ(kill(grandchild, SIGKILL), 0);
    return rc;
}

PROCESS_TEST(a_session_is_a_group_and_has_no_terminal)
{
    int rc = 0;
    struct bough_process_options options = {
        .argv = SHELL("echo $$; exec sleep 100"), .out = BOUGH_PIPE, .session = true};
    bough_with_process (p, &options, &rc) {
        pid_t pid = read_pid(p);
        CHECK_EQ(pid, bough_process_pid(p));
        CHECK_EQ(getsid(pid), pid);
        CHECK_EQ(getpgid(pid), pid);
        break;
    }
    return rc;
}

/* --- waiting --- */

static int wait_for(void *p)
{
    return bough_process_wait(p);
}

PROCESS_TEST(any_number_of_tasks_may_wait_and_the_first_may_give_up)
{
    struct waiter w[4] = {
        {.call = wait_for}, {.call = wait_for}, {.call = wait_for}, {.call = wait_for}};
    int rc = 0;
    struct bough_process_options options = {
        .argv = SHELL("read x; exit 9"), .in = BOUGH_PIPE, .any_status = true};
    bough_with_process (p, &options, &rc)
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 4; i++) {
                w[i].object = p;
                waiter_park(n, &w[i]);
                CHECK_EQ(w[i].rc, STILL_WAITING);
            }
            bough_scope_cancel(&w[0].scope, "the one that watches");
            bough_scope_cancel(&w[2].scope, "one that waits");
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
            CHECK_EQ(w[0].rc, -ECANCELED);
            CHECK_EQ(w[1].rc, STILL_WAITING);
            CHECK_EQ(w[2].rc, -ECANCELED);
            CHECK_EQ(call_cancelled(wait_for, p), -ECANCELED);
            CHECK_EQ(bough_stream_close(bough_process_stdin(p)), 0);
        }
    CHECK_EQ(bough_status_exit_code(w[1].rc), 9);
    CHECK_EQ(bough_status_exit_code(w[3].rc), 9);
    return rc;
}

PROCESS_TEST(a_task_that_waits_while_the_block_ends_gets_the_status)
{
    struct waiter w[2] = {{.call = wait_for}, {.call = wait_for}};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_process *p;
        CHECK_EQ(bough_process_start(&sleeper, &p), 0);
        for (int i = 0; i < 2; i++) {
            w[i].object = p;
            waiter_park(n, &w[i]);
        }
        CHECK_EQ(bough_process_stop(p), SIGTERM);
        CHECK_EQ(bough_process_close(p, 0), 0);
    }
    CHECK_EQ(w[0].rc, SIGTERM);
    CHECK_EQ(w[1].rc, SIGTERM);
    return rc;
}

PROCESS_TEST(so_does_one_that_watches_when_another_task_is_quicker)
{
    struct waiter w = {.call = wait_for};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_process *p;
        CHECK_EQ(bough_process_start(&sleeper, &p), 0);
        w.object = p;
        waiter_park(n, &w);
        CHECK_EQ(bough_process_signal(p, SIGHUP), 0);
        while (state_of(bough_process_pid(p)) != 'Z')
            usleep(1000);
        CHECK_EQ(bough_process_stop(p), SIGHUP);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(bough_process_close(p, -EIO), -EIO);
        CHECK_EQ(w.rc, STILL_WAITING);
    }
    CHECK_EQ(w.rc, SIGHUP);
    return rc;
}

PROCESS_TEST(a_wait_is_a_checkpoint_also_when_it_is_over)
{
    int rc = 0;
    bough_with_process (p, (&(struct bough_process_options){.argv = BOUGH_ARGV("true")}), &rc) {
        CHECK_EQ(bough_process_wait(p), 0);
        bough_assert_checkpoints (&rc)
            rc = bough_process_wait(p);
        bough_assert_no_checkpoints (&rc)
            rc = bough_process_poll(p);
        CHECK_EQ(call_cancelled(wait_for, p), -ECANCELED);
    }
    return rc;
}

PROCESS_TEST(a_signal_that_we_sent_is_no_error)
{
    int rc = 0;
    bough_with_process (p, &sleeper, &rc) {
        CHECK_EQ(bough_process_signal(p, 0), 0);
        CHECK_EQ(bough_process_signal(p, 1000), -EINVAL);
        CHECK_EQ(bough_process_signal(p, SIGHUP), 0);
        CHECK_EQ(bough_process_wait(p), SIGHUP);
        CHECK_EQ(bough_process_signal(p, SIGHUP), -ESRCH);
        CHECK_HAS(bough_error_message(bough_error_last()), "cannot be sent SIGHUP");
    }
    CHECK_EQ(rc, 0);
    return rc;
}

PROCESS_TEST(many_processes_at_once)
{
    enum { MANY = 20 };
    struct bough_process *p[MANY];
    for (int i = 0; i < MANY; i++) {
        char script[32];
        snprintf(script, sizeof(script), "read x; exit %d", i);
        struct bough_process_options options = {
            .argv = SHELL(script), .in = BOUGH_PIPE, .any_status = true};
        CHECK_EQ(bough_process_start(&options, &p[i]), 0);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        /* Nobody else has its input, so this ends it. */
        CHECK_EQ(bough_stream_close(bough_process_stdin(p[i])), 0);
        CHECK_EQ(bough_status_exit_code(bough_process_wait(p[i])), i);
        CHECK_EQ(bough_process_close(p[i], 0), 0);
    }
    return 0;
}

/* --- programs that meddle --- */

PROCESS_TEST(if_sigchld_is_ignored_the_status_counts_as_0)
{
    struct bough_process_result r;
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    for (int i = 0; i < test_scale(10); i++) {
        CHECK_EQ(
            bough_process_run(&(struct bough_process_options){.argv = SHELL("echo x; exit 3")}, &r),
            0);
        CHECK_EQ(r.status, 0);
        CHECK_STR(r.out, "x\n");
        bough_process_result_free(&r);
    }
    CHECK_EQ(call_timed(50 * BOUGH_MS, sleep_in_block, (void *)(uintptr_t)&sleeper), -ETIMEDOUT);
    return 0;
}

PROCESS_TEST(if_somebody_else_reaps_it_the_status_counts_as_0)
{
    int rc = 0;
    for (int group = 0; group < 2; group++) {
        struct bough_process_options options = {.argv = SHELL("exit 3"), .group = group};
        bough_with_process (p, &options, &rc) {
            CHECK_EQ(waitpid(bough_process_pid(p), NULL, 0), bough_process_pid(p));
            CHECK_EQ(bough_process_wait(p), 0);
            CHECK_EQ(bough_process_signal(p, SIGTERM), -ESRCH);
        }
        CHECK_EQ(rc, 0);
    }
    return rc;
}

static int run_echo(void *arg)
{
    struct bough_process_result r;
    int rc = bough_process_run(
        &(struct bough_process_options){.argv = BOUGH_ARGV("cat"), .input = "x", .input_size = 1},
        &r);
    if (rc < 0)
        return rc;
    /* A write that fails with EPIPE, which a fault may be, means that it does not want its input.
     */
    CHECK_STR(r.out, arg && !r.out_size ? "" : "x");
    CHECK_STR(r.err, "");
    bough_process_result_free(&r);
    return 0;
}

static void *echo_thread(void *arg)
{
    for (int i = 0; i < test_scale(10); i++)
        CHECK_EQ(bough_run(run_echo, arg), 0);
    return NULL;
}

TEST(runs_in_several_threads_start_processes_at_once)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, echo_thread, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

/* From here on pidfd_open() says that it does not exist. */
static void forbid_pidfds(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        test_skip("no seccomp here");
    CHECK_EQ(syscall(SYS_pidfd_open, getpid(), 0), -1);
}

PROCESS_TEST(without_pidfds_it_works_too)
{
    struct waiter w = {.call = wait_for};
    int rc = 0;
    forbid_pidfds();
    CHECK_EQ(run_echo(NULL), 0);
    CHECK_EQ(call_timed(50 * BOUGH_MS, sleep_in_block, (void *)(uintptr_t)&sleeper), -ETIMEDOUT);
    bough_with_nursery (n, &rc) {
        struct bough_process *p;
        CHECK_EQ(bough_process_start(&sleeper, &p), 0);
        w.object = p;
        waiter_start(n, &w);
        CHECK_EQ(bough_sleep(20 * BOUGH_MS), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(bough_process_signal(p, SIGHUP), 0);
        CHECK_EQ(bough_process_wait(p), SIGHUP);
        CHECK_EQ(bough_process_close(p, 0), 0);
    }
    CHECK_EQ(w.rc, SIGHUP);
    return rc;
}

/* --- faults --- */

static int start_and_stop(__attribute__((unused)) void *arg)
{
    int rc = 0;
    struct bough_process_fd give = {0, 4};
    struct bough_process_options options = {.argv = BOUGH_ARGV("sleep", "100"),
                                            .in = BOUGH_PIPE,
                                            .out = BOUGH_PIPE,
                                            .err = BOUGH_PIPE,
                                            .fds = &give,
                                            .fd_count = 1,
                                            .group = true};
    bough_with_process (p, &options, &rc)
        rc = bough_process_stop(p);
    return rc;
}

static void try_faults(int (*fn)(void *arg), int memory, int calls)
{
    bool faults = true;
    int before = open_descriptors();
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, fn, &faults) >= memory);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, fn, &faults) >= calls);
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

TEST(a_run_to_the_end_survives_every_fault)
{
    try_faults(run_echo, 6, 8);
}

TEST(a_start_and_a_stop_survive_every_fault)
{
    try_faults(start_and_stop, 4, 8);
}

TEST(a_run_to_the_end_survives_a_cancel_at_every_point)
{
    int before = open_descriptors();
    CHECK_CANCELS(run_echo, NULL, 3);
    CHECK_CANCELS(start_and_stop, NULL, 0); /* it may be dead before we wait */
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

PROCESS_TEST(orphans_of_a_group_that_become_ours_are_reaped_with_it)
{
    struct bough_process_options options = {
        .argv = BOUGH_ARGV("sh", "-c", "(sleep 100 & sleep 100) & echo; wait"),
        .out = BOUGH_PIPE,
        .group = true,
        .grace = -1};
    char byte;
    int rc = 0;
    /* As programs with actors in processes are, and the first process of a container. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        test_skip("orphans go to init here"); /* an emulator does not know it */
    for (int i = 0; i < 20 && rc >= 0; i++) {
        bough_with_process (p, &options, &rc) {
            CHECK_EQ(bough_stream_receive_some(bough_process_stdout(p), &byte, 1), 1);
            rc = bough_process_stop(p);
        }
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    }
    return rc < 0 ? rc : 0;
}

PROCESS_TEST(without_descriptors_nothing_is_started)
{
    struct rlimit limit, low;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct bough_process *p;
    struct bough_process_options options = {
        .argv = BOUGH_ARGV("true"), .in = BOUGH_PIPE, .out = BOUGH_PIPE};
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC), rc = -EMFILE;
    close(first);
    for (int room = 0; rc == -EMFILE; room++) {
        CHECK(room < 20);
        low = (struct rlimit){(rlim_t)(first + room), limit.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        rc = bough_process_start(&options, &p);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        CHECK(rc == 0 || waitpid(-1, NULL, WNOHANG) == -1);
    }
    CHECK_EQ(rc, 0);
    return bough_process_close(p, 0);
}

TEST(a_status_has_words)
{
    char text[64];
    CHECK_STR(bough_status_text(0, text, sizeof(text)), "exited with 0");
    CHECK_STR(bough_status_text(0x2a00, text, sizeof(text)), "exited with 42");
    CHECK_STR(bough_status_text(SIGTERM, text, sizeof(text)), "was killed by SIGTERM");
    CHECK_STR(bough_status_text(SIGSEGV | 0x80, text, sizeof(text)),
              "was killed by SIGSEGV (core dumped)");
    CHECK_STR(bough_status_text(0x2a00, text, 5), "exit");
}
