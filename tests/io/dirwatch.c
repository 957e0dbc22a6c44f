/* Watching directories.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <bough/dirwatch.h>
#include <bough/file.h>

/* A directory that is watched for 'kinds'. */
struct place {
    struct bough_dirwatch *watch;
    int id;
    char directory[32], path[64], other[64];
};

static void set_up(struct place *p, int kinds)
{
    int fd = inotify_init1(IN_CLOEXEC);
    if (fd < 0 && test_is_emulated())
        test_skip("no inotify here");
    close(fd);
    strcpy(p->directory, "/tmp/bough-watch-XXXXXX");
    CHECK(mkdtemp(p->directory));
    snprintf(p->path, sizeof(p->path), "%s/x", p->directory);
    snprintf(p->other, sizeof(p->other), "%s/y", p->directory);
    CHECK_EQ(bough_dirwatch_open(&p->watch), 0);
    CHECK_EQ(bough_dirwatch_add(p->watch, p->directory, kinds, &p->id), 0);
}

static void tear_down(struct place *p)
{
    bough_dirwatch_free(p->watch);
    CHECK_EQ(bough_path_remove_all(p->directory), 0);
}

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static uint32_t check_event(struct place *p, int kind, const char *name)
{
    struct bough_dirwatch_event e;
    CHECK_EQ(bough_dirwatch_receive(p->watch, &e), 1);
    CHECK_EQ(e.kind, kind);
    CHECK_STR(e.name, name);
    CHECK_EQ(e.id, p->id);
    return e.move;
}

static int receive_event(void *watch)
{
    struct bough_dirwatch_event e;
    return bough_dirwatch_receive(watch, &e);
}

static int receive_timed(struct place *p)
{
    return call_timed(100 * BOUGH_MS, receive_event, p->watch);
}

IO_TEST(what_happens_in_a_directory_is_received_in_order)
{
    struct place p;
    set_up(&p, BOUGH_DIR_ALL);
    int fd = open(p.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(fchmod(fd, 0400), 0);
    close(fd);
    check_event(&p, BOUGH_DIR_CREATED, "x");
    check_event(&p, BOUGH_DIR_CHANGED, "x");
    check_event(&p, BOUGH_DIR_ATTRIBUTES, "x");
    check_event(&p, BOUGH_DIR_WRITTEN, "x");
    CHECK_EQ(rename(p.path, p.other), 0);
    uint32_t move = check_event(&p, BOUGH_DIR_MOVED_FROM, "x");
    CHECK(move != 0);
    CHECK_EQ(check_event(&p, BOUGH_DIR_MOVED_TO, "y"), move);
    CHECK_EQ(unlink(p.other), 0);
    check_event(&p, BOUGH_DIR_REMOVED, "y");
    CHECK_EQ(receive_timed(&p), -ETIMEDOUT);
    tear_down(&p);
    return 0;
}

IO_TEST(only_what_was_asked_for_is_received)
{
    struct place p;
    struct bough_dirwatch_event e;
    set_up(&p, BOUGH_DIR_CREATED);
    touch(p.path);
    CHECK_EQ(unlink(p.path), 0);
    CHECK_EQ(mkdir(p.other, 0700), 0);
    CHECK_EQ(bough_dirwatch_receive(p.watch, &e), 1);
    CHECK(!e.is_directory);
    CHECK_STR(e.name, "x");
    CHECK_EQ(bough_dirwatch_receive(p.watch, &e), 1);
    CHECK(e.is_directory);
    CHECK_STR(e.name, "y");
    CHECK_EQ(bough_dirwatch_add(p.watch, p.directory, BOUGH_DIR_REMOVED, &e.id), 0);
    CHECK_EQ(e.id, p.id); /* the same, for other things now */
    touch(p.path);
    CHECK_EQ(receive_timed(&p), -ETIMEDOUT);
    tear_down(&p);
    return 0;
}

IO_TEST(many_events_come_one_at_a_time)
{
    struct place p;
    char path[96], name[32];
    int count = test_scale(1000);
    set_up(&p, BOUGH_DIR_CREATED);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%d", p.directory, i);
        touch(path);
    }
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%d", i);
        check_event(&p, BOUGH_DIR_CREATED, name);
    }
    tear_down(&p);
    return 0;
}

IO_TEST(one_watch_may_be_of_several_directories)
{
    struct place p;
    struct bough_dirwatch_event e;
    char path[96];
    int other;
    set_up(&p, BOUGH_DIR_CREATED);
    CHECK_EQ(mkdir(p.other, 0700), 0);
    check_event(&p, BOUGH_DIR_CREATED, "y");
    CHECK_EQ(bough_dirwatch_add(p.watch, p.other, BOUGH_DIR_CREATED, &other), 0);
    CHECK(other != p.id);
    snprintf(path, sizeof(path), "%s/inside", p.other);
    touch(path);
    touch(p.path);
    CHECK_EQ(bough_dirwatch_receive(p.watch, &e), 1);
    CHECK_EQ(e.id, other);
    CHECK_STR(e.name, "inside");
    check_event(&p, BOUGH_DIR_CREATED, "x");
    tear_down(&p);
    return 0;
}

