/* The reason of a cancel as it crosses to another run: said once, with where it began.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/scope.h"

enum { WHY_TEXT = 512 };

/* Why 's' is cancelled, into 'text', which is returned. What came from elsewhere is passed on as it
 * is. 'otherwise': what to say if it is not cancelled. */
const char *why_scope(const struct bough_scope *s, const char *otherwise, char text[WHY_TEXT]);

/* The same for words of the running task. */
const char *why_words(const char *words, char text[WHY_TEXT]);
