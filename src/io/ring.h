/* An io_uring, and the requests that it has.
 *
 * A request is named by its place in a table, never by a pointer to what it is for, and its place
 * is not used again before its last completion has come:
 *
 *     free --ring_request--> in flight --last completion, ring_release--> free
 *
 * A cancel is a request, too, which goes to the kernel with the others. What it concerns completes
 * all the same: with -ECANCELED, or with what it did if that came first.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <liburing.h>

#include "bough/driver.h"
#include "bough/time.h"

#define RING_NAP (10 * BOUGH_MS) /* how long to sleep when the kernel takes no request at all */

enum ring_kind { RING_FREE, RING_POLL, RING_ACCEPT, RING_RECEIVE, RING_OPERATION };

struct ring_request {
    enum ring_kind kind;
    enum bough_direction direction; /* of a poll or a receive */
    bool stays;                     /* for a reader, and tells all news until it is cancelled */
    int fd;                         /* of all but an operation; -1: nobody cares any more */
    bool cancelling;                /* it is on the list of those to be cancelled */
    bool over;                      /* and its last completion has come meanwhile */
    unsigned next;                  /* the next one that is free, or to be cancelled; 0: none */
    struct bough_io_operation *operation;
};

/* What a completion is about: one of these, or the request in that place. */
enum { ABOUT_NOTHING, ABOUT_INTERRUPT, ABOUT_HELPER, ABOUT_REQUESTS };

struct ring {
    struct io_uring kernel;
    bool is_open, skips_success;
    struct ring_request *requests; /* they move when there are more */
    unsigned count, free, to_cancel;
};

/* 'plain': as a kernel has it that knows nothing newer. 0; -ENOSYS: there is none that is new
 * enough; another error. Close it in any case. */
int bough__ring_open(struct ring *r, bool plain);
void bough__ring_close(struct ring *r);

/* A place in the submission queue, for what has no place in the table; NULL: the kernel takes no
 * more for now. */
struct io_uring_sqe *bough__ring_sqe(struct ring *r);

/* A new request, like 'like': its place, which is the sqe's user_data when that is filled in (the
 * io_uring_prep functions clear it). 0: no memory, or the kernel takes no more. */
unsigned bough__ring_request(struct ring *r, const struct ring_request *like,
                             struct io_uring_sqe **ret_sqe);

/* Its last completion has come. */
void bough__ring_release(struct ring *r, unsigned at);

/* Have it cancelled with the next call of the kernel. Again: nothing. */
void bough__ring_cancel(struct ring *r, unsigned at);

/* A descriptor is about to be closed, and the kernel would not have all that was to be submitted:
 * requests that were given up name none from now on, or they would be for the next descriptor of
 * that number. */
void bough__ring_disarm(struct ring *r);

/* Submit, with the cancels, and sleep for 'timeout' nanoseconds (0: do not sleep; BOUGH_NEVER: no
 * timeout) unless something is complete already. With nothing to submit and nothing announced,
 * timeout 0 makes no call. < 0: it failed, which may well pass (bough__ring_failure_passes); then
 * what was to be submitted still is. */
int bough__ring_enter(struct ring *r, int64_t timeout);
bool bough__ring_failure_passes(int rc);

/* Submit, with the cancels, and have the kernel do now what it has put off: a call does a few of
 * those (20 in 6.13), and what is cancelled holds its file until then. */
void bough__ring_settle(struct ring *r);

/* The next completion that is there, off the queue. */
static inline bool ring_next(struct ring *r, struct io_uring_cqe *ret_cqe)
{
    if (!io_uring_cq_ready(&r->kernel))
        return false;
    *ret_cqe = r->kernel.cq.cqes[*r->kernel.cq.khead & *r->kernel.cq.kring_mask];
    io_uring_cq_advance(&r->kernel, 1);
    return true;
}
