/* A call that blocks, made in a worker thread.
 *
 * Who is in charge of the record: the thread until it has entered the loop, then the loop. The loop finds out there whether the task still
 * waits. If the run has ended by then, the thread is left with it.
 * SPDX-License-Identifier: MIT */
#include "thread/offload.h"

#include <errno.h>

#include "base/sys.h"
#include "bough/entry.h"
#include "bough/error.h"
#include "bough/wait.h"
#include "thread/cache.h"

struct offload {
    struct thread_job thread;
    struct bough_entry entry;
    struct offload_job job;
    struct bough_gate *gate;
    struct offload_wait *wait; /* the loop's; NULL: the task has left */
};

struct offload_wait {
    struct bough_wait wait;
    struct offload *offload;
};

/* In the thread. */
static void offload_work(struct thread_job *thread)
{
    struct offload *o = bough_container_of(thread, struct offload, thread);
    struct bough_gate *gate = o->gate;
    o->job.work(o->job.arg);
    if (bough_enter(gate, &o->entry) < 0) {
        o->job.drop(o->job.arg);
        free(o);
    }
    bough_gate_release(gate);
}

/* In the loop. */
static void offload_done(struct bough_entry *entry)
{
    struct offload *o = bough_container_of(entry, struct offload, entry);
    if (o->wait)
        bough_wake(&o->wait->wait, 0);
    else
        o->job.drop(o->job.arg);
    free(o);
}

static bool offload_abort(struct bough_wait *wait)
{
    bough_container_of(wait, struct offload_wait, wait)->offload->wait = NULL;
    return true;
}

int bough__offload(const struct offload_job *job)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0) {
        job->drop(job->arg);
        return rc;
    }
    struct offload *o = sys_malloc(sizeof(*o));
    if (!o)
        return bough_fail_text(-ENOMEM, "no memory for a thread's job");
    struct offload_wait w = {.wait = {.abort = offload_abort, .what = job->what}, .offload = o};
    *o = (struct offload){
        .thread.fn = offload_work,
        .entry.fn = offload_done,
        .job = *job,
        .gate = bough_gate_hold(),
        .wait = &w,
    };
    rc = bough__thread_start(&o->thread);
    if (rc < 0) {
        bough_gate_release(o->gate);
        free(o);
        return bough_fail(rc, "no thread to be had: %s", bough_error_name(rc));
    }
    return bough_wait(&w.wait);
}
