/* Frames that come over a Unix socket.
 *
 * Bytes are read in bulk and cut into frames; a large payload is read into its own memory at once,
 * or copied out of the arena that the other end has offered.
 *
 * A receive that did not fill its buffer has emptied the socket, so the next one waits first: that
 * saves a system call a message. But bytes that come with a descriptor are received by themselves,
 * so a short receive may also end in front of them; a frame of the link's own announces them, and
 * until they have come nothing is concluded.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/arena.h"
#include "actor/frame.h"

enum { SOCKET_FDS = 16 }; /* descriptors that have come, and whose frames have not */

struct socket_in {
    int fd;          /* the link's */
    char *bytes;     /* what was read, */
    size_t at, end;  /* and is no frame yet */
    bool drained;    /* the socket was empty after the last receive */
    bool fd_follows; /* unless a descriptor is there */
    int fds[SOCKET_FDS];
    unsigned fd_count;
    struct arena_in arena;
};

/* Zeroed before, and freed also if this fails. 0, -ENOMEM. */
BOUGH_MUST_CHECK int socket_in_init(struct socket_in *s, int fd);
void socket_in_free(struct socket_in *s);

/* As that of a link (actor/link.h). */
int socket_in_receive(struct socket_in *s, struct frame *ret_frame);
