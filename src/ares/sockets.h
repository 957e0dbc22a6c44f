/* What a channel waits for, inside bough-ares.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <ares.h>
#include <stdbool.h>

/* An epoll set with all sockets of a channel and a timer, so that one wait is enough for all of
 * them. */
struct bough__ares_sockets {
    int set, timer;
};

/* Make it; the channel comes after it. 0, -EMFILE, -ENFILE, -ENOMEM. */
int bough__ares_sockets_open(struct bough__ares_sockets *s);

/* To be called when the channel is gone. */
void bough__ares_sockets_close(struct bough__ares_sockets *s);

/* For the channel: an ares_sock_state_cb. */
void bough__ares_sockets_changed(void *sockets, ares_socket_t fd, int readable, int writable);

/* To be called when the channel has got something to do: it may want to be called earlier. 'now':
 * whoever waits in serve is to return soon, whatever the channel wants. */
void bough__ares_sockets_arm(struct bough__ares_sockets *s, ares_channel channel, bool now);

/* Wait until there is something to do, and let the channel do it. A checkpoint. */
int bough__ares_sockets_serve(struct bough__ares_sockets *s, ares_channel channel);
