/* Removing a directory with all that is in it, inside the library. For users: bough/file.h.
 * SPDX-License-Identifier: MIT */
#pragma once

/* In a thread, of the path of a struct bough_io_operation. */
int bough__remove_all(void *operation);
