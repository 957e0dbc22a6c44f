/* Lookups, many at once over one channel, and nobody extra to drive them.
 *
 * Of the tasks that wait for an answer one leads: it waits for the sockets of all and lets c-ares
 * work. The others sleep until their answer has come, or until they have to lead:
 *
 *     follows --its answer comes----> leaves
 *     follows --the leader leaves---> leads --its answer comes, or a cancel--> leaves, and wakes
 *     the next leader
 *
 * c-ares can cancel all that a channel does, but no single question. So the memory of a lookup is
 * its own: a task that is cancelled abandons it, and it is freed when c-ares calls back. When
 * nobody waits any more, all that were abandoned are cancelled.
 *
 * Invariants: 'leader' is set exactly as long as any task waits; c-ares calls back once for each
 * lookup, at the latest when the channel is destroyed.
 * SPDX-License-Identifier: MIT */
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ares/code.h"
#include "ares/sockets.h"
#include "bough/ares.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/wait.h"

struct bough_ares {
    struct bough_resolver resolver;
    ares_channel channel;
    struct bough__ares_sockets sockets;
    unsigned waiting, abandoned; /* lookups with a task; and without, which c-ares still has */
    struct bough_list followers; /* waits of those that sleep */
    struct lookup *leader;
};

struct lookup {
    struct bough_ares *ares;
    struct bough_wait wait;
    bool done, abandoned;
    int status;                  /* of c-ares, when it is done */
    struct ares_addrinfo *found; /* what it has found: addresses */
    unsigned char *answer;       /* or bytes */
    int size;
};

enum { ENDED, LEAD }; /* why a follower is woken */

/* --- the life of a lookup --- */

static struct lookup *lookup_new(struct bough_ares *a)
{
    struct lookup *l = calloc(1, sizeof(*l));
    if (l) {
        l->ares = a;
        l->wait = (struct bough_wait){.abort = bough_wait_leave, .what = "an answer by DNS"};
        a->waiting++;
    }
    return l;
}

static void lookup_free(struct lookup *l)
{
    if (l->found)
        ares_freeaddrinfo(l->found);
    free(l->answer);
    free(l);
}

/* The task has no use for it any more. */
static void lookup_leave(struct lookup *l)
{
    struct bough_ares *a = l->ares;
    a->waiting--;
    if (l->done) {
        lookup_free(l);
    } else {
        l->abandoned = true;
        a->abandoned++;
    }
    if (a->waiting == 0 && a->abandoned > 0)
        ares_cancel(a->channel);
}

/* c-ares has ended it. If it is the leader's, that one sees it when c-ares returns to it. */
static void lookup_ended(struct lookup *l, int status)
{
    if (l->abandoned) {
        l->ares->abandoned--;
        lookup_free(l);
        return;
    }
    l->done = true;
    l->status = status;
    if (bough_wait_is_parked(&l->wait))
        bough_wake(&l->wait, ENDED);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct lookup *l = arg;
    (void)timeouts;
    l->found = found;
    lookup_ended(l, status);
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int size)
{
    struct lookup *l = arg;
    (void)timeouts;
    if (status == ARES_SUCCESS) {
        l->answer = malloc((size_t)size);
        l->size = size;
        if (!l->answer)
            status = ARES_ENOMEM;
        else
            memcpy(l->answer, bytes, (size_t)size);
    }
    lookup_ended(l, status);
}

/* --- leading and following --- */

static int lead(struct lookup *l)
{
    struct bough_ares *a = l->ares;
    int rc = 0;
    while (rc == 0 && !l->done)
        rc = bough__ares_sockets_serve(&a->sockets, a->channel);
    struct bough_list *next = bough_list_first(&a->followers);
    a->leader = next ? bough_container_of(next, struct lookup, wait.link) : NULL;
    if (next)
        bough_wake(&a->leader->wait, LEAD);
    return l->done ? 0 : rc;
}

/* Once c-ares has been asked. A status of c-ares; < 0. */
static int lookup_wait(struct lookup *l)
{
    struct bough_ares *a = l->ares;
    int rc = 0;
    /* Asking may have ended the leader's lookup, too: when a server turns out to be gone. */
    bough__ares_sockets_arm(&a->sockets, a->channel, a->leader && a->leader->done);
    if (l->done) {
        bough_passed();
        return l->status;
    }
    if (a->leader) {
        bough_list_push(&a->followers, &l->wait.link);
        rc = bough_wait(&l->wait);
        if (rc != LEAD)
            return rc < 0 ? rc : l->status;
    }
    a->leader = l;
    rc = lead(l);
    return rc < 0 ? rc : l->status;
}

static int no_memory(const char *name)
{
    return bough_fail(-ENOMEM, "no memory to look up %s", name);
}

