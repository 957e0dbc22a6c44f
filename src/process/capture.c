/* A program run to its end.
 *
 * A task for each pipe, so that none waits for another, while the caller's waits for the end of the
 * process. Then the tasks are cancelled, which takes no byte from a pipe, and what is still in the
 * pipes is fetched: as much as there is at that moment, because a descendant may go on writing.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/nursery.h"
#include "bough/process.h"
#include "bough/stream.h"
#include "bough/sync.h"
#include "process/child.h"

enum { FIRST_ROOM = 4096, LAST_WORDS = 200 };
#define LIMIT ((size_t)16 * 1024 * 1024)

/* What comes out of one pipe. */
struct capture {
    struct conversation *conversation;
    struct bough_stream *stream; /* NULL: nothing is captured */
    const char *what;
    char *data;
    size_t size, room;
    bool ended; /* nobody has the other end any more */
};

struct conversation {
    const struct bough_process_options *options;
    struct bough_process *process;
    size_t limit;
    struct capture out, err;
    struct bough_event ended; /* both pipes are */
};

/* --- one pipe --- */

/* Room for one more byte at least, and for a zero. */
static int make_room(struct capture *c)
{
    if (c->room - c->size > 1)
        return 0;
    char *data = sys_realloc(c->data, c->room * 2);
    if (!data)
        return bough_fail(-ENOMEM, "no memory for %zu bytes of a process's %s", c->room * 2,
                          c->what);
    c->data = data;
    c->room *= 2;
    return 0;
}

/* At most 'most' bytes; how many there were, 0: the end. */
static int capture_some(struct capture *c, size_t most)
{
    int rc = make_room(c);
    if (rc < 0)
        return rc;
    size_t room = c->room - c->size - 1;
    int n = bough_stream_receive_some(c->stream, c->data + c->size, room < most ? room : most);
    if (n <= 0)
        return n;
    c->size += (size_t)n;
    if (c->size > c->conversation->limit)
        return bough_fail(-EMSGSIZE, "process %d (%s) has written more than %zu bytes to its %s",
                          (int)bough_process_pid(c->conversation->process),
                          c->conversation->options->argv[0], c->conversation->limit, c->what);
    return n;
}

static int capture_main(void *arg)
{
    struct capture *c = arg;
    struct conversation *v = c->conversation;
    int n;
    while ((n = capture_some(c, SIZE_MAX)) > 0)
        ;
    if (n < 0)
        return n;
    c->ended = true;
    if ((v->out.ended || !v->out.stream) && (v->err.ended || !v->err.stream))
        bough_event_set(&v->ended);
    return 0;
}

/* What it has left there. This does not wait: nobody else reads. */
static int capture_rest(struct capture *c)
{
    int left = 0, n = 1;
    if (!c->stream || c->ended || ioctl(bough_stream_fd(c->stream), FIONREAD, &left) < 0)
        return 0;
    for (; left > 0 && n > 0; left -= n)
        n = capture_some(c, (size_t)left);
    return n < 0 ? n : 0;
}

static int capture_begin(struct capture *c, struct bough_stream *stream, const char *what,
                         struct conversation *v)
{
    *c = (struct capture){.conversation = v, .stream = stream, .what = what, .room = FIRST_ROOM};
    if (!stream)
        return 0;
    c->data = sys_malloc(c->room);
    return c->data ? 0 : bough_fail_text(-ENOMEM, "no memory for what a process writes");
}

/* --- all of them --- */

static int feed_main(void *arg)
{
    struct conversation *v = arg;
    struct bough_stream *in = bough_process_stdin(v->process);
    int rc = bough_stream_send_all(in, v->options->input, v->options->input_size);
    if (rc == -EPIPE)
        rc = 0; /* it did not want it all */
    return bough_keep(rc, bough_stream_close(in));
}

static int start_tasks(struct bough_nursery *n, struct conversation *v)
{
    int rc = 0;
    if (bough_process_stdin(v->process))
        rc = bough_nursery_start_soon(n, feed_main, v);
    if (rc == 0 && v->out.stream)
        rc = bough_nursery_start_soon(n, capture_main, &v->out);
    if (rc == 0 && v->err.stream)
        rc = bough_nursery_start_soon(n, capture_main, &v->err);
    return rc;
}

