/* A small service of three, of which each may crash: the store, an actor in a process of its own,
 * has a number; the cache, a task, asks it for that ten times a second; the front, a server on a
 * port, tells it to whoever connects.
 *
 *     ./supervised 'add 5' ask 'crash store' ask         crash: store, cache, or front
 *
 * They are supervised, rest_for_one: who crashes is started again, after a backoff, and with it
 * those that come after it, in order, because they have to do with what is gone. Those before it do
 * not notice. In the end they are stopped, the last one first.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>

/* --- the store: over there --- */

static int set_up_store(struct bough_bytes argument, void **ret_state)
{
    static long number;
    (void)argument;
    *ret_state = &number;
    return 0;
}

static int add(struct bough_call *call, void *state)
{
    long *number = state, more;
    int rc = bough_bytes_get(bough_call_request(call), &more);
    if (rc < 0)
        return rc;
    *number += more;
    return bough_call_reply(call, BOUGH_BYTES(*number));
}

static int crash(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return raise(SIGKILL);
}

static const struct bough_operation store_operations[] = {{"add", add}, {"crash", crash}, {0}};
BOUGH_ACTOR(store, .operations = store_operations, .setup = set_up_store);

/* --- here --- */

struct service {
    struct bough_supervisor *sv;
    long cached;
    unsigned port; /* of the front's present life */
    struct bough_event crash_cache, crash_front;
};

static int add_to_store(struct service *s, struct bough_supervised store, long more,
                        long *ret_number)
{
    struct bough_message reply;
    int rc = bough_supervisor_call(s->sv, store, "add", BOUGH_BYTES(more), &reply);
    if (rc < 0)
        return rc;
    rc = bough_message_get(&reply, ret_number);
    bough_message_free(&reply);
    return rc;
}

/* It knows that life of the store which it has found, and no other. */
static int cache(void *arg)
{
    struct service *s = arg;
    struct bough_supervised store;
    int rc = bough_supervisor_find(s->sv, "store", &store);
    if (rc == 0)
        rc = add_to_store(s, store, 0, &s->cached);
    if (rc < 0)
        return rc;
    bough_event_init(&s->crash_cache);
    bough_started(NULL);
    while (rc == 0) {
        bool told = false;
        bough_move_on_after (100 * BOUGH_MS, &rc) {
            rc = bough_event_wait(&s->crash_cache);
            told = rc == 0;
        }
        if (told)
            return bough_fail(-EIO, "the cache is corrupt");
        if (rc == 0)
            rc = add_to_store(s, store, 0, &s->cached);
    }
    return rc;
}

static int answer(struct bough_connection *c, void *arg)
{
    const struct service *s = arg;
    char line[64];
    int n = snprintf(line, sizeof(line), "%ld", s->cached);
    return bough_stream_send_all(c->stream, line, (size_t)n);
}

static int fail_when_told(void *arg)
{
    struct service *s = arg;
    int rc = bough_event_wait(&s->crash_front);
    return rc < 0 ? rc : bough_fail(-EPIPE, "the front has lost its way");
}

static int front(void *arg)
{
    struct service *s = arg;
    struct bough_listener *listener;
    int rc = bough_tcp_listen("localhost", 0, &listener);
    if (rc < 0)
        return rc;
    s->port = bough_listener_port(listener);
    bough_event_init(&s->crash_front);
    bough_started(NULL);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, fail_when_told, s);
        if (rc == 0)
            rc = bough_serve(listener, answer, s);
    }
    bough_listener_free(listener);
    return rc;
}

/* --- what is said about them --- */

static const char *words(const struct bough_error *e)
{
    const struct bough_error *first = bough_error_first(e);
    return bough_error_message(first ? first : e);
}

