/* Responses, inside bough-http.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/http.h"
#include "http/parser.h"

enum { HTTP_OUTPUT = 8192, HTTP_FIELDS = 8192 };

enum http_sent { HTTP_NOTHING, HTTP_BODY_FOLLOWS, HTTP_ALL, HTTP_BROKEN };

struct bough_http_response {
    struct bough_stream *transport;
    const struct bough_http_options *options;
    struct bough_stream body;
    enum http_sent sent;
    bool head_only;             /* the answer to a HEAD */
    bool old;                   /* to an HTTP/1.0 client */
    bool close;                 /* the last one */
    enum http_expects *expects; /* the request's */
    bool chunked, limited, sending;
    bool lost;     /* sending has failed */
    bool unframed; /* the end of the connection is the end of the body */
    bool silent;   /* what is sent into the body goes nowhere */
    uint64_t left; /* of a limited body */
    size_t fields_used, output_used;
    char fields[HTTP_FIELDS]; /* headers of the handler, as they are sent */
    char output[HTTP_OUTPUT]; /* what is put together to be sent at once */
};

/* For the next request. */
void bough__http_response_init(struct bough_http_response *r, struct bough_stream *transport,
                               const struct bough_http_options *options,
                               enum http_expects *expects);

/* The handler has returned well: end the body. 0, -EPROTO: there is none, or it is too short; or
 * what sending says. */
int bough__http_response_finish(struct bough_http_response *r);

/* An answer of our own, if none is under way, and the last. 0 or what sending says. */
int bough__http_response_refuse(struct bough_http_response *r, unsigned status);
