/* Failures that cross to another run: the whole tree, with the actor's name before the paths of
 * tasks.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/frame.h"

/* Take the record of the failure 'rc' out of the running task, for a frame; 'actor' is where it
 * happened. NULL: no memory; the code goes along in the frame's value. */
struct bough_frame_data *failure_pack(int rc, const char *actor);

/* Make it the running task's failure again. 'code' is the frame's value, for when 'data' is NULL.
 * What is an echo over there is one here, of what 'by' will report (see bough_error_mark_echo());
 * NULL: this is the report. Returns its code, or -EPROTO if it is malformed. */
int failure_unpack(const struct bough_frame_data *data, int64_t code, const void *by);
