/* Generators: a function that produces a series of values, and a consumer that asks for them.
 *
 *     static int lines(struct bough_generator *self, void *arg)
 *     {
 *         char line[256];
 *         int rc;
 *         while ((rc = read_line(arg, line)) > 0)
 *             if ((rc = bough_emit(self, line)) < 0)
 *                 break;
 *         return rc;
 *     }
 *
 *     bough_with_generator (rx, lines, stream, 256, &rc) {
 *         char line[256];
 *         while ((rc = bough_receive(rx, line)) > 0)
 *             puts(line);
 *     }
 *
 * A generator runs in a task of its own, and gives the block a receiver (bough/channel.h):
 *
 *  - It runs only on demand: up to its next emit when somebody waits to receive.
 *  - A timeout or cancel of the consumer ends the receive and never touches the generator; no value
 *    is lost.
 *  - Leaving the block cancels the generator and waits for it. Its errors come out of the block.
 *  - Several consumers may receive: clone rx, or share it. When it returns they get the end.
 *    Closing all receivers in the body tells it to end.
 *  - It may emit with scopes and nurseries of its own open: they are those of its own task, and
 *    cannot leak to the consumer.
 *
 * An iterator is the cheap kind: a frame of the consumer's own task, for a series that is computed
 * rather than waited for. There a scope that is open around an emit would enclose what the consumer
 * does next (PEP 789), so that panics.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/channel.h"
#include "bough/frame.h"
#include "bough/nursery.h"

BOUGH_BEGIN_DECLS

/* --- generators --- */

struct bough_generator;
typedef int bough_generator_fn(struct bough_generator *self, void *arg);

/* In the generator: hand *item to a receiver, and wait until the next one is asked for. A
 * checkpoint. 0; -ECANCELED: the block is being left; -EPIPE: all receivers are closed, so the
 * generator should return (that is no failure of the block). */
BOUGH_MUST_CHECK int bough_emit(struct bough_generator *self, const void *item);

/* A block with a generator: 'rx' is declared by it, a struct bough_receiver *. If it cannot be
 * started the body does not run. Ways out are those of the other blocks (bough/scope.h). */
#define bough_with_generator(rx, fn, ... /* arg, item_size, rc */)                                 \
    for (struct bough_generator_block BOUGH_PASTE(bough_block_, rx)                                \
             BOUGH_CLEANUP(bough_generator_block_abandon),                                         \
         *BOUGH_PASTE(bough_open_, rx) = bough_generator_block_enter(                              \
             &BOUGH_PASTE(bough_block_, rx), fn, __VA_ARGS__, BOUGH_SITE(#fn));                    \
         BOUGH_PASTE(bough_open_, rx); BOUGH_PASTE(bough_open_, rx) = bough_generator_block_exit(  \
                                           &BOUGH_PASTE(bough_block_, rx)))                        \
        BOUGH_BLOCK_GUARD_(rx)                                                                     \
    for (__attribute__((unused)) struct bough_receiver *rx = BOUGH_PASTE(bough_block_, rx).rx;     \
         !BOUGH_PASTE(bough_block_, rx).ended; BOUGH_PASTE(bough_block_, rx).ended = true)

struct bough_generator_block {
    struct bough_nursery nursery;
    struct bough_scope scope; /* the generator's */
    struct bough_receiver *rx;
    int *rc;
    bool open, ended;
};
struct bough_generator_block *bough_generator_block_enter(struct bough_generator_block *b,
                                                          bough_generator_fn *fn, void *arg,
                                                          size_t item_size, int *rc,
                                                          const struct bough_site *site);
struct bough_generator_block *bough_generator_block_exit(struct bough_generator_block *b);
void bough_generator_block_abandon(struct bough_generator_block *b);

/* --- iterators ---
 *
 *     static int squares(struct bough_iterator *self, void *arg)
 *     {
 *         int rc = 0;
 *         for (int i = 1; rc == 0; i++)
 *             rc = bough_iterator_emit(self, &(int){i * i});
 *         return rc;
 *     }
 *
 *     struct bough_iterator it;
 *     int square, rc = bough_iterator_open(&it, squares, NULL, sizeof(int));
 *     while (rc >= 0 && (rc = bough_next(&it, &square)) > 0 && square < 100)
 *         printf("%d\n", square);
 *     rc = bough_iterator_close(&it, rc);
 */

struct bough_iterator;
typedef int bough_iterator_fn(struct bough_iterator *self, void *arg);

struct bough_iterator {
    /* Private. */
    bough_iterator_fn *fn;
    void *arg;
    size_t item_size;
    struct bough_frame *frame; /* NULL: it has ended */
    const void *item;          /* what it emits, while it is suspended there */
    bool closing;
    int rc;
    struct bough_scope *outside; /* the innermost scope of who asked for the next item */
    const struct bough_site *site;
};

/* Make one; it begins with the first bough_next(). It belongs to this task. 0, -ENOMEM, -EAGAIN.
 * Does not block. */
BOUGH_MUST_CHECK int bough_iterator_open(struct bough_iterator *it, bough_iterator_fn *fn,
                                         void *arg, size_t item_size);
#define bough_iterator_open(it, fn, ...) /* arg, item_size */                                      \
    bough_iterator_open_at(it, fn, __VA_ARGS__, BOUGH_SITE(#fn))
BOUGH_MUST_CHECK int bough_iterator_open_at(struct bough_iterator *it, bough_iterator_fn *fn,
                                            void *arg, size_t item_size,
                                            const struct bough_site *site);

/* The next item. 1 an item; 0 the end; < 0 what fn failed with, once; then 0. Blocks as fn does. */
BOUGH_MUST_CHECK int bough_next(struct bough_iterator *it, void *ret_item);

/* In the iterator: hand the item to who asked, go on with the next bough_next(). 0; -EPIPE: it is
 * being closed, so fn should clean up and return. Panics, naming it, if a scope or nursery that fn
 * opened is still open. */
BOUGH_MUST_CHECK int bough_iterator_emit(struct bough_iterator *self, const void *item);

/* Let fn come to its end, if it has not. Returns 'rc', joined with what fn fails with in its
 * cleanup. Idempotent. */
BOUGH_MUST_CHECK int bough_iterator_close(struct bough_iterator *it, int rc);

BOUGH_END_DECLS