static void report(const struct bough_supervisor_report *r, void *arg)
{
    (void)arg;
    if (r->event == BOUGH_REPORT_STARTED)
        printf("    %s: up, life %llu\n", r->child, (unsigned long long)r->generation);
    else if (r->event == BOUGH_REPORT_LIMIT)
        printf("    %s: that was once too often\n", r->child);
    else if (r->rc >= 0)
        printf("    %s: stopped\n", r->child);
    else if (r->delay)
        printf("    %s: %s; again in %lld ms\n", r->child, words(r->error),
               (long long)(r->delay / BOUGH_MS));
    else
        printf("    %s: %s\n", r->child, words(r->error));
    fflush(stdout);
}

/* --- commands --- */

static int tell_to_add(struct service *s, const char *number)
{
    struct bough_supervised store;
    long sum;
    int rc = bough_supervisor_find(s->sv, "store", &store);
    if (rc == 0)
        rc = add_to_store(s, store, strtol(number, NULL, 10), &sum);
    if (rc == 0)
        printf("    the store has %ld\n", sum);
    return rc;
}

static int ask(struct service *s)
{
    struct bough_stream *stream;
    char line[64];
    int rc = bough_tcp_connect("localhost", s->port, &stream);
    if (rc < 0)
        return rc;
    rc = bough_stream_receive_some(stream, line, sizeof(line));
    if (rc >= 0)
        printf("    the front says %.*s\n", rc, line);
    bough_stream_free(stream);
    return rc < 0 ? rc : 0;
}

/* The front is the last one: whoever crashes, when it is up again all of them are. */
static int tell_to_crash(struct service *s, const char *who)
{
    struct bough_supervised last, store;
    int rc = bough_supervisor_find(s->sv, "front", &last);
    if (rc == 0)
        rc = bough_supervisor_find(s->sv, "store", &store);
    if (rc < 0)
        return rc;
    if (strcmp(who, "store") == 0)
        rc = bough_supervisor_call(s->sv, store, "crash", BOUGH_NO_BYTES, NULL);
    else
        bough_event_set(strcmp(who, "cache") == 0 ? &s->crash_cache : &s->crash_front);
    (void)bough_catch(&rc, -EOWNERDEAD);
    return rc < 0 ? rc : bough_supervisor_wait(s->sv, last, NULL);
}

static int obey(struct service *s, const char *command)
{
    printf("%s\n", command);
    fflush(stdout);
    if (strncmp(command, "add ", 4) == 0)
        return tell_to_add(s, command + 4);
    if (strncmp(command, "crash ", 6) == 0)
        return tell_to_crash(s, command + 6);
    if (strcmp(command, "ask") == 0)
        return ask(s);
    return bough_fail(-EINVAL, "no such command: %s", command);
}

/* --- the service --- */

static int start(struct service *s)
{
    static const struct bough_actor_spec store = {
        .type = "store", .name = "store", .place = BOUGH_PLACE_PROCESS};
    static const struct bough_backoff backoff = {.first = 50 * BOUGH_MS};
    const struct bough_child_spec specs[] = {
        {.id = "store", .actor = &store, .backoff = backoff},
        {.id = "cache", .fn = cache, .arg = s, .start_timeout = BOUGH_SEC, .backoff = backoff},
        {.id = "front", .fn = front, .arg = s, .start_timeout = BOUGH_SEC, .backoff = backoff},
    };
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = bough_supervise(s->sv, &specs[i], NULL);
    return rc;
}

static int run(void *arg)
{
    char **commands = arg;
    struct service s = {0};
    struct bough_supervisor_options options = {
        .strategy = BOUGH_REST_FOR_ONE, .intensity = 5, .report = report};
    int rc = 0;
    printf("start\n");
    bough_with_supervisor (sv, &options, &rc) {
        s.sv = sv;
        rc = start(&s);
        for (; rc == 0 && *commands; commands++)
            rc = obey(&s, *commands);
        printf("stop\n");
    }
    return rc;
}

int main(int argc, char **argv)
{
    static char *all[] = {"add 5", "crash cache", "ask", "crash store",
                          "ask",   "crash front", "ask", NULL};
    int rc = bough_run(run, argc > 1 ? argv + 1 : all);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
