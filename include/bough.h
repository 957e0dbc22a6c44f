/* bough: structured concurrency for C. This header is all of them; each concept has its own.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"
#include "bough/driver.h"
#include "bough/entry.h"
#include "bough/error.h"
#include "bough/list.h"
#include "bough/nursery.h"
#include "bough/observe.h"
#include "bough/panic.h"
#include "bough/run.h"
#include "bough/scope.h"
#include "bough/task.h"
#include "bough/testing.h"
#include "bough/time.h"
#include "bough/timer.h"
#include "bough/wait.h"
