/* Connecting by TCP: happy eyeballs.
 *
 * After RFC 8305: the addresses are sorted so that families alternate, and tried in turn; the next
 * attempt begins when the one before has failed or 250 ms have passed, and the first connection
 * ends the others. Each attempt is a task of one nursery, so whatever happens they are gone when
 * this returns.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "bough/error.h"
#include "bough/net.h"
#include "bough/nursery.h"
#include "bough/sync.h"
#include "io/fdstream.h"

#define HEAD_START (250 * BOUGH_MS)
enum { ADDRESSES_MOST = 16 };

struct connecting {
    const struct bough_address *addresses;
    struct bough_nursery *nursery;
    int winner; /* its descriptor; -1: none yet */
    int first_error;
    char story[512]; /* how each attempt failed */
};

struct attempt {
    struct connecting *connecting;
    const struct bough_address *to;
    struct bough_event *failed;
};

static int open_connected(const struct bough_address *to)
{
    int on = 1;
    int fd = bough_socket_open(to->storage.ss_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int rc = bough_socket_connect(fd, to);
    if (rc < 0) {
        bough_socket_close(fd);
        return rc;
    }
    return fd;
}

static void note_failure(struct connecting *c, const struct bough_address *to, int rc)
{
    char text[BOUGH_ADDRESS_TEXT];
    size_t length = strlen(c->story);
    snprintf(c->story + length, sizeof(c->story) - length, "%s%s: %s", length ? "; " : "",
             bough_address_format(to, text, sizeof(text)), bough_error_name(rc));
    if (!c->first_error)
        c->first_error = rc;
}

/* One attempt: its failure is not the nursery's. */
static int attempt(void *arg)
{
    struct attempt *a = arg;
    struct connecting *c = a->connecting;
    int fd = open_connected(a->to);
    if (fd >= 0 && c->winner < 0) {
        c->winner = fd;
        bough_scope_cancel(bough_nursery_scope(c->nursery), "another address has answered");
        return 0;
    }
    bough_event_set(a->failed);
    if (fd == -ECANCELED)
        return fd;
    if (fd >= 0) /* second */
        bough_socket_close(fd);
    else
        note_failure(c, a->to, fd);
    return 0;
}

/* Start the attempts, each after the one before has failed or had its head start. */
static int try_in_turn(struct connecting *c, unsigned count, struct bough_event *failed)
{
    for (unsigned i = 0; i < count; i++) {
        bough_event_init(&failed[i]);
        int rc = BOUGH_START(c->nursery, attempt, struct attempt, .connecting = c,
                             .to = &c->addresses[i], .failed = &failed[i]);
        if (rc == 0 && i + 1 < count) {
            bough_move_on_after (HEAD_START, &rc)
                rc = bough_event_wait(&failed[i]);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int race(const struct bough_address *addresses, unsigned count)
{
    struct bough_event failed[ADDRESSES_MOST];
    struct connecting c = {.addresses = addresses, .winner = -1};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        c.nursery = n;
        rc = try_in_turn(&c, count, failed);
    }
    /* It was won before whatever else came: a cancel shows at the next checkpoint. */
    if (c.winner >= 0)
        return c.winner;
    if (rc < 0)
        return rc;
    return bough_fail(c.first_error, "none of %u addresses answered: %s", count, c.story);
}

/* The first family, the other, the first ... each in the order in which it came. */
static void alternate(const struct bough_address *from, unsigned count,
                      struct bough_address *ret_to)
{
    unsigned next[2] = {0, 0}; /* to look at, of the first family and of the others */
    for (unsigned i = 0, turn = 0; i < count; turn = !turn) {
        while (next[turn] < count &&
               (from[next[turn]].storage.ss_family != from[0].storage.ss_family) != (turn == 1))
            next[turn]++;
        if (next[turn] < count)
            ret_to[i++] = from[next[turn]++];
    }
}

static int stream_of(int fd, struct bough_stream **ret_stream)
{
    return fd < 0 ? fd : bough__fd_stream_open_private(fd, ret_stream);
}

int bough_tcp_connect_to(const struct bough_address *addresses, unsigned count,
                         struct bough_stream **ret_stream)
{
    struct bough_address sorted[ADDRESSES_MOST];
    if (count == 0)
        return bough_fail_text(-EINVAL, "bough_tcp_connect_to: no address");
    if (count == 1)
        return stream_of(open_connected(addresses), ret_stream);
    if (count > ADDRESSES_MOST)
        count = ADDRESSES_MOST;
    alternate(addresses, count, sorted);
    return stream_of(race(sorted, count), ret_stream);
}

int bough_tcp_connect(const char *host, unsigned port, struct bough_stream **ret_stream)
{
    struct bough_address addresses[ADDRESSES_MOST];
    int count = bough_resolve(host, port, addresses, ADDRESSES_MOST);
    return count < 0 ? count : bough_tcp_connect_to(addresses, (unsigned)count, ret_stream);
}
