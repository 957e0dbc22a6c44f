/* The reasons of cancels, inside the library. For users: bough_scope_reason() in bough/scope.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

enum { WORDS_MAX = 1024 };

/* A copy of what a canceller said; NULL: nothing, no memory, or no run. Freed with the run at the
 * latest. */
char *reason_words_new(const char *text);
void reason_words_free(char *text);

/* The run ends: free the words that scopes have left behind. */
void reason_release_all(struct run *run);

/* "bough_with_nursery at file.c:12" into 'text', which is returned. */
const char *reason_site(const struct bough_site *site, char *text, size_t size);
