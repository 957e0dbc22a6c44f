/* No descriptors left: each call says so, and what it had opened is closed again.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <sys/stat.h>

#include <bough/dirwatch.h>
#include <bough/file.h>
#include <bough/process.h>
#include <bough/unix.h>

/* Room for 0, 1, 2 ... more descriptors, until the call works. */
static int with_little_room(int (*call)(void *arg), void *arg)
{
    struct rlimit limit;
    int rc = -EMFILE, room = 0;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (; rc < 0; room++) {
        int before = open_descriptors(), next = dup(0);
        struct rlimit low = {.rlim_cur = (rlim_t)(next + room), .rlim_max = limit.rlim_max};
        CHECK(room < 20);
        close(next);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        rc = call(arg);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        CHECK_EQ(open_descriptors(), before);
        if (rc < 0)
            CHECK(strlen(bough_error_message(bough_error_last())) > 10); /* in words */
        if (rc < 0 && rc != -EMFILE)
            test_fail(__FILE__, __LINE__, "with room for %d: %d (%s)", room, rc,
                      bough_error_message(bough_error_last()));
    }
    CHECK(room > 1);
    return rc;
}

/* --- the network --- */

static int listen_everywhere(__attribute__((unused)) void *arg)
{
    struct bough_listener *l;
    int rc = bough_tcp_listen(NULL, 0, &l);
    if (rc == 0)
        bough_listener_free(l);
    return rc;
}

IO_TEST(without_descriptors_nobody_listens)
{
    return with_little_room(listen_everywhere, NULL);
}

static int connect_by_name(void *arg)
{
    struct bough_listener *l = arg;
    struct bough_stream *s;
    int rc = bough_tcp_connect("localhost", bough_listener_port(l), &s);
    if (rc == 0)
        bough_stream_free(s);
    return rc;
}

IO_TEST(without_descriptors_nobody_is_connected_by_name)
{
    struct bough_listener *l;
    CHECK_EQ(bough_tcp_listen("localhost", 0, &l), 0);
    int rc = with_little_room(connect_by_name, l);
    bough_listener_free(l);
    return rc;
}

static int udp_and_back(__attribute__((unused)) void *arg)
{
    struct bough_address any;
    struct bough_udp *u;
    CHECK_EQ(bough_address_parse("127.0.0.1", 0, &any), 0);
    int rc = bough_udp_open(&any, &u);
    if (rc == 0)
        bough_udp_free(u);
    return rc;
}

IO_TEST(without_descriptors_there_are_no_datagrams)
{
    return with_little_room(udp_and_back, NULL);
}

static int listen_on_a_path(__attribute__((unused)) void *arg)
{
    struct bough_listener *l;
    struct bough_stream *s;
    struct stat st;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/bough-shortage-%d", (int)getpid());
    int rc = bough_unix_listen(path, &l);
    if (rc == 0) {
        rc = bough_unix_connect(path, &s);
        if (rc == 0)
            bough_stream_free(s);
        bough_listener_free(l);
    }
    CHECK_EQ(lstat(path, &st), -1); /* no file is left either */
    return rc;
}

IO_TEST(without_descriptors_there_are_no_unix_sockets)
{
    return with_little_room(listen_on_a_path, NULL);
}

