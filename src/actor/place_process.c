/* Actors in processes: this program, started again with a socket and a token.
 *
 * Who belongs to whom, so that nobody stays behind:
 *
 *  - The socket is the lifeline: its end means that the parent is gone. It is close-on-exec
 *    everywhere, and children get no descriptor that they should not have.
 *  - If the loop of an orphan is stuck it does not see that, so there is a parent-death signal,
 *    too. It arms a timer that kills the process after its grace; so does the end of the lifeline.
 *    (Death of a parent is death of the thread that started it; that one is in the block of the
 *    actor until the actor has ended.)
 *  - The first process of the tree that has actors is a subreaper: orphans of actors that were
 *    killed are its children then. The actors that it starts lead a process group each, which
 *    theirs inherit; so when such an actor has ended, whoever is left of its tree can be found,
 *    killed and reaped.
 * SPDX-License-Identifier: MIT */
#include "actor/place_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "actor/place.h"
#include "actor/self.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/process.h"
#include "bough/run.h"

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define VARIABLE "BOUGH_ACTOR"
#define TERM_TO_KILL BOUGH_SEC
enum { SOCKET = 3, ORPHANED = 63 /* a real-time signal, by a number that all threads agree on */ };

extern char **environ;

struct process_place {
    struct place place;
    struct bough_process *process;
    pid_t pid;
    bool leads; /* a group: the root started it */
};

/* --- the parent's side --- */

static unsigned trees; /* actors that the root has */
static int was_subreaper;

static bool is_root(void)
{
    return !place_process_is_actor();
}

