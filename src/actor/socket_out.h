/* Frames to be sent over a Unix socket.
 *
 * They are laid out in blocks, one after the other; what is written in one pass of the loop goes
 * out in one system call or few. A block that has a descriptor goes out with it, alone.
 *
 * Large payloads go through an arena (actor/arena.h), which is offered when there is a second of
 * them: the frame then has the place in it instead. Whenever there is no arena, or no room in it,
 * they go over the socket. An arena that has not been used for a while is given up.
 *
 * Memory is bounded: who sends much waits for room, what one is asked for in the stream of a
 * dialogue is bounded by its window, and each call has one reply.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/arena.h"
#include "actor/frame.h"
#include "bough/timer.h"

struct socket_out {
    int fd;                    /* the link's */
    int broken;                /* why nothing can be sent any more; 0 */
    struct bough_list blocks;  /* to be sent */
    size_t queued;             /* bytes in them */
    struct bough_wait *pump;   /* waits for something to send */
    struct bough_list starved; /* wait for room */
    struct bough_list drains;  /* wait until all is out */
    struct arena_out out;
    struct bough_timer arena_unused;
    bool arena_is_watched; /* by the timer */
};

void socket_out_init(struct socket_out *s, int fd);

/* As the same of a link (actor/link.h). */
int socket_out_send(struct socket_out *s, const struct frame_head *head,
                    const struct bough_bytes *parts, int fd);
int socket_out_wait_room(struct socket_out *s);
int socket_out_pump(struct socket_out *s);
int socket_out_drain(struct socket_out *s);

/* The other end is gone, or we are: what is queued is for nobody. If it should be there all the
 * same, both ends find that the link has ended. */
void socket_out_break(struct socket_out *s, int rc);
