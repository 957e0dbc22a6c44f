/* Disks that are full: a clear error, what went before it is there, and nothing else is left.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <bough/file.h>

/* --- a device that is always full --- */

IO_TEST(a_full_device_is_no_space)
{
    struct bough_file *f;
    CHECK_EQ(bough_file_open("/dev/full", O_WRONLY, 0, &f), 0);
    CHECK_EQ(bough_file_write(f, "x", 1), -ENOSPC);
    CHECK_HAS(bough_error_message(bough_error_last()), "write");
    CHECK_EQ(bough_file_pwrite(f, "x", 1, 5), -ENOSPC);
    CHECK_EQ(bough_file_write_all(f, "xyz", 3), -ENOSPC);
    CHECK_EQ(bough_file_close(f), 0);
    bough_file_free(f);
    return 0;
}

IO_TEST(a_stream_over_a_full_device_fails_and_can_be_closed)
{
    struct bough_stream *s;
    struct bough_file *f;
    CHECK_EQ(bough_file_open("/dev/full", O_WRONLY, 0, &f), 0);
    CHECK_EQ(bough_file_stream_open(f, &s), 0);
    CHECK_EQ(bough_stream_send_all(s, "xyz", 3), -ENOSPC);
    CHECK_EQ(bough_stream_close(s), 0);
    bough_stream_free(s);
    return 0;
}

/* --- a small file system of our own --- */

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void no_place(const char *place, const char *what)
{
    int error = errno;
    rmdir(place);
    test_skip("no %s of our own: %s", what, strerror(error));
}

/* One of 64 KiB over 'place', that only this process sees; gone with it. */
static void mount_small(const char *place)
{
    char map[64];
    unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        no_place(place, "name spaces");
    snprintf(map, sizeof(map), "0 %u 1\n", user);
    write_text("/proc/self/uid_map", map);
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1\n", group);
    write_text("/proc/self/gid_map", map);
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", place, "tmpfs", 0, "size=64k") < 0)
        no_place(place, "file system");
}

static bool is_empty(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    CHECK(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count == 2;
}

static int fill_files(void *arg)
{
    static char data[100 * 1000], back[100 * 1000];
    const char *place = arg;
    struct bough_file *f;
    char path[64];
    snprintf(path, sizeof(path), "%s/file", place);
    memset(data, 'x', sizeof(data));
    CHECK_EQ(bough_file_open(path, O_RDWR | O_CREAT, 0600, &f), 0);
    CHECK_EQ(bough_file_write_all(f, data, sizeof(data)), -ENOSPC);
    CHECK_HAS(bough_error_message(bough_error_last()), "write");
    int have = (int)bough_file_seek(f, 0, SEEK_CUR);
    CHECK(have > 0 && have < 64 * 1024 + 1);
    CHECK_EQ(bough_file_sync(f), 0); /* what fitted is there */
    CHECK_EQ(bough_file_pread(f, back, sizeof(back), 0), have);
    CHECK_EQ(memcmp(data, back, (size_t)have), 0);
    CHECK_EQ(bough_file_truncate(f, 0), 0);
    CHECK_EQ(bough_file_pwrite(f, data, 1000, 0), 1000); /* there is room again */
    CHECK_EQ(bough_file_close(f), 0);
    bough_file_free(f);
    return bough_path_unlink(path);
}

/* A temporary file and directory on the full disk, and what a program does in them. */
static int fill_temporary(void *arg)
{
    static const char data[8 * 1024];
    int rc = 0;
    bough_with (const char *, directory, bough_temporary_directory, arg, &rc) {
        bough_with (struct bough_file *, f, bough_temporary_file, (void *)(uintptr_t)directory,
                    &rc) {
            while (rc >= 0)
                rc = bough_file_write_all(f, data, sizeof(data));
            CHECK_EQ(rc, -ENOSPC);
        }
        CHECK_EQ(rc, -ENOSPC);
        CHECK(is_empty(directory));
    }
    CHECK_EQ(rc, -ENOSPC);
    CHECK(is_empty(arg));
    return 0;
}

/* What is cut short leaves a whole directory behind, which has to go. */
static int fill_with_many(void *arg)
{
    static const char data[8 * 1024];
    int rc = 0;
    bough_with (const char *, directory, bough_temporary_directory, arg, &rc) {
        for (int i = 0; rc >= 0; i++) {
            struct bough_file *f;
            char path[128];
            snprintf(path, sizeof(path), "%s/%d", directory, i);
            rc = bough_file_open(path, O_WRONLY | O_CREAT, 0600, &f);
            if (rc < 0)
                break;
            rc = bough_file_write_all(f, data, sizeof(data));
            bough_file_free(f);
        }
    }
    CHECK_EQ(rc, -ENOSPC);
    CHECK(is_empty(arg));
    return 0;
}

static void on_a_small_disk(enum bough_io io, int (*fn)(void *place))
{
    char place[] = "/tmp/bough-full-XXXXXX";
    const struct bough_run_options options = {.io = io};
    if (io == BOUGH_IO_URING)
        need_uring();
    CHECK(mkdtemp(place));
    mount_small(place);
    int before = open_descriptors();
    int rc =
        io == BOUGH_IO_AUTO ? bough_test_run(NULL, fn, place) : bough_run_with(&options, fn, place);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    CHECK(rc >= 0);
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(umount(place), 0);
    CHECK_EQ(rmdir(place), 0);
}

TEST(what_does_not_fit_is_no_space_and_what_did_is_there)
{
    on_a_small_disk(BOUGH_IO_AUTO, fill_files);
}

TEST(what_does_not_fit_is_no_space_and_what_did_is_there_on_io_uring)
{
    on_a_small_disk(BOUGH_IO_URING, fill_files);
}

TEST(temporary_files_of_a_full_disk_are_gone)
{
    on_a_small_disk(BOUGH_IO_EPOLL, fill_temporary);
}

TEST(a_temporary_directory_that_filled_the_disk_is_gone)
{
    on_a_small_disk(BOUGH_IO_EPOLL, fill_with_many);
}

/* --- a limit of the process --- */

static int write_over_the_limit(void *arg)
{
    static const char data[10 * 1000];
    struct rlimit limit, low;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    low = (struct rlimit){.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
    int rc = 0;
    bough_with (struct bough_file *, f, bough_temporary_file, arg, &rc) {
        CHECK_EQ(bough_file_write_all(f, data, sizeof(data)), -EFBIG);
        CHECK_EQ(bough_file_seek(f, 0, SEEK_CUR), 4096); /* what was allowed is there */
        CHECK_EQ(bough_file_truncate(f, 5000), -EFBIG);
    }
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return rc;
}

IO_TEST(a_file_over_the_limit_of_the_process_is_too_big)
{
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* which kills otherwise, as ever */
    return write_over_the_limit((void *)"/tmp");
}