/* --- addresses --- */

static void set_port(struct bough_address *address, unsigned port)
{
    if (address->storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&address->storage)->sin_port = htons((uint16_t)port);
}

/* A hosts file may name one twice. */
static bool is_among(const struct bough_address *address, const struct bough_address *addresses,
                     unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (addresses[i].size == address->size &&
            memcmp(&addresses[i].storage, &address->storage, address->size) == 0)
            return true;
    return false;
}

static unsigned copy_found(const struct ares_addrinfo_node *node, unsigned port,
                           struct bough_address *ret_addresses, unsigned capacity)
{
    unsigned count = 0;
    for (; node && count < capacity; node = node->ai_next) {
        struct bough_address to = {.size = (socklen_t)node->ai_addrlen};
        memcpy(&to.storage, node->ai_addr, to.size);
        set_port(&to, port);
        if (!is_among(&to, ret_addresses, count))
            ret_addresses[count++] = to;
    }
    return count;
}

static int resolve(struct bough_resolver *resolver, const char *host, unsigned port,
                   struct bough_address *ret_addresses, unsigned capacity)
{
    struct bough_ares *a = bough_container_of(resolver, struct bough_ares, resolver);
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    struct lookup *l = lookup_new(a);
    if (!l)
        return no_memory(host);
    ares_getaddrinfo(a->channel, host, NULL, &hints, on_addresses, l);
    rc = lookup_wait(l);
    if (rc == ARES_SUCCESS) {
        rc = (int)copy_found(l->found->nodes, port, ret_addresses, capacity);
        rc = rc ? rc : bough__ares_fail(ARES_ENODATA, host);
    } else if (rc > 0) {
        rc = bough__ares_fail(rc, host);
    }
    lookup_leave(l);
    return rc;
}

/* --- records --- */

int bough_ares_query(struct bough_ares *a, const char *name, int type, unsigned char **ret_answer)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (type < 0 || type > UINT16_MAX)
        return bough_fail(-EINVAL, "cannot ask for %s: no type of records is %d", name, type);
    struct lookup *l = lookup_new(a);
    if (!l)
        return no_memory(name);
    ares_query(a->channel, name, ns_c_in, type, on_answer, l);
    rc = lookup_wait(l);
    if (rc == ARES_SUCCESS) {
        *ret_answer = l->answer;
        l->answer = NULL;
        rc = l->size;
    } else if (rc > 0) {
        rc = bough__ares_fail(rc, name);
    }
    lookup_leave(l);
    return rc;
}

/* --- the beginning and the end --- */

static int initialised;

static void initialise(void)
{
    initialised = ares_library_init(ARES_LIB_INIT_ALL);
}

static int channel_open(struct bough_ares *a, const struct ares_options *options, int mask)
{
    struct ares_options wanted = options ? *options : (struct ares_options){0};
    wanted.sock_state_cb = bough__ares_sockets_changed;
    wanted.sock_state_cb_data = &a->sockets;
    int status = ares_init_options(&a->channel, &wanted, mask | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS)
        return 0;
    return bough_fail(status == ARES_ENOMEM  ? -ENOMEM
                      : status == ARES_EFILE ? -EIO
                                             : -EINVAL,
                      "no channel of c-ares: %s", ares_strerror(status));
}

int bough_ares_open(const struct ares_options *options, int mask, struct bough_ares **ret_ares)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialise);
    struct bough_ares *a = calloc(1, sizeof(*a));
    if (!a || initialised != ARES_SUCCESS) {
        free(a);
        return bough_fail_text(-ENOMEM, "no memory for c-ares");
    }
    a->resolver.resolve = resolve;
    bough_list_init(&a->followers);
    int rc = bough__ares_sockets_open(&a->sockets);
    if (rc == 0) {
        rc = channel_open(a, options, mask);
        if (rc < 0)
            bough__ares_sockets_close(&a->sockets);
    }
    if (rc < 0) {
        free(a);
        return rc;
    }
    *ret_ares = a;
    return 0;
}

void bough_ares_close(struct bough_ares *a)
{
    if (!a)
        return;
    if (a->waiting > 0)
        bough_panic("a struct bough_ares is closed while %u tasks wait for its answers",
                    a->waiting);
    if (bough_resolver_get() == &a->resolver)
        (void)bough_resolver_set(NULL); /* which cannot fail */
    ares_destroy(a->channel);           /* it still calls back, and tells what it closes */
    bough__ares_sockets_close(&a->sockets);
    free(a);
}

struct bough_resolver *bough_ares_resolver(struct bough_ares *a)
{
    return &a->resolver;
}

void *bough_ares_channel(struct bough_ares *a)
{
    return a->channel;
}
