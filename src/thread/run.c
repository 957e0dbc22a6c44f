/* Calls in worker threads.
 *
 * The record of a call is handed to and fro: the thread's until it enters the loop, with the news
 * that it is done or wants something called; then the loop's, or rather the task's, until it has
 * answered. A task that has left (abandoned) has its answers given by the loop. If the run has
 * ended, the thread is left with all of it.
 * SPDX-License-Identifier: MIT */
#include "bough/thread.h"

#include <errno.h>
#include <semaphore.h>

#include "base/sys.h"
#include "bough/entry.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "thread/cache.h"

struct thread_call {
    struct thread_job job;
    struct bough_entry entry;
    struct bough_gate *gate;
    bough_thread_fn *fn;
    void *arg;
    void (*drop)(void *arg);
    struct bough_limiter *limiter;
    struct bough_token token;
    struct thread_wait *wait; /* the loop's; NULL: the task has left */
    int cancelled;            /* atomic: what bough_thread_check() asks */

    /* The news: done, with a result; or a call to be made. */
    bool done;
    int rc;
    struct bough_error *error;
    bough_task_fn *call_fn;
    void *call_arg;
    sem_t answered;
};

struct thread_wait {
    struct bough_wait wait;
    struct thread_call *call;
    bool abandon;
};

/* In a worker thread: the call that it makes. */
static __thread struct thread_call *current_call;

static void call_free(struct thread_call *c)
{
    sem_destroy(&c->answered);
    free(c);
}

/* Nobody wants the result. */
static void call_drop(struct thread_call *c)
{
    if (c->drop)
        c->drop(c->arg);
    bough_error_free(c->error);
    call_free(c);
}

static void answer(struct thread_call *c, int rc)
{
    c->rc = rc;
    c->error = rc < 0 ? bough_error_detach(rc) : NULL;
    sem_post(&c->answered);
}

/* --- in the thread --- */

static void call_main(struct thread_job *job)
{
    struct thread_call *c = bough_container_of(job, struct thread_call, job);
    struct bough_gate *gate = c->gate;
    current_call = c;
    c->rc = c->fn(c->arg);
    current_call = NULL;
    c->error = c->rc < 0 ? bough_error_detach(c->rc) : NULL;
    bough_error_clear();
    c->done = true;
    if (bough_enter(gate, &c->entry) < 0)
        call_drop(c);
    bough_gate_release(gate);
}

static struct thread_call *call_here(const char *function)
{
    if (!current_call)
        bough_panic("%s is for what bough_thread_run() runs in a thread", function);
    return current_call;
}

int bough_thread_check(void)
{
    struct thread_call *c = call_here("bough_thread_check");
    if (!__atomic_load_n(&c->cancelled, __ATOMIC_ACQUIRE))
        return 0;
    return bough_fail_text(-ECANCELED, "the task that waits for this thread was cancelled");
}

int bough_call_from_thread(bough_task_fn *fn, void *arg)
{
    struct thread_call *c = call_here("bough_call_from_thread");
    c->call_fn = fn;
    c->call_arg = arg;
    if (bough_enter(c->gate, &c->entry) < 0)
        return bough_fail_text(-EPIPE, "the run that this thread works for has ended");
    while (sem_wait(&c->answered) < 0) /* EINTR */
        ;
    struct bough_error *e = c->error;
    c->error = NULL;
    return c->rc < 0 ? bough_error_attach(e, c->rc) : c->rc;
}

/* --- in the loop --- */

static void call_news(struct bough_entry *entry)
{
    struct thread_call *c = bough_container_of(entry, struct thread_call, entry);
    if (c->wait) {
        bough_wake(&c->wait->wait, 0);
    } else if (c->done) {
        call_drop(c);
    } else {
        answer(c, bough_fail_text(-ECANCELED, "the task that waited for this thread has left"));
    }
}

/* --- the task --- */

static bool call_abort(struct bough_wait *wait)
{
    struct thread_wait *w = bough_container_of(wait, struct thread_wait, wait);
    __atomic_store_n(&w->call->cancelled, 1, __ATOMIC_RELEASE);
    if (w->abandon) {
        w->call->wait = NULL;
        /* Now, while we are there to do it: the thread may outlive the run, and the limiter. */
        bough_limiter_release_on_behalf(w->call->limiter, w->call);
    }
    return w->abandon;
}

/* Answer the thread's calls until it is done. False: the task was cancelled and has left. */
static bool attend(struct thread_call *c, const struct bough_thread_options *options)
{
    struct thread_wait w = {.call = c, .abandon = options->abandon};
    for (;;) {
        w.wait = (struct bough_wait){.abort = call_abort,
                                     .what = options->what ? options->what : "a worker thread"};
        c->wait = &w;
        if (bough_wait(&w.wait) < 0)
            return false;
        if (c->done)
            return true;
        /* The thread waits for us now, and will not call in. */
        bough_gate_release(c->gate);
        int rc = c->call_fn(c->call_arg);
        (void)bough_gate_hold();
        answer(c, rc);
    }
}

/* The run's own limiter: this thread's, made anew for each run. */
static int default_limiter(struct bough_limiter **ret_limiter)
{
    static __thread struct bough_limiter limiter;
    static const struct bough_local made = {NULL};
    if (!bough_run_local_get(&made)) {
        int rc = bough_run_local_set(&made, &limiter);
        if (rc < 0)
            return rc;
        bough_limiter_init(&limiter, BOUGH_THREADS);
    }
    *ret_limiter = &limiter;
    return 0;
}

static int call_new(const struct bough_thread_options *options, bough_thread_fn *fn, void *arg,
                    struct thread_call **ret_call)
{
    struct bough_limiter *limiter = options->limiter;
    int rc = limiter ? 0 : default_limiter(&limiter);
    if (rc < 0)
        return rc;
    struct thread_call *c = sys_malloc(sizeof(*c));
    if (!c)
        return bough_fail_text(-ENOMEM, "no memory for a call in a thread");
    *c = (struct thread_call){
        .job.fn = call_main,
        .entry.fn = call_news,
        .fn = fn,
        .arg = arg,
        .drop = options->abandon ? options->drop : NULL,
        .limiter = limiter,
    };
    sem_init(&c->answered, 0, 0);
    *ret_call = c;
    return 0;
}

static int start(struct thread_call *c)
{
    int rc = bough_limiter_acquire_on_behalf(c->limiter, &c->token, c);
    if (rc < 0)
        return rc;
    c->gate = bough_gate_hold();
    rc = bough__thread_start(&c->job);
    if (rc == 0)
        return 0;
    bough_gate_release(c->gate);
    bough_limiter_release_on_behalf(c->limiter, c);
    return bough_fail(rc, "no thread to be had: %s", bough_error_name(rc));
}

int bough_thread_run_with(const struct bough_thread_options *options, bough_thread_fn *fn,
                          void *arg)
{
    const struct bough_thread_options none = {0};
    struct thread_call *c = NULL;
    if (!options)
        options = &none;
    int rc = call_new(options, fn, arg, &c);
    if (rc < 0)
        return rc;
    rc = start(c);
    if (rc < 0) {
        if (rc == -ECANCELED)
            call_drop(c);
        else
            call_free(c);
        return rc;
    }
    if (!attend(c, options))
        return -ECANCELED;
    bough_limiter_release_on_behalf(c->limiter, c);
    rc = c->rc;
    if (rc < 0)
        rc = bough_error_attach(c->error, rc);
    call_free(c);
    return rc;
}

int bough_thread_run(bough_thread_fn *fn, void *arg)
{
    return bough_thread_run_with(NULL, fn, arg);
}
