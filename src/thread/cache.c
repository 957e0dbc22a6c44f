/* Worker threads.
 *
 * Jobs never queue for a thread that is busy: as many threads run as there are jobs, since a job
 * may wait for another one. Who wants fewer limits them above. An idle thread ends after a while.
 * SPDX-License-Identifier: MIT */
#include "thread/cache.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/sys.h"

enum { IDLE_SECONDS = 10, THREAD_STACK = 256 * 1024 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER;
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;
static struct bough_list jobs = {&jobs, &jobs}; /* handed to idle threads, not taken yet */
static unsigned idle; /* threads that wait, less the jobs that are handed to them */

static struct bough_list *next_job(void)
{
    struct timespec until;
    struct bough_list *job = bough_list_pop(&jobs);
    if (job) {
        idle++; /* whoever it was handed to sleeps on */
        return job;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    idle++;
    int rc = 0;
    while (!(job = bough_list_pop(&jobs)) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&work_came, &mutex, &until);
    if (!job)
        idle--;
    return job;
}

static void *worker(void *first)
{
    struct bough_list *node = first;
    while (node) {
        struct thread_job *job = bough_container_of(node, struct thread_job, link);
        job->fn(job);
        pthread_mutex_lock(&mutex);
        node = next_job();
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

/* A forked child has no threads but its own. */

static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void)
{
    pthread_cond_init(&work_came, NULL);
    bough_list_init(&jobs);
    idle = 0;
    pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* Signals are for the threads that run loops. */
static int start_thread(struct thread_job *job)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (sys_fails(SYS_FAULT_CALL))
        return -EAGAIN;
    pthread_once(&forks_watched, watch_forks);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attr, worker, &job->link);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -rc;
}

int bough__thread_start(struct thread_job *job)
{
    pthread_mutex_lock(&mutex);
    bool taken = idle > 0;
    if (taken) {
        idle--;
        bough_list_push(&jobs, &job->link);
        pthread_cond_signal(&work_came);
    }
    pthread_mutex_unlock(&mutex);
    return taken ? 0 : start_thread(job);
}
