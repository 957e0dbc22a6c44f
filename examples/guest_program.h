/* What runs as a guest in guest_glib.c and in guest_uv.c: tasks with a server and a client on
 * loopback. They know nothing of the loop around them.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <bough.h>

/* Zero-initialise it. Host and tasks are in one thread and take turns, so both may look at it. */
struct guest_program {
    struct bough_gate *gate; /* NULL: it has not begun, or has ended */
    struct bough_entry entry;
    struct bough_semaphore ticks; /* for the client: one is to be sent */
    unsigned ticked, passed_on;   /* by the host; of these, to the client */
    unsigned echoes;              /* that the client has seen */
    unsigned naps;                /* of a task that only sleeps */
};

/* The main task; until it is cancelled. */
int guest_program(void *program);

/* For the host, between steps: have the client send something to the server. */
void guest_program_tick(struct guest_program *p);
