/* Names: who is called what in the tree of actors, and connections between those who are not parent
 * and child. What comes and goes here keeps the directory (actor/directory.h) and answers searches
 * (actor/find.h); what they find is visited (actor/visit.h). So names live as long as the actors,
 * and nobody has to listen anywhere.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/handle.h"

struct names;
struct service;

/* Those of the run; made by the first who holds them. NULL: no memory. */
struct names *names_hold(void);
void names_release(struct names *n);

/* This run is an actor's: its name, its way up, the nursery that its connections live in, and what
 * it does for who connects. */
void names_set_self(struct names *n, const char *name, struct session *up,
                    struct bough_nursery *host, struct service *service);

/* What this run does as an actor; NULL: it is none. */
struct service *names_service(const struct names *n);

/* An actor that was started here is up (0, or -ENOMEM); it is about to end. Both in any case. */
BOUGH_MUST_CHECK int names_add_actor(struct names *n, struct bough_actor *a);
void names_remove_actor(struct names *n, struct bough_actor *a);
/* Its session is over: what it has said before it was up, or while it ended, is forgotten, too. */
void names_forget_actor(struct names *n, struct bough_actor *a);
/* The way up has gone. */
void names_lose_parent(struct names *n);

/* Is the frame about names? From a child, or from the parent. */
bool names_frame(struct names *n, struct session *s, struct frame *f);

/* The actors that were started here and are up: the first, and the one after 'a'. */
struct bough_actor *names_next_actor(struct names *n, struct bough_actor *a);
