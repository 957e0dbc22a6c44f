/* Do the options of a run make sense?
 * SPDX-License-Identifier: MIT */
#pragma once

struct bough_run_options;

/* 0, or -EINVAL with the words. */
int options_check(const struct bough_run_options *options);
