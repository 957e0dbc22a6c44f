/* UDP sockets, inside the library. For users: bough/udp.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"
#include "bough/udp.h"

struct bough_udp {
    int fd; /* -1: closed */
    int family;
    struct bough_address local; /* where it was bound */
    bool sending, receiving;    /* a task is in it */
    signed char gso; /* can the kernel, and what the packets go through? 0: not asked yet; -1: no */
    bool gro;
};

/* One try: what it did (>= 0), -EAGAIN, or another error. */
typedef int bough__udp_call_fn(int fd, void *arg);

/* Make the call until it gives something other than -EAGAIN, as a checkpoint. */
int bough__udp_call(struct bough_udp *u, enum bough_direction direction, bough__udp_call_fn *call,
                    void *arg);
