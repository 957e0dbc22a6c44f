/* What the numbers of answers mean, inside bough-http.
 * SPDX-License-Identifier: MIT */
#pragma once

/* "Not Found"; "" for what has no name. */
const char *bough__http_reason(unsigned status);
