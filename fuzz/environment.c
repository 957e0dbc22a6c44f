/* BOUGH_IO and BOUGH_SEED, whatever is in them.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

static int nothing(__attribute__((unused)) void *arg)
{
    return 0;
}

static bool is_io(const char *text)
{
    static const char *const known[] = {"", "auto", "epoll", "io_uring"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, known[i]) == 0)
            return true;
    return false;
}

/* A plain number; not octal. */
static bool is_number(const char *text)
{
    return *text != '0' && strspn(text, "0123456789") == strlen(text) && strlen(text) < 19;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    char *seed = take_text(&in), *io = take_text(&in);
    setenv("BOUGH_SEED", seed, 1);
    setenv("BOUGH_IO", io, 1);
    int rc = bough_run(nothing, NULL);
    if (!is_io(io))
        CHECK(rc == -EINVAL);
    else if (is_number(seed) && strcmp(io, "io_uring") != 0)
        CHECK(rc == 0);
    else
        CHECK(rc == 0 || rc == -EINVAL || rc == -ENOSYS || rc == -EPERM || rc == -ENOTSUP ||
              rc == -ENOMEM);
    if (rc < 0)
        CHECK(*bough_error_message(bough_error_last()));
    free(seed);
    free(io);
    return 0;
}
