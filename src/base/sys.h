/* Memory and system calls: the seam where faults are injected.
 *
 * Whatever can fail because the world says no goes through here, so that a test can make the Nth of
 * them fail (bough/testing.h) and see that nothing is lost or leaked. When no fault is set this
 * costs one load.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <stdlib.h>

#include "bough/attributes.h"

enum sys_fault_kind { SYS_FAULT_MEMORY, SYS_FAULT_CALL, SYS_FAULT_KINDS };

/* How many more of a kind until one fails; 0: none will. Per process, so tests set it in a process
 * of their own. */
struct sys_fault {
    int countdown;
    int hits;
};
extern struct sys_fault bough__sys_faults[SYS_FAULT_KINDS];

/* The rare half of sys_fails(). */
bool bough__sys_fault_due(struct sys_fault *fault);

/* Should this one fail? */
static inline bool sys_fails(enum sys_fault_kind kind)
{
    struct sys_fault *fault = &bough__sys_faults[kind];
    return BOUGH_UNLIKELY(__atomic_load_n(&fault->countdown, __ATOMIC_RELAXED) > 0) &&
           bough__sys_fault_due(fault);
}

static inline void *sys_malloc(size_t size)
{
    return sys_fails(SYS_FAULT_MEMORY) ? NULL : malloc(size);
}

static inline void *sys_calloc(size_t count, size_t size)
{
    return sys_fails(SYS_FAULT_MEMORY) ? NULL : calloc(count, size);
}

static inline void *sys_realloc(void *old, size_t size)
{
    return sys_fails(SYS_FAULT_MEMORY) ? NULL : realloc(old, size);
}

/* A system call's result as an int: what it returned, or -errno. 'error' is what it fails with when
 * a fault is due: sys_call(EMFILE, socket(...)). The call is then not made. */
#define sys_call(error, call)                                                                      \
    (__extension__({                                                                               \
        long sys_rc_ = sys_fails(SYS_FAULT_CALL) ? (errno = (error), -1) : (long)(call);           \
        sys_rc_ < 0 ? -errno : (int)sys_rc_;                                                       \
    }))
