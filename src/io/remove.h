/* Removing a directory with all that is in it, inside the library. For users: bough/file.h.
 * SPDX-License-Identifier: MIT */
#pragma once

/* In a thread, of a struct path_call. */
int bough__remove_all(void *path_call);
