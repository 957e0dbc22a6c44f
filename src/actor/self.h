/* The actor's own side: what runs in its thread or process, from the first word to the last.
 *
 *     us                          who has started us
 *     HELLO   token      --->
 *                        <---     SPEC    what we are to be
 *     READY              --->             setup is done; calls may come
 *                        <---     BYE     gently or now
 *     BYE_ACK            --->
 *     LEAVING            --->             the calls have ended
 *     ENDED   outcome    --->             teardown is done; the link ends
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/link.h"

enum { TOKEN = 16 };

struct self_start {
    struct link *link;
    unsigned char token[TOKEN];
    /* Called once when who has started us is gone: leave within 'grace'. May be NULL. */
    void (*orphaned)(int64_t grace);
};

/* The main task of an actor's run; 'arg' is a struct self_start, whose link it takes over. */
int self_main(void *arg);
