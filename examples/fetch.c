/* A small client: connect by name, send a line, print what comes back, all of it within 10 seconds.
 *
 *     ./fetch HOST PORT TEXT
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>

static int talk(struct bough_stream *s, const char *text)
{
    char buffer[4096];
    int n, rc = bough_stream_send_all(s, text, strlen(text));
    if (rc == 0)
        rc = bough_stream_send_all(s, "\r\n\r\n", 4);
    if (rc == 0)
        rc = bough_stream_send_eof(s);
    if (rc < 0)
        return rc;
    while ((n = bough_stream_receive_some(s, buffer, sizeof(buffer))) > 0)
        fwrite(buffer, 1, (size_t)n, stdout);
    return n;
}

static int fetch(void *arg)
{
    char **argv = arg;
    int rc = 0;
    bough_fail_after (10 * BOUGH_SEC, &rc) {
        struct bough_stream *s;
        rc = bough_tcp_connect(argv[1], (unsigned)strtoul(argv[2], NULL, 10), &s);
        if (rc == 0) {
            rc = talk(s, argv[3]);
            bough_stream_free(s);
        }
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s HOST PORT TEXT\n", argv[0]);
        return 2;
    }
    int rc = bough_run(fetch, argv);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
