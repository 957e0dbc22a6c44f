/* Connections that were accepted ahead.
 * SPDX-License-Identifier: MIT */
#include "io/accepted.h"

#include <string.h>
#include <unistd.h>

#include "base/sys.h"

enum { ROOM_FIRST = 16, FULL = 32 };

struct accepted *bough__accepted_new(void)
{
    return sys_calloc(1, sizeof(struct accepted));
}

void bough__accepted_free(struct accepted *a)
{
    if (!a)
        return;
    while (a->count)
        close(bough__accepted_take(a));
    free(a->fds);
    free(a);
}

static int *place(const struct accepted *a, unsigned i)
{
    return &a->fds[(a->first + i) & (a->room - 1)];
}

static bool grow(struct accepted *a)
{
    unsigned room = a->room ? 2 * a->room : ROOM_FIRST;
    int *fds = sys_malloc(room * sizeof(*fds));
    if (!fds)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        fds[i] = *place(a, i);
    free(a->fds);
    a->fds = fds;
    a->room = room;
    a->first = 0;
    return true;
}

void bough__accepted_add(struct accepted *a, int fd)
{
    if (a->count == a->room && !grow(a)) {
        close(fd);
        a->failure = -ENOMEM;
        return;
    }
    *place(a, a->count++) = fd;
}

int bough__accepted_take(struct accepted *a)
{
    int failure = a->failure;
    if (a->count) {
        int fd = *place(a, 0);
        a->first++;
        a->count--;
        return fd;
    }
    a->failure = 0;
    return failure ? failure : -EAGAIN;
}

bool bough__accepted_has_news(const struct accepted *a)
{
    return a->count || a->failure;
}

bool bough__accepted_is_full(const struct accepted *a)
{
    return a->count >= FULL;
}
