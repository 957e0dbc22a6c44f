/* Failures of curl, inside bough-curl.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <curl/curl.h>

/* Record what 'easy' failed with; 'text' is what curl said of it, "" if nothing. */
int bough__curl_fail(CURL *easy, CURLcode code, const char *text);
