/* The run: rounds of work, and a pause after each.
 *
 *     soak [-s SEED] [-i epoll|io_uring] SECONDS
 *     soak [-i epoll|io_uring] -l LIVES
 *
 * Each worker draws what it does, and how it is disturbed in it, from the seed. What comes of that
 * depends on the kernel's timing as well, so the same seed does the same work, not the same run.
 * With -l there is no such work, but a pool with so many lives of workers in threads, and a tenth
 * of them in processes.
 * SPDX-License-Identifier: MIT */
#include "soak.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

#include <bough/observe.h>

enum { WORKERS = 16, TELL_EVERY = 5 };
#define ROUND BOUGH_SEC
#define WARM_LEAST (4 * BOUGH_SEC)
#define WARM_MOST BOUGH_MINUTE

/* --- what there is to do --- */

static struct kind {
    const char *name;
    int (*fn)(struct worker *w);
    unsigned weight;
    uint64_t done, disturbed;
} kinds[] = {
    {.name = "tcp", .fn = talk_tcp, .weight = 30},
    {.name = "tls", .fn = talk_tls, .weight = 5},
    {.name = "unix", .fn = talk_unix, .weight = 20},
    {.name = "udp", .fn = talk_udp, .weight = 20},
    {.name = "refused", .fn = knock_at_a_closed_port, .weight = 5},
    {.name = "fds", .fn = pass_descriptors, .weight = 5},
    {.name = "processes", .fn = run_processes, .weight = 3},
    {.name = "threads", .fn = run_threads, .weight = 10},
    {.name = "files", .fn = use_files, .weight = 5},
    {.name = "watches", .fn = watch_directories, .weight = 3},
    {.name = "signals", .fn = receive_signals, .weight = 5},
    {.name = "channels", .fn = use_channels, .weight = 10},
    {.name = "generators", .fn = use_generators, .weight = 10},
    {.name = "pools", .fn = use_exit_pools, .weight = 10},
    {.name = "locks", .fn = use_locks, .weight = 10},
    {.name = "errors", .fn = fail_in_groups, .weight = 5},
    {.name = "actors", .fn = use_actors, .weight = 3},
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

void soak_failed(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "soak: ");
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* xorshift64* */
static uint64_t next_random(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(0x2545f4914f6cdd1d);
}

unsigned draw(struct worker *w, unsigned limit)
{
    return (unsigned)(next_random(&w->random) >> 32) % limit;
}

static struct kind *draw_kind(struct worker *w)
{
    unsigned sum = 0, at;
    for (int i = 0; i < KINDS; i++)
        sum += kinds[i].weight;
    at = draw(w, sum);
    struct kind *kind = kinds;
    while (at >= kind->weight)
        at -= kind++->weight;
    return kind;
}

/* --- disturbing it --- */

struct canceller {
    struct bough_scope *scope;
    int64_t after;
    unsigned passes;
};

static int cancel_it(void *arg)
{
    const struct canceller *c = arg;
    int rc = c->after ? bough_sleep(c->after) : 0;
    for (unsigned i = 0; rc == 0 && i < c->passes; i++)
        rc = bough_checkpoint();
    if (rc == 0)
        bough_scope_cancel(c->scope, "the soak run cancels it");
    return rc;
}

static int cancelled(struct worker *w, struct kind *kind)
{
    struct bough_scope scope = BOUGH_SCOPE();
    struct canceller c = {.scope = &scope};
    int rc = 0;
    if (draw(w, 2))
        c.after = draw(w, 3000) * BOUGH_US;
    else
        c.passes = draw(w, 20);
    bough_with_background (cancel_it, &c, &rc)
        bough_with_scope (&scope, &rc)
            rc = kind->fn(w);
    kind->disturbed += bough_scope_cancelled_caught(&scope);
    return rc;
}

static int timed_out(struct worker *w, struct kind *kind)
{
    int rc = 0;
    bough_move_on_after (draw(w, 3000) * BOUGH_US, &rc)
        rc = kind->fn(w);
    kind->disturbed += bough_scope_cancelled_caught(NULL);
    return rc;
}

static int work_once(struct worker *w)
{
    struct kind *kind = draw_kind(w);
    unsigned how = draw(w, 4);
    int rc = how == 0 ? timed_out(w, kind) : how == 1 ? cancelled(w, kind) : kind->fn(w);
    kind->done++;
    if (rc < 0 && rc != -ECANCELED) {
        bough_error_print(bough_error_last(), stderr);
        soak_failed("%s returned %d (%s)", kind->name, rc, bough_error_name(rc));
    }
    return rc < 0 ? rc : 0;
}

struct shift {
    struct worker worker;
    int64_t until;
};

static int work(void *arg)
{
    struct shift *shift = arg;
    int rc = 0;
    while (rc == 0 && bough_now() < shift->until) {
        rc = work_once(&shift->worker);
        if (rc == 0)
            rc = bough_checkpoint();
    }
    return rc;
}

/* --- rounds --- */

struct plan {
    uint64_t seed;
    int seconds;
    unsigned lives; /* 0: rounds */
    enum bough_io io;
    struct site site;
};

static int round_of(struct plan *plan, int64_t until)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < WORKERS && rc == 0; i++) {
            uint64_t random = next_random(&plan->seed);
            rc = BOUGH_START(n, work, struct shift,
                             .worker = {.site = &plan->site, .random = random ? random : 1},
                             .until = until);
        }
    return rc;
}

