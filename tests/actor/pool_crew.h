/* The actors that the tests of pools use, and what they ask of them.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor.h"

#include <unistd.h>

static int crew_square(struct bough_call *call, void *state)
{
    long x;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &x);
    if (rc == 0) {
        x *= x;
        rc = bough_call_reply(call, BOUGH_BYTES(x));
    }
    return rc;
}

static int compute(struct bough_call *call, int64_t *ret_duration)
{
    int rc = bough_bytes_get(bough_call_request(call), ret_duration);
    if (rc == 0)
        for (int64_t end = bough_now() + *ret_duration; bough_now() < end;)
            ;
    return rc;
}

/* The number of the thread that has computed. */
static int crew_who(struct bough_call *call, void *state)
{
    pid_t id = gettid();
    int64_t duration;
    (void)state;
    int rc = compute(call, &duration);
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(id));
}

static int crew_sleep(struct bough_call *call, void *state)
{
    int64_t duration;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &duration);
    if (rc == 0)
        rc = bough_sleep(duration);
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(duration));
}

/* Without a checkpoint. */
static int crew_compute(struct bough_call *call, void *state)
{
    int64_t duration;
    (void)state;
    int rc = compute(call, &duration);
    return rc < 0 ? rc : bough_call_reply(call, BOUGH_BYTES(duration));
}

/* Hears the cancel, and does not end. */
static int crew_deaf(struct bough_call *call, void *state)
{
    int64_t duration;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &duration);
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep(duration);
    return rc;
}

/* A negative number fails. */
static int crew_root(struct bough_call *call, void *state)
{
    long x, root = 0;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &x);
    if (rc < 0)
        return rc;
    if (x < 0)
        return bough_fail(-EDOM, "%ld has no root", x);
    while ((root + 1) * (root + 1) <= x)
        root++;
    return bough_call_reply(call, BOUGH_BYTES(root));
}

static int crew_huge(struct bough_call *call, void *state)
{
    (void)state;
    struct bough_bytes bytes = {calloc(1, 17 << 20), 17 << 20};
    int rc = bough_call_reply(call, bytes);
    free((void *)bytes.data);
    return rc;
}

static int crew_die(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    kill(getpid(), SIGKILL);
    return bough_sleep_forever();
}

static const struct bough_operation crew_operations[] = {
    {"square", crew_square},   {"who", crew_who},   {"sleep", crew_sleep},
    {"compute", crew_compute}, {"deaf", crew_deaf}, {"root", crew_root},
    {"huge", crew_huge},       {"die", crew_die},   {0}};
BOUGH_ACTOR(crew, .operations = crew_operations);

__attribute__((unused)) static int ask_long(struct bough_pool *p, const char *operation, long x,
                                            long *ret_x)
{
    struct bough_message reply = {0};
    int rc = bough_pool_call(p, operation, BOUGH_BYTES(x), &reply);
    if (rc == 0)
        rc = bough_message_get(&reply, ret_x);
    bough_message_free(&reply);
    return rc;
}

__attribute__((unused)) static int ask_time(struct bough_pool *p, const char *operation,
                                            int64_t duration)
{
    return bough_pool_call(p, operation, BOUGH_BYTES(duration), NULL);
}

__attribute__((unused)) static int ask_who(struct bough_pool *p, int64_t duration, pid_t *ret_id)
{
    struct bough_message reply = {0};
    int rc = bough_pool_call(p, "who", BOUGH_BYTES(duration), &reply);
    if (rc == 0)
        rc = bough_message_get(&reply, ret_id);
    bough_message_free(&reply);
    return rc;
}

__attribute__((unused)) static struct bough_pool_stats stats_of(const struct bough_pool *p)
{
    struct bough_pool_stats stats;
    bough_pool_stats(p, &stats);
    return stats;
}
