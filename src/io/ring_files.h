/* Operations on files, as requests of an io_uring.
 *
 * A kernel may lack some (which it says), or be told to refuse some (which it says when they come:
 * then a system call in a thread may be allowed all the same). So of a kind that has never worked a
 * failure that could be such a refusal comes to -ENOSYS. Not of a close, which must not be tried
 * twice: that is tried out at once.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "io/ring.h"

struct ring_files {
    unsigned can;    /* bits, by kind */
    unsigned proven; /* it has worked */
};

/* What does this kernel know? If it does not even tell: nothing. */
void bough__ring_files_probe(struct ring_files *f, struct ring *r);
bool bough__ring_files_can(const struct ring_files *f, enum bough_operation_kind kind);

void bough__ring_files_fill(struct bough_io_operation *operation, struct io_uring_sqe *sqe);

/* What it comes to, if the kernel says 'res'. */
int bough__ring_files_result(struct ring_files *f, const struct bough_io_operation *operation,
                             int res);
