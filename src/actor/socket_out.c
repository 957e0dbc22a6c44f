/* SPDX-License-Identifier: MIT */
#include "actor/socket_out.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/spare.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/time.h"
#include "bough/wait.h"
#include "io/fd.h"

enum {
    BLOCK = 32 << 10,     /* of frames that are small */
    BLOCKS_AT_ONCE = 16,  /* in one system call */
    QUEUE_HIGH = 1 << 20, /* who has much to send waits from here */
    QUEUE_LOW = QUEUE_HIGH / 2,
};

#define ARENA_UNUSED (5 * BOUGH_SEC) /* about so long, then it is given up */

struct block {
    struct bough_list link;
    int fd; /* goes out with the first byte; -1: none, or gone */
    size_t size, sent, capacity;
    char bytes[];
};

/* --- the queue --- */

static struct block *block_new(size_t size)
{
    size_t capacity, whole = sizeof(struct block) + size;
    struct block *b = spare_get(whole < BLOCK ? (size_t)BLOCK : whole, &capacity);
    if (!b)
        return NULL;
    *b = (struct block){.fd = -1, .capacity = capacity - sizeof(*b)};
    return b;
}

static void block_free(struct block *b)
{
    if (b->fd >= 0)
        close(b->fd);
    spare_put(b, sizeof(*b) + b->capacity);
}

/* The last block, if there is room for so much in it; or a new one. A descriptor needs one whose
 * first byte is the frame's. */
static struct block *block_for(struct socket_out *s, size_t size, int fd)
{
    if (fd < 0 && !bough_list_is_empty(&s->blocks)) {
        struct block *last = bough_container_of(s->blocks.prev, struct block, link);
        if (last->capacity - last->size >= size)
            return last;
    }
    struct block *b = block_new(size);
    if (!b)
        return NULL;
    b->fd = fd;
    bough_list_push(&s->blocks, &b->link);
    return b;
}

static void append(struct block *b, const void *data, size_t size)
{
    if (size)
        memcpy(b->bytes + b->size, data, size);
    b->size += size;
}

/* In front of the block with the descriptor; not at its end, which goes out with it. */
static int announce_fd(struct socket_out *s)
{
    const struct frame_head head = {.version = FRAME_VERSION, .type = FRAME_FD_FOLLOWS};
    struct block *b = block_for(s, sizeof(head), -1);
    if (!b)
        return -ENOMEM;
    append(b, &head, sizeof(head));
    s->queued += sizeof(head);
    return 0;
}

/* Queue a frame: of its payload the parts, or (if there are none) the place in the arena. */
static int queue_frame(struct socket_out *s, const struct frame_head *head,
                       const struct bough_bytes *parts, const uint64_t *place, int fd)
{
    size_t size = sizeof(*head) + (place ? sizeof(*place) : head->size);
    int rc = fd < 0 ? 0 : announce_fd(s);
    struct block *b = rc == 0 ? block_for(s, size, fd) : NULL;
    if (!b)
        return -ENOMEM;
    append(b, head, sizeof(*head));
    if (place) {
        append(b, place, sizeof(*place));
    } else if (head->size) {
        append(b, parts[0].data, parts[0].size);
        append(b, parts[1].data, parts[1].size);
    }
    s->queued += size;
    if (s->pump)
        bough_wake(s->pump, 0);
    s->pump = NULL;
    return 0;
}

/* --- the arena --- */

/* Tell of a new arena, or (fd < 0) that there is none any more. The descriptor is taken over. */
static int tell_of_arena(struct socket_out *s, int fd)
{
    const struct frame_head head = {.version = FRAME_VERSION,
                                    .type = FRAME_ARENA,
                                    .flags = fd < 0 ? 0 : FRAME_HAS_FD,
                                    .value = fd < 0 ? 0 : (int64_t)s->out.size};
    int rc = queue_frame(s, &head, NULL, NULL, fd);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc;
}

/* Look later whether the arena is still used. */
static void watch_arena(struct socket_out *s)
{
    if (!s->out.words || s->arena_is_watched)
        return;
    s->arena_is_watched = true;
    bough_timer_arm(&s->arena_unused, bough_after(bough_now(), ARENA_UNUSED));
}

/* Give it up; the other end has to know first, else it would keep its mapping. One that was used
 * since, or not read yet, is looked at again after something else was sent: so a clock that jumps
 * from deadline to deadline is not driven by this. */
static void arena_is_unused(struct bough_timer *timer)
{
    struct socket_out *s = bough_container_of(timer, struct socket_out, arena_unused);
    bool used = s->out.used;
    s->arena_is_watched = false;
    if (s->broken || !s->out.words)
        return;
    if (arena_is_idle(&s->out) && tell_of_arena(s, -1) == 0) {
        arena_close(&s->out);
        spare_trim(); /* payloads are not wanted now */
    } else if (used) {
        watch_arena(s);
    }
}

/* Soon there will be one: when the other end has mapped it. */
static void offer_arena(struct socket_out *s, size_t size)
{
    int fd = arena_make(&s->out, size);
    if (fd < 0)
        return;
    if (tell_of_arena(s, fd) < 0)
        arena_close(&s->out);
}

