/* Calls that block, made in worker threads while tasks wait; and the threads.
 * SPDX-License-Identifier: MIT */
#include "../sync/waiter.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a worker does: wait until it is let go, then note where and that it has been. */
struct work {
    sem_t go;
    sem_t begun;
    sem_t ended; /* after 'drop', too */
    bool waits;
    pthread_t thread;
    int done, dropped;
};

static void work_init(struct work *w, bool waits)
{
    *w = (struct work){.waits = waits};
    sem_init(&w->go, 0, 0);
    sem_init(&w->begun, 0, 0);
    sem_init(&w->ended, 0, 0);
}

static void wait_for(sem_t *s)
{
    while (sem_wait(s) < 0)
        ;
}

static int work_do(void *arg)
{
    struct work *w = arg;
    w->thread = pthread_self();
    sem_post(&w->begun);
    if (w->waits)
        wait_for(&w->go);
    __atomic_add_fetch(&w->done, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void work_drop(void *arg)
{
    struct work *w = arg;
    __atomic_add_fetch(&w->dropped, 1, __ATOMIC_SEQ_CST);
    sem_post(&w->ended);
}

static int run_abandon(void *arg)
{
    struct bough_thread_options options = {.abandon = true, .drop = work_drop, .what = "a test"};
    return bough_thread_run_with(&options, work_do, arg);
}

/* A call on the test kernel and on a real driver, which the environment may name. */
#define BOTH_TEST(test_name)                                                                       \
    static int test_name##_task(void *arg);                                                        \
    TEST(test_name)                                                                                \
    {                                                                                              \
        test_run(__FILE__, __LINE__, test_name##_task);                                            \
    }                                                                                              \
    TEST(test_name##_really)                                                                       \
    {                                                                                              \
        CHECK_EQ(bough_run(test_name##_task, NULL), 0);                                            \
    }                                                                                              \
    static int test_name##_task(__attribute__((unused)) void *arg)

/* --- work that is waited for --- */

BOTH_TEST(work_is_done_in_another_thread)
{
    struct work w;
    int rc = 0;
    work_init(&w, false);
    bough_assert_checkpoints (&rc)
        rc = run_abandon(&w);
    CHECK_EQ(rc, 0);
    CHECK_EQ(w.done, 1);
    CHECK_EQ(w.dropped, 0);
    CHECK(!pthread_equal(w.thread, pthread_self()));
    return 0;
}

BOTH_TEST(other_tasks_run_meanwhile)
{
    struct work w;
    struct waiter waiter = {.call = run_abandon, .object = &w};
    int rc = 0;
    work_init(&w, true);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &waiter);
        for (int i = 0; i < 100; i++)
            CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(waiter.rc, STILL_WAITING);
        sem_post(&w.go);
    }
    CHECK_EQ(waiter.rc, 0);
    return rc;
}

/* The thread could do something to time; so it has to end first. */
TASK_TEST(the_test_clock_does_not_jump_while_a_thread_works)
{
    struct work w;
    int rc = 0;
    work_init(&w, false);
    bough_fail_after (BOUGH_MINUTE, &rc)
        for (int i = 0; rc == 0 && i < 100; i++)
            rc = run_abandon(&w);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), 0);
    CHECK_EQ(w.done, 100);
    return rc;
}

/* The end of each comes while the loop is about to sleep. */
BOTH_TEST(no_end_is_ever_missed)
{
    struct work w;
    work_init(&w, false);
    int count = test_scale(20000);
    for (int i = 0; i < count; i++)
        CHECK_EQ(run_abandon(&w), 0);
    CHECK_EQ(w.done, count);
    return 0;
}

BOTH_TEST(as_many_threads_work_as_there_are_jobs)
{
    enum { JOBS = 20 };
    static struct work w[JOBS];
    static struct waiter waiters[JOBS];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < JOBS; i++) {
            work_init(&w[i], true);
            waiters[i] = (struct waiter){.call = run_abandon, .object = &w[i]};
            waiter_start(n, &waiters[i]);
        }
        CHECK_EQ(bough_checkpoint(), 0);
        for (int i = 0; i < JOBS; i++)
            wait_for(&w[i].begun); /* all at once, or this would hang */
        for (int i = JOBS; i-- > 0;)
            sem_post(&w[i].go);
    }
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(waiters[i].rc, 0);
    return rc;
}

/* --- work that nobody waits for any more --- */

