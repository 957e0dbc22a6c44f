/* Connections of one listening socket that the kernel has accepted ahead, and nobody has taken yet.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

struct accepted {
    unsigned request; /* the driver's, which accepts; 0: none */
    int failure;      /* of accept(2), to be told once; 0: none */
    unsigned first, count, room;
    int *fds; /* a ring of 'room', a power of two */
};

/* NULL: no memory. */
struct accepted *bough__accepted_new(void);

/* Closes what is left. NULL is fine. */
void bough__accepted_free(struct accepted *a);

/* It is ours, also if there is no memory: then it is closed, which is a failure to be told. */
void bough__accepted_add(struct accepted *a, int fd);

/* The oldest, or the failure, or -EAGAIN. */
int bough__accepted_take(struct accepted *a);
bool bough__accepted_has_news(const struct accepted *a);

/* Are there more than anybody should have waiting who does not take them? */
bool bough__accepted_is_full(const struct accepted *a);
