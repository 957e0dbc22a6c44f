/* Responses.
 *
 *     NOTHING --send--> ALL
 *     NOTHING --begin--> BODY_FOLLOWS --send_eof, or the handler returns--> ALL
 *     any --a send fails, or the body is too short--> BROKEN
 *
 * After BROKEN the connection is only good for closing. What is sent is put together in one buffer,
 * so that a small answer is one packet.
 * SPDX-License-Identifier: MIT */
#include "http/response.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bough/error.h"
#include "bough/scope.h"
#include "bough/wait.h"
#include "http/date.h"
#include "http/reason.h"

/* --- sending --- */

static int send_now(struct bough_http_response *r, const void *data, size_t size)
{
    int rc = 0;
    bough_fail_after (r->options->send_timeout, &rc)
        rc = bough_stream_send_all(r->transport, data, size);
    if (rc < 0) {
        r->sent = HTTP_BROKEN;
        r->lost = true;
    }
    return rc;
}

static int flush(struct bough_http_response *r)
{
    size_t size = r->output_used;
    r->output_used = 0;
    return size ? send_now(r, r->output, size) : 0;
}

/* Into the buffer; what does not fit goes out, after what is in it. */
static int put(struct bough_http_response *r, const void *data, size_t size)
{
    if (size > HTTP_OUTPUT - r->output_used) {
        int rc = flush(r);
        if (rc < 0 || size > HTTP_OUTPUT)
            return rc < 0 ? rc : send_now(r, data, size);
    }
    if (size)
        memcpy(r->output + r->output_used, data, size);
    r->output_used += size;
    return 0;
}

static int put_text(struct bough_http_response *r, const char *fmt, ...) BOUGH_PRINTF(2, 3);
static int put_text(struct bough_http_response *r, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return put(r, text, (size_t)size);
}

/* --- the head --- */

/* A client that waits to be told to go on with its body has to be told before the answer begins:
 * after that it would take it for a part of the answer. A handler that answers piece by piece may
 * still want the body. */
static int go_on(struct bough_http_response *r)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (*r->expects != EXPECTS_A_WORD)
        return 0;
    *r->expects = EXPECTS_NOTHING;
    return put(r, text, sizeof(text) - 1);
}

/* And after a whole answer nobody knows whether the body still comes: nothing more is read. */
static void forget_the_body(struct bough_http_response *r)
{
    if (*r->expects == EXPECTS_A_WORD) {
        *r->expects = EXPECTS_NO_MORE;
        r->close = true;
    }
}

static bool has_no_body(const struct bough_http_response *r, unsigned status)
{
    return r->head_only || status == 204 || status == 304;
}

/* How the client finds the end of the body, and whether there is more to come on the connection. */
static int put_framing(struct bough_http_response *r, unsigned status, int64_t size)
{
    int rc = 0;
    r->limited = size >= 0;
    r->left = size >= 0 ? (uint64_t)size : 0;
    r->chunked = !r->limited && !r->old;
    r->silent = has_no_body(r, status);
    r->unframed = !r->limited && r->old && !r->silent;
    if (!r->limited && r->old)
        r->close = true;
    if (status != 204 && r->limited)
        rc = put_text(r, "Content-Length: %" PRId64 "\r\n", size);
    else if (status != 204 && r->chunked)
        rc = put_text(r, "Transfer-Encoding: chunked\r\n");
    if (rc == 0 && r->close)
        rc = put_text(r, "Connection: close\r\n");
    else if (rc == 0 && r->old)
        rc = put_text(r, "Connection: keep-alive\r\n");
    return rc;
}

static int put_head(struct bough_http_response *r, unsigned status, int64_t size)
{
    char date[HTTP_DATE];
    int rc = put_text(r, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, bough__http_reason(status),
                      bough__http_date(time(NULL), date));
    if (rc == 0)
        rc = put_framing(r, status, size);
    if (rc == 0)
        rc = put(r, r->fields, r->fields_used);
    return rc == 0 ? put(r, "\r\n", 2) : rc;
}

static int may_begin(struct bough_http_response *r, unsigned status)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (r->sent == HTTP_BROKEN)
        return bough_fail_text(-EPIPE, "the connection is broken");
    if (r->sent != HTTP_NOTHING)
        return bough_fail_text(-EBADF, "this request has been answered already");
    if (status < 200 || status > 599)
        return bough_fail(-EINVAL, "%u cannot be the status of an answer", status);
    return 0;
}

/* --- headers of the handler --- */

