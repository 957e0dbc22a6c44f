/* Failures of c-ares, inside bough-ares.
 * SPDX-License-Identifier: MIT */
#pragma once

/* Record that looking up 'name' ended with 'status', which is not ARES_SUCCESS. */
int bough__ares_fail(int status, const char *name);
