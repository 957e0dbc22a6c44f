/* Hostile peers: valid sessions with something wrong in them, over a real socket. Each ends when
 * its bytes do, and leaves nothing. fuzz/session.c looks for more of them.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include "../../fuzz/session.h"

enum { MOST = 4096, CALLS_WINDOW = 256 << 10 };

/* --- bytes --- */

struct bytes {
    uint8_t at[MOST];
    size_t size;
};

static void put(struct bytes *b, unsigned type, uint64_t context, int64_t value, unsigned flags,
                const char *payload, size_t size)
{
    struct frame_head head = {.size = (uint32_t)size,
                              .version = FRAME_VERSION,
                              .type = (uint8_t)type,
                              .flags = (uint16_t)flags,
                              .context = context,
                              .value = value};
    CHECK(b->size + sizeof(head) + size <= MOST);
    memcpy(b->at + b->size, &head, sizeof(head));
    if (size)
        memcpy(b->at + b->size + sizeof(head), payload, size);
    b->size += sizeof(head) + size;
}

#define PUT(b, type, context, value, flags, text)                                                  \
    put(b, type, context, value, flags, text, sizeof(text) - 1)

/* One of each that a peer may send. */
static void make_valid(struct bytes *b)
{
    b->size = 0;
    PUT(b, FRAME_CALL, 3, 0, 0, "echo\0hi");
    PUT(b, FRAME_CALL, 5, 0, 0, "hang\0");
    PUT(b, FRAME_REPLY, 2, 0, 0, "49");
    PUT(b, FRAME_CALL, 7, CALLS_WINDOW, FRAME_IS_DIALOGUE, "talk\0");
    PUT(b, FRAME_STARTED, 4, CALLS_WINDOW, 0, "up");
    PUT(b, FRAME_DATA, 7, 0, 0, "a message");
    PUT(b, FRAME_DATA, 4, 0, 0, "");
    PUT(b, FRAME_CREDIT, 7, 4000, 0, "");
    PUT(b, FRAME_CANCEL, 5, 0, 0, "enough");
    PUT(b, FRAME_CALL, 9, 0, 0, "fail\0");
    PUT(b, FRAME_CANCEL_ACK, 4, 0, 0, "");
    PUT(b, FRAME_FINISH, 7, 0, 0, "");
    PUT(b, FRAME_FINISH, 4, 0, 0, "");
    PUT(b, FRAME_CALL, 11, 0, 0, "dance\0");
    PUT(b, FRAME_ERROR, 4, -EIO, 0, "");
}

static uint32_t seed;

static uint32_t draw(size_t below)
{
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    return (uint32_t)(seed % below);
}

/* The frame that begins at or after some place; the end if there is none. */
static size_t some_frame(const struct bytes *b, size_t *ret_size)
{
    struct frame_head head;
    size_t at = 0, wanted = draw(b->size);
    *ret_size = 0;
    while (at + sizeof(head) <= b->size) {
        memcpy(&head, b->at + at, sizeof(head));
        *ret_size = sizeof(head) + head.size;
        if (at >= wanted || at + *ret_size > b->size)
            break;
        at += *ret_size;
    }
    if (at + *ret_size > b->size || at + sizeof(head) > b->size)
        *ret_size = 0;
    return at;
}

static void mutate(struct bytes *b)
{
    size_t size, at = some_frame(b, &size);
    switch (draw(6)) {
    case 0: /* a bit */
        b->at[draw(b->size)] ^= (uint8_t)(1 << draw(8));
        break;
    case 1: /* a field of a head */
        if (size)
            b->at[at + draw(sizeof(struct frame_head))] = (uint8_t)draw(16);
        break;
    case 2: /* the end is missing */
        b->size = 1 + draw(b->size);
        break;
    case 3: /* a frame is */
        memmove(b->at + at, b->at + at + size, b->size - at - size);
        b->size -= size < b->size ? size : 0;
        break;
    case 4: /* a frame comes twice */
        if (b->size + size <= MOST) {
            memcpy(b->at + b->size, b->at + at, size);
            b->size += size;
        }
        break;
    default: /* about another call, or of another kind */
        if (size)
            b->at[at + (draw(2) ? 8 : 5)] = (uint8_t)draw(30);
    }
}

/* --- the tests --- */

static void feed(const uint8_t *data, size_t size)
{
    struct fed fed = {.data = data, .size = size};
    CHECK_EQ(bough_run(victim_is_fed, &fed), 0);
    CHECK(fed.in_time);
    bough_error_clear();
}

TEST(a_valid_session_cut_off_anywhere_ends)
{
    struct bytes b;
    int fds = count_in("/proc/self/fd");
    make_valid(&b);
    for (size_t size = 0; size <= b.size; size++)
        feed(b.at, size);
    CHECK_EQ(count_in("/proc/self/fd"), fds);
}

TEST(ten_thousand_sessions_with_mistakes_end_and_leave_nothing)
{
    int fds = count_in("/proc/self/fd");
    for (int i = 1, count = test_scale(10000); i <= count; i++) {
        struct bytes b;
        seed = (uint32_t)i * 2654435761u;
        make_valid(&b);
        for (uint32_t n = 1 + draw(4); n && b.size; n--)
            mutate(&b);
        feed(b.at, b.size);
    }
    CHECK_EQ(count_in("/proc/self/fd"), fds);
}
