/* The HTTP server: whatever a client sends, in whatever pieces it comes, the answers are the same.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <bough/http.h>

/* The answer says what was understood, in a form that cannot be mistaken for HTTP. */
static int answer(const struct bough_http_request *request, struct bough_http_response *response,
                  __attribute__((unused)) void *arg)
{
    char text[1024], body[16];
    int n, used = snprintf(text, sizeof(text), "(%s %zu", request->method, strlen(request->target));
    for (unsigned i = 0; i < request->header_count; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, " %zu:%zu",
                         strlen(request->headers[i].name), strlen(request->headers[i].value));
    while ((n = bough_stream_receive_some(request->body, body, sizeof(body))) > 0)
        for (int i = 0; i < n; i++)
            used += snprintf(text + used, sizeof(text) - (size_t)used, " %d", body[i]);
    if (n < 0)
        return n;
    CHECK(used < (int)sizeof(text));
    return bough_http_response_send(response, 200, text, (size_t)used);
}

static int serve(void *source)
{
    const struct bough_http_options options = {.headers = 4, .head_size = 256, .body_size = 64};
    struct source *s = source;
    return bough_http_serve_stream(&s->stream, &options, answer, NULL);
}

/* Cut out what depends on time and on pieces: dates, and that the client should go on. */
static void without(char *text, const char *from, const char *to)
{
    char *at = text;
    while ((at = strstr(at, from))) {
        const char *end = strstr(at, to);
        CHECK(end);
        memmove(at, end + strlen(to), strlen(end + strlen(to)) + 1);
    }
}

/* Two faults at once may be told in either order, so a refusal, which is the last answer, is just
 * one. */
static void forget_why(char *text)
{
    for (char *at = text; (at = strstr(at, "HTTP/1.1 ")); at += 9)
        if (at[9] == '4' || at[9] == '5')
            strcpy(at + 9, "refused");
}

static char *answers(const struct input *in, size_t step)
{
    struct source source;
    source_init(&source, in, step);
    fuzz_run(serve, &source);
    if (!source.sent)
        return strdup("");
    CHECK(strlen(source.sent) == source.sent_size);
    CHECK(strncmp(source.sent, "HTTP/1.1 ", 9) == 0);
    without(source.sent, "Date: ", "\r\n");
    without(source.sent, "HTTP/1.1 100 Continue", "\r\n\r\n");
    forget_why(source.sent);
    return source.sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t step = 1 + take_number(&in, 20);
    char *at_once = answers(&in, 0), *in_pieces = answers(&in, step);
    if (strcmp(at_once, in_pieces) != 0) {
        fprintf(stderr, "at once:\n%s\nin pieces of %zu:\n%s\n", at_once, step, in_pieces);
        abort();
    }
    free(at_once);
    free(in_pieces);
    return 0;
}
