/* Listeners, inside the library. For users: bough/net.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/net.h"

/* A listener over a socket that listens already, which is its own from now on, also when this
 * fails. closing(arg) is called once, before the socket is closed (NULL: nothing is), also when
 * this fails. */
int bough__listener_open(int fd, void (*closing)(void *arg), void *arg,
                         struct bough_listener **ret_listener);

/* Whoever accepts takes all that come: the driver may accept ahead, if it does such things. Else
 * what nobody has asked for yet waits in the kernel. */
void bough__listener_takes_all(struct bough_listener *l);
