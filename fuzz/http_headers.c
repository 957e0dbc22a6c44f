/* Headers of a handler: what is taken is one line, as it was; no name or value makes two of it.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <bough/http.h>

struct header {
    char *name, *value;
    int rc;
};

static int answer(__attribute__((unused)) const struct bough_http_request *request,
                  struct bough_http_response *response, void *arg)
{
    struct header *h = arg;
    h->rc = bough_http_response_add(response, h->name, h->value);
    CHECK(h->rc == 0 || h->rc == -EINVAL || h->rc == -EMSGSIZE);
    return bough_http_response_send(response, 200, "", 0);
}

struct exchange {
    struct source source;
    struct header header;
};

static int serve(void *arg)
{
    struct exchange *x = arg;
    return bough_http_serve_stream(&x->source.stream, NULL, answer, &x->header);
}

static int lines(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n' || *text == '\r';
    return count / 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct input in = {data, size}, asked = {(const uint8_t *)request, sizeof(request) - 1};
    struct exchange x;
    x.header = (struct header){.name = take_text(&in), .value = take_text(&in)};
    source_init(&x.source, &asked, 0);
    fuzz_run(serve, &x);
    CHECK(lines(x.source.sent) == 5 + (x.header.rc == 0));
    if (x.header.rc == 0) {
        char *line;
        CHECK(asprintf(&line, "\r\n%s: %s\r\n", x.header.name, x.header.value) > 0);
        CHECK(strstr(x.source.sent, line));
        free(line);
    }
    free(x.source.sent);
    free(x.header.name);
    free(x.header.value);
    return 0;
}
