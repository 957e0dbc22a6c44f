/* Actors: in threads and in processes, called, cancelled in it, and killed.
 * SPDX-License-Identifier: MIT */
#include "soak.h"

#include <signal.h>

#include <bough/actor.h>

/* --- over there --- */

static int echo(struct bough_call *call, __attribute__((unused)) void *state)
{
    return bough_call_reply(call, bough_call_request(call));
}

static int never(__attribute__((unused)) struct bough_call *call,
                 __attribute__((unused)) void *state)
{
    return bough_sleep_forever();
}

static int refuse(__attribute__((unused)) struct bough_call *call,
                  __attribute__((unused)) void *state)
{
    return bough_fail(-EACCES, "not for you");
}

static int die(__attribute__((unused)) struct bough_call *call, __attribute__((unused)) void *state)
{
    raise(SIGKILL);
    return 0;
}

static const struct bough_operation operations[] = {
    {"echo", echo}, {"never", never}, {"refuse", refuse}, {"die", die}, {0}};
BOUGH_ACTOR(soak_actor, .operations = operations);

/* --- here --- */

static int call_echo(struct worker *w, struct bough_actor *a)
{
    static char data[20 * 1000];
    struct bough_message reply;
    struct bough_bytes request = {.data = data, .size = draw(w, sizeof(data))};
    int rc = bough_call(a, "echo", request, &reply);
    if (rc < 0)
        return rc;
    CHECK(reply.size == request.size);
    bough_message_free(&reply);
    return 0;
}

static int call_in_vain(struct worker *w, struct bough_actor *a)
{
    int rc = 0;
    bough_move_on_after (draw(w, 2000) * BOUGH_US, &rc)
        rc = bough_call(a, "never", (struct bough_bytes){0}, NULL);
    if (rc == 0)
        rc = bough_call(a, "refuse", (struct bough_bytes){0}, NULL);
    (void)bough_catch(&rc, -EACCES);
    return rc;
}

int use_actors(struct worker *w)
{
    bool is_process = draw(w, 4) == 0, dies = is_process && draw(w, 2);
    struct bough_actor_spec spec = {.type = "soak_actor",
                                    .place = is_process ? BOUGH_PLACE_PROCESS : BOUGH_PLACE_THREAD};
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a;
        rc = bough_actor_start(an, &spec, &a);
        for (unsigned i = draw(w, 4); rc == 0 && i > 0; i--)
            rc = draw(w, 3) ? call_echo(w, a) : call_in_vain(w, a);
        if (rc == 0 && dies)
            rc = bough_call(a, "die", (struct bough_bytes){0}, NULL);
    }
    if (dies)
        (void)bough_catch(&rc, -EOWNERDEAD);
    return rc;
}
