/* Count primes with a pool of workers, one for each CPU, in processes or threads.
 *
 *     ./actor_pool                    the primes below 20,000,000
 *     ./actor_pool --crash 5000000    one worker is killed on the way: its slice is done again
 *     ./actor_pool --place thread -w 4
 *
 * The range is cut into slices, which a map hands out as workers get free, so none waits for the
 * slowest; a slice whose worker has died is kept for the next round. The bar is on stderr, and what
 * has been counted on stdout.
 * SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bough.h>

enum { SLICES = 64, ROUNDS_MOST = 5, BAR = 40 };

struct slice {
    uint64_t first, end;
    bool crash; /* whoever gets it dies */
};

/* --- over there --- */

static bool is_prime(uint64_t n)
{
    if (n < 4)
        return n > 1;
    if (n % 2 == 0)
        return false;
    for (uint64_t i = 3; i * i <= n; i += 2)
        if (n % i == 0)
            return false;
    return true;
}

static int count_primes(struct bough_call *call, void *state)
{
    struct slice s;
    uint64_t count = 0;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &s);
    if (rc < 0)
        return rc;
    if (s.crash)
        raise(SIGKILL);
    for (uint64_t n = s.first; n < s.end; n++) {
        count += is_prime(n);
        if (n % 1024 == 0 && (rc = bough_checkpoint()) < 0) /* so that it hears a cancel */
            return rc;
    }
    return bough_call_reply(call, BOUGH_BYTES(count));
}

static const struct bough_operation operations[] = {{"count", count_primes}, {0}};
BOUGH_ACTOR(primes, .operations = operations);

/* --- here --- */

struct work {
    enum bough_place place;
    unsigned workers;
    uint64_t limit;
    bool crash;
    struct slice slices[SLICES]; /* that are still to do */
    size_t todo, again;          /* how many; of them, how many died under their worker */
    unsigned done, lost;
    uint64_t count;
};

static void cut(struct work *w)
{
    for (size_t i = 0; i < SLICES; i++)
        w->slices[i] = (struct slice){w->limit * i / SLICES, w->limit * (i + 1) / SLICES, false};
    w->slices[SLICES / 4].crash = w->crash;
    w->todo = SLICES;
}

static void draw_bar(const struct work *w)
{
    unsigned filled = w->done * BAR / SLICES;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r[%.*s%*s] %u/%d", (int)filled,
                "########################################", (int)(BAR - filled), "", w->done,
                SLICES);
    if (w->done == SLICES)
        fprintf(stderr, "%s[%u/%d slices]\n", isatty(STDERR_FILENO) ? "\n" : "", w->done, SLICES);
}

/* The result of a slice, or that its worker has died: then it is put aside. */
static int slice_ended(void *arg, size_t index, int rc, struct bough_message *reply)
{
    struct work *w = arg;
    uint64_t count;
    if (rc == -EOWNERDEAD) {
        printf("lost: %s\n", bough_error_message(bough_error_last()));
        w->slices[w->again] = w->slices[index]; /* all before it have been given away: in order */
        w->slices[w->again++].crash = false;
        w->lost++;
        return 0;
    }
    if (rc == 0)
        rc = bough_message_get(reply, &count);
    if (rc < 0)
        return rc;
    w->count += count;
    w->done++;
    draw_bar(w);
    return 0;
}

static int do_slices(struct bough_pool *p, struct work *w)
{
    struct bough_pool_map_options map = {.items = w->slices,
                                         .item_size = sizeof(w->slices[0]),
                                         .count = w->todo,
                                         .each = slice_ended,
                                         .all = true,
                                         .arg = w};
    w->again = 0;
    int rc = bough_pool_map(p, "count", &map);
    w->todo = w->again;
    return rc;
}

static int count_all(void *arg)
{
    struct work *w = arg;
    struct bough_pool_stats stats = {0};
    int rc = 0;
    struct bough_pool_options options = {
        .type = "primes", .place = w->place, .workers = w->workers};
    cut(w);
    bough_with_pool (p, &options, &rc) {
        for (int round = 0; rc == 0 && w->todo && round < ROUNDS_MOST; round++)
            rc = do_slices(p, w);
        if (rc == 0 && w->todo)
            rc = bough_fail(-EIO, "%zu slices cannot be done", w->todo);
        bough_pool_stats(p, &stats);
    }
    if (rc == 0)
        printf("%" PRIu64 " primes below %" PRIu64 "; %u slices lost and done again, %" PRIu64
               " workers replaced\n",
               w->count, w->limit, w->lost, stats.replaced);
    return rc;
}

static bool parse(int argc, char **argv, struct work *w)
{
    static const struct option names[] = {{"crash", no_argument, NULL, 'c'},
                                          {"place", required_argument, NULL, 'p'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {0}};
    int option;
    while ((option = getopt_long(argc, argv, "w:", names, NULL)) != -1) {
        if (option == 'c')
            w->crash = true;
        else if (option == 'w')
            w->workers = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'p' && strcmp(optarg, "thread") == 0)
            w->place = BOUGH_PLACE_THREAD;
        else if (option != 'p' || strcmp(optarg, "process") != 0)
            return false;
    }
    if (optind < argc)
        w->limit = strtoull(argv[optind++], NULL, 10);
    return optind == argc && w->limit > 0 && !(w->crash && w->place == BOUGH_PLACE_THREAD);
}

int main(int argc, char **argv)
{
    struct work w = {.place = BOUGH_PLACE_PROCESS, .limit = 20000000};
    if (!parse(argc, argv, &w)) {
        fprintf(stderr,
                "usage: %s [--place process|thread] [--workers N] [--crash] [LIMIT]\n"
                "a thread cannot be killed: --crash needs processes\n",
                argv[0]);
        return 2;
    }
    int rc = bough_run(count_all, &w);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