BOTH_TEST(a_cancelled_task_leaves_its_work_behind)
{
    struct work w;
    struct waiter waiter = {.call = run_abandon, .object = &w};
    int rc = 0;
    work_init(&w, true);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &waiter);
        bough_scope_cancel(&waiter.scope, NULL);
    }
    CHECK_EQ(waiter.rc, -ECANCELED);
    CHECK_EQ(w.done, 0);
    CHECK_EQ(w.dropped, 0);
    sem_post(&w.go);
    while (!__atomic_load_n(&w.dropped, __ATOMIC_SEQ_CST))
        CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(w.done, 1);
    return rc;
}

BOTH_TEST(work_is_not_begun_in_a_cancelled_scope)
{
    struct work w;
    work_init(&w, false);
    CHECK_EQ(call_cancelled(run_abandon, &w), -ECANCELED);
    CHECK_EQ(w.done, 0);
    CHECK_EQ(w.dropped, 1);
    return 0;
}

BOTH_TEST(work_that_is_done_beats_a_cancel)
{
    struct work w;
    struct waiter waiter = {.call = run_abandon, .object = &w};
    int rc = 0;
    work_init(&w, false);
    bough_with_nursery (n, &rc) {
        waiter_start(n, &waiter);
        CHECK_EQ(bough_checkpoint(), 0);
        wait_for(&w.begun);
        /* It enters the loop soon; the task runs in the pass after that, we may be first. */
        while (waiter.rc == STILL_WAITING)
            CHECK_EQ(bough_checkpoint(), 0);
        bough_scope_cancel(&waiter.scope, NULL);
    }
    CHECK_EQ(waiter.rc, 0);
    CHECK_EQ(w.dropped, 0);
    return rc;
}

/* --- the end of a run --- */

static int leave_it(void *arg)
{
    struct waiter waiter = {.call = run_abandon, .object = arg};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &waiter);
        bough_scope_cancel(&waiter.scope, NULL);
    }
    return waiter.rc;
}

static void run_and_leave(bool real)
{
    struct work w;
    work_init(&w, true);
    CHECK_EQ(real ? bough_run(leave_it, &w) : bough_test_run(NULL, leave_it, &w), -ECANCELED);
    CHECK_EQ(w.done, 0);
    sem_post(&w.go);
    wait_for(&w.ended); /* the thread drops it by itself */
    CHECK_EQ(w.done, 1);
    CHECK_EQ(w.dropped, 1);
}

TEST(a_run_may_end_while_a_thread_is_still_at_work)
{
    run_and_leave(false);
    run_and_leave(true);
}

static int wait_for_it(void *arg)
{
    return run_abandon(arg);
}

/* The thread calls in just when the run ends. */
TEST(a_thread_that_ends_with_the_run_harms_nobody)
{
    for (int i = 0; i < test_scale(2000); i++) {
        struct work w;
        work_init(&w, true);
        sem_post(&w.go); /* it is let go before it begins */
        int rc = bough_run(leave_it, &w);
        CHECK(rc == 0 || rc == -ECANCELED);
        if (rc < 0)
            wait_for(&w.ended);
        CHECK_EQ(w.done, 1);
        CHECK_EQ(w.dropped, rc < 0);
        work_init(&w, false);
        CHECK_EQ(bough_run(wait_for_it, &w), 0);
    }
}

struct runner {
    int count, done;
};

static int run_often(void *arg)
{
    struct runner *r = arg;
    struct work w;
    work_init(&w, false);
    for (int i = 0; i < r->count; i++)
        CHECK_EQ(run_abandon(&w), 0);
    r->done = w.done;
    return 0;
}

static void *run_it(void *arg)
{
    CHECK_EQ(bough_run(run_often, arg), 0);
    return NULL;
}

TEST(runs_in_several_threads_share_the_workers)
{
    enum { RUNS = 4 };
    struct runner r[RUNS];
    pthread_t threads[RUNS];
    for (int i = 0; i < RUNS; i++) {
        r[i] = (struct runner){.count = test_scale(2000)};
        CHECK_EQ(pthread_create(&threads[i], NULL, run_it, &r[i]), 0);
    }
    for (int i = 0; i < RUNS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(r[i].done, r[i].count);
    }
}

/* --- the threads --- */

/* Threads of this process, and whether all but this one sleep. */
static int count_threads(bool *ret_others_sleep)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0, running = 0;
    CHECK(dir);
    while ((entry = readdir(dir))) {
        char path[300], line[512], state = 0;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/stat", entry->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        if (fgets(line, sizeof(line), f) && strrchr(line, ')'))
            state = strrchr(line, ')')[2];
        fclose(f);
        count++;
        running += state != 'S';
    }
    closedir(dir);
    if (ret_others_sleep)
        *ret_others_sleep = running <= 1;
    return count;
}

