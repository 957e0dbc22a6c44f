/* Serving: a task for each connection.
 * SPDX-License-Identifier: MIT */
#include <errno.h>

#include "bough/error.h"
#include "bough/net.h"
#include "bough/nursery.h"
#include "bough/sync.h"
#include "io/listener.h"

#define WAIT_FOR_RESOURCES (100 * BOUGH_MS)

struct connection {
    struct bough_connection public;
    bough_serve_fn *fn;
    void *arg;
    const struct bough_serve_options *options;
    struct bough_semaphore *places;
};

static int connection(void *arg)
{
    struct connection *c = arg;
    int rc = c->fn(&c->public, c->arg);
    bough_stream_free(c->public.stream);
    if (rc < 0 && rc != -ECANCELED && c->options->on_error)
        rc = c->options->on_error(rc, c->arg);
    if (c->options->limit)
        bough_semaphore_release(c->places);
    return rc;
}

/* What passes when others let go of something; the connection waits in the kernel meanwhile. */
static bool is_shortage(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM || rc == -EAGAIN;
}

static int accept_and_start(struct bough_nursery *n, struct bough_listener *l, struct connection c)
{
    int rc = bough_listener_accept(l, &c.public.stream);
    if (rc < 0)
        return rc;
    rc = bough_nursery_start_soon_with(n, connection, &c, sizeof(c));
    if (rc < 0)
        bough_stream_free(c.public.stream);
    return rc;
}

/* A place first: what waits for one waits in the kernel. */
static int serve_next(struct bough_nursery *n, struct bough_listener *l,
                      const struct connection *like)
{
    if (!like->options->limit)
        return accept_and_start(n, l, *like);
    int rc = bough_semaphore_acquire(like->places);
    if (rc < 0)
        return rc;
    rc = accept_and_start(n, l, *like);
    if (rc < 0)
        bough_semaphore_release(like->places);
    return rc;
}

int bough_serve_with(struct bough_listener *l, const struct bough_serve_options *options,
                     bough_serve_fn *fn, void *arg)
{
    const struct bough_serve_options none = {0};
    int rc = 0;
    if (!options)
        options = &none;
    struct bough_semaphore places;
    bough_semaphore_init(&places, options->limit);
    if (!options->limit)
        bough__listener_takes_all(l);
    struct connection like = {.fn = fn, .arg = arg, .options = options, .places = &places};
    bough_with_nursery (n, &rc) {
        while (rc >= 0) {
            rc = serve_next(n, l, &like);
            if (is_shortage(rc))
                rc = bough_sleep(WAIT_FOR_RESOURCES);
        }
    }
    return rc;
}

int bough_serve(struct bough_listener *l, bough_serve_fn *fn, void *arg)
{
    return bough_serve_with(l, NULL, fn, arg);
}
