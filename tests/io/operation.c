/* Calls on files that a driver does: cancels, races, refusals. What they do otherwise is in
 * tests/io/file.c, on every driver.
 * SPDX-License-Identifier: MIT */
#include "driver.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include "io/ring_files.h"

#include <bough/file.h>

#define URING_IO_TEST(test_name)                                                                   \
    static int test_name##_task(void *arg);                                                        \
    IO_TEST_ON_(test_name, test_name, BOUGH_IO_URING)                                              \
    static int test_name##_task(__attribute__((unused)) void *arg)

/* A pipe with a name: opening it waits for the other end. */
struct fifo {
    char directory[40], path[64];
};

static void fifo_make(struct fifo *f)
{
    strcpy(f->directory, "/tmp/bough-operation-XXXXXX");
    CHECK(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/fifo", f->directory);
    CHECK_EQ(mkfifo(f->path, 0600), 0);
}

static void fifo_remove(struct fifo *f)
{
    CHECK_EQ(unlink(f->path), 0);
    CHECK_EQ(rmdir(f->directory), 0);
}

static int open_to_read(void *path)
{
    struct bough_file *f;
    int rc = bough_file_open(path, O_RDONLY, 0, &f);
    if (rc == 0)
        bough_file_free(f);
    return rc;
}

/* Let the driver do what can be done by now. */
static void pass_some_time(void)
{
    int64_t until = bough_now() + 20 * BOUGH_MS;
    while (bough_now() < until)
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
}

/* --- cancels --- */

URING_IO_TEST(an_open_that_waits_can_be_cancelled)
{
    struct fifo fifo;
    struct waiter w = {.call = open_to_read, .object = fifo.path};
    int rc = 0;
    fifo_make(&fifo);
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        pass_some_time();
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_scope_cancel(&w.scope, NULL);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_HAS(w.message, "cancel");
    fifo_remove(&fifo);
    return rc;
}

URING_IO_TEST(an_open_waits_for_the_other_end_of_a_pipe)
{
    struct fifo fifo;
    struct waiter w = {.call = open_to_read, .object = fifo.path};
    int rc = 0, writer = -1;
    fifo_make(&fifo);
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        pass_some_time();
        CHECK_EQ(w.rc, STILL_WAITING);
        writer = open(fifo.path, O_WRONLY | O_CLOEXEC);
        CHECK(writer >= 0);
    }
    CHECK_EQ(w.rc, 0);
    close(writer);
    fifo_remove(&fifo);
    return rc;
}

/* The cancel and the other end come at once: whoever wins, no descriptor is lost (run_io counts
 * them). */
