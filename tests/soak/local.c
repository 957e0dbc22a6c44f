/* Processes, threads, files and signals.
 * SPDX-License-Identifier: MIT */
#include "soak.h"

#include <fcntl.h>
#include <signal.h>

#include <bough/dirwatch.h>
#include <bough/file.h>
#include <bough/process.h>
#include <bough/signal.h>
#include <bough/thread.h>

/* --- processes --- */

static int run_cat(struct worker *w)
{
    static char data[64 * 1024];
    struct bough_process_result result;
    struct bough_process_options options = {.argv = BOUGH_ARGV("cat"),
                                            .input = data,
                                            .input_size = draw(w, sizeof(data)),
                                            .grace = BOUGH_SEC};
    int rc = bough_process_run(&options, &result);
    if (rc < 0)
        return rc;
    CHECK(result.out_size == options.input_size);
    bough_process_result_free(&result);
    return 0;
}

static int run_badly(void)
{
    struct bough_process_result result;
    struct bough_process_options options = {
        .argv = BOUGH_ARGV("sh", "-c", "echo no good >&2; exit 3"), .grace = BOUGH_SEC};
    int rc = bough_process_run(&options, &result);
    CHECK(rc != 0);
    (void)bough_catch(&rc, -EOWNERDEAD);
    return rc;
}

static int run_nothing(void)
{
    struct bough_process_options options = {.argv = BOUGH_ARGV("/no/such/program")};
    int rc = bough_process_run(&options, NULL);
    CHECK(rc != 0);
    /* Valgrind's vfork() is a fork(), so there it is the child's end. */
    (void)(bough_catch(&rc, -ENOENT) || bough_catch(&rc, -EOWNERDEAD));
    return rc;
}

/* One that would go on for ever; with a grandchild that has its pipe, and deaf to SIGTERM. */
static int stop_it(struct worker *w)
{
    static const char deaf[] = "trap '' TERM; sleep 100 & wait";
    struct bough_process_options options = {.argv = draw(w, 2) ? BOUGH_ARGV("sleep", "100")
                                                               : BOUGH_ARGV("sh", "-c", deaf),
                                            .out = BOUGH_PIPE,
                                            .group = true,
                                            .grace = draw(w, 2) ? 20 * BOUGH_MS : -1};
    int rc = 0;
    bough_with_process (p, &options, &rc) {
        rc = bough_sleep(draw(w, 5) * BOUGH_MS);
        if (rc == 0)
            rc = bough_process_stop(p);
    }
    return rc < 0 ? rc : 0;
}

int run_processes(struct worker *w)
{
    switch (draw(w, 4)) {
    case 0:
        return run_cat(w);
    case 1:
        return run_badly();
    case 2:
        return run_nothing();
    default:
        return stop_it(w);
    }
}

/* --- threads --- */

struct job {
    struct site *site;
    unsigned sleep, answer;
    bool calls;
};

static int in_the_run(void *arg)
{
    struct job *job = arg;
    int rc = bough_checkpoint();
    job->answer += job->sleep;
    return rc;
}

static int in_a_thread(void *arg)
{
    struct job *job = arg;
    if (job->sleep)
        usleep(job->sleep);
    if (job->calls)
        return bough_call_from_thread(in_the_run, job);
    job->answer = job->sleep;
    return 0;
}

static void drop(void *arg)
{
    struct job *job = arg;
    __atomic_fetch_sub(&job->site->dropped, 1, __ATOMIC_RELEASE);
    free(job);
}

/* Left behind when we are cancelled. */
static int abandon(struct worker *w)
{
    const struct bough_thread_options options = {.abandon = true, .drop = drop};
    struct job *job = malloc(sizeof(*job));
    CHECK(job);
    *job = (struct job){.site = w->site, .sleep = draw(w, 3000)};
    __atomic_fetch_add(&w->site->dropped, 1, __ATOMIC_RELAXED);
    int rc = bough_thread_run_with(&options, in_a_thread, job);
    if (rc != -ECANCELED)
        drop(job);
    return rc;
}

int run_threads(struct worker *w)
{
    struct job job = {.site = w->site, .sleep = draw(w, 2) * draw(w, 1000), .calls = draw(w, 2)};
    if (draw(w, 3) == 0)
        return abandon(w);
    int rc = bough_thread_run(in_a_thread, &job);
    if (rc == 0)
        CHECK(job.answer == job.sleep);
    return rc;
}

/* --- files --- */

static int write_and_read(struct worker *w, const char *directory)
{
    struct bough_file *f;
    char path[128], data[3000], *back;
    size_t size = draw(w, sizeof(data)), got;
    snprintf(path, sizeof(path), "%s/file-%u", directory, draw(w, 10));
    memset(data, (int)size, sizeof(data));
    int rc = bough_file_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600, &f);
    if (rc < 0)
        return rc;
    rc = bough_file_write_all(f, data, size);
    if (rc == 0)
        rc = bough_file_close(f);
    bough_file_free(f);
    if (rc == 0)
        rc = bough_file_read_all(path, sizeof(data), &back, &got);
    if (rc < 0)
        return rc;
    CHECK(got == size && memcmp(back, data, size) == 0);
    free(back);
    return 0;
}

int use_files(struct worker *w)
{
    struct bough_directory_entry *entries;
    size_t count;
    int rc = 0;
    bough_with (const char *, directory, bough_temporary_directory, NULL, &rc) {
        for (unsigned i = draw(w, 4); rc == 0 && i > 0; i--)
            rc = write_and_read(w, directory);
        if (rc == 0)
            rc = bough_directory_read(directory, &entries, &count);
        if (rc == 0)
            free(entries);
        bough_with (struct bough_file *, f, bough_temporary_file, (void *)(uintptr_t)directory, &rc)
            rc = bough_file_write_all(f, "gone soon", 9);
    }
    return rc;
}

int watch_directories(struct worker *w)
{
    struct bough_dirwatch_event e;
    int rc = 0;
    bough_with (const char *, directory, bough_temporary_directory, NULL, &rc) {
        struct bough_dirwatch *watch;
        int id;
        rc = bough_dirwatch_open(&watch);
        if (rc == 0) {
            rc = bough_dirwatch_add(watch, directory, BOUGH_DIR_CREATED, &id);
            if (rc == 0)
                rc = write_and_read(w, directory);
            if (rc == 0)
                rc = bough_dirwatch_receive(watch, &e);
            if (rc == 1)
                CHECK(e.id == id && e.kind == BOUGH_DIR_CREATED &&
                      strncmp(e.name, "file-", 5) == 0);
            bough_dirwatch_free(watch);
        }
    }
    return rc < 0 ? rc : 0;
}

/* --- signals --- */

int receive_signals(struct worker *w)
{
    int rc = 0;
    (void)w;
    bough_with_signals (signals, &rc, SIGUSR2) {
        CHECK(raise(SIGUSR2) == 0);
        rc = bough_signals_receive(signals);
        CHECK(rc < 0 || rc == SIGUSR2);
    }
    return rc < 0 ? rc : 0;
}
