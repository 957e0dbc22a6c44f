/* Waiting for the first of several things: exactly one happens.
 *
 *     struct job job;
 *     struct bough_case cases[] = {
 *         bough_case_receive(jobs, &job),
 *         bough_case_event(&reload),
 *         bough_case_readable(fd),
 *         bough_case_deadline(bough_after(bough_now(), 30 * BOUGH_SEC)),
 *     };
 *     int rc = bough_select(cases, 4);
 *     switch (rc) {
 *     case 0:                              // cases[0].result: 1 a job, 0 the end of the channel
 *         ...
 *
 * If several are ready the first in the list happens; of the others nothing does: nothing was sent,
 * nothing taken. So put what must not starve first. A list may be used again and again. Two selects
 * can meet on a channel, but one does not meet itself.
 *
 * All of it belongs to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/channel.h"
#include "bough/sync.h"
#include "bough/timer.h"

BOUGH_BEGIN_DECLS

struct bough_case_kind;
struct bough_select;

struct bough_case {
    /* How the case that happened ended: what bough_send() or bough_receive() would have returned; 0
     * for an event, a descriptor, a deadline; < 0 for one that failed, as by a closed handle or
     * descriptor. 0 for the others. */
    int result;

    /* Private. */
    const struct bough_case_kind *kind; /* NULL: never happens */
    void *object;
    int fd;
    struct bough_transfer transfer;
    struct bough_timer timer;
    struct bough_select *select;
};

/* The kinds of cases. An object of NULL, or a negative fd, makes a case that never happens. The
 * item of a send is read, and that of a receive written, when the case happens. */
struct bough_case bough_case_send(struct bough_sender *tx, const void *item);
struct bough_case bough_case_receive(struct bough_receiver *rx, void *ret_item);
struct bough_case bough_case_event(struct bough_event *e);
struct bough_case bough_case_readable(int fd);
struct bough_case bough_case_writable(int fd);
struct bough_case bough_case_deadline(int64_t at); /* bough_now() or earlier: at once */

/* Wait until one of the cases can happen, and let it. A checkpoint. Returns its index; or
 * -ECANCELED: none happened; -EINVAL: there is none that could. */
BOUGH_MUST_CHECK int bough_select(struct bough_case *cases, unsigned count);

/* The same without waiting: -EAGAIN if none can happen now. Not a checkpoint. */
BOUGH_MUST_CHECK int bough_select_nowait(struct bough_case *cases, unsigned count);

BOUGH_END_DECLS
