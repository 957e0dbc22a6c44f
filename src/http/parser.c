/* Requests from a stream: llhttp between what is received and what the handler sees.
 *
 * llhttp is given bytes and calls back. It is stopped at two places: at the end of the headers, so
 * that a handler can begin before the body is there, and at the end of the message, so that what
 * follows is left for the next request. Of a body it is given no more bytes than the reader has
 * room for, so they go straight to where they are wanted.
 *
 *     IDLE --first byte--> HEAD --headers end--> BODY --message ends--> COMPLETE --next()--> IDLE
 *
 * llhttp has no limits, so they are here: of the text of a head, of the number of headers, of a
 * body, and of bytes that are neither (empty lines, extensions of chunks, trailers).
 * SPDX-License-Identifier: MIT */
#include "http/parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bough/error.h"
#include "bough/scope.h"

static struct bough__http_parser *parser_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

/* --- callbacks --- */

/* Give up, and tell the client why. */
static int refuse(struct bough__http_parser *p, unsigned status, const char *why)
{
    p->status = status;
    llhttp_set_error_reason(&p->llhttp, why);
    return HPE_USER;
}

static int keep_text(struct bough__http_parser *p, const char *at, size_t size)
{
    if (p->stage != STAGE_HEAD) /* a trailer */
        return 0;
    if (size > p->options->head_size - p->text_used)
        return refuse(p, 431, "the headers are too large");
    memcpy(p->text + p->text_used, at, size);
    p->text_used += size;
    return 0;
}

static int end_text(struct bough__http_parser *p)
{
    return keep_text(p, "", 1);
}

static int on_message_begin(llhttp_t *llhttp)
{
    struct bough__http_parser *p = parser_of(llhttp);
    p->stage = STAGE_HEAD;
    p->head_until = bough_after(bough_now(), p->options->head_timeout);
    return 0;
}

static int on_text(llhttp_t *llhttp, const char *at, size_t size)
{
    return keep_text(parser_of(llhttp), at, size);
}

static int on_url_complete(llhttp_t *llhttp)
{
    struct bough__http_parser *p = parser_of(llhttp);
    p->request.target = p->text;
    return end_text(p);
}

/* A name begins where the last value has ended. */
static int on_name_complete(llhttp_t *llhttp)
{
    struct bough__http_parser *p = parser_of(llhttp);
    if (p->stage != STAGE_HEAD)
        return 0;
    int rc = end_text(p);
    if (rc == 0)
        p->headers[p->request.header_count].value = p->text + p->text_used;
    return rc;
}

static int on_name(llhttp_t *llhttp, const char *at, size_t size)
{
    struct bough__http_parser *p = parser_of(llhttp);
    if (p->stage != STAGE_HEAD)
        return 0;
    if (p->request.header_count == p->options->headers)
        return refuse(p, 431, "too many headers");
    if (!p->headers[p->request.header_count].name)
        p->headers[p->request.header_count].name = p->text + p->text_used;
    return keep_text(p, at, size);
}

static int on_value_complete(llhttp_t *llhttp)
{
    struct bough__http_parser *p = parser_of(llhttp);
    if (p->stage != STAGE_HEAD)
        return 0;
    const char *value = p->headers[p->request.header_count].value;
    while (p->text + p->text_used > value &&
           (p->text[p->text_used - 1] == ' ' || p->text[p->text_used - 1] == '\t'))
        p->text_used--;
    p->request.header_count++;
    return end_text(p);
}

static unsigned count_of(const struct bough_http_request *request, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < request->header_count; i++)
        count += strcasecmp(request->headers[i].name, name) == 0;
    return count;
}

