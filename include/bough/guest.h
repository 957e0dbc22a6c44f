/* Guests: a run inside a foreign event loop, in the same thread: GLib's, libuv's, a toolkit's.
 *
 *     struct bough_guest *g;
 *     int rc = bough_guest_start(NULL, program, NULL, &g);
 *     while (rc == 0 && bough_guest_step(g)) {               // here: a loop of our own
 *         struct pollfd p = {.fd = bough_guest_fd(g), .events = POLLIN};
 *         poll(&p, 1, bough_guest_timeout_ms(g));
 *     }
 *     if (rc == 0)
 *         rc = bough_guest_finish(g);
 *
 * The host has to call bough_guest_step() whenever the descriptor is readable and when the deadline
 * has come. A step runs the tasks until all wait, or for two milliseconds, so that the host gets
 * its turn. Between the steps nothing of the run moves.
 *
 * Tasks may call the host's functions. The host, between steps, may end the run by
 * bough_guest_cancel(), and call what is for any thread: bough_enter() to wake a task
 * (bough/entry.h; hold a gate, or a run that waits for nothing else takes itself for deadlocked).
 * After either the descriptor is readable.
 *
 * In GLib the descriptor and the timeout are those of a GSource, in libuv of a uv_poll_t and a
 * uv_timer_t: examples/guest_glib.c and examples/guest_uv.c are to be copied.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/run.h"

BOUGH_BEGIN_DECLS

struct bough_guest;
struct bough_driver;

/* Make a run of fn(arg), like bough_run_with(); it begins with the first step. Its driver is epoll.
 * 0, -EBUSY (called from a task), -ENOMEM, -EMFILE, -EINVAL. */
BOUGH_MUST_CHECK int bough_guest_start(const struct bough_run_options *options, bough_task_fn *fn,
                                       void *arg, struct bough_guest **ret_guest);

/* Let it run. True: it waits, and wants another step; false: it has ended. In the thread that
 * started it, from outside any run. */
bool bough_guest_step(struct bough_guest *g);

/* Readable when a step is due. The same for all its life. */
int bough_guest_fd(const struct bough_guest *g);

/* When the next step is due at the latest, on the clock of bough_now() outside a run; BOUGH_NEVER;
 * INT64_MIN: at once. */
int64_t bough_guest_deadline(const struct bough_guest *g);

/* The same as a time from now that poll() and its kind understand: in milliseconds, rounded up; 0:
 * at once; -1: never. */
int bough_guest_timeout_ms(const struct bough_guest *g);

/* Cancel the main task and all below it, as by bough_scope_cancel() around it: so the result is 0,
 * if nothing else fails. The next step does it, so go on until one returns false. 'reason' is a
 * text that lives until then, or NULL. Only in the thread of the guest. Idempotent; nothing when it
 * has ended. */
void bough_guest_cancel(struct bough_guest *g, const char *reason);

/* On a driver of your own (bough/driver.h); 'fd' is readable when its wait() would wake somebody.
 * Its wait() is the guest's until the end, and then close(driver) is called, if there is a 'close'.
 * On failure the driver is still yours. What bough_guest_start() does once it has a driver. */
BOUGH_MUST_CHECK int bough_guest_start_on(struct bough_driver *driver, int fd,
                                          void (*close)(struct bough_driver *driver),
                                          const struct bough_run_options *options,
                                          bough_task_fn *fn, void *arg,
                                          struct bough_guest **ret_guest);

/* The result of a run that has ended, which is gone then. Panics if it has not. */
BOUGH_MUST_CHECK int bough_guest_finish(struct bough_guest *g);

BOUGH_END_DECLS
