/* The body of a request as a stream.
 * SPDX-License-Identifier: MIT */
#include "http/body.h"

#include <errno.h>

#include "bough/error.h"
#include "bough/wait.h"

enum { SKIP_AT_MOST = 256 * 1024, SKIP_STEP = 4096 };

static int body_send_all(struct bough_stream *s, const void *data, size_t size)
{
    (void)s, (void)data, (void)size;
    return bough_fail_text(-ENOTSUP, "the body of a request can only be received from");
}

static int body_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct bough__http_body *b = bough_container_of(s, struct bough__http_body, stream);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (b->reading)
        return bough_fail_text(-EBUSY, "another task is receiving this body");
    b->reading = true;
    rc = bough__http_parser_body(b->parser, ret_buffer, size);
    b->reading = false;
    bough_passed();
    return rc;
}

static int body_close(struct bough_stream *s)
{
    (void)s; /* it goes with the request */
    return bough_pass();
}

static const struct bough_stream_operations body_operations = {
    .name = "body of an HTTP request",
    .send_all = body_send_all,
    .receive_some = body_receive_some,
    .close = body_close,
};

void bough__http_body_init(struct bough__http_body *b, struct bough__http_parser *parser)
{
    *b = (struct bough__http_body){.stream = {.operations = &body_operations}, .parser = parser};
    parser->request.body = &b->stream;
}

int bough__http_body_skip(struct bough__http_body *b)
{
    struct bough__http_parser *p = b->parser;
    char nowhere[SKIP_STEP];
    size_t skipped = 0;
    while (p->stage != STAGE_COMPLETE && !p->lost && !p->expects && skipped < SKIP_AT_MOST) {
        int n = bough__http_parser_body(p, nowhere, sizeof(nowhere));
        if (n < 0)
            return n == -ECANCELED ? n : 0;
        skipped += (size_t)n;
    }
    return p->stage == STAGE_COMPLETE && !p->lost;
}