/* It has ended. Others may have its pipes. */
static int linger(struct conversation *v)
{
    struct bough_scope time = BOUGH_SCOPE(.deadline = bough_after(bough_now(), v->options->linger));
    int rc = 0;
    if (v->options->linger > 0 && (v->out.stream || v->err.stream))
        bough_with_scope (&time, &rc)
            rc = bough_event_wait(&v->ended);
    return rc;
}

/* The status. */
static int converse(struct conversation *v)
{
    int rc = 0, status = 0;
    bough_with_nursery (n, &rc) {
        rc = start_tasks(n, v);
        if (rc == 0)
            rc = status = bough_process_wait(v->process);
        if (rc >= 0)
            rc = linger(v);
        if (rc >= 0)
            bough_scope_cancel(bough_nursery_scope(n), "the process has ended");
    }
    if (rc >= 0)
        rc = capture_rest(&v->out);
    if (rc >= 0)
        rc = capture_rest(&v->err);
    return rc < 0 ? rc : status;
}

/* The end of what it wrote to stderr, from the beginning of a line if there is one. */
static const char *last_words(const struct capture *c, char *buffer)
{
    size_t size = c->size;
    while (size && strchr(" \t\r\n", c->data[size - 1]))
        size--;
    size_t skip = size > LAST_WORDS ? size - LAST_WORDS : 0;
    const char *line = skip ? memchr(c->data + skip, '\n', size - skip) : NULL;
    if (line)
        skip = (size_t)(line + 1 - c->data);
    memcpy(buffer, c->stream ? c->data + skip : "", size - skip);
    buffer[size - skip] = 0;
    return buffer;
}

static int conversation_run(struct conversation *v)
{
    struct bough_process *p = v->process;
    char words[LAST_WORDS + 1];
    bough_event_init(&v->ended);
    int rc = capture_begin(&v->out, bough_process_stdout(p), "output", v);
    int rc2 = capture_begin(&v->err, bough_process_stderr(p), "errors", v);
    rc = rc < 0 ? rc : rc2;
    if (rc == 0)
        rc = converse(v);
    if (rc > 0 && !v->options->any_status)
        rc = bough__process_failed(p, rc, last_words(&v->err, words));
    return rc;
}

/* --- the call --- */

static void deliver(struct capture *c, char **ret_data, size_t *ret_size)
{
    *ret_data = c->data;
    *ret_size = c->size;
    if (c->data)
        c->data[c->size] = 0;
}

/* What the fields that are the default mean here. */
static int choose_stdio(struct bough_process_options *o, bool capture)
{
    bool no_input = o->in.kind == BOUGH_STDIO_DEFAULT;
    if (o->in.kind == BOUGH_STDIO_PIPE || o->out.kind == BOUGH_STDIO_PIPE ||
        o->err.kind == BOUGH_STDIO_PIPE)
        return bough_fail_text(-EINVAL,
                               "bough_process_run: the other ends of its pipes would be nobody's");
    if (o->input_size && !o->input)
        return bough_fail_text(-EINVAL, "bough_process_run: .input is NULL, .input_size is not 0");
    if (!no_input && o->input_size)
        return bough_fail_text(-EINVAL, "bough_process_run: .input is for the default .in");
    if (no_input)
        o->in = o->input_size ? BOUGH_PIPE : BOUGH_NULL;
    if (capture && o->out.kind == BOUGH_STDIO_DEFAULT)
        o->out = BOUGH_PIPE;
    if (capture && o->err.kind == BOUGH_STDIO_DEFAULT)
        o->err = BOUGH_PIPE;
    return 0;
}

int bough_process_run(const struct bough_process_options *options,
                      struct bough_process_result *ret_result)
{
    struct bough_process_options o = *options;
    struct conversation v = {.options = options, .limit = o.limit ? o.limit : LIMIT};
    int rc = choose_stdio(&o, ret_result != NULL);
    o.any_status = true; /* looked at here, where its last words are known */
    if (rc == 0)
        rc = bough_process_start(&o, &v.process);
    if (rc < 0)
        return rc;
    rc = bough_process_close(v.process, conversation_run(&v));
    if (rc < 0 || !ret_result) {
        free(v.out.data);
        free(v.err.data);
        return rc < 0 ? rc : 0;
    }
    ret_result->status = rc;
    deliver(&v.out, &ret_result->out, &ret_result->out_size);
    deliver(&v.err, &ret_result->err, &ret_result->err_size);
    return 0;
}

void bough_process_result_free(struct bough_process_result *result)
{
    free(result->out);
    free(result->err);
    *result = (struct bough_process_result){0};
}