IO_TEST(the_last_event_says_that_it_is_gone)
{
    struct place p;
    set_up(&p, BOUGH_DIR_CREATED);
    touch(p.path);
    CHECK_EQ(bough_dirwatch_remove(p.watch, p.id), 0);
    CHECK_EQ(bough_dirwatch_remove(p.watch, p.id), -EINVAL);
    check_event(&p, BOUGH_DIR_CREATED, "x");
    check_event(&p, BOUGH_DIR_GONE, "");
    CHECK_EQ(bough_dirwatch_add(p.watch, p.directory, BOUGH_DIR_CREATED, &p.id), 0);
    CHECK_EQ(unlink(p.path), 0);
    CHECK_EQ(rmdir(p.directory), 0);
    check_event(&p, BOUGH_DIR_GONE, "");
    CHECK_EQ(bough_dirwatch_add(p.watch, p.directory, BOUGH_DIR_CREATED, &p.id), -ENOENT);
    CHECK_EQ(bough_dirwatch_add(p.watch, "/tmp", 0, &p.id), -EINVAL);
    CHECK_EQ(bough_dirwatch_add(p.watch, "/tmp", BOUGH_DIR_GONE, &p.id), -EINVAL);
    tear_down(&p);
    return 0;
}

IO_TEST(a_receive_waits_and_may_be_cancelled_and_closed)
{
    struct place p;
    int rc = 0;
    set_up(&p, BOUGH_DIR_CREATED);
    struct waiter w = {.call = receive_event, .object = p.watch};
    touch(p.path);
    CHECK_EQ(call_cancelled(receive_event, p.watch), -ECANCELED);
    bough_assert_checkpoints (&rc)
        rc = receive_event(p.watch);
    CHECK_EQ(rc, 1);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(receive_event(p.watch), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -ECANCELED);
        waiter_park(n, &w);
        touch(p.other);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, 1);
        waiter_park(n, &w);
        bough_dirwatch_close(p.watch);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_dirwatch_close(p.watch);
    CHECK_EQ(receive_event(p.watch), -EBADF);
    CHECK_EQ(bough_dirwatch_add(p.watch, "/tmp", BOUGH_DIR_ALL, &p.id), -EBADF);
    CHECK_EQ(bough_dirwatch_remove(p.watch, 1), -EBADF);
    tear_down(&p);
    bough_dirwatch_free(NULL);
    return rc;
}

/* The kernel keeps so many (fs.inotify.max_queued_events), and then says that there were more. */
IO_TEST(events_that_were_lost_are_told)
{
    struct place p;
    struct bough_dirwatch_event e = {.kind = 0};
    char text[32] = "";
    FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!limit || !fgets(text, sizeof(text), limit) || atoi(text) > 100000)
        test_skip("the kernel's limit is not known, or high");
    fclose(limit);
    if (test_scale(1000) < 1000)
        test_skip("too slow here");
    set_up(&p, BOUGH_DIR_ATTRIBUTES);
    touch(p.path);
    touch(p.other);
    for (int i = 0; i <= atoi(text) + 10; i++) /* two in a row that are the same would be one */
        CHECK_EQ(chmod(i % 2 ? p.path : p.other, 0600), 0);
    int count = 0;
    while (e.kind != BOUGH_DIR_OVERFLOW) {
        CHECK_EQ(bough_dirwatch_receive(p.watch, &e), 1);
        count++;
    }
    CHECK_EQ(e.id, -1);
    CHECK(count > atoi(text));
    tear_down(&p);
    return 0;
}

static int small_program(void *arg)
{
    const char *directory = arg;
    struct bough_dirwatch *w;
    char path[64];
    int id, before = open_descriptors(), rc = bough_dirwatch_open(&w);
    if (rc == 0) {
        rc = bough_dirwatch_add(w, directory, BOUGH_DIR_CREATED, &id);
        snprintf(path, sizeof(path), "%s/x", directory);
        touch(path);
        unlink(path);
        if (rc == 0)
            rc = receive_event(w);
        if (rc >= 0)
            rc = bough_dirwatch_remove(w, id);
        bough_dirwatch_free(w);
    }
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

TEST(a_program_survives_the_failure_of_each_allocation_and_call)
{
    char directory[] = "/tmp/bough-watch-XXXXXX";
    CHECK(mkdtemp(directory));
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, small_program, directory) > 1);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, small_program, directory) > 3);
    CHECK_EQ(rmdir(directory), 0);
}
