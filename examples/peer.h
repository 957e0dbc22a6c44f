/* The other side of the examples: this program once more, as a server in a process of its own; and
 * a process to panic in.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include <bough.h>

struct peer {
    pid_t pid;     /* 0: none */
    unsigned port; /* before the start: the port that it is to have, 0: any */
};

/* In main(), first: if this process is a peer, serve, and do not return. */
void peer_main(int argc, char **argv, bough_serve_fn *fn);

/* Start a peer, and wait until it listens. */
int peer_start(struct peer *peer);

/* kill -9, as a crash would. Idempotent. */
void peer_kill(struct peer *peer);

/* SIGSTOP: it is there and says nothing, like a machine behind a broken network. */
void peer_freeze(const struct peer *peer);

/* Receive up to the end of the line, which is dropped; at most size - 1 bytes. 1 a line, 0 the end
 * of the stream, < 0. For protocols of one line each way: nothing may follow the line. */
int peer_read_line(struct bough_stream *s, char *line, size_t size);

/* Run fn as the main task of a forked process, which is expected to panic; what it prints is shown.
 * Not inside a run. */
void peer_show_panic(bough_task_fn *fn);
