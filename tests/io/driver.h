/* Drivers by themselves, without a run: what bough/driver.h says of them.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "io.h"

#include "io/epoll.h"
#include "io/uring.h"

/* A wait that nobody parks in: it counts. */
struct probe {
    struct bough_wait wait;
    int woken, result;
};

__attribute__((unused)) static void probe_woken(struct bough_wait *wait, int result)
{
    struct probe *p = bough_container_of(wait, struct probe, wait);
    p->woken++;
    p->result = result;
}

#define PROBE                                                                                      \
    {                                                                                              \
        .wait = {.woken = probe_woken }                                                            \
    }

__attribute__((unused)) static int watch(struct bough_driver *d, int fd,
                                         enum bough_direction direction, struct probe *p)
{
    return d->watch(d, fd, direction, &p->wait);
}

/* What has happened by now. */
__attribute__((unused)) static int look(struct bough_driver *d)
{
    return d->wait(d, INT64_MIN);
}

__attribute__((unused)) static struct bough_driver *open_epoll(void)
{
    struct bough_driver *driver;
    CHECK_EQ(bough__epoll_open(&driver), 0);
    return driver;
}

__attribute__((unused)) static struct bough_driver *open_uring(void)
{
    struct bough_driver *driver;
    need_uring();
    CHECK_EQ(bough__uring_open(&driver), 0);
    return driver;
}

/* As it is on an older kernel. */
__attribute__((unused)) static struct bough_driver *open_plain_uring(void)
{
    struct bough_driver *driver;
    need_uring();
    CHECK_EQ(bough__uring_open_plain(&driver), 0);
    return driver;
}

/* From here on 'call' fails with 'error'. */
__attribute__((unused)) static void forbid(unsigned call, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        test_skip("no seccomp filters here");
}

#define DRIVER_TEST_ON_(name, test_name, open_driver, close_driver)                                \
    TEST(name)                                                                                     \
    {                                                                                              \
        struct bough_driver *driver = open_driver();                                               \
        test_name##_on(driver);                                                                    \
        CHECK_EQ(driver->watched, 0);                                                              \
        close_driver(driver);                                                                      \
    }
#define EPOLL_TEST_(test_name) DRIVER_TEST_ON_(test_name, test_name, open_epoll, bough__epoll_close)
#define URING_TESTS_(test_name)                                                                    \
    DRIVER_TEST_ON_(test_name##_on_io_uring, test_name, open_uring, bough__uring_close)            \
    DRIVER_TEST_ON_(test_name##_on_plain_io_uring, test_name, open_plain_uring, bough__uring_close)

#define EPOLL_TEST(test_name)                                                                      \
    static void test_name##_on(struct bough_driver *d);                                            \
    EPOLL_TEST_(test_name)                                                                         \
    static void test_name##_on(struct bough_driver *d)

#define URING_TEST(test_name)                                                                      \
    static void test_name##_on(struct bough_driver *d);                                            \
    URING_TESTS_(test_name)                                                                        \
    static void test_name##_on(struct bough_driver *d)

/* On each of them. */
#define DRIVER_TEST(test_name)                                                                     \
    static void test_name##_on(struct bough_driver *d);                                            \
    EPOLL_TEST_(test_name)                                                                         \
    URING_TESTS_(test_name)                                                                        \
    static void test_name##_on(struct bough_driver *d)
