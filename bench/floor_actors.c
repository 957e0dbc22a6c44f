/* What two threads or processes need at the least to talk: sockets, eventfds and epoll, as a loop
 * must use them, and nothing else.
 *
 * A call is a write, a sleep in epoll and a read on each side. A stream of small messages is one
 * write of many, and a copy of each; the stream of large ones a ring in shared memory, into which
 * and out of which they are copied. A start is that of this very program, by posix_spawn(), to its
 * exit.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "actors.h"

enum { CALLS = 20000, MESSAGES = 1000000, LARGE_MESSAGES = 200, STARTS = 100 };
enum { FRAME = 24, LARGE = 1 << 20, RING = 4 };

extern char **environ;

static int poller(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
    int p = epoll_create1(EPOLL_CLOEXEC);
    if (p < 0 || epoll_ctl(p, EPOLL_CTL_ADD, fd, &event) < 0)
        exit(1);
    return p;
}

static void wait_for(int p)
{
    struct epoll_event event;
    while (epoll_wait(p, &event, 1, -1) != 1)
        ;
}

/* --- a call, between processes --- */

static void answer_all(int fd)
{
    char bytes[4096];
    int p = poller(fd);
    ssize_t n;
    for (;;) {
        wait_for(p);
        n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0)
            _exit(0);
        if (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            _exit(1);
    }
}

static pid_t fork_with(void (*fn)(int fd), int *ret_fd)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        fn(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    *ret_fd = fds[0];
    return pid;
}

double actor_call_process(void)
{
    char bytes[64 + FRAME] = {0}, back[4096];
    int fd;
    pid_t pid = fork_with(answer_all, &fd);
    int p = poller(fd);
    double before = cpu_of_both(pid);
    for (int i = 0; i < CALLS; i++) {
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
            return 0;
        do
            wait_for(p);
        while (recv(fd, back, sizeof(back), MSG_DONTWAIT) <= 0);
    }
    double figure = (cpu_of_both(pid) - before) / CALLS;
    close(fd);
    waitpid(pid, NULL, 0);
    return figure;
}

/* --- a call, between threads --- */

static int bell[2]; /* eventfds: there, back */

static void ring(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof(one)) != sizeof(one))
        exit(1);
}

static void hear(int p, int fd)
{
    uint64_t count;
    do
        wait_for(p);
    while (read(fd, &count, sizeof(count)) != sizeof(count));
}

static void *answer_thread(void *arg)
{
    int p = poller(bell[0]);
    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        hear(p, bell[0]);
        ring(bell[1]);
    }
    return NULL;
}

double actor_call_thread(void)
{
    pthread_t thread;
    bell[0] = eventfd(0, EFD_NONBLOCK);
    bell[1] = eventfd(0, EFD_NONBLOCK);
    int p = poller(bell[1]);
    double before = cpu_of_both(0);
    if (pthread_create(&thread, NULL, answer_thread, NULL) != 0)
        return 0;
    for (int i = 0; i < CALLS; i++) {
        ring(bell[0]);
        hear(p, bell[1]);
    }
    pthread_join(thread, NULL);
    return (cpu_of_both(0) - before) / CALLS;
}

/* --- streams --- */

static size_t item;

/* Each message is copied out. */
static void take_all(int fd)
{
    static char bytes[64 << 10], message[64 << 10];
    size_t have = 0;
    ssize_t n;
    while ((n = read(fd, bytes + have, sizeof(bytes) - have)) > 0) {
        size_t at = 0;
        for (have += (size_t)n; have - at >= item; at += item) {
            memcpy(message, bytes + at, item);
            OWN_CODE(0);
        }
        memmove(bytes, bytes + at, have -= at);
    }
    _exit(0);
}

static double stream(size_t size, long count)
{
    static char bytes[64 << 10], message[64 << 10];
    int fd, status;
    item = size + FRAME;
    pid_t pid = fork_with(take_all, &fd);
    double before = cpu_of_both(0);
    for (long i = 0; i < count;) {
        size_t filled = 0;
        for (; i < count && filled + item <= sizeof(bytes); i++, filled += item)
            memcpy(bytes + filled, message, item);
        for (size_t sent = 0; sent < filled;) {
            ssize_t n = write(fd, bytes + sent, filled - sent);
            if (n < 0)
                return 0;
            sent += (size_t)n;
        }
    }
    close(fd);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* its clock stays */
    double figure = (cpu_of_both(pid) - before) / (double)count;
    waitpid(pid, &status, 0);
    return figure;
}

double actor_stream_64(void)
{
    return stream(64, MESSAGES);
}

double actor_stream_4k(void)
{
    return stream(4096, MESSAGES / 10);
}

static char *shared;
static int full, empty;

static void take_large(int fd)
{
    char *mine = malloc(LARGE);
    (void)fd;
    for (int i = 0; i < LARGE_MESSAGES; i++) {
        uint64_t one;
        if (!mine || read(full, &one, sizeof(one)) != sizeof(one))
            _exit(1);
        memcpy(mine, shared + (size_t)(i % RING) * LARGE, LARGE);
        ring(empty);
    }
    _exit(0);
}

double actor_stream_1m(void)
{
    char *mine = calloc(1, LARGE);
    siginfo_t info;
    int fd;
    shared = mmap(NULL, RING * LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    full = eventfd(0, EFD_SEMAPHORE);
    empty = eventfd(RING, EFD_SEMAPHORE);
    if (!mine || shared == MAP_FAILED)
        return 0;
    pid_t pid = fork_with(take_large, &fd);
    double before = cpu_of_both(0);
    for (int i = 0; i < LARGE_MESSAGES; i++) {
        uint64_t one;
        if (read(empty, &one, sizeof(one)) != sizeof(one))
            return 0;
        memcpy(shared + (size_t)(i % RING) * LARGE, mine, LARGE);
        ring(full);
    }
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    double figure = (cpu_of_both(pid) - before) / LARGE_MESSAGES;
    waitpid(pid, NULL, 0);
    free(mine);
    return figure;
}

/* --- a start --- */

double actor_start(void)
{
    char *argv[] = {"/proc/self/exe", "--list", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    double before = real_ns();
    for (int i = 0; i < STARTS; i++) {
        pid_t pid;
        if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ) != 0)
            return 0;
        waitpid(pid, NULL, 0);
    }
    return (real_ns() - before) / STARTS / 1000;
}
