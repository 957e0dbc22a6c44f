/* How many CPUs there are for this process.
 * SPDX-License-Identifier: MIT */
#pragma once

/* What the control group 'path' and those above it (cpu.max, in the tree at 'root') leave of 'cpus'
 * CPUs: at least 1. */
unsigned cpus_of_group(const char *root, const char *path, unsigned cpus);
