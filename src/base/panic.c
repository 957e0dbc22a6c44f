/* SPDX-License-Identifier: MIT */
#include "base/panic.h"

#include <stdarg.h>
#include <stdlib.h>

void (*bough__panic_picture)(FILE *to);

static bough_panic_fn *panic_handler;
/* A panic while the picture is drawn must not draw another. */
static __thread bool panic_under_way;

void bough_panic_set_handler(bough_panic_fn *fn)
{
    panic_handler = fn;
}

void bough_panic(const char *fmt, ...)
{
    char message[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);

    if (panic_handler)
        panic_handler(message);
    fprintf(stderr, "bough: panic: %s\n", message);
    if (bough__panic_picture && !panic_under_way) {
        panic_under_way = true;
        bough__panic_picture(stderr);
    }
    fflush(stderr);
    abort();
}