static void become_subreaper(void)
{
    if (__atomic_fetch_add(&trees, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    prctl(PR_GET_CHILD_SUBREAPER, &was_subreaper);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void cease_subreaper(void)
{
    if (__atomic_sub_fetch(&trees, 1, __ATOMIC_ACQ_REL) == 0 && !was_subreaper)
        prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static int process_wait(struct place *place)
{
    struct process_place *p = bough_container_of(place, struct process_place, place);
    int rc;
    do
        rc = bough_process_wait(p->process);
    while (rc < 0 && rc != -ECANCELED && bough_sleep(BOUGH_MS) == 0); /* -ENOMEM */
    return rc < 0 ? -ECANCELED : 0;
}

static void process_stop(struct place *place)
{
    struct process_place *p = bough_container_of(place, struct process_place, place);
    (void)bough_process_stop(p->process);
}

static int process_died(struct place *place, char *how, size_t size)
{
    struct process_place *p = bough_container_of(place, struct process_place, place);
    char text[64];
    int status = bough_process_poll(p->process);
    if (status <= 0 || bough_process_check(p->process, status) == 0)
        return 0;
    snprintf(how, size, "process %d %s", (int)p->pid,
             bough_status_text(status, text, sizeof(text)));
    return -EOWNERDEAD;
}

static void process_free(struct place *place)
{
    struct process_place *p = bough_container_of(place, struct process_place, place);
    (void)bough_process_close(p->process, 0);
    if (p->leads)
        cease_subreaper();
    free(p);
}

static const struct place_kind process_kind = {process_wait, process_stop, process_died,
                                               process_free};

/* --- starting one --- */

/* "BOUGH_ACTOR=parent:token" */
static void make_variable(char *text, size_t size, const unsigned char *token)
{
    int at = snprintf(text, size, VARIABLE "=%d:", (int)getpid());
    for (int i = 0; i < TOKEN; i++)
        at += snprintf(text + at, size - (size_t)at, "%02x", token[i]);
}

/* 'env' and the variable. NULL: no memory. */
static const char **make_environment(const char *const *env, const char *variable)
{
    size_t count = 0;
    if (!env)
        env = (const char *const *)environ;
    while (env[count])
        count++;
    const char **all = sys_malloc((count + 2) * sizeof(*all));
    if (!all)
        return NULL;
    memcpy(all, env, count * sizeof(*all));
    all[count] = variable;
    all[count + 1] = NULL;
    return all;
}

/* Under Valgrind that link is Valgrind. */
static const char *this_program(char *path, size_t size)
{
    ssize_t n = RUNNING_ON_VALGRIND ? readlink("/proc/self/exe", path, size - 1) : -1;
    if (n < 0)
        return "/proc/self/exe";
    path[n] = '\0';
    return path;
}

static int spawn(struct bough_actor *a, int fd, struct bough_process **ret_process)
{
    char variable[64 + 2 * TOKEN], path[4096], title[2 * ACTOR_NAME];
    make_variable(variable, sizeof(variable), a->token);
    snprintf(title, sizeof(title), "%s", a->name);
    const char **env = make_environment(a->spec->env, variable);
    if (!env)
        return bough_fail_text(-ENOMEM, "no memory for an actor");
    struct bough_process_options options = {
        .argv = (const char *const[]){title, NULL},
        .program = a->spec->program ? a->spec->program : this_program(path, sizeof(path)),
        .env = env,
        .in = BOUGH_NULL,
        .out = BOUGH_INHERIT,
        .err = BOUGH_INHERIT,
        .fds = &(struct bough_process_fd){.fd = fd, .as = SOCKET},
        .fd_count = 1,
        .group = is_root(),
        .any_status = true,
        .grace = a->grace < 0 ? -1 : TERM_TO_KILL,
    };
    int rc = bough_process_start(&options, ret_process);
    free(env);
    return rc;
}

static int start(struct bough_actor *a, struct process_place *p, struct link **ret_link)
{
    int fds[2];
    int rc = sys_call(EMFILE, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    if (rc < 0)
        return bough_fail_text(rc, "no socket for an actor");
    rc = spawn(a, fds[1], &p->process);
    close(fds[1]);
    if (rc < 0) {
        close(fds[0]);
        return rc;
    }
    p->pid = a->pid = bough_process_pid(p->process);
    rc = link_socket_open(fds[0], ret_link);
    if (rc < 0) {
        struct bough_error *e = bough_error_detach(rc);
        process_stop(&p->place);
        (void)bough_process_close(p->process, 0);
        rc = bough_error_attach(e, rc);
    }
    return rc;
}

int place_process(struct bough_actor *a, struct place **ret_place, struct link **ret_link)
{
    struct process_place *p = sys_calloc(1, sizeof(*p));
    if (!p)
        return bough_fail_text(-ENOMEM, "no memory for an actor");
    p->place.kind = &process_kind;
    p->leads = is_root();
    if (p->leads)
        become_subreaper();
    int rc = start(a, p, ret_link);
    if (rc < 0) {
        if (p->leads)
            cease_subreaper();
        free(p);
        return rc;
    }
    *ret_place = &p->place;
    return 0;
}

/* --- the other end --- */

static bool is_actor;
static timer_t last_resort;
static bool has_last_resort;
static struct timespec last_resort_after = {.tv_sec = 5};

bool place_process_is_actor(void)
{
    return is_actor || getenv(VARIABLE);
}

/* Also in a signal handler. */
static void arm_last_resort(void)
{
    struct itimerspec when = {.it_value = last_resort_after};
    if (has_last_resort)
        timer_settime(last_resort, 0, &when, NULL);
}

static void orphaned_by_signal(int number)
{
    int error = errno;
    (void)number;
    arm_last_resort();
    errno = error;
}

static void orphaned(int64_t grace)
{
    if (grace < 1)
        grace = 1;
    last_resort_after =
        (struct timespec){.tv_sec = grace / BOUGH_SEC, .tv_nsec = grace % BOUGH_SEC};
    arm_last_resort();
}

static int watch_parent(pid_t parent)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct sigaction action = {.sa_handler = orphaned_by_signal, .sa_flags = SA_RESTART};
    has_last_resort = timer_create(CLOCK_MONOTONIC, &event, &last_resort) == 0;
    sigaction(ORPHANED, &action, NULL);
    if (prctl(PR_SET_PDEATHSIG, ORPHANED) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

static bool parse_variable(const char *text, pid_t *ret_parent, unsigned char *token)
{
    char *end;
    long parent = strtol(text, &end, 10);
    if (parent <= 0 || *end++ != ':' || strlen(end) != 2 * TOKEN)
        return false;
    for (int i = 0; i < TOKEN; i++) {
        unsigned byte;
        if (sscanf(end + 2 * i, "%2x", &byte) != 1)
            return false;
        token[i] = (unsigned char)byte;
    }
    *ret_parent = (pid_t)parent;
    return true;
}

static int main_task(void *arg)
{
    struct self_start *start = arg;
    int rc = link_socket_open(SOCKET, &start->link);
    return rc < 0 ? rc : self_main(start);
}

int place_process_main(void)
{
    struct self_start start = {.orphaned = orphaned};
    struct bough_run_options options = {.sigint = BOUGH_SIGINT_LEAVE, .name = "actor"};
    const char *text = getenv(VARIABLE);
    pid_t parent;
    is_actor = true;
    if (!text || !parse_variable(text, &parent, start.token)) {
        fprintf(stderr,
                "bough: the environment's " VARIABLE " is for processes that bough starts\n");
        return 127;
    }
    unsetenv(VARIABLE);
    if (watch_parent(parent) < 0) /* it has gone already */
        return 1;
    int rc = bough_run_with(&options, main_task, &start);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