/* --- queue, and send --- */

int socket_out_send(struct socket_out *s, const struct frame_head *head,
                    const struct bough_bytes *parts, int fd)
{
    struct frame_head shared = *head;
    uint64_t place;
    if (s->broken)
        return -EPIPE;
    watch_arena(s);
    if (head->size >= ARENA_FROM && arena_reserve(&s->out, head->size, &place)) {
        shared.flags |= FRAME_IN_ARENA;
        int rc = queue_frame(s, &shared, NULL, &place, fd);
        if (rc == 0)
            arena_fill(&s->out, place, parts);
        return rc;
    }
    if (head->size >= ARENA_FROM && arena_is_wanted(&s->out, head->size))
        offer_arena(s, head->size);
    return queue_frame(s, head, parts, NULL, fd);
}

struct batch {
    struct iovec bytes[BLOCKS_AT_ONCE];
    struct msghdr header;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
};

static void batch_fill(struct batch *batch, struct socket_out *s)
{
    size_t count = 0;
    batch->header = (struct msghdr){.msg_iov = batch->bytes};
    bough_list_foreach (node, &s->blocks) {
        struct block *b = bough_container_of(node, struct block, link);
        if (count == BLOCKS_AT_ONCE || (count && b->fd >= 0))
            break;
        batch->bytes[count].iov_base = b->bytes + b->sent;
        batch->bytes[count++].iov_len = b->size - b->sent;
        if (b->fd < 0)
            continue;
        memset(&batch->control, 0, sizeof(batch->control));
        batch->header.msg_control = &batch->control;
        batch->header.msg_controllen = sizeof(batch->control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&batch->header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &b->fd, sizeof(int));
    }
    batch->header.msg_iovlen = count;
}

static void have_sent(struct socket_out *s, size_t size)
{
    s->queued -= size;
    while (!bough_list_is_empty(&s->blocks)) {
        struct block *b = bough_container_of(s->blocks.next, struct block, link);
        if (size && b->fd >= 0) {
            close(b->fd);
            b->fd = -1;
        }
        if (size < b->size - b->sent) {
            b->sent += size;
            break;
        }
        size -= b->size - b->sent;
        bough_list_unlink(&b->link);
        block_free(b);
    }
    if (s->queued <= QUEUE_LOW)
        bough_wake_all(&s->starved, 0);
    if (s->queued == 0)
        bough_wake_all(&s->drains, 0);
}

void socket_out_break(struct socket_out *s, int rc)
{
    s->broken = rc;
    shutdown(s->fd, SHUT_RDWR);
    if (s->arena_is_watched)
        bough_timer_disarm(&s->arena_unused);
    s->arena_is_watched = false;
    arena_close(&s->out);
    while (!bough_list_is_empty(&s->blocks)) {
        struct block *b = bough_container_of(s->blocks.next, struct block, link);
        bough_list_unlink(&b->link);
        block_free(b);
    }
    s->queued = 0;
    bough_wake_all(&s->starved, -EPIPE);
    bough_wake_all(&s->drains, 0);
}

static int send_queue(struct socket_out *s)
{
    struct batch batch;
    while (s->queued) {
        batch_fill(&batch, s);
        int n = sys_call(EPIPE, sendmsg(s->fd, &batch.header, MSG_NOSIGNAL | MSG_DONTWAIT));
        if (n == -EAGAIN) {
            int rc = bough__fd_wait(s->fd, BOUGH_WRITABLE);
            if (rc < 0)
                return rc;
        } else if (n >= 0) {
            have_sent(s, (size_t)n);
        } else if (n == -ETOOMANYREFS) { /* descriptors that nobody has taken: there is room soon */
            int rc = bough_sleep(BOUGH_MS);
            if (rc < 0)
                return rc;
        } else if (n != -EINTR) {
            socket_out_break(s, n);
        }
    }
    return 0;
}

int socket_out_pump(struct socket_out *s)
{
    int rc = 0;
    while (rc >= 0) {
        struct bough_wait wait = {.abort = bough_wait_leave,
                                  .what = "something to send to an actor"};
        rc = send_queue(s);
        if (rc < 0)
            break;
        s->pump = &wait;
        rc = bough_wait(&wait);
        s->pump = NULL;
    }
    if (rc != -ECANCELED) /* who waits for room is told */
        socket_out_break(s, rc);
    return rc;
}

int socket_out_wait_room(struct socket_out *s)
{
    if (s->queued < QUEUE_HIGH)
        return 0;
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "room in a link to an actor"};
    bough_list_push(&s->starved, &wait.link);
    return bough_wait(&wait);
}

int socket_out_drain(struct socket_out *s)
{
    if (s->queued == 0)
        return 0;
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "the last words to an actor"};
    bough_list_push(&s->drains, &wait.link);
    return bough_wait(&wait);
}

void socket_out_init(struct socket_out *s, int fd)
{
    s->fd = fd;
    bough_list_init(&s->blocks);
    bough_list_init(&s->starved);
    bough_list_init(&s->drains);
    s->arena_unused.fire = arena_is_unused;
}
