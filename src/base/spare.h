/* Spare memory: a thread keeps what it frees for the next who wants about as much.
 *
 * For blocks that come and go many times a second in the size of pages: freed ones at the end of
 * the heap are given back to the system again and again, and come back a page fault at a time,
 * which costs more than all that is done with them. Here, at most SPARE_MOST bytes a thread stay,
 * until it ends or spare_trim() says that they are not needed.
 *
 * Sizes are rounded up to quarters of a power of two. Any thread may free what another one has got.
 * Checking tools see every block come and go: under ASan, TSan and Valgrind nothing is kept.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

enum {
    SPARE_FROM = 1 << 10,    /* smaller ones are malloc's business */
    SPARE_LARGEST = 2 << 20, /* larger ones, too */
    SPARE_MOST = 4 << 20,    /* in all, of a thread */
};

/* At least so many bytes; their number, which is to be given back, is in 'ret_capacity'. NULL: no
 * memory. */
void *spare_get(size_t size, size_t *ret_capacity);

/* NULL is fine. */
void spare_put(void *block, size_t capacity);

/* Free what this thread keeps. */
void spare_trim(void);

/* How much it is. */
size_t spare_kept(void);
