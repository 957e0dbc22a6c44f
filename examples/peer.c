/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- in the peer --- */

static int on_error(int rc, void *arg)
{
    (void)rc, (void)arg;
    return 0; /* a client that goes is not our concern */
}

struct service {
    bough_serve_fn *fn;
    unsigned port;
};

/* The port of a peer that was killed may be taken for a moment longer: the kernel cleans up after
 * it, and with io_uring it does so in the background. So whoever takes a port over tries again. */
static int listen_patiently(unsigned port, struct bough_listener **ret_listener)
{
    int rc = bough_tcp_listen("127.0.0.1", port, ret_listener);
    for (int tries = 1; rc == -EADDRINUSE && tries < 100; tries++) {
        rc = bough_sleep(20 * BOUGH_MS);
        if (rc == 0)
            rc = bough_tcp_listen("127.0.0.1", port, ret_listener);
    }
    return rc;
}

static int peer_task(void *arg)
{
    struct service *service = arg;
    struct bough_listener *listener;
    int rc = listen_patiently(service->port, &listener);
    if (rc < 0)
        return rc;
    printf("%u\n", bough_listener_port(listener));
    fflush(stdout);
    rc = bough_serve_with(listener, &(struct bough_serve_options){.on_error = on_error},
                          service->fn, NULL);
    bough_listener_free(listener);
    return rc;
}

void peer_main(int argc, char **argv, bough_serve_fn *fn)
{
    if (argc != 3 || strcmp(argv[1], "--peer") != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of who started us */
    struct service service = {.fn = fn, .port = (unsigned)strtoul(argv[2], NULL, 10)};
    exit(bough_run(peer_task, &service) < 0);
}

/* --- in who starts it --- */

static int spawn(pid_t *ret_pid, unsigned port, int output)
{
    char self[PATH_MAX] = "", number[16];
    char *argv[] = {self, "--peer", number, NULL};
    snprintf(number, sizeof(number), "%u", port);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return bough_fail(-errno, "cannot find the program");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int error = posix_spawn(ret_pid, self, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error ? bough_fail(-error, "cannot start a peer") : 0;
}

/* Its first line is the port. */
static int read_port(int fd, unsigned *ret_port)
{
    struct bough_stream *s;
    char line[16] = "";
    int rc = bough_fd_stream_open(fd, &s);
    if (rc < 0)
        return rc;
    bough_fail_after (10 * BOUGH_SEC, &rc)
        rc = bough_stream_receive_some(s, line, sizeof(line) - 1);
    bough_stream_free(s);
    *ret_port = (unsigned)strtoul(line, NULL, 10);
    return rc < 0 ? rc : *ret_port ? 0 : bough_fail(-EPROTO, "the peer did not say its port");
}

int peer_start(struct peer *peer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bough_fail(-errno, "no pipe");
    int rc = spawn(&peer->pid, peer->port, ends[1]);
    close(ends[1]);
    if (rc < 0) {
        close(ends[0]);
        return rc;
    }
    rc = read_port(ends[0], &peer->port);
    if (rc < 0)
        peer_kill(peer);
    return rc;
}

void peer_kill(struct peer *peer)
{
    if (peer->pid <= 0)
        return;
    kill(peer->pid, SIGKILL);
    waitpid(peer->pid, NULL, 0);
    peer->pid = 0;
}

void peer_freeze(const struct peer *peer)
{
    kill(peer->pid, SIGSTOP);
}

int peer_read_line(struct bough_stream *s, char *line, size_t size)
{
    size_t used = 0;
    while (used < size - 1) {
        int n = bough_stream_receive_some(s, line + used, size - 1 - used);
        if (n <= 0)
            return n;
        used += (size_t)n;
        if (line[used - 1] == '\n') {
            line[used - 1] = '\0';
            return 1;
        }
    }
    return bough_fail(-EPROTO, "a line of more than %zu bytes", size - 2);
}

/* --- a process to panic in --- */

void peer_show_panic(bough_task_fn *fn)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(STDOUT_FILENO, STDERR_FILENO);
        int rc = bough_run(fn, NULL);
        printf("it was not caught: %s\n", bough_error_name(rc));
        fflush(stdout);
        _exit(0);
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        printf("that process has ended: %s\n", strsignal(WTERMSIG(status)));
}
