/* The other side of the examples: this program once more, as a server in a process of its own.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include <bough.h>

struct peer {
    pid_t pid; /* 0: none */
    unsigned port;
};

/* In main(), first: if this process is a peer, serve, and do not return. */
void peer_main(int argc, char **argv, bough_serve_fn *fn);

/* Start a peer, and wait until it listens. */
int peer_start(struct peer *peer);

/* kill -9, as a crash would. Idempotent. */
void peer_kill(struct peer *peer);

/* SIGSTOP: it is there and says nothing, like a machine behind a broken network. */
void peer_freeze(const struct peer *peer);
