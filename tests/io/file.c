/* Files, directories, and streams over files.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include <bough/driver.h>
#include <bough/file.h>

/* A directory of the test's own, in which "x" is a file of ten bytes. */
struct place {
    char directory[32], path[64], other[64];
};

static void place_make(struct place *p)
{
    strcpy(p->directory, "/tmp/bough-file-XXXXXX");
    CHECK(mkdtemp(p->directory));
    snprintf(p->path, sizeof(p->path), "%s/x", p->directory);
    snprintf(p->other, sizeof(p->other), "%s/y", p->directory);
    int fd = open(p->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    close(fd);
}

/* Only what place_make() has made may be left. */
static void place_remove(struct place *p)
{
    CHECK_EQ(unlink(p->path), 0);
    CHECK_EQ(rmdir(p->directory), 0);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static struct bough_file *open_file(const char *path, int flags)
{
    struct bough_file *f;
    CHECK_EQ(bough_file_open(path, flags, 0600, &f), 0);
    return f;
}

/* --- reading and writing --- */

IO_TEST(reads_go_on_at_the_position_and_end_at_the_end)
{
    struct place p;
    char data[16] = "";
    place_make(&p);
    struct bough_file *f = open_file(p.path, O_RDONLY);
    CHECK(fcntl(bough_file_fd(f), F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(bough_file_read(f, data, 4), 4);
    CHECK_EQ(bough_file_read(f, data + 4, 12), 6);
    CHECK_STR(data, "0123456789");
    CHECK_EQ(bough_file_read(f, data, 1), 0);
    CHECK_EQ(bough_file_read(f, data, 0), 0);
    CHECK_EQ(bough_file_pread(f, data, 2, 5), 2);
    CHECK_EQ(memcmp(data, "56", 2), 0);
    CHECK_EQ(bough_file_pread(f, data, 2, 100), 0);
    CHECK_EQ(bough_file_pread(f, data, 2, -1), -EINVAL);
    CHECK_EQ(bough_file_seek(f, -1, SEEK_END), 9);
    CHECK_EQ(bough_file_seek(f, -1, SEEK_SET), -EINVAL);
    CHECK_EQ(bough_file_read(f, data, 4), 1);
    CHECK_EQ(bough_file_write(f, "x", 1), -EBADF); /* not open for that */
    CHECK_EQ(bough_file_close(f), 0);
    bough_file_free(f);
    place_remove(&p);
    return 0;
}

IO_TEST(what_is_written_is_read)
{
    struct place p;
    struct stat st;
    char data[16] = "";
    place_make(&p);
    struct bough_file *f = open_file(p.other, O_RDWR | O_CREAT | O_EXCL);
    CHECK_EQ(bough_file_write(f, "abcdef", 6), 6);
    CHECK_EQ(bough_file_pwrite(f, "XY", 2, 2), 2);
    CHECK_EQ(bough_file_pwrite(f, "XY", 2, -1), -EINVAL);
    CHECK_EQ(bough_file_write_all(f, "ghi", 3), 0);
    CHECK_EQ(bough_file_write_all(f, "", 0), 0);
    CHECK_EQ(bough_file_sync(f), 0);
    CHECK_EQ(bough_file_sync_data(f), 0);
    CHECK_EQ(bough_file_pread(f, data, sizeof(data), 0), 9);
    CHECK_STR(data, "abXYefghi");
    CHECK_EQ(bough_file_truncate(f, 3), 0);
    CHECK_EQ(bough_file_stat(f, &st), 0);
    CHECK_EQ(st.st_size, 3);
    CHECK_EQ(bough_file_close(f), 0);
    bough_file_free(f);
    CHECK_EQ(bough_path_unlink(p.other), 0);
    place_remove(&p);
    return 0;
}

IO_TEST(a_large_read_is_one_read)
{
    enum { SIZE = 3 * 1000 * 1000 };
    struct place p;
    char *data = malloc(SIZE), *back = malloc(SIZE + 1);
    place_make(&p);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i % 251);
    struct bough_file *f = open_file(p.path, O_RDWR);
    CHECK_EQ(bough_file_write_all(f, data, SIZE), 0);
    CHECK_EQ(bough_file_sync(f), 0);
    (void)posix_fadvise(bough_file_fd(f), SIZE / 2, 0,
                        POSIX_FADV_DONTNEED); /* the half is not cached */
    CHECK_EQ(bough_file_pread(f, back, SIZE + 1, 0), SIZE);
    CHECK_EQ(memcmp(data, back, SIZE), 0);
    bough_file_free(f);
    free(data);
    free(back);
    place_remove(&p);
    return 0;
}

static int open_threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

IO_TEST(what_is_not_open_cannot_be_a_file)
{
    struct bough_file *f = NULL;
    int fds[2];
    make_pipe(fds);
    close_both(fds);
    CHECK_EQ(bough_file_adopt(-1, &f), -EBADF);
    CHECK_EQ(bough_file_adopt(fds[0], &f), -EBADF);
    CHECK(!f);
    return 0;
}

IO_TEST(a_cached_read_needs_no_thread)
{
    struct place p;
    char data[16];
    struct iovec bytes = {.iov_base = data, .iov_len = 10};
    struct bough_file *f;
    place_make(&p);
    int fd = open(p.path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(read(fd, data, 10), 10);
    if (preadv2(fd, &bytes, 1, 0, RWF_NOWAIT) != 10)
        test_skip("this system does not say what is cached");
    CHECK_EQ(bough_file_adopt(fd, &f), 0);
    int before = open_threads();
    CHECK_EQ(bough_file_pread(f, data, 10, 0), 10);
    CHECK_EQ(bough_file_pread(f, data, 1, 10), 0);
    CHECK_EQ(open_threads(), before);
    bough_file_free(f);
    place_remove(&p);
    return 0;
}

/* --- opening and closing --- */

IO_TEST(what_cannot_be_opened_says_its_name)
{
    struct bough_file *f = NULL;
    CHECK_EQ(bough_file_open("/no/such/file", O_RDONLY, 0, &f), -ENOENT);
    CHECK_HAS(bough_error_message(bough_error_last()), "/no/such/file");
    CHECK(!f);
    return 0;
}

IO_TEST(a_file_that_is_closed_stays_closed)
{
    struct place p;
    struct stat st;
    char byte;
    place_make(&p);
    struct bough_file *f = open_file(p.path, O_RDWR);
    CHECK_EQ(bough_file_close(f), 0);
    CHECK_EQ(bough_file_close(f), 0);
    CHECK_EQ(bough_file_fd(f), -1);
    CHECK_EQ(bough_file_read(f, &byte, 1), -EBADF);
    CHECK_EQ(bough_file_read(f, &byte, 0), -EBADF);
    CHECK_EQ(bough_file_pread(f, &byte, 1, 0), -EBADF);
    CHECK_EQ(bough_file_write(f, "x", 1), -EBADF);
    CHECK_EQ(bough_file_write_all(f, "x", 1), -EBADF);
    CHECK_EQ(bough_file_sync(f), -EBADF);
    CHECK_EQ(bough_file_truncate(f, 0), -EBADF);
    CHECK_EQ(bough_file_stat(f, &st), -EBADF);
    CHECK_EQ(bough_file_seek(f, 0, SEEK_SET), -EBADF);
    bough_file_free(f);
    bough_file_free(NULL);
    place_remove(&p);
    return 0;
}

static int close_file(void *f)
{
    return bough_file_close(f);
}

IO_TEST(a_close_closes_also_when_cancelled)
{
    struct place p;
    place_make(&p);
    struct bough_file *f = open_file(p.path, O_RDONLY);
    int fd = bough_file_fd(f);
    CHECK_EQ(call_cancelled(close_file, f), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    bough_file_free(f);
    place_remove(&p);
    return 0;
}

static int read_byte(void *f)
{
    char byte;
    return bough_file_read(f, &byte, 1);
}

/* A pipe is a file whose reads take as long as we want. */
static struct bough_file *slow_file(int *ret_writer)
{
    struct bough_file *f;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    CHECK_EQ(bough_file_adopt(fds[0], &f), 0);
    *ret_writer = fds[1];
    return f;
}

/* Threads cannot be seen to be blocked: give it the time to get there. */
static void park_in_thread(struct bough_nursery *n, struct waiter *w)
{
    waiter_start(n, w);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(bough_checkpoint(), 0);
    usleep(20000);
}

static int read_third_byte(void *f)
{
    char byte;
    return bough_file_pread(f, &byte, 1, 2);
}

IO_TEST(a_pipe_has_no_positions)
{
    int writer, rc = 0;
    struct bough_file *f = slow_file(&writer), *w;
    (void)arg;
    CHECK_EQ(bough_file_adopt(writer, &w), 0);
    bough_fail_after (10 * BOUGH_SEC, &rc)
        rc = read_third_byte(f);
    CHECK_EQ(rc, -ESPIPE);
    CHECK_EQ(bough_file_pwrite(w, "x", 1, 2), -ESPIPE);
    CHECK_EQ(bough_file_write(w, "y", 1), 1);
    CHECK_EQ(read_third_byte(f), -ESPIPE); /* and takes nothing */
    CHECK_EQ(read_byte(f), 1);
    bough_file_free(f);
    CHECK_EQ(read_third_byte(w), -ESPIPE);
    CHECK_EQ(bough_file_close(w), 0);
    CHECK_EQ(read_third_byte(w), -EBADF);
    bough_file_free(w);
    return 0;
}

static int check_gone_under_way(bool free_it)
{
    int writer, rc = 0;
    struct bough_file *f = slow_file(&writer);
    struct waiter w = {.call = read_byte, .object = f};
    bough_with_nursery (n, &rc) {
        park_in_thread(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        if (free_it)
            bough_file_free(f);
        else
            CHECK_EQ(bough_file_close(f), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(write(writer, "x", 1), 1);
    }
    CHECK_EQ(w.rc, 1);
    CHECK_EQ(write(writer, "x", 1), -1); /* nobody has the other end open */
    CHECK_EQ(errno, EPIPE);
    close(writer);
    if (!free_it)
        bough_file_free(f);
    return rc;
}

IO_TEST(a_file_may_be_closed_while_a_thread_is_in_it)
{
    signal(SIGPIPE, SIG_IGN);
    return check_gone_under_way(false);
}

IO_TEST(a_file_may_be_freed_while_a_thread_is_in_it)
{
    signal(SIGPIPE, SIG_IGN);
    return check_gone_under_way(true);
}

/* --- cancels --- */

static int read_at_0(void *f)
{
    char byte;
    return bough_file_pread(f, &byte, 1, 0);
}

static int write_byte(void *f)
{
    return bough_file_write(f, "x", 1);
}

static int sync_file(void *f)
{
    return bough_file_sync(f);
}

IO_TEST(a_call_that_is_cancelled_before_does_nothing)
{
    struct place p;
    char data[4];
    place_make(&p);
    struct bough_file *f = open_file(p.path, O_RDWR);
    CHECK_EQ(call_cancelled(read_byte, f), -ECANCELED);
    CHECK_EQ(call_cancelled(read_at_0, f), -ECANCELED);
    CHECK_EQ(call_cancelled(write_byte, f), -ECANCELED);
    CHECK_EQ(call_cancelled(sync_file, f), -ECANCELED);
    CHECK_EQ(bough_file_read(f, data, 2), 2);
    CHECK_EQ(memcmp(data, "01", 2), 0);
    bough_file_free(f);
    place_remove(&p);
    return 0;
}

/* A thread cannot be called back; a driver that does it without one can. */
IO_TEST(a_call_that_is_cancelled_on_the_way_gives_what_it_did_if_anything)
{
    int writer, rc = 0;
    struct bough_file *f = slow_file(&writer);
    struct waiter w = {.call = read_byte, .object = f};
    bool threads = !bough_driver_current()->submit;
    bough_with_nursery (n, &rc) {
        park_in_thread(n, &w);
        bough_scope_cancel(&w.scope, NULL);
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bough_checkpoint(), 0);
        if (threads)
            CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(write(writer, "x", 1), 1);
    }
    CHECK_EQ(w.rc, threads ? 1 : -ECANCELED);
    CHECK_EQ(w.next_rc, -ECANCELED);
    if (!threads)
        CHECK_EQ(read_byte(f), 1); /* nobody has got it */
    close(writer);
    bough_file_free(f);
    return rc;
}

IO_TEST(each_call_is_a_checkpoint)
{
    struct place p;
    int rc = 0;
    place_make(&p);
    struct bough_file *f = open_file(p.path, O_RDWR);
    int (*const calls[])(void *) = {read_byte, read_at_0,  write_byte,
                                    sync_file, close_file, close_file};
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        bough_assert_checkpoints (&rc)
            rc = calls[i](f);
        CHECK(rc >= 0);
    }
    bough_file_free(f);
    place_remove(&p);
    return 0;
}

/* --- whole files --- */

IO_TEST(a_whole_file_is_read_within_its_limit)
{
    struct place p;
    char *data = NULL;
    size_t size = 0;
    place_make(&p);
    CHECK_EQ(bough_file_read_all(p.path, 9, &data, &size), -EFBIG);
    CHECK_HAS(bough_error_message(bough_error_last()), "9 bytes");
    CHECK(!data);
    CHECK_EQ(bough_file_read_all(p.path, 10, &data, NULL), 0);
    free(data);
    CHECK_EQ(bough_file_read_all(p.path, 10, &data, &size), 0);
    CHECK_EQ(size, 10);
    CHECK_STR(data, "0123456789");
    free(data);
    CHECK_EQ(truncate(p.path, 0), 0);
    CHECK_EQ(bough_file_read_all(p.path, 0, &data, &size), 0);
    CHECK_EQ(size, 0);
    CHECK_STR(data, "");
    free(data);
    data = NULL;
    CHECK_EQ(bough_file_read_all("/proc/self/status", 10, &data, &size), -EFBIG);
    CHECK_EQ(bough_file_read_all("/proc/self/status", 0, &data, &size),
             0); /* its size is 0, it says */
    CHECK_HAS(data, "Name:");
    CHECK_EQ(strlen(data), size);
    free(data);
    CHECK_EQ(bough_file_read_all(p.directory, 0, &data, &size), -EISDIR);
    place_remove(&p);
    return 0;
}

/* --- names --- */

IO_TEST(files_are_known_by_their_names)
{
    struct place p;
    struct stat st;
    place_make(&p);
    CHECK_EQ(bough_path_stat(p.path, &st), 0);
    CHECK_EQ(st.st_size, 10);
    CHECK_EQ(bough_path_rename(p.path, p.other), 0);
    CHECK_EQ(bough_path_stat(p.path, &st), -ENOENT);
    CHECK_EQ(symlink("y", p.path), 0);
    CHECK_EQ(bough_path_stat(p.path, &st), 0);
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(bough_path_lstat(p.path, &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    CHECK_EQ(bough_path_unlink(p.path), 0);
    CHECK(exists(p.other));
    CHECK_EQ(bough_path_rename(p.other, p.path), 0);
    CHECK_EQ(bough_path_mkdir(p.other, 0700), 0);
    CHECK_EQ(bough_path_mkdir(p.other, 0700), -EEXIST);
    CHECK_EQ(bough_path_unlink(p.other), -EISDIR);
    CHECK_EQ(bough_path_rmdir(p.other), 0);
    CHECK_EQ(bough_path_rmdir(p.other), -ENOENT);
    CHECK_EQ(bough_path_unlink(p.other), -ENOENT);
    place_remove(&p);
    return 0;
}

IO_TEST(a_directory_is_read_into_one_block)
{
    enum { FILES = 200 };
    struct place p;
    struct bough_directory_entry *entries = NULL;
    size_t count = 0;
    char path[96];
    bool seen[FILES] = {false};
    place_make(&p);
    CHECK_EQ(bough_directory_read(p.directory, &entries, &count), 0);
    CHECK_EQ(count, 1);
    CHECK_STR(entries[0].name, "x");
    CHECK(entries[0].type == DT_REG || entries[0].type == DT_UNKNOWN);
    free(entries);
    CHECK_EQ(bough_path_mkdir(p.other, 0700), 0);
    CHECK_EQ(bough_directory_read(p.other, &entries, &count), 0);
    CHECK_EQ(count, 0);
    free(entries);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "%s/file number %d", p.other, i);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    CHECK_EQ(bough_directory_read(p.other, &entries, &count), 0);
    CHECK_EQ(count, FILES);
    for (size_t i = 0; i < count; i++) {
        int number = -1;
        CHECK_EQ(sscanf(entries[i].name, "file number %d", &number), 1);
        CHECK(number >= 0 && number < FILES && !seen[number]);
        seen[number] = true;
    }
    free(entries);
    CHECK_EQ(bough_directory_read(p.path, &entries, &count), -ENOTDIR);
    CHECK_EQ(bough_path_remove_all(p.other), 0);
    place_remove(&p);
    return 0;
}

IO_TEST(a_tree_is_removed_but_not_what_its_links_lead_to)
{
    enum { DEEP = 100 };
    struct place p;
    char path[DEEP * 2 + 96];
    place_make(&p);
    CHECK_EQ(mkdir(p.other, 0700), 0);
    strcpy(path, p.other);
    for (int i = 0; i < DEEP; i++) {
        strcat(path, "/d");
        CHECK_EQ(mkdir(path, 0700), 0);
    }
    strcat(path, "/link");
    CHECK_EQ(symlink(p.directory, path), 0);
    snprintf(path, sizeof(path), "%s/link", p.other);
    CHECK_EQ(symlink(p.path, path), 0);
    CHECK_EQ(bough_path_remove_all(p.other), 0);
    CHECK(!exists(p.other));
    CHECK(exists(p.path));
    CHECK_EQ(bough_path_remove_all(p.other), 0);
    CHECK_EQ(symlink(p.directory, p.other), 0);
    CHECK_EQ(bough_path_remove_all(p.other), 0);
    CHECK(exists(p.path));
    place_remove(&p);
    return 0;
}

/* --- streams --- */

static struct bough_stream *open_stream(const char *path, int flags)
{
    struct bough_stream *s;
    CHECK_EQ(bough_file_stream_open(open_file(path, flags), &s), 0);
    return s;
}

IO_TEST(a_file_is_a_stream)
{
    struct place p;
    char data[16] = "";
    place_make(&p);
    struct bough_stream *s = open_stream(p.path, O_RDWR);
    CHECK_EQ(bough_stream_receive_some(s, data, 4), 4);
    CHECK_EQ(bough_stream_send_all(s, "abcdefgh", 8), 0); /* a position of its own */
    CHECK_EQ(bough_stream_receive_some(s, data + 4, 12), 6);
    CHECK_STR(data, "0123efgh89");
    CHECK_EQ(bough_stream_receive_some(s, data, 1), 0);
    CHECK_EQ(bough_stream_send_all(s, "", 0), 0);
    CHECK_EQ(bough_stream_send_eof(s), -ENOTSUP);
    CHECK_EQ(bough_stream_close(s), 0);
    CHECK_EQ(bough_stream_close(s), 0);
    CHECK_EQ(bough_stream_send_all(s, "x", 1), -EBADF);
    CHECK_EQ(bough_stream_receive_some(s, data, 1), -EBADF);
    bough_stream_free(s);
    s = open_stream(p.path, O_WRONLY | O_APPEND);
    CHECK_EQ(bough_stream_send_all(s, "AB", 2), 0);
    CHECK_EQ(bough_stream_send_all(s, "C", 1), 0);
    bough_stream_free(s);
    s = open_stream(p.path, O_RDONLY);
    CHECK_EQ(bough_stream_receive_some(s, data, sizeof(data)), 13);
    CHECK_EQ(memcmp(data, "abcdefgh89ABC", 13), 0);
    bough_stream_free(s);
    place_remove(&p);
    return 0;
}

static int receive_byte(void *s)
{
    char byte;
    return bough_stream_receive_some(s, &byte, 1);
}

IO_TEST(a_receive_from_a_file_stream_is_a_checkpoint)
{
    struct place p;
    int rc = 0;
    place_make(&p);
    struct bough_stream *s = open_stream(p.path, O_RDWR);
    CHECK_EQ(call_cancelled(receive_byte, s), -ECANCELED);
    CHECK_EQ(receive_byte(s), 1);
    bough_assert_checkpoints (&rc)
        rc = receive_byte(s);
    CHECK_EQ(rc, 1);
    bough_stream_free(s);
    place_remove(&p);
    return 0;
}

/* --- for a while --- */

IO_TEST(a_temporary_directory_is_gone_with_its_block)
{
    char kept[256] = "", path[300];
    struct stat st;
    int rc = 0;
    bough_with (const char *, directory, bough_temporary_directory, NULL, &rc) {
        strcpy(kept, directory);
        CHECK_EQ(stat(kept, &st), 0);
        CHECK_EQ(st.st_mode & 0777, 0700);
        snprintf(path, sizeof(path), "%s/file", kept);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        rc = 7;
    }
    CHECK_EQ(rc, 7);
    CHECK(!exists(kept));
    rc = 0;
    bough_with (const char *, directory, bough_temporary_directory, (void *)"/no/such/place", &rc)
        CHECK(!directory);
    CHECK_EQ(rc, -ENOENT);
    return 0;
}

VIRTUAL_IO_TEST(a_temporary_directory_is_gone_also_when_cancelled)
{
    char kept[256] = "";
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        bough_with (const char *, directory, bough_temporary_directory, (void *)"/tmp", &rc) {
            strcpy(kept, directory);
            rc = bough_sleep_forever();
        }
    }
    CHECK_EQ(rc, 0);
    CHECK(kept[0] && !exists(kept));
    return 0;
}

IO_TEST(a_temporary_file_has_no_name)
{
    struct stat st;
    char data[4];
    int rc = 0;
    bough_with (struct bough_file *, f, bough_temporary_file, NULL, &rc) {
        CHECK_EQ(bough_file_stat(f, &st), 0);
        CHECK_EQ(st.st_nlink, 0);
        CHECK_EQ(bough_file_write_all(f, "abc", 3), 0);
        CHECK_EQ(bough_file_pread(f, data, 4, 0), 3);
    }
    return rc;
}

/* --- faults --- */

static int use_file(struct place *p, struct bough_file *f)
{
    struct bough_directory_entry *entries;
    struct stat st;
    char *data, byte;
    size_t size;
    int rc = bough_file_write_all(f, "abc", 3);
    if (rc == 0)
        rc = bough_file_sync(f);
    if (rc == 0)
        rc = bough_file_stat(f, &st);
    if (rc == 0)
        rc = bough_file_pread(f, &byte, 1, 0);
    if (rc >= 0)
        rc = bough_file_read_all(p->path, 0, &data, &size);
    if (rc < 0)
        return rc;
    free(data);
    rc = bough_directory_read(p->directory, &entries, &size);
    if (rc < 0)
        return rc;
    free(entries);
    return 0;
}

static int use_temporaries(void)
{
    struct stat st;
    char path[300];
    int rc = 0;
    bough_with (struct bough_file *, f, bough_temporary_file, NULL, &rc)
        rc = bough_file_stat(f, &st);
    if (rc < 0)
        return rc;
    bough_with (const char *, directory, bough_temporary_directory, NULL, &rc) {
        snprintf(path, sizeof(path), "%s/d", directory);
        rc = bough_path_mkdir(path, 0700);
        if (rc == 0)
            rc = bough_path_remove_all(path);
    }
    return rc;
}

static int small_program(void *arg)
{
    struct place *p = arg;
    struct bough_file *f;
    struct bough_stream *s;
    int before = open_descriptors(), rc = bough_file_open(p->path, O_RDWR, 0, &f);
    if (rc == 0) {
        rc = use_file(p, f);
        rc = bough_keep(rc, bough_file_close(f));
        bough_file_free(f);
    }
    if (rc == 0)
        rc = bough_file_open(p->path, O_RDWR, 0, &f);
    if (rc == 0)
        rc = bough_file_stream_open(f, &s);
    if (rc == 0) {
        rc = receive_byte(s);
        bough_stream_free(s);
    }
    if (rc >= 0)
        rc = use_temporaries();
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

/* What a fault keeps from being removed is left in TMPDIR. */
static void check_faults(enum bough_fault fault, int at_least)
{
    struct place p;
    place_make(&p);
    CHECK_EQ(mkdir(p.other, 0700), 0);
    CHECK_EQ(setenv("TMPDIR", p.other, 1), 0);
    CHECK(bough_test_faults(fault, small_program, &p) > at_least);
    bough_fault_set(fault, 0);
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", p.other);
    CHECK_EQ(system(command), 0);
    place_remove(&p);
}

TEST(a_program_survives_the_failure_of_each_allocation)
{
    check_faults(BOUGH_FAULT_MEMORY, 15);
}

TEST(a_program_survives_the_failure_of_each_system_call)
{
    check_faults(BOUGH_FAULT_CALL, 25);
}
