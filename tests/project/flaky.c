/* A server for the tests of examples/download.c: it breaks off, is busy, and knows ranges or not.
 * The first part of the path says which:
 *
 *     /whole/NAME    just answers                 /break/NAME   the first two answers are cut short
 *     /busy/NAME     503, twice, then answers     /resume/NAME  the same, and it knows ranges
 *     /hang/NAME     half of it, and silence      /early/NAME   as /resume/, but from before it
 *     all else       404
 *
 * It prints what it is asked, and how many are being answered if that is a record.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>
#include <bough/http.h>

enum { SIZE = 300000, NAMES = 32 };

struct flaky {
    char seen[NAMES][64];
    int visits[NAMES];
    unsigned inside, record;
};

static int visit(struct flaky *f, const char *target)
{
    int i = 0;
    while (i < NAMES - 1 && f->seen[i][0] && strcmp(f->seen[i], target) != 0)
        i++;
    snprintf(f->seen[i], sizeof(f->seen[i]), "%s", target);
    return ++f->visits[i];
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Each byte depends on its place, so that a piece in the wrong one is seen. */
static int send_piece(struct bough_http_response *response, int from, int to)
{
    static char all[SIZE];
    char range[64];
    struct bough_stream *out;
    for (int i = 0; i < SIZE; i++)
        all[i] = (char)(i * 7 + i / 251);
    int rc = 0;
    snprintf(range, sizeof(range), "bytes %d-%d/%d", from, SIZE - 1, SIZE);
    if (from)
        rc = bough_http_response_add(response, "Content-Range", range);
    if (rc == 0)
        rc = bough_http_response_begin(response, from ? 206 : 200, SIZE - from, &out);
    return rc < 0 ? rc : bough_stream_send_all(out, all + from, (size_t)(to - from));
}

static int answer_by_name(const struct bough_http_request *request,
                          struct bough_http_response *response, struct flaky *f)
{
    const char *target = request->target;
    const char *range = bough_http_request_header(request, "Range");
    const char *tag = bough_http_request_header(request, "If-Range");
    int n = visit(f, target), from = 0;
    printf("%s %s %s\n", target, range ? range : "-", tag ? tag : "-");
    if (begins(target, "/busy/") && n <= 2)
        return bough_http_response_send(response, 503, NULL, 0);
    if (begins(target, "/resume/") || begins(target, "/early/")) {
        int rc = bough_http_response_add(response, "ETag", "\"one\"");
        if (rc < 0)
            return rc;
        if (range && tag && strcmp(tag, "\"one\"") == 0)
            from = atoi(range + strlen("bytes=")) / (begins(target, "/early/") ? 2 : 1);
    }
    if (begins(target, "/hang/")) {
        int rc = send_piece(response, 0, SIZE / 2);
        return rc < 0 ? rc : bough_sleep_forever();
    }
    if (begins(target, "/whole/") || begins(target, "/busy/"))
        return send_piece(response, from, SIZE);
    if (!begins(target, "/break/") && !begins(target, "/resume/") && !begins(target, "/early/"))
        return bough_http_response_send(response, 404, NULL, 0);
    return send_piece(response, from, n > 2 ? SIZE : from + (SIZE - from) / 2);
}

static int answer(const struct bough_http_request *request, struct bough_http_response *response,
                  void *arg)
{
    struct flaky *f = arg;
    if (++f->inside > f->record)
        printf("at once: %u\n", f->record = f->inside);
    int rc = bough_sleep(20 * BOUGH_MS);
    if (rc == 0)
        rc = answer_by_name(request, response, f);
    f->inside--;
    return rc;
}

static int go_on(int rc, void *arg)
{
    (void)rc, (void)arg;
    return 0;
}

static int serve(void *arg)
{
    struct bough_listener *l;
    struct bough_http_options options = {.on_error = go_on};
    int rc = bough_tcp_listen("127.0.0.1", 0, &l);
    if (rc < 0)
        return rc;
    printf("listening on port %u\n", bough_listener_port(l));
    rc = bough_http_serve_with(l, &options, answer, arg);
    bough_listener_free(l);
    return rc;
}

int main(void)
{
    static struct flaky f;
    setvbuf(stdout, NULL, _IOLBF, 0);
    return bough_run(serve, &f) != -EINTR;
}
