/* Names to addresses: getaddrinfo() in a worker thread, or whatever resolver the run has.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/net.h"
#include "bough/task.h"
#include "bough/thread.h"
#include "bough/wait.h"

/* --- getaddrinfo() in a thread --- */

struct query {
    int result; /* an EAI_ code */
    int system_error;
    struct addrinfo *found;
    char service[16];
    char host[];
};

static int query_work(void *arg)
{
    struct query *q = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    q->result = getaddrinfo(q->host, q->service, &hints, &q->found);
    q->system_error = errno;
    return 0;
}

static void query_free(void *arg)
{
    struct query *q = arg;
    if (q->found)
        freeaddrinfo(q->found);
    free(q);
}

static int query_error(const struct query *q)
{
    switch (q->result) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
        return -ENOENT;
    case EAI_AGAIN:
        return -EHOSTUNREACH;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return -q->system_error;
    default:
        return -EIO;
    }
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

static unsigned copy_found(const struct addrinfo *found, struct bough_address *ret_addresses,
                           unsigned capacity)
{
    unsigned count = 0;
    for (; found && count < capacity; found = found->ai_next) {
        struct bough_address to = {.size = found->ai_addrlen};
        memcpy(&to.storage, found->ai_addr, found->ai_addrlen);
        if (!is_among(&to, ret_addresses, count))
            ret_addresses[count++] = to;
    }
    return count;
}

static int resolve_name(const char *host, unsigned port, struct bough_address *ret_addresses,
                        unsigned capacity)
{
    size_t length = strlen(host);
    struct query *q = sys_malloc(sizeof(*q) + length + 1);
    if (!q)
        return bough_fail(-ENOMEM, "no memory to look up %s", host);
    *q = (struct query){0};
    memcpy(q->host, host, length + 1);
    snprintf(q->service, sizeof(q->service), "%u", port);
    struct bough_thread_options options = {
        .abandon = true, .drop = query_free, .what = "the address of a host"};
    int rc = bough_thread_run_with(&options, query_work, q);
    if (rc == -ECANCELED)
        return rc;
    if (rc == 0) {
        rc = query_error(q);
        if (rc < 0)
            rc = bough_fail(rc, "cannot find the host %s: %s", host, gai_strerror(q->result));
        else
            rc = (int)copy_found(q->found, ret_addresses, capacity);
    }
    query_free(q);
    return rc;
}

/* --- who is asked --- */

static struct bough_local run_resolver; /* its value in a run; NULL: getaddrinfo() */

struct bough_resolver *bough_resolver_get(void)
{
    return bough_run_local_get(&run_resolver);
}

int bough_resolver_set(struct bough_resolver *resolver)
{
    /* So that taking none away needs no memory. */
    return resolver == bough_resolver_get() ? 0 : bough_run_local_set(&run_resolver, resolver);
}

static int ask(struct bough_resolver *resolver, const char *host, unsigned port,
               struct bough_address *ret_addresses, unsigned capacity)
{
    int rc = resolver->resolve(resolver, host, port, ret_addresses, capacity);
    if (rc == 0 || (rc > 0 && (unsigned)rc > capacity))
        return bough_fail(-EPROTO,
                          "the resolver has %d addresses for %s, where 1 to %u are asked for", rc,
                          host, capacity);
    return rc;
}

int bough_resolve_by(struct bough_resolver *resolver, const char *host, unsigned port,
                     struct bough_address *ret_addresses, unsigned capacity)
{
    struct bough_address address;
    if (!host)
        return bough_fail_text(-EINVAL, "no host to look up, but NULL");
    if (port > 65535)
        return bough_fail(-EINVAL, "%s: ports go up to 65535, and this is %u", host, port);
    if (capacity == 0 || !*host)
        return bough_fail(-EINVAL, "cannot look up \"%s\" for %u addresses", host, capacity);
    int rc = bough_address_parse(host, port, &address);
    if (rc == -EINVAL && resolver)
        return ask(resolver, host, port, ret_addresses, capacity);
    if (rc == -EINVAL)
        return resolve_name(host, port, ret_addresses, capacity);
    rc = bough_pass();
    if (rc < 0)
        return rc;
    *ret_addresses = address;
    return 1;
}

int bough_resolve(const char *host, unsigned port, struct bough_address *ret_addresses,
                  unsigned capacity)
{
    return bough_resolve_by(bough_resolver_get(), host, port, ret_addresses, capacity);
}
