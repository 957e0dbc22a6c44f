/* The soak run: everything at once, for a while, and nothing may grow.
 *
 * soak.c   the run: workers that do something at random, again and again, and are disturbed; a
 *          pause after each round, in which nothing is left over
 * watch.c  what is measured in the pauses
 * network.c, local.c, flow.c, actors.c   what the workers do
 * lives.c  instead of all that: a pool with many short lives
 * SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bough.h>

/* What the workers share. */
struct site {
    struct bough_listener *tcp, *tls, *local;
    char local_name[64];
    struct bough_address udp_at, nobody_at;
    int nobody; /* has a port, and does not listen */
    struct bough_udp *udp;
    struct bough_tls *client_tls, *server_tls; /* NULL: built without */
    struct bough_lock lock;
    unsigned inside;  /* of the lock */
    unsigned dropped; /* arguments of abandoned threads that are not freed yet; atomic */
};

struct worker {
    struct site *site;
    uint64_t random; /* its own, so that what it does is drawn from the seed alone */
};

/* 0 .. limit - 1. */
unsigned draw(struct worker *w, unsigned limit);

/* Ends the program if it does not hold. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            soak_failed("%s:%d: %s does not hold", __FILE__, __LINE__, #condition);                \
    } while (0)
void soak_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* --- what the workers do --- 0; < 0: a failure, unless the worker was disturbed. */

int site_open(struct site *site);
void site_close(struct site *site);
int site_serve(void *site); /* until cancelled */

int talk_tcp(struct worker *w);
int talk_tls(struct worker *w);
int talk_unix(struct worker *w);
int talk_udp(struct worker *w);
int knock_at_a_closed_port(struct worker *w);
int pass_descriptors(struct worker *w);

int run_processes(struct worker *w);
int run_threads(struct worker *w);
int use_files(struct worker *w);
int watch_directories(struct worker *w);
int receive_signals(struct worker *w);

int use_channels(struct worker *w);
int use_generators(struct worker *w);
int use_exit_pools(struct worker *w);
int use_locks(struct worker *w);
int fail_in_groups(struct worker *w);

int use_actors(struct worker *w);

/* So many workers of a pool, each for one call. 0, or a failure. */
int live_often(enum bough_place place, unsigned lives);

/* --- what is watched --- */

struct level {
    int descriptors, threads, tasks;
    bool child;            /* there is one */
    size_t heap, resident; /* bytes; 0: not known */
};
struct level level_now(void);

/* Wait until nothing is left of a round: 'before' is the first one. Ends the program if something
 * stays. */
int level_settle(const struct site *site, const struct level *before, struct level *ret_now);

/* Ends the program if memory or threads have grown. */
void level_compare(const struct level *before, const struct level *now, unsigned workers);
