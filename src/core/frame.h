/* Frames, inside the library. For users: bough/frame.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

/* 'task' ends: panic if it leaves a frame behind. */
void frame_check_none(const struct bough_task *task);
