/* Events of inotify: all that the kernel could say, in blocks as it would say it.
 *
 * The module itself is part of this program, so that its descriptor can be another.
 * SPDX-License-Identifier: MIT */
#include "../src/io/dirwatch.c"

#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>

#include "fuzz.h"

enum { EVENTS = 16 };

struct sent {
    char name[256];
    struct inotify_event event; /* which is open at its end */
};

/* One event into 'block', as the kernel writes it; its size. */
static size_t make_event(struct input *in, char *block, struct sent *sent)
{
    unsigned length = take_number(in, 255);
    if (length > in->size)
        length = (unsigned)in->size;
    *sent = (struct sent){.event = {.wd = (int)take_number(in, 255) - 1,
                                    .mask = take_number(in, 255) | take_number(in, 255) << 8,
                                    .cookie = take_number(in, 255)}};
    if (length > in->size)
        length = (unsigned)in->size;
    if (length)
        memcpy(sent->name, in->data, length);
    in->data += length;
    in->size -= length;
    size_t padded = length ? (length + 16) / 16 * 16 : 0; /* with a NUL at least */
    sent->event.len = (uint32_t)padded;
    memcpy(block, &sent->event, sizeof(sent->event));
    memset(block + sizeof(sent->event), 0, padded);
    memcpy(block + sizeof(sent->event), sent->name, length);
    return sizeof(sent->event) + padded;
}

static void is_what_was_sent(const struct bough_dirwatch_event *e, const struct sent *sent)
{
    CHECK(e->id == sent->event.wd && e->move == sent->event.cookie);
    CHECK(strcmp(e->name, sent->name) == 0);
    CHECK(e->kind == kind_of(sent->event.mask));
}

static int watch(void *arg)
{
    struct input *in = arg;
    struct sent sent[EVENTS];
    struct bough_dirwatch *w;
    struct bough_dirwatch_event e;
    int fds[2], count = 0, rc;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    CHECK(bough_dirwatch_open(&w) == 0);
    CHECK(dup3(fds[0], w->fd, O_CLOEXEC) == w->fd);
    while (in->size && count < EVENTS) {
        char block[BUFFER];
        size_t size = 0;
        int in_block = 1 + (int)take_number(in, 3);
        for (int i = 0; i < in_block && count < EVENTS; i++)
            size += make_event(in, block + size, &sent[count++]);
        CHECK(write(fds[1], block, size) == (ssize_t)size);
    }
    close(fds[1]);
    for (int i = 0; i < count; i++) {
        if (!kind_of(sent[i].event.mask))
            continue;
        CHECK(bough_dirwatch_receive(w, &e) == 1);
        is_what_was_sent(&e, &sent[i]);
    }
    rc = bough_dirwatch_receive(w, &e);
    CHECK(rc < 0); /* the end, which the kernel's has not */
    bough_dirwatch_free(w);
    close(fds[0]);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    fuzz_run(watch, &in);
    return 0;
}
