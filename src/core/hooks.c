/* SPDX-License-Identifier: MIT */
#include "core/hooks.h"

static struct bough_instrument **instrument_find(struct run *run,
                                                 struct bough_instrument *instrument)
{
    struct bough_instrument **at = &run->instruments;
    while (*at && *at != instrument)
        at = &(*at)->next;
    return at;
}

void instrument_add(struct run *run, struct bough_instrument *instrument)
{
    struct bough_instrument **at = instrument_find(run, instrument);
    if (!*at) {
        instrument->next = NULL;
        *at = instrument;
    }
}

void bough_instrument_add(struct bough_instrument *instrument)
{
    instrument_add(current_task()->run, instrument);
}

void bough_instrument_remove(struct bough_instrument *instrument)
{
    struct bough_instrument **at = instrument_find(current_task()->run, instrument);
    if (*at)
        *at = instrument->next;
}