static bool is_token(const char *name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    const char *at = name;
    for (; *at; at++)
        if (!((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
              (*at >= 'A' && *at <= 'Z') || strchr(others, *at)))
            return false;
    return at > name;
}

static bool is_value(const char *value)
{
    for (; *value; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "Date"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

int bough_http_response_add(struct bough_http_response *response, const char *name,
                            const char *value)
{
    size_t room = HTTP_FIELDS - response->fields_used;
    if (response->sent != HTTP_NOTHING)
        return bough_fail_text(-EBADF, "the headers have been sent");
    if (!is_token(name) || !is_value(value))
        return bough_fail(-EINVAL, "not good for a header: \"%.60s\"",
                          is_token(name) ? value : name);
    if (is_ours(name))
        return bough_fail(-EINVAL, "the header %s is set by the server itself", name);
    int size = snprintf(response->fields + response->fields_used, room, "%s: %s\r\n", name, value);
    if (size < 0 || (size_t)size >= room)
        return bough_fail_text(-EMSGSIZE, "no room for another header");
    response->fields_used += (size_t)size;
    return 0;
}

void bough_http_response_close(struct bough_http_response *response)
{
    response->close = true;
}

/* --- whole --- */

int bough_http_response_send(struct bough_http_response *response, unsigned status,
                             const void *body, size_t size)
{
    int rc = may_begin(response, status);
    if (rc < 0)
        return rc;
    response->sent = HTTP_ALL;
    forget_the_body(response);
    rc = put_head(response, status, (int64_t)size);
    if (rc == 0 && !response->silent)
        rc = put(response, body, size);
    if (rc == 0)
        rc = flush(response);
    return rc;
}

/* --- as a stream --- */

static struct bough_http_response *response_of(struct bough_stream *s)
{
    return bough_container_of(s, struct bough_http_response, body);
}

static int may_send(struct bough_http_response *r)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (r->sent == HTTP_BROKEN)
        return bough_fail_text(-EPIPE, "the connection is broken");
    if (r->sending)
        return bough_fail_text(-EBUSY, "another task is sending into this body");
    return 0;
}

static int send_piece(struct bough_http_response *r, const void *data, size_t size)
{
    int rc = 0;
    if (r->limited && size > r->left)
        return bough_fail(-EMSGSIZE, "more body than was announced, by %" PRIu64 " bytes",
                          (uint64_t)size - r->left);
    r->left -= r->limited ? size : 0;
    if (r->silent || size == 0) /* an empty chunk would be the end */
        return 0;
    if (r->chunked)
        rc = put_text(r, "%zx\r\n", size);
    if (rc == 0)
        rc = put(r, data, size);
    if (rc == 0 && r->chunked)
        rc = put(r, "\r\n", 2);
    return rc == 0 ? flush(r) : rc;
}

static int body_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct bough_http_response *r = response_of(s);
    int rc = may_send(r);
    if (rc < 0)
        return rc;
    if (r->sent != HTTP_BODY_FOLLOWS)
        return bough_fail_text(-EBADF, "the body has been ended");
    r->sending = true;
    rc = send_piece(r, data, size);
    r->sending = false;
    bough_passed();
    return rc;
}

static int body_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    (void)s, (void)ret_buffer, (void)size;
    return bough_fail_text(-ENOTSUP, "the body of an answer can only be sent to");
}

static int end_body(struct bough_http_response *r)
{
    if (r->limited && r->left && !r->silent) {
        r->sent = HTTP_BROKEN;
        return bough_fail(-EPROTO, "the body is %" PRIu64 " bytes shorter than was announced",
                          r->left);
    }
    r->sent = HTTP_ALL;
    return r->chunked && !r->silent ? send_now(r, "0\r\n\r\n", 5) : 0;
}

static int body_send_eof(struct bough_stream *s)
{
    struct bough_http_response *r = response_of(s);
    int rc = may_send(r);
    if (rc == 0 && r->sent == HTTP_BODY_FOLLOWS)
        rc = end_body(r);
    bough_passed();
    return rc;
}

static int body_close(struct bough_stream *s)
{
    struct bough_http_response *r = response_of(s);
    int rc = body_send_eof(s);
    if (rc < 0 && r->sent == HTTP_BODY_FOLLOWS)
        r->sent = HTTP_BROKEN;
    return rc;
}

static const struct bough_stream_operations body_operations = {
    .name = "body of an HTTP response",
    .send_all = body_send_all,
    .receive_some = body_receive_some,
    .send_eof = body_send_eof,
    .close = body_close,
};

int bough_http_response_begin(struct bough_http_response *response, unsigned status, int64_t size,
                              struct bough_stream **ret_body)
{
    int rc = may_begin(response, status);
    if (rc < 0)
        return rc;
    if (size < -1)
        return bough_fail(-EINVAL, "no body has %" PRId64 " bytes", size);
    response->sent = HTTP_BODY_FOLLOWS;
    if (status < 300)
        rc = go_on(response);
    else
        forget_the_body(response);
    if (rc == 0)
        rc = put_head(response, status, size);
    if (rc == 0)
        rc = flush(response);
    if (rc < 0)
        return rc;
    *ret_body = &response->body;
    return 0;
}

/* --- from one to the next --- */

void bough__http_response_init(struct bough_http_response *r, struct bough_stream *transport,
                               const struct bough_http_options *options, enum http_expects *expects)
{
    r->transport = transport;
    r->options = options;
    r->expects = expects;
    r->body.operations = &body_operations;
    r->sent = HTTP_NOTHING;
    r->close = r->lost = r->chunked = r->limited = r->silent = r->sending = r->unframed = false;
    r->fields_used = r->output_used = 0;
}

int bough__http_response_finish(struct bough_http_response *r)
{
    switch (r->sent) {
    case HTTP_ALL:
        return 0;
    case HTTP_BODY_FOLLOWS:
        return end_body(r);
    case HTTP_BROKEN:
        return bough_fail_text(-EPIPE, "the connection is broken");
    default:
        return bough_fail_text(-EPROTO, "the handler has not answered");
    }
}

int bough__http_response_refuse(struct bough_http_response *r, unsigned status)
{
    char text[64];
    if (r->sent != HTTP_NOTHING) {
        r->sent = HTTP_BROKEN;
        return 0;
    }
    r->close = true;
    r->fields_used = 0;
    int rc = bough_http_response_add(r, "Content-Type", "text/plain");
    if (rc < 0)
        return rc;
    int size = snprintf(text, sizeof(text), "%u %s\n", status, bough__http_reason(status));
    return bough_http_response_send(r, status, text, (size_t)size);
}
