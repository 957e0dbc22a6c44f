/* Jobs for gather and race, which note how it went; and a cancelled call.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <bough/flow.h>
#include <bough/testing.h>

struct work {
    int64_t takes; /* sleeps so long */
    int rc;        /* and then ends with it */
    bool stubborn; /* does so, too, when it is cancelled */
    int64_t cleanup;
    bool began, was_cancelled, cleaned_up;
    int64_t ended; /* when */
};

__attribute__((unused)) static int do_work(void *arg)
{
    struct work *w = arg;
    w->began = true;
    int rc = bough_sleep(w->takes);
    w->was_cancelled = rc == -ECANCELED;
    if (w->cleanup) {
        int cleanup_rc = 0;
        bough_shielded (BOUGH_NEVER, &cleanup_rc)
            cleanup_rc = bough_sleep(w->cleanup);
        w->cleaned_up = cleanup_rc == 0;
    }
    w->ended = bough_now();
    return rc < 0 && !w->stubborn ? rc : w->rc;
}

#define JOB(work)                                                                                  \
    {                                                                                              \
        .fn = do_work, .arg = (work)                                                               \
    }

/* A call in a scope that is cancelled before it, or after a second. */
struct cancelled {
    int rc;          /* of the call */
    int64_t elapsed; /* until it returned */
};

#define CALL_CANCELLED(after, call)                                                                \
    (__extension__({                                                                               \
        struct cancelled cancelled_ = {0};                                                         \
        struct bough_scope scope_ = BOUGH_SCOPE(.timeout = (after));                               \
        int64_t start_ = bough_now();                                                              \
        int rc_ = 0;                                                                               \
        bough_with_scope (&scope_, &rc_)                                                           \
            rc_ = cancelled_.rc = (call);                                                          \
        CHECK(rc_ == (cancelled_.rc == -ECANCELED ? 0 : cancelled_.rc));                           \
        cancelled_.elapsed = bough_now() - start_;                                                 \
        cancelled_;                                                                                \
    }))
