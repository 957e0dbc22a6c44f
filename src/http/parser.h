/* Requests from a stream, inside bough-http.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <llhttp.h>

#include "bough/http.h"

enum { HTTP_INPUT = 8192 };

enum http_stage { STAGE_IDLE, STAGE_HEAD, STAGE_BODY, STAGE_COMPLETE };

/* Does the client wait for a word (Expect: 100-continue) before it sends the body? */
enum http_expects {
    EXPECTS_NOTHING,
    EXPECTS_A_WORD,
    EXPECTS_NO_MORE, /* it has had the answer instead; nobody knows whether the body comes */
};

struct bough__http_parser {
    llhttp_t llhttp;
    llhttp_settings_t settings;
    struct bough_stream *transport;
    const struct bough_http_options *options; /* without zeroes */
    enum http_stage stage;
    unsigned status; /* what to tell a client that we do not understand; 0: all is well */
    bool lost;       /* the transport failed, or is not to be trusted any more */
    bool keep_alive; /* after this request */
    enum http_expects expects;
    int64_t head_until;   /* the deadline of the head */
    size_t overhead;      /* bytes since the last that was of use */
    size_t body_received; /* bytes of the body that have come */
    char *body;           /* where the next go */
    size_t body_got;
    struct bough_http_request request;
    struct bough_http_header *headers;
    char *text; /* target, names, values: each with a NUL */
    size_t text_used;
    char *input;         /* what was received */
    size_t first, count; /* and not parsed yet */
};

/* 0, -ENOMEM. */
int bough__http_parser_open(struct bough__http_parser *p, struct bough_stream *transport,
                            const struct bough_http_options *options);
void bough__http_parser_close(struct bough__http_parser *p);

/* Receive up to the end of the next request's headers. 1: p->request; 0: the end, or idle for too
 * long; < 0: the transport's failure, or -EPROTO, -ETIMEDOUT, -EMSGSIZE with p->status set. */
int bough__http_parser_head(struct bough__http_parser *p);

/* The next bytes of the body. 0: its end. < 0 as above. */
int bough__http_parser_body(struct bough__http_parser *p, void *buffer, size_t size);

/* The request has been answered: the next one. */
void bough__http_parser_next(struct bough__http_parser *p);