static void tell(int64_t elapsed, const struct level *now)
{
    uint64_t done = 0, disturbed = 0;
    for (int i = 0; i < KINDS; i++) {
        done += kinds[i].done;
        disturbed += kinds[i].disturbed;
    }
    printf("# %3d s: %" PRIu64 " done, %" PRIu64
           " cut short; %d descriptors, %d threads, %d tasks, "
           "heap %zu KiB, resident %zu KiB\n",
           (int)(elapsed / BOUGH_SEC), done, disturbed, now->descriptors, now->threads, now->tasks,
           now->heap / 1024, now->resident / 1024);
}

static void tell_all(void)
{
    printf("#");
    for (int i = 0; i < KINDS; i++)
        printf(" %s %" PRIu64 "/%" PRIu64, kinds[i].name, kinds[i].done, kinds[i].disturbed);
    printf(" (done/cut short)\n");
}

/* The first third is to warm up: pools and caches fill. In a run that is too short for that only
 * what has to be exactly as it was is watched. */
static int64_t warm_up(const struct plan *plan)
{
    int64_t third = plan->seconds * BOUGH_SEC / 3;
    return third < WARM_LEAST ? WARM_LEAST : third < WARM_MOST ? third : WARM_MOST;
}

static int rounds(struct plan *plan)
{
    int64_t start = bough_now(), end = start + plan->seconds * BOUGH_SEC, told = start;
    int64_t warm = start + warm_up(plan);
    struct level first = level_now(), base = first, now;
    bool is_warm = false;
    int rc = 0;
    while (rc == 0 && bough_now() < end) {
        int64_t until = bough_now() + ROUND;
        rc = round_of(plan, until < end ? until : end);
        if (rc == 0)
            rc = level_settle(&plan->site, &first, &now);
        if (rc < 0)
            return rc;
        if (is_warm)
            level_compare(&base, &now, WORKERS);
        else if (bough_now() >= warm) {
            base = now;
            is_warm = true;
        }
        if (bough_now() - told >= TELL_EVERY * BOUGH_SEC) {
            tell(bough_now() - start, &now);
            told = bough_now();
        }
    }
    tell(bough_now() - start, &now);
    return rc;
}

static int soak(void *arg)
{
    struct plan *plan = arg;
    int rc = site_open(&plan->site);
    if (rc < 0)
        return rc;
    rc = bough_tree_on_signal(SIGALRM); /* if it hangs */
    if (rc == 0)
        bough_with_background (site_serve, &plan->site, &rc) {
            rc = bough_sleep(10 * BOUGH_MS); /* the servers are there */
            if (rc == 0)
                rc = rounds(plan);
        }
    site_close(&plan->site);
    return rc;
}

static int soak_lives(void *arg)
{
    const struct plan *plan = arg;
    int rc = bough_tree_on_signal(SIGALRM);
    if (rc == 0)
        rc = live_often(BOUGH_PLACE_THREAD, plan->lives);
    return rc < 0 ? rc : live_often(BOUGH_PLACE_PROCESS, plan->lives / 10);
}

/* --- the program --- */

static int usage(void)
{
    fprintf(stderr, "soak [-s SEED] [-i epoll|io_uring] SECONDS\n"
                    "soak [-i epoll|io_uring] -l LIVES\n");
    return 2;
}

static int run(struct plan *plan)
{
    const struct bough_run_options options = {.io = plan->io};
    const char *io = plan->io == BOUGH_IO_URING ? "io_uring" : "epoll";
    if (plan->lives)
        printf("1..1\n# soak -i %s -l %u\n", io, plan->lives);
    else
        printf("1..1\n# soak -s %" PRIu64 " -i %s %d\n", plan->seed, io, plan->seconds);
    int rc = bough_run_with(&options, plan->lives ? soak_lives : soak, plan);
    if (rc == -ENOSYS || rc == -EPERM || rc == -EACCES || rc == -ENOTSUP) {
        printf("ok 1 - soak # SKIP %s\n# 1 passed, 0 failed\n",
               bough_error_message(bough_error_last()));
        return 0;
    }
    if (rc < 0) {
        bough_error_print(bough_error_last(), stderr);
        printf("not ok 1 - soak\n# 0 passed, 1 failed\n");
        return 1;
    }
    if (!plan->lives)
        tell_all();
    printf("ok 1 - soak\n# 1 passed, 0 failed\n");
    return 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.seed = (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000,
                        .io = BOUGH_IO_EPOLL};
    int option;
    while ((option = getopt(argc, argv, "s:i:l:")) != -1) {
        if (option == 's')
            plan.seed = strtoull(optarg, NULL, 0);
        else if (option == 'l' && atoi(optarg) > 0)
            plan.lives = (unsigned)atoi(optarg);
        else if (option == 'i' && strcmp(optarg, "io_uring") == 0)
            plan.io = BOUGH_IO_URING;
        else if (option != 'i' || strcmp(optarg, "epoll") != 0)
            return usage();
    }
    if (optind != argc - !plan.lives)
        return usage();
    plan.seconds = plan.lives ? (int)(plan.lives / 10) : atoi(argv[optind]);
    if (plan.seconds < 1 && !plan.lives)
        return usage();
    plan.seed += !plan.seed;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGUSR2, SIG_IGN); /* the effect of those that were not received */
    alarm((unsigned)plan.seconds + 60);
    return run(&plan);
}
