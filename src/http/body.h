/* The body of a request as a stream, inside bough-http.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "http/parser.h"

struct bough__http_body {
    struct bough_stream stream;
    struct bough__http_parser *parser;
    bool reading;
};

void bough__http_body_init(struct bough__http_body *b, struct bough__http_parser *parser);

/* Skip what the handler has left. 1: it is complete; 0: it is not, and too much or not wanted;
 * -ECANCELED. */
int bough__http_body_skip(struct bough__http_body *b);
