/* Searches for a name: by a task here, or by a child, whose search it is then to us.
 *
 * Who looks for a name asks itself, then upwards. Who knows it makes a socket pair, and sends one
 * end down to who has the name and the other to who wants it, each run on the way passing it on. A
 * search that nobody can answer yet is kept, where it is to wait, until the name comes.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/directory.h"

enum { FIND_NOW, FIND_WHEN_IT_COMES, FIND_NO_MORE };

struct finds {
    struct bough_list all;
    uint64_t next; /* number of what is asked upwards */
    struct directory *directory;
};

/* By a task: what was found, and where its connection is to live. */
struct found {
    int fd;
    struct bough_nursery *host;
};

void finds_init(struct finds *fs, struct directory *d);

/* Look for it, waiting for the answer. 'host' is where a connection lives that came from above. 0;
 * -ENOENT, -EPIPE: no parent any more, -EMFILE, -ENOMEM; -ECANCELED: the search is called off. */
BOUGH_MUST_CHECK int find_here(struct finds *fs, const char *name, const char *who, int64_t when,
                               struct found *ret_found);

/* Frames: a child looks for something, or does not any more; the parent has an answer. */
void find_asked(struct finds *fs, struct session *s, struct frame *f);
void find_answered(struct finds *fs, struct frame *f, struct bough_nursery *host);

/* A name has come. */
void finds_serve(struct finds *fs, struct entry *e);
/* A child has gone, with all it looked for; the parent has, and nobody will answer. */
void finds_forget(struct finds *fs, struct session *from);
void finds_fail(struct finds *fs, int code);
