/* The load for the measures of servers: `bench-load MEASURE [--cpus SERVER,LOAD] PROGRAM [ARG...]`,
 * where MEASURE is echo-N or http-N.
 *
 * Starts PROGRAM, which prints `port N`, opens N connections to it, and plays as many clients: each
 * sends a request, waits for all of the answer, and sends again at once. An echo's request are 64
 * bytes, which come back; HTTP's is a small GET, and its answer has a Content-Length. It prints
 *
 *     MEASURE <ns of server CPU per request> p50=<us> p99=<us> rate=<requests a second>
 *
 * The server's CPU time is read from the clock of its process, so nothing has to be built into the
 * server and all threads of it count. A plain epoll loop on a processor of its own, so that the
 * server is what limits; one window is measured after a warm-up.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "listen.h"
#include "measure.h"

enum {
    WARM_UP_MS = 150,
    WINDOW_MS = 500,
    CONNECTIONS_MOST = 10000,
    EVENTS = 256,
    ANSWER_MOST = 1023
};

struct client {
    int fd;
    size_t got;      /* bytes of the reply under way */
    int64_t sent_at; /* ns */
    char reply[ANSWER_MOST + 1];
};

/* What is asked, and whether a client has got all of the answer. */
struct protocol {
    const char *name;
    const char *request;
    size_t size;
    bool (*is_whole)(const struct client *c);
};

struct load {
    const struct protocol *protocol;
    const char *measure;
    int epoll;
    struct client *clients;
    int count;
    pid_t server;
    uint32_t *latencies; /* ns, of the window */
    size_t samples, room;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t ns_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0)
        die("the server has ended");
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
        die("sched_setaffinity");
}

/* --- the server --- */

static pid_t start_server(char **argv, int cpu, int *ret_port)
{
    int out[2];
    if (pipe(out) < 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(cpu);
        dup2(out[1], STDOUT_FILENO);
        execvp(argv[0], argv);
        die(argv[0]);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r"); /* stays open: the server may print more */
    if (!f || fscanf(f, "port %d", ret_port) != 1) {
        fprintf(stderr, "%s: no port\n", argv[0]);
        exit(1);
    }
    return pid;
}

/* --- the protocols --- */

static bool echo_is_whole(const struct client *c)
{
    return c->got == MESSAGE;
}

/* Every answer is read as if it were the first: servers may well change their minds. */
static bool http_is_whole(const struct client *c)
{
    const char *end = strstr(c->reply, "\r\n\r\n"), *length;
    if (!end)
        return false;
    length = strcasestr(c->reply, "\r\nContent-Length:");
    if (strncmp(c->reply, "HTTP/1.1 200 ", 13) != 0 || !length || length > end) {
        fprintf(stderr, "no answer to go on with: %s\n", c->reply);
        exit(1);
    }
    return c->got == (size_t)(end + 4 - c->reply) + strtoul(length + 17, NULL, 10);
}

static const char message[MESSAGE] = "bough";
static const char get[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n"
                          "Accept: */*\r\n\r\n";

static const struct protocol protocols[] = {
    {"echo", message, sizeof(message), echo_is_whole},
    {"http", get, sizeof(get) - 1, http_is_whole},
};

/* Returns the number of connections, 0 if there is no such measure. */
static int protocol_find(const char *measure, const struct protocol **ret_protocol)
{
    for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
        size_t size = strlen(protocols[i].name);
        *ret_protocol = &protocols[i];
        if (strncmp(measure, protocols[i].name, size) == 0 && measure[size] == '-')
            return atoi(measure + size + 1);
    }
    return 0;
}

/* --- the clients --- */

static void client_connect(struct load *l, struct client *c, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("connect");
    no_delay(c->fd);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl");
}

static void client_send(const struct load *l, struct client *c)
{
    const struct protocol *p = l->protocol;
    c->got = 0;
    c->sent_at = ns_of(CLOCK_MONOTONIC);
    if (send(c->fd, p->request, p->size, MSG_NOSIGNAL) != (ssize_t)p->size)
        die("send");
}

/* Returns whether a whole reply has come. */
static bool client_receive(const struct load *l, struct client *c)
{
    ssize_t n = recv(c->fd, c->reply + c->got, ANSWER_MOST - c->got, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("recv: the server hung up");
    c->got += n > 0 ? (size_t)n : 0;
    c->reply[c->got] = '\0';
    return l->protocol->is_whole(c);
}

static void note_latency(struct load *l, int64_t ns)
{
    if (l->samples == l->room) {
        l->room = l->room ? 2 * l->room : 1 << 16;
        l->latencies = realloc(l->latencies, l->room * sizeof(*l->latencies));
        if (!l->latencies)
            die("realloc");
    }
    l->latencies[l->samples++] = (uint32_t)ns;
}

/* Play for 'ms'; the latencies of that time replace those before. */
static void play(struct load *l, int ms)
{
    struct epoll_event events[EVENTS];
    int64_t end = ns_of(CLOCK_MONOTONIC) + ms * INT64_C(1000000), now = 0;
    l->samples = 0;
    while (now < end) {
        int n = epoll_wait(l->epoll, events, EVENTS, 5000);
        if (n == 0) {
            fprintf(stderr, "the server is stuck\n");
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (!client_receive(l, c))
                continue;
            now = ns_of(CLOCK_MONOTONIC);
            note_latency(l, now - c->sent_at);
            client_send(l, c);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void measure(struct load *l)
{
    clockid_t clock;
    if (clock_getcpuclockid(l->server, &clock) != 0)
        die("clock_getcpuclockid");
    play(l, WARM_UP_MS);
    int64_t cpu = ns_of(clock), wall = ns_of(CLOCK_MONOTONIC);
    play(l, WINDOW_MS);
    cpu = ns_of(clock) - cpu;
    wall = ns_of(CLOCK_MONOTONIC) - wall;
    qsort(l->latencies, l->samples, sizeof(*l->latencies), by_size);
    double n = (double)l->samples;
    printf("%s %.1f p50=%.1f p99=%.1f rate=%.0f\n", l->measure, (double)cpu / n,
           l->latencies[l->samples / 2] / 1e3, l->latencies[l->samples * 99 / 100] / 1e3,
           n / (double)wall * 1e9);
}

int main(int argc, char **argv)
{
    int server_cpu = -1, load_cpu = -1, port = 0, first = 2;
    if (argc > 3 && strcmp(argv[2], "--cpus") == 0) {
        if (sscanf(argv[3], "%d,%d", &server_cpu, &load_cpu) != 2)
            return 2;
        first = 4;
    }
    struct load l = {.measure = argv[1]};
    l.count = argc > first ? protocol_find(argv[1], &l.protocol) : 0;
    if (l.count <= 0 || l.count > CONNECTIONS_MOST) {
        fprintf(stderr, "usage: %s echo-N|http-N [--cpus SERVER,LOAD] PROGRAM [ARG...]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.clients = calloc((size_t)l.count, sizeof(*l.clients));
    if (l.epoll < 0 || !l.clients)
        die("epoll_create1");
    l.server = start_server(argv + first, server_cpu, &port);
    pin(load_cpu);
    for (int i = 0; i < l.count; i++)
        client_connect(&l, &l.clients[i], port);
    for (int i = 0; i < l.count; i++)
        client_send(&l, &l.clients[i]);
    measure(&l);
    kill(l.server, SIGKILL);
    waitpid(l.server, NULL, 0);
    return 0;
}
