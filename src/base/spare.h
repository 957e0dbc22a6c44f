/* Spare memory: a thread keeps what it frees for the next who wants about as much.
 *
 * For blocks that come and go many times a second in the size of pages: freed ones at the end of the heap
 * are given back to the system again and again, and come back a page fault at a time, which costs more
 * than all that is done with them. Here, at most SPARE_MOST bytes a thread stay, until it ends.
 *
 * Sizes are rounded up to quarters of a power of two. Any thread may free what another one has got.
 * Checking tools see every block come and go: under ASan, TSan and Valgrind nothing is kept.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

enum {
    SPARE_FROM = 1 << 10, /* smaller ones are malloc's business */
    SPARE_MOST = 1 << 20,
};

/* At least so many bytes; their number, which is to be given back, is in 'ret_capacity'. NULL: no
 * memory. */
void *spare_get(size_t size, size_t *ret_capacity);

/* NULL is fine. */
void spare_put(void *block, size_t capacity);

/* What this thread keeps. */
size_t spare_kept(void);