static int make_a_pair(__attribute__((unused)) void *arg)
{
    struct bough_stream *a, *b;
    int rc = bough_unix_pair(&a, &b);
    if (rc < 0)
        return rc;
    bough_stream_free(a);
    bough_stream_free(b);
    rc = bough_pipe_open(&a, &b);
    if (rc < 0)
        return rc;
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

IO_TEST(without_descriptors_there_are_no_pairs_and_pipes)
{
    if (test_on_valgrind())
        test_skip("Valgrind's socketpair() does not keep to the limit");
    return with_little_room(make_a_pair, NULL);
}

/* --- files --- */

static int use_files(void *arg)
{
    struct bough_directory_entry *entries;
    struct bough_file *f;
    size_t count;
    char *data;
    int rc = bough_file_open(arg, O_RDONLY, 0, &f);
    if (rc < 0)
        return rc;
    bough_file_free(f);
    rc = bough_file_read_all(arg, 0, &data, &count);
    if (rc < 0)
        return rc;
    free(data);
    rc = bough_directory_read("/", &entries, &count);
    if (rc == 0)
        free(entries);
    return rc;
}

IO_TEST(without_descriptors_no_file_is_opened)
{
    return with_little_room(use_files, (void *)"/proc/self/stat");
}

static int use_temporary(void *arg)
{
    int rc = 0;
    char kept[64];
    struct stat st;
    bough_with (const char *, directory, bough_temporary_directory, arg, &rc) {
        snprintf(kept, sizeof(kept), "%s", directory);
        bough_with (struct bough_file *, f, bough_temporary_file, (void *)(uintptr_t)directory, &rc)
            rc = bough_file_write_all(f, "x", 1);
    }
    CHECK_EQ(lstat(kept, &st), -1);
    return rc;
}

IO_TEST(without_descriptors_no_temporary_file_is_left)
{
    return with_little_room(use_temporary, (void *)"/tmp");
}

static int make_in(int at, const char *name)
{
    CHECK_EQ(mkdirat(at, name, 0700), 0);
    int below = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(below >= 0);
    return below;
}

/* A directory in a directory in ... with a file in each. Some have a branch that is as deep. */
static void make_deep(int at, int depth, int branches)
{
    for (int i = 0; i < depth; i++) {
        close(openat(at, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        if (branches && i % 40 == 10)
            make_deep(make_in(at, "branch"), depth, branches - 1);
        int below = make_in(at, "deeper");
        close(at);
        at = below;
    }
    close(at);
}

IO_TEST(a_tree_that_is_deeper_than_there_are_descriptors_is_removed)
{
    struct rlimit limit, low;
    struct stat st;
    char path[64];
    int next = dup(0);
    close(next);
    snprintf(path, sizeof(path), "/tmp/bough-deep-%d", (int)getpid());
    make_deep(make_in(AT_FDCWD, path), 100, 1);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)next + 30, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    int rc = bough_path_remove_all(path);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(lstat(path, &st), -1);
    return rc;
}

static int watch_a_directory(__attribute__((unused)) void *arg)
{
    struct bough_dirwatch *w;
    int id, rc = bough_dirwatch_open(&w);
    if (rc < 0)
        return rc;
    rc = bough_dirwatch_add(w, "/", BOUGH_DIR_ALL, &id);
    bough_dirwatch_free(w);
    return rc;
}

IO_TEST(without_descriptors_nothing_is_watched)
{
    return with_little_room(watch_a_directory, NULL);
}

/* --- processes --- */

static int run_a_program(__attribute__((unused)) void *arg)
{
    struct bough_process_options options = {
        .argv = BOUGH_ARGV("cat"), .input = "hello", .input_size = 5};
    struct bough_process_result result;
    int rc = bough_process_run(&options, &result);
    CHECK(rc == 0 || waitpid(-1, NULL, WNOHANG) == -1); /* no child is left */
    if (rc < 0)
        return rc;
    CHECK_STR(result.out, "hello");
    bough_process_result_free(&result);
    return 0;
}

IO_TEST(without_descriptors_no_program_is_run)
{
    return with_little_room(run_a_program, NULL);
}

/* --- runs --- */

static int run_on(void *arg)
{
    const struct bough_run_options options = {.io = *(enum bough_io *)arg};
    return bough_run_with(&options, run_nothing, NULL);
}

TEST(without_descriptors_there_is_no_run)
{
    enum bough_io io = BOUGH_IO_EPOLL;
    CHECK_EQ(with_little_room(run_on, &io), 0);
}

TEST(without_descriptors_there_is_no_run_on_io_uring)
{
    enum bough_io io = BOUGH_IO_URING;
    need_uring();
    CHECK_EQ(with_little_room(run_on, &io), 0);
}