static int check_head(struct bough__http_parser *p)
{
    if (p->llhttp.http_major != 1)
        return refuse(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    unsigned hosts = count_of(&p->request, "Host");
    if (hosts > 1 || (p->request.minor == 1 && hosts == 0))
        return refuse(p, 400, hosts ? "two Host headers" : "a request without a Host header");
    const char *encoding = bough_http_request_header(&p->request, "Transfer-Encoding");
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return refuse(p, 501, "no other Transfer-Encoding than chunked is spoken here");
    if (p->request.body_size > 0 && (uint64_t)p->request.body_size > p->options->body_size)
        return refuse(p, 413, "the body is too large");
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct bough__http_parser *p = parser_of(llhttp);
    llhttp->upgrade = 0; /* we go on in HTTP: the client may ask, we need not follow */
    p->request.method = llhttp_method_name((llhttp_method_t)llhttp->method);
    p->request.minor = llhttp->http_minor > 1 ? 1 : llhttp->http_minor;
    p->request.headers = p->headers;
    p->request.body_size = 0;
    if (llhttp->flags & F_CHUNKED)
        p->request.body_size = -1;
    else if (llhttp->flags & F_CONTENT_LENGTH)
        p->request.body_size =
            llhttp->content_length > INT64_MAX ? INT64_MAX : (int64_t)llhttp->content_length;
    int rc = check_head(p);
    if (rc != 0)
        return rc;
    const char *expect = bough_http_request_header(&p->request, "Expect");
    bool waits = expect && p->request.minor == 1 && strcasecmp(expect, "100-continue") == 0;
    p->expects = waits ? EXPECTS_A_WORD : EXPECTS_NOTHING;
    p->keep_alive = llhttp_should_keep_alive(llhttp);
    p->stage = STAGE_BODY;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t size)
{
    struct bough__http_parser *p = parser_of(llhttp);
    if (size > p->options->body_size - p->body_received)
        return refuse(p, 413, "the body is too large");
    memcpy(p->body + p->body_got, at, size);
    p->body_got += size;
    p->body_received += size;
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->stage = STAGE_COMPLETE;
    return HPE_PAUSED;
}

/* --- feeding it --- */

static int not_understood(struct bough__http_parser *p, llhttp_errno_t code)
{
    p->lost = true;
    if (p->status == 0)
        p->status = code == HPE_INVALID_VERSION ? 505 : 400;
    return bough_fail(p->status == 413 || p->status == 431 ? -EMSGSIZE : -EPROTO,
                      "not a good HTTP request: %s", llhttp_get_error_reason(&p->llhttp));
}

/* Parse up to 'most' bytes of what has been received. */
static int feed(struct bough__http_parser *p, size_t most)
{
    size_t size = p->count < most ? p->count : most, got = p->body_got;
    const char *at = p->input + p->first;
    llhttp_errno_t code = llhttp_execute(&p->llhttp, at, size);
    if (code == HPE_PAUSED) {
        size = (size_t)(llhttp_get_error_pos(&p->llhttp) - at);
        llhttp_resume(&p->llhttp);
    } else if (code != HPE_OK) {
        return not_understood(p, code);
    }
    p->first += size;
    p->count -= size;
    p->overhead = p->body_got > got ? 0 : p->overhead + size;
    if (p->overhead > p->options->head_size + HTTP_INPUT) {
        llhttp_set_error_reason(&p->llhttp, "too much beside the message itself");
        return not_understood(p, HPE_USER);
    }
    return 0;
}

/* Receive more. 1; 0: the end; -ETIMEDOUT. */
static int receive(struct bough__http_parser *p, int64_t timeout)
{
    int n = 0;
    bough_fail_after (timeout, &n)
        n = bough_stream_receive_some(p->transport, p->input, HTTP_INPUT);
    p->lost |= n < 0 && n != -ECANCELED;
    if (n <= 0)
        return n;
    p->first = 0;
    p->count = (size_t)n;
    return 1;
}

static int ended_early(struct bough__http_parser *p)
{
    p->lost = true;
    return bough_fail_text(-EPIPE, "the client ended in the middle of a request");
}

/* --- the head --- */

int bough__http_parser_head(struct bough__http_parser *p)
{
    while (p->stage < STAGE_BODY) {
        if (p->count == 0) {
            bool idle = p->stage == STAGE_IDLE;
            int rc = receive(p, idle ? p->options->idle_timeout : p->head_until - bough_now());
            if (rc == -ETIMEDOUT && !idle)
                p->status = 408;
            if (idle && (rc == 0 || rc == -ETIMEDOUT))
                return 0;
            if (rc <= 0)
                return rc < 0 ? rc : ended_early(p);
        }
        int rc = feed(p, p->count);
        if (rc < 0)
            return rc;
    }
    p->overhead = 0;
    if (p->count) /* the body is coming without a word */
        p->expects = EXPECTS_NOTHING;
    int rc = feed(p, 0); /* without a body it is complete now */
    return rc < 0 ? rc : 1;
}

const char *bough_http_request_header(const struct bough_http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

/* --- the body --- */

static int receive_body(struct bough__http_parser *p)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    int rc = 0;
    if (p->expects == EXPECTS_NO_MORE) {
        p->lost = true;
        return bough_fail_text(-EPIPE, "the body was not asked for before the answer was sent");
    }
    if (p->expects == EXPECTS_A_WORD) {
        p->expects = EXPECTS_NOTHING;
        bough_fail_after (p->options->send_timeout, &rc)
            rc = bough_stream_send_all(p->transport, go_on, sizeof(go_on) - 1);
        p->lost |= rc < 0;
    }
    if (rc == 0)
        rc = receive(p, p->options->body_timeout);
    if (rc == -ETIMEDOUT)
        p->status = 408;
    return rc == 0 ? ended_early(p) : rc;
}

int bough__http_parser_body(struct bough__http_parser *p, void *buffer, size_t size)
{
    int rc = 1;
    if (p->lost)
        return bough_fail_text(-EPIPE, "the rest of the request is lost");
    p->body = buffer;
    p->body_got = 0;
    while (rc >= 0 && p->body_got == 0 && p->stage == STAGE_BODY) {
        if (p->count == 0)
            rc = receive_body(p);
        if (rc >= 0)
            rc = feed(p, size);
    }
    /* Who has all bytes should hear of the end without waiting for the next request. */
    if (rc >= 0 && p->stage == STAGE_BODY && p->count == 0)
        rc = feed(p, 0);
    return rc < 0 ? rc : (int)p->body_got;
}

/* --- from one to the next --- */

void bough__http_parser_next(struct bough__http_parser *p)
{
    p->stage = STAGE_IDLE;
    p->overhead = p->text_used = p->body_received = 0;
    p->request.header_count = 0;
    memset(p->headers, 0, p->options->headers * sizeof(*p->headers));
}

static void set_callbacks(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_message_begin = on_message_begin;
    settings->on_url = on_text;
    settings->on_url_complete = on_url_complete;
    settings->on_header_field = on_name;
    settings->on_header_field_complete = on_name_complete;
    settings->on_header_value = on_text;
    settings->on_header_value_complete = on_value_complete;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_message_complete = on_message_complete;
}

int bough__http_parser_open(struct bough__http_parser *p, struct bough_stream *transport,
                            const struct bough_http_options *options)
{
    *p = (struct bough__http_parser){.transport = transport, .options = options};
    p->headers = calloc(options->headers, sizeof(*p->headers));
    p->text = malloc(options->head_size);
    p->input = malloc(HTTP_INPUT);
    if (!p->headers || !p->text || !p->input) {
        bough__http_parser_close(p);
        return bough_fail_text(-ENOMEM, "no memory for an HTTP connection");
    }
    set_callbacks(&p->settings);
    llhttp_init(&p->llhttp, HTTP_REQUEST, &p->settings);
    p->llhttp.data = p;
    p->request.connection = transport;
    return 0;
}

void bough__http_parser_close(struct bough__http_parser *p)
{
    free(p->headers);
    free(p->text);
    free(p->input);
}