BOTH_TEST(an_idle_thread_is_used_again)
{
    struct work w;
    bool asleep;
    if (test_is_emulated())
        test_skip("/proc/self/task is the emulator's");
    work_init(&w, false);
    CHECK_EQ(run_abandon(&w), 0);
    do /* until it waits for work */
        (void)count_threads(&asleep);
    while (!asleep);
    int before = count_threads(NULL);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(run_abandon(&w), 0);
        do
            (void)count_threads(&asleep);
        while (!asleep);
    }
    CHECK_EQ(count_threads(NULL), before);
    return 0;
}

/* As many jobs as there are idle threads need no new one. */
static int work_in_all_at_once(void *arg)
{
    int all = *(int *)arg, count = all - 1, rc = 0;
    struct work *w = calloc((size_t)count, sizeof(*w));
    struct waiter *waiters = calloc((size_t)count, sizeof(*waiters));
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < count; i++) {
            work_init(&w[i], true);
            waiters[i] = (struct waiter){.call = run_abandon, .object = &w[i]};
            waiter_start(n, &waiters[i]);
        }
        CHECK_EQ(bough_checkpoint(), 0);
        for (int i = 0; i < count; i++)
            wait_for(&w[i].begun);
        CHECK_EQ(count_threads(NULL), all);
        for (int i = 0; i < count; i++)
            sem_post(&w[i].go);
    }
    free(waiters);
    free(w);
    return rc;
}

/* A job that is handed to a thread that sleeps may be taken by one that was just done: the sleeper
 * is free again then. */
TEST(a_thread_whose_job_was_taken_by_another_is_not_forgotten)
{
    struct runner r = {.count = 20000};
    if (test_is_emulated() || test_on_valgrind() || test_is_sanitized())
        test_skip("needs its threads for itself");
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_it, &r), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    bool asleep;
    do
        (void)count_threads(&asleep);
    while (!asleep);
    int all = count_threads(NULL);
    CHECK_EQ(bough_run(work_in_all_at_once, &all), 0);
}

static int run_once(__attribute__((unused)) void *arg)
{
    struct work w;
    work_init(&w, false);
    return run_abandon(&w);
}

TEST(a_forked_process_has_threads_of_its_own)
{
    int status;
    if (test_is_sanitized() || test_is_emulated())
        test_skip("a fork with threads is more than the sanitizers and the emulator can follow");
    CHECK_EQ(bough_run(run_once, NULL), 0);
    pid_t pid = fork(); /* a thread is idle, and is not there any more */
    if (pid == 0)
        _exit(bough_run(run_once, NULL) == 0 && bough_run(run_once, NULL) == 0 ? 0 : 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(bough_run(run_once, NULL), 0);
}

/* Signals are for the threads that run loops. */
struct masked {
    struct work w;
    sigset_t mask;
};

static int note_mask(void *arg)
{
    struct masked *m = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &m->mask);
    return 0;
}

TASK_TEST(a_worker_takes_no_signals)
{
    struct masked m;
    sigset_t ours;
    struct bough_thread_options options = {.what = "a test"};
    CHECK_EQ(bough_thread_run_with(&options, note_mask, &m), 0);
    CHECK(sigismember(&m.mask, SIGINT) && sigismember(&m.mask, SIGTERM) &&
          sigismember(&m.mask, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, NULL, &ours);
    CHECK(!sigismember(&ours, SIGINT));
    return 0;
}

/* --- what cannot be had --- */

static int run_and_free(__attribute__((unused)) void *arg)
{
    struct work *w = malloc(sizeof(*w));
    work_init(w, false);
    int rc = run_abandon(w);
    CHECK_EQ(rc == 0, w->done == 1);
    free(w); /* also when it was not begun: it is still ours */
    return rc;
}

TEST(work_survives_the_failure_of_each_allocation_and_call)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, run_and_free, NULL) > 0);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, run_and_free, NULL) > 0);
}

/* --- work that is not abandoned --- */

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

TASK_TEST(what_the_function_returns_is_the_result)
{
    int number = 41;
    CHECK_EQ(bough_thread_run(add_one, &number), 42);
    CHECK_EQ(bough_thread_run_with(NULL, add_one, &number), 43); /* as without options */
    return 0;
}

static int fail_in_thread(__attribute__((unused)) void *arg)
{
    return bough_fail(-ENODATA, "nothing on disk %d", 7);
}

