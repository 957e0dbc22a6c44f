/* Visits: connections between actors that are not parent and child. Each end has a service in the
 * nursery of a block with actors, or of the actor itself. It ends with that; with the connection;
 * and at the end of who has looked for it, when the handle is released.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/handle.h"

struct service;

/* Over 'fd', which is taken over also if this fails. 'name' is who is at the other end ("": a run
 * that is no actor); 'ours': we have looked for it, and release it; 'service' is what is done for
 * who calls. 'ret_actor' may be NULL. */
BOUGH_MUST_CHECK int visit_start(struct service *service, int fd, const char *name, bool ours,
                                 struct bough_nursery *host, struct bough_actor **ret_actor);
