/* The clocks of drivers that live in real time.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"

/* For struct bough_driver. */
int64_t bough__clock_now(struct bough_driver *driver);
int64_t bough__clock_coarse_now(struct bough_driver *driver);
int64_t bough__clock_coarse_step(void);
