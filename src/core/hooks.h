/* What an observer may see. Each call site costs one load when nobody looks.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

/* hook(run, task_parked, task, what): tell all instruments that have the member. */
#define hook(run, member, ...)                                                                     \
    do {                                                                                           \
        if (BOUGH_UNLIKELY((run)->instruments != NULL)) {                                          \
            for (struct bough_instrument *i_ = (run)->instruments, *next_; i_; i_ = next_) {       \
                next_ = i_->next;                                                                  \
                if (i_->member)                                                                    \
                    i_->member(i_, ##__VA_ARGS__);                                                 \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* bough_instrument_add(), for a run that has no task yet. */
void instrument_add(struct run *run, struct bough_instrument *instrument);
