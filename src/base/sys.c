/* SPDX-License-Identifier: MIT */
#include "base/sys.h"

struct sys_fault bough__sys_faults[SYS_FAULT_KINDS];

BOUGH_COLD bool bough__sys_fault_due(struct sys_fault *fault)
{
    if (__atomic_fetch_sub(&fault->countdown, 1, __ATOMIC_RELAXED) != 1)
        return false;
    __atomic_fetch_add(&fault->hits, 1, __ATOMIC_RELAXED);
    return true;
}
