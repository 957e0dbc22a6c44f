/* Making the Nth allocation or system call of the library fail.
 * SPDX-License-Identifier: MIT */
#include "base/sys.h"
#include "bough/testing.h"

static struct sys_fault *fault_of(enum bough_fault fault)
{
    return &bough__sys_faults[fault == BOUGH_FAULT_MEMORY ? SYS_FAULT_MEMORY : SYS_FAULT_CALL];
}

void bough_fault_set(enum bough_fault fault, int nth)
{
    struct sys_fault *f = fault_of(fault);
    __atomic_store_n(&f->hits, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&f->countdown, nth, __ATOMIC_RELAXED);
}

bool bough_fault_was_hit(enum bough_fault fault)
{
    return __atomic_load_n(&fault_of(fault)->hits, __ATOMIC_RELAXED) > 0;
}

int bough_test_faults(enum bough_fault fault, bough_task_fn *fn, void *arg)
{
    for (int nth = 1;; nth++) {
        bough_fault_set(fault, nth);
        int rc = bough_test_run(NULL, fn, arg);
        bool hit = bough_fault_was_hit(fault);
        bough_fault_set(fault, 0);
        if (!hit)
            return rc < 0 ? rc : nth - 1;
    }
}
