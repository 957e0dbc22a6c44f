/* Dates, inside bough-http.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <time.h>

enum { HTTP_DATE = 32 };

/* "Sun, 06 Nov 1994 08:49:37 GMT", in any locale. Returns 'text'. */
const char *bough__http_date(time_t at, char text[HTTP_DATE]);
