/* The names below a run, and the child that each is reached through.
 *
 * Each run knows those: the keeper of an actor adds its own, and from there they are told upwards,
 * so the root knows all.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/handle.h"

struct directory {
    struct bough_list entries;
    struct session *up; /* the way to the parent; NULL: there is none */
};

struct entry {
    struct bough_list link;
    struct bough_actor *via;
    pid_t pid; /* of its process; 0: it has none of its own */
    char name[];
};

void directory_init(struct directory *d);

struct entry *directory_look_up(struct directory *d, const char *name);

/* NULL: no memory. Who waits for the name would wait for ever, so that has to be a failure. */
struct entry *directory_add(struct directory *d, struct bough_actor *via, const char *name,
                            pid_t pid);

/* 'orphan': its parent has died and could not say so, so it is the root's to see it off. */
void directory_remove(struct directory *d, struct bough_actor *via, const char *name, bool orphan);
/* All that is reached through it, which has ended. */
void directory_remove_all(struct directory *d, struct bough_actor *via);

/* One end of a new socket pair goes to who has the name, with the name of who wants it; the other
 * one is returned. -EMFILE, -ENOMEM, -EPIPE. */
BOUGH_MUST_CHECK int directory_connect(struct entry *e, const char *who);

/* A frame with a name, and who wants it: sent, and perhaps a descriptor, which is taken over in any
 * case; or read, from a peer who may send anything. */
BOUGH_MUST_CHECK int request_send(struct session *s, struct frame_head head, const char *name,
                                  const char *who, int fd);
BOUGH_MUST_CHECK bool request_take(struct frame *f, const char **ret_name, const char **ret_who);