TASK_TEST(a_failure_comes_with_what_was_recorded_of_it)
{
    int rc = bough_thread_run(fail_in_thread, NULL);
    CHECK_EQ(rc, -ENODATA);
    CHECK_STR(bough_error_message(bough_error_last()), "nothing on disk 7");
    return 0;
}

/* Works until it is asked to stop. */
static int patient(void *arg)
{
    sem_t *begun = arg;
    sem_post(begun);
    while (bough_thread_check() == 0)
        sched_yield();
    return 5;
}

static int cancel_when_begun(void *arg)
{
    struct bough_scope *scope = ((void **)arg)[0];
    sem_t *begun = ((void **)arg)[1];
    int rc;
    while (sem_trywait(begun) < 0)
        if ((rc = bough_checkpoint()) < 0)
            return rc;
    bough_scope_cancel(scope, "enough");
    return 0;
}

BOTH_TEST(a_cancel_is_seen_in_the_thread_and_its_result_counts)
{
    int rc = 0, result = 0;
    sem_t begun;
    sem_init(&begun, 0, 0);
    struct bough_scope scope = BOUGH_SCOPE();
    void *both[] = {&scope, &begun};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, cancel_when_begun, both), 0);
        bough_with_scope (&scope, &rc) {
            result = bough_thread_run(patient, &begun);
            rc = bough_checkpoint();
        }
    }
    CHECK_EQ(result, 5);
    CHECK(bough_scope_cancelled_caught(&scope));
    return rc;
}

static struct bough_task *called_in;
static struct bough_scope *called_under;

static int in_the_run(void *arg)
{
    called_in = bough_task_current();
    called_under = bough_scope_current();
    int rc = bough_sleep(BOUGH_SEC);
    return rc < 0 ? rc : *(int *)arg + 1;
}

static int calls_back(void *arg)
{
    int first = bough_call_from_thread(in_the_run, arg);
    return first < 0 ? first : bough_call_from_thread(in_the_run, &first);
}

TASK_TEST(a_thread_may_call_into_the_run_in_the_scopes_of_the_task_that_waits)
{
    int number = 1;
    CHECK_EQ(bough_thread_run(calls_back, &number), 3);
    CHECK(called_in == bough_task_current());
    CHECK(called_under == bough_scope_current());
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

static int fails_in_the_run(__attribute__((unused)) void *arg)
{
    return bough_fail(-ENOSPC, "the run says no");
}

static int passes_on(__attribute__((unused)) void *arg)
{
    return bough_call_from_thread(fails_in_the_run, NULL);
}

TASK_TEST(a_failure_goes_into_the_thread_and_out_again)
{
    CHECK_EQ(bough_thread_run(passes_on, NULL), -ENOSPC);
    CHECK_STR(bough_error_message(bough_error_last()), "the run says no");
    return 0;
}

TASK_TEST(a_call_from_a_thread_into_a_cancelled_scope_is_cancelled)
{
    int rc = 0, number = 1;
    bough_move_on_after (BOUGH_MS, &rc)
        rc = bough_thread_run(calls_back, &number);
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), BOUGH_MS);
    return rc;
}

struct gauge {
    int now, most;
};

static int gauged(void *arg)
{
    struct gauge *g = arg;
    int now = __atomic_add_fetch(&g->now, 1, __ATOMIC_SEQ_CST);
    int most = __atomic_load_n(&g->most, __ATOMIC_SEQ_CST);
    while (now > most && !__atomic_compare_exchange_n(&g->most, &most, now, false, __ATOMIC_SEQ_CST,
                                                      __ATOMIC_SEQ_CST))
        ;
    for (int i = 0; i < 100; i++)
        sched_yield();
    __atomic_sub_fetch(&g->now, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static struct bough_limiter two;

static int run_gauged(void *arg)
{
    struct bough_thread_options options = {.limiter = &two};
    return bough_thread_run_with(&options, gauged, arg);
}

TASK_TEST(a_limiter_bounds_how_many_threads_run)
{
    int rc = 0;
    struct gauge gauge = {0};
    bough_limiter_init(&two, 2);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 20; i++)
            CHECK_EQ(bough_nursery_start_soon(n, run_gauged, &gauge), 0);
    }
    CHECK_EQ(rc, 0);
    CHECK(gauge.most >= 1 && gauge.most <= 2);
    CHECK_EQ(bough_limiter_borrowed(&two), 0);
    return rc;
}

TEST_PANICS(asking_for_a_cancel_outside_of_a_thread_panics, "bough_thread_check is for what")
{
    return bough_thread_check();
}