URING_IO_TEST(a_file_that_is_opened_while_it_is_cancelled_is_not_lost)
{
    int rc = 0, rounds = test_scale(300);
    struct fifo fifo;
    fifo_make(&fifo);
    for (int i = 0; i < rounds && rc == 0; i++) {
        struct waiter w = {.call = open_to_read, .object = fifo.path};
        int writer = -1;
        bough_with_nursery (n, &rc) {
            waiter_start(n, &w);
            for (int k = 0; k < i % 7; k++)
                CHECK_EQ(bough_sleep(20 * BOUGH_US), 0);
            if (i % 2)
                writer = open(fifo.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* if it is there */
            bough_scope_cancel(&w.scope, NULL);
            if (writer < 0)
                writer = open(fifo.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        }
        CHECK(w.rc == 0 || w.rc == -ECANCELED);
        if (writer >= 0)
            close(writer);
    }
    fifo_remove(&fifo);
    return rc;
}

struct slow_read {
    struct bough_file *file;
    char byte;
};

static int read_slowly(void *arg)
{
    struct slow_read *r = arg;
    return bough_file_read(r->file, &r->byte, 1);
}

static void slow_read_open(struct slow_read *r, int *ret_writer)
{
    int fds[2];
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    CHECK_EQ(bough_file_adopt(fds[0], &r->file), 0);
    r->byte = '-';
    *ret_writer = fds[1];
}

URING_IO_TEST(a_read_that_was_cancelled_writes_nothing_any_more)
{
    struct slow_read r;
    struct waiter w = {.call = read_slowly, .object = &r};
    int writer, rc = 0;
    slow_read_open(&r, &writer);
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        pass_some_time();
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(w.rc, STILL_WAITING); /* the kernel has not answered */
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(write(writer, "x", 1), 1);
    pass_some_time();
    CHECK_EQ(r.byte, '-');
    CHECK_EQ(read_slowly(&r), 1);
    CHECK_EQ(r.byte, 'x');
    bough_file_free(r.file);
    close(writer);
    return rc;
}

/* The cancel and the byte come at once: whoever wins, the byte is not lost. */
URING_IO_TEST(a_read_that_races_with_its_cancel_has_the_byte_or_has_left_it)
{
    int rc = 0, rounds = test_scale(300);
    for (int i = 0; i < rounds && rc == 0; i++) {
        struct slow_read r;
        struct waiter w = {.call = read_slowly, .object = &r};
        int writer;
        slow_read_open(&r, &writer);
        bough_with_nursery (n, &rc) {
            waiter_start(n, &w);
            for (int k = 0; k < i % 3; k++)
                CHECK_EQ(bough_sleep(20 * BOUGH_US), 0);
            CHECK_EQ(write(writer, "x", 1), 1);
            bough_scope_cancel(&w.scope, NULL);
        }
        CHECK(w.rc == 1 || w.rc == -ECANCELED);
        CHECK_EQ(w.next_rc, -ECANCELED);
        if (w.rc == -ECANCELED)
            CHECK_EQ(read_slowly(&r), 1);
        CHECK_EQ(r.byte, 'x');
        bough_file_free(r.file);
        close(writer);
    }
    return rc;
}

/* The cancel comes when the kernel has done it. */
URING_TEST(a_result_that_came_before_the_cancel_is_delivered)
{
    struct probe p = PROBE;
    char byte = '-';
    int fds[2];
    make_pipe(fds);
    struct bough_io_operation o = {.kind = BOUGH_OPERATION_READ,
                                   .fd = fds[0],
                                   .data = &byte,
                                   .size = 1,
                                   .offset = -1,
                                   .wait = &p.wait};
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(d->submit(d, &o), 0);
    CHECK_EQ(d->watched, 1);
    d->recall(d, &o);
    d->recall(d, &o);
    CHECK_EQ(p.woken, 0);
    CHECK_EQ(look(d), 1);
    CHECK_EQ(p.woken, 1);
    CHECK_EQ(p.result, 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(d->watched, 0);
    CHECK_EQ(look(d), 0);
    close(fds[0]);
    close(fds[1]);
}

/* It had not even been submitted. */
URING_IO_TEST(a_read_that_is_cancelled_at_once_is_no_read)
{
    int rc = 0, rounds = test_scale(300);
    for (int i = 0; i < rounds && rc == 0; i++) {
        struct slow_read r;
        struct waiter w = {.call = read_slowly, .object = &r};
        int writer;
        slow_read_open(&r, &writer);
        bough_with_nursery (n, &rc) {
            waiter_start(n, &w);
            for (int k = 0; k <= i % 3; k++)
                CHECK_EQ(bough_checkpoint(), 0);
            if (i % 4)
                CHECK_EQ(write(writer, "x", 1), 1);
            bough_scope_cancel(&w.scope, NULL);
        }
        CHECK(w.rc == 1 || w.rc == -ECANCELED);
        CHECK_EQ(r.byte, w.rc == 1 ? 'x' : '-');
        bough_file_free(r.file);
        close(writer);
    }
    return rc;
}

URING_IO_TEST(a_timeout_ends_a_read)
{
    struct slow_read r;
    int writer, rc = 0;
    slow_read_open(&r, &writer);
    bough_fail_after (BOUGH_MS, &rc)
        rc = read_slowly(&r);
    CHECK_EQ(rc, -ETIMEDOUT);
    bough_file_free(r.file);
    close(writer);
    return 0;
}

/* --- many at once --- */

static int stat_often(void *path)
{
    struct stat st;
    int rc = 0;
    for (int i = 0; i < 20 && rc == 0; i++)
        rc = bough_path_stat(path, &st);
    CHECK(rc < 0 || S_ISFIFO(st.st_mode));
    return rc;
}

/* More than the ring takes at once; and opens that wait do not keep all the others waiting. */
URING_IO_TEST(many_tasks_may_have_calls_under_way)
{
    enum { BLOCKED = 16 };
    struct fifo fifo;
    struct waiter blocked[BLOCKED];
    int rc = 0, many = test_scale(500);
    fifo_make(&fifo);
    bough_with_nursery (outer, &rc) {
        for (int i = 0; i < BLOCKED; i++) {
            blocked[i] = (struct waiter){.call = open_to_read, .object = fifo.path};
            waiter_start(outer, &blocked[i]);
        }
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < many && rc >= 0; i++)
                rc = bough_nursery_start_soon(n, stat_often, fifo.path);
        }
        for (int i = 0; i < BLOCKED; i++)
            bough_scope_cancel(&blocked[i].scope, NULL);
    }
    for (int i = 0; i < BLOCKED; i++)
        CHECK_EQ(blocked[i].rc, -ECANCELED);
    fifo_remove(&fifo);
    return rc;
}

/* --- faults --- */

static int use_files(void *arg)
{
    struct fifo *place = arg;
    struct bough_file *f;
    struct stat st;
    char path[96], data[4];
    snprintf(path, sizeof(path), "%s/file", place->directory);
    int rc = bough_file_open(path, O_RDWR | O_CREAT, 0600, &f);
    if (rc < 0)
        return rc;
    rc = bough_file_write_all(f, "abc", 3);
    if (rc == 0)
        rc = bough_file_sync_data(f);
    if (rc == 0)
        rc = bough_file_stat(f, &st);
    if (rc == 0)
        rc = bough_file_pread(f, data, 3, 0);
    rc = bough_keep(rc, bough_file_close(f));
    CHECK_EQ(bough_file_fd(f), -1);
    bough_file_free(f);
    return bough_keep(rc < 0 ? rc : 0, bough_path_unlink(path));
}

static void use_files_with(enum bough_fault fault, struct fifo *place, int at_least)
{
    const struct bough_run_options options = {.io = BOUGH_IO_URING};
    for (int nth = 1;; nth++) {
        int before = open_descriptors();
        bough_fault_set(fault, nth);
        int rc = bough_run_with(&options, use_files, place);
        bool hit = bough_fault_was_hit(fault);
        bough_fault_set(fault, 0);
        CHECK_EQ(open_descriptors(), before);
        if (!hit) {
            CHECK_EQ(rc, 0);
            CHECK(nth > at_least);
            return;
        }
        char path[96]; /* what could not be removed */
        snprintf(path, sizeof(path), "%s/file", place->directory);
        (void)unlink(path);
    }
}

TEST(files_survive_the_failure_of_each_call_and_allocation)
{
    struct fifo place;
    need_uring();
    fifo_make(&place);
    use_files_with(BOUGH_FAULT_CALL, &place, 15);
    use_files_with(BOUGH_FAULT_MEMORY, &place, 3);
    fifo_remove(&place);
}

/* --- drivers that do some of it --- */

static int (*submit_really)(struct bough_driver *driver, struct bough_io_operation *operation);
static unsigned refused, submitted;

static int submit_some(struct bough_driver *driver, struct bough_io_operation *operation)
{
    submitted |= 1U << operation->kind;
    return refused & 1U << operation->kind ? -ENOSYS : submit_really(driver, operation);
}

TEST(what_a_driver_does_not_do_is_done_in_a_thread)
{
    const struct bough_run_options options = {0};
    struct fifo place;
    fifo_make(&place);
    for (int kind = 0; kind <= BOUGH_OPERATION_KINDS; kind++) {
        struct bough_driver *d = open_uring();
        submit_really = d->submit;
        d->submit = submit_some;
        refused = kind < BOUGH_OPERATION_KINDS ? 1U << kind : ~0U;
        CHECK_EQ(bough_run_on(d, &options, use_files, &place), 0);
        bough__uring_close(d);
    }
    CHECK(submitted & 1U << BOUGH_OPERATION_CLOSE);
    CHECK(submitted & 1U << BOUGH_OPERATION_OPEN);
    fifo_remove(&place);
}

/* --- rings that refuse some of it --- */

/* liburing 2.3 does not export them all. */
static void register_with(struct ring *r, unsigned opcode, const void *arg, unsigned count)
{
    CHECK_EQ(syscall(SYS_io_uring_register, r->kernel.ring_fd, opcode, arg, count), 0);
}

/* As under a policy that allows nothing but 'opcodes'. */
static void open_restricted(struct ring *r, const unsigned char *opcodes, unsigned count)
{
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED};
    struct io_uring_restriction allowed[8] = {{0}};
    *r = (struct ring){.is_open = true};
    CHECK_EQ(io_uring_queue_init_params(8, &r->kernel, &params), 0);
    for (unsigned i = 0; i < count; i++) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = opcodes[i];
    }
    allowed[count].opcode = IORING_RESTRICTION_REGISTER_OP;
    allowed[count].register_op = IORING_REGISTER_PROBE;
    allowed[count + 1].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    allowed[count + 1].sqe_flags = IOSQE_ASYNC;
    register_with(r, IORING_REGISTER_RESTRICTIONS, allowed, count + 2);
    register_with(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int do_it(struct ring *r, struct ring_files *f, struct bough_io_operation *o)
{
    struct io_uring_cqe cqe;
    struct io_uring_sqe *sqe;
    const struct ring_request request = {.kind = RING_OPERATION};
    unsigned at = bough__ring_request(r, &request, &sqe);
    CHECK(at);
    bough__ring_files_fill(o, sqe);
    sqe->user_data = at;
    CHECK_EQ(io_uring_submit_and_wait(&r->kernel, 1), 1);
    CHECK(ring_next(r, &cqe));
    CHECK_EQ(cqe.user_data, at);
    bough__ring_release(r, at);
    return bough__ring_files_result(f, o, cqe.res);
}

TEST(a_ring_that_refuses_an_operation_is_told_from_a_file_that_does)
{
    const unsigned char opcodes[] = {IORING_OP_OPENAT, IORING_OP_CLOSE};
    struct bough_io_operation open_it = {.kind = BOUGH_OPERATION_OPEN, .path = "/"},
                              open_wrongly = {.kind = BOUGH_OPERATION_OPEN,
                                              .path = "/",
                                              .flags = O_DIRECTORY | O_CREAT | O_RDWR},
                              make_it = {.kind = BOUGH_OPERATION_MKDIR, .path = "/"};
    struct ring_files f = {0};
    struct ring r;
    need_uring();
    open_restricted(&r, opcodes, 2);
    bough__ring_files_probe(&f, &r);
    CHECK(bough__ring_files_can(&f, BOUGH_OPERATION_CLOSE));
    CHECK_EQ(do_it(&r, &f, &make_it), -ENOSYS);      /* -EACCES, it said: perhaps a thread may */
    CHECK_EQ(do_it(&r, &f, &open_wrongly), -ENOSYS); /* it has never worked, so who knows? */
    int fd = do_it(&r, &f, &open_it);
    CHECK(fd >= 0);
    struct bough_io_operation close_it = {.kind = BOUGH_OPERATION_CLOSE, .fd = fd};
    CHECK(do_it(&r, &f, &open_wrongly) < 0 && do_it(&r, &f, &open_wrongly) != -ENOSYS);
    CHECK_EQ(do_it(&r, &f, &close_it), 0);
    CHECK_EQ(do_it(&r, &f, &close_it), -EBADF);
    bough__ring_close(&r);
}

/* Twice would be one too many. */
TEST(a_ring_that_refuses_to_close_is_not_asked_to)
{
    const unsigned char opcodes[] = {IORING_OP_OPENAT};
    struct ring_files f = {0};
    struct ring r;
    need_uring();
    open_restricted(&r, opcodes, 1);
    bough__ring_files_probe(&f, &r);
    CHECK(bough__ring_files_can(&f, BOUGH_OPERATION_OPEN));
    CHECK(!bough__ring_files_can(&f, BOUGH_OPERATION_CLOSE));
    bough__ring_close(&r);
}
