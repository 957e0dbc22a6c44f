/* Actors in threads: a thread with a run of its own.
 *
 * It cannot be stopped from outside, only waited for. All signals are blocked in it: they are for
 * the threads of the program.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "actor/place.h"
#include "actor/self.h"
#include "base/sys.h"
#include "bough/entry.h"
#include "bough/error.h"
#include "bough/run.h"

struct thread_place {
    struct place place;
    struct self_start start;
    pthread_t thread;
    char name[ACTOR_NAME];
    struct bough_gate *gate; /* of the run that waits */
    struct bough_entry end;
    struct news news;
    bool ended;
    int rc; /* of its run: written before the end is entered */
    char how[128];
};

static void thread_ended(struct bough_entry *entry)
{
    struct thread_place *t = bough_container_of(entry, struct thread_place, end);
    t->ended = true;
    news_tell(&t->news);
}

static void *thread_main(void *arg)
{
    struct thread_place *t = arg;
    struct bough_gate *gate = t->gate;
    struct bough_run_options options = {.sigint = BOUGH_SIGINT_LEAVE, .name = t->name};
    struct link *link = t->start.link;
    t->start.link = NULL;
    struct self_start start = t->start;
    start.link = link;
    t->rc = bough_run_with(&options, self_main, &start);
    if (start.link) /* there was no run */
        start.link->kind->free(start.link);
    if (t->rc < 0)
        snprintf(t->how, sizeof(t->how), "%s", bough_error_message(bough_error_last()));
    bough_error_clear();
    (void)bough_enter(gate, &t->end); /* the run waits for it; 't' is its own from here */
    bough_gate_release(gate);
    return NULL;
}

static bool has_ended(const void *arg)
{
    return ((const struct thread_place *)arg)->ended;
}

static int thread_wait(struct place *place)
{
    struct thread_place *t = bough_container_of(place, struct thread_place, place);
    return news_await(&t->news, has_ended, t, "the end of an actor's thread");
}

static void thread_stop(struct place *place)
{
    (void)place; /* nobody can */
}

static int thread_died(struct place *place, char *how, size_t size)
{
    struct thread_place *t = bough_container_of(place, struct thread_place, place);
    if (t->rc < 0)
        snprintf(how, size, "%s", *t->how ? t->how : bough_error_name(t->rc));
    return t->rc;
}

static void thread_free(struct place *place)
{
    struct thread_place *t = bough_container_of(place, struct thread_place, place);
    pthread_join(t->thread, NULL);
    free(t);
}

static const struct place_kind thread_kind = {thread_wait, thread_stop, thread_died, thread_free};

static int thread_create(struct thread_place *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = sys_fails(SYS_FAULT_CALL) ? EAGAIN : pthread_create(&t->thread, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int place_thread(struct bough_actor *a, struct place **ret_place, struct link **ret_link)
{
    struct link *ours, *theirs;
    struct thread_place *t = sys_calloc(1, sizeof(*t));
    int rc =
        t ? link_queue_pair(&ours, &theirs) : bough_fail_text(-ENOMEM, "no memory for an actor");
    if (rc < 0) {
        free(t);
        return rc;
    }
    t->place.kind = &thread_kind;
    t->start.link = theirs;
    memcpy(t->start.token, a->token, TOKEN);
    snprintf(t->name, sizeof(t->name), "%s", a->name);
    t->end.fn = thread_ended;
    t->gate = bough_gate_hold();
    rc = thread_create(t);
    if (rc < 0) {
        bough_gate_release(t->gate);
        ours->kind->free(ours);
        theirs->kind->free(theirs);
        free(t);
        return bough_fail(rc, "no thread for the actor %s", a->name);
    }
    *ret_place = &t->place;
    *ret_link = ours;
    return 0;
}
