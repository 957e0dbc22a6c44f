/* Watching directories: a receiver of what changes in them.
 *
 *     static int reload_when_written(void *arg)
 *     {
 *         struct bough_dirwatch *w;
 *         struct bough_dirwatch_event e;
 *         int id, rc = bough_dirwatch_open(&w);
 *         if (rc < 0)
 *             return rc;
 *         rc = bough_dirwatch_add(w, "/etc/demo.d", BOUGH_DIR_WRITTEN | BOUGH_DIR_MOVED_TO, &id);
 *         while (rc >= 0 && (rc = bough_dirwatch_receive(w, &e)) == 1)
 *             if (e.kind == BOUGH_DIR_OVERFLOW || strcmp(e.name, "demo.conf") == 0)
 *                 rc = reload();
 *         bough_dirwatch_free(w);
 *         return rc;
 *     }
 *
 * What happens while nobody receives is kept by the kernel, up to a limit; beyond it events are
 * lost, and one of the kind BOUGH_DIR_OVERFLOW stands for them: then look at everything again. A
 * directory is watched alone, not those in it: add them as they are created, and look into them
 * after that. Changes that other machines make in a network's file system are not seen.
 *
 * One watch may be of many directories; the system limits both (fs.inotify). All of it belongs to
 * the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_dirwatch;

/* What has happened, to something in the directory; or, if it is a file that is watched, to that.
 */
enum {
    BOUGH_DIR_CREATED = 1,
    BOUGH_DIR_REMOVED = 2,
    BOUGH_DIR_CHANGED = 4,     /* some bytes of a file, by a write or truncation */
    BOUGH_DIR_WRITTEN = 8,     /* who had it open for writing has closed it */
    BOUGH_DIR_MOVED_FROM = 16, /* it has got another name, perhaps elsewhere; */
    BOUGH_DIR_MOVED_TO = 32,   /* and this is that, with the same 'move' */
    BOUGH_DIR_ATTRIBUTES = 64, /* mode, owner, times, links */
    BOUGH_DIR_ALL = 127,       /* all of these */
    BOUGH_DIR_GONE = 128,      /* it is no longer watched; the last event of its id. Always told */
    BOUGH_DIR_OVERFLOW = 256,  /* events were lost, of any id. Always told */
};

struct bough_dirwatch_event {
    int kind;          /* one of these */
    int id;            /* which directory, from bough_dirwatch_add(); -1 of an overflow */
    const char *name;  /* in the directory; "": itself. Until the next receive */
    bool is_directory; /* what has the name */
    uint32_t move;     /* for the two halves of a move: the same number */
};

/* A watch of nothing yet. Does not block. 0, -EMFILE (of descriptors, or of watches), -ENOMEM. */
BOUGH_MUST_CHECK int bough_dirwatch_open(struct bough_dirwatch **ret_watch);

/* Watch a directory (or a file), too, for what is in 'kinds'; the same one again: from now on for
 * that. Looks at the file system, which is taken to be quick. 0; -ENOENT, -EACCES; -ENOSPC: the
 * system's limit; -EINVAL: no kind, or others; -EBADF. */
BOUGH_MUST_CHECK int bough_dirwatch_add(struct bough_dirwatch *w, const char *path, int kinds,
                                        int *ret_id);

/* No longer watch it; what is on its way still comes, and then BOUGH_DIR_GONE. Does not block. 0;
 * -EINVAL: no such id (any more); -EBADF. */
BOUGH_MUST_CHECK int bough_dirwatch_remove(struct bough_dirwatch *w, int id);

/* The next event. A checkpoint. 1; -EBADF: the watch was closed; -EBUSY: another task receives;
 * -ECANCELED: nothing was taken. */
BOUGH_MUST_CHECK int bough_dirwatch_receive(struct bough_dirwatch *w,
                                            struct bough_dirwatch_event *ret_event);

/* Close it; who waits in it gets -EBADF. Idempotent. Does not block. */
void bough_dirwatch_close(struct bough_dirwatch *w);

/* Close and free. No task may be in it. NULL is fine. */
void bough_dirwatch_free(struct bough_dirwatch *w);

BOUGH_END_DECLS
