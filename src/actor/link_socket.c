/* Frames over a Unix socket, between processes.
 *
 * Outgoing frames are laid out in blocks, one after the other; what is written in one pass of the
 * loop goes out in one system call or few. A block that has a descriptor goes out with it, alone.
 * Incoming bytes are read in bulk and cut into frames; a large payload is read into its own memory
 * at once.
 *
 * A receive that did not fill its buffer has emptied the socket, so the next one waits first: that saves
 * a system call a message. But bytes that come with a descriptor are received by themselves, so a short
 * receive may also end in front of them; a frame of the link's own announces them, and until they have
 * come nothing is concluded.
 *
 * Large payloads go through an arena (actor/arena.h) that the sender offers when there is a second of
 * them: the frame then has the place in it instead. Whenever there is no arena, or no room in it, they go
 * over the socket. An arena that has not been used for a while is given up.
 *
 * Memory is bounded: who sends much waits for room (link->wait_room), what one is asked for in the
 * stream of a dialogue is bounded by its window, and each call has one reply.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "actor/arena.h"
#include "actor/link.h"
#include "base/spare.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/time.h"
#include "bough/timer.h"
#include "bough/wait.h"
#include "io/fd.h"

enum {
    BLOCK = 32 << 10,     /* of frames that are small */
    BLOCKS_AT_ONCE = 16,  /* in one system call */
    QUEUE_HIGH = 1 << 20, /* who has much to send waits from here */
    QUEUE_LOW = QUEUE_HIGH / 2,
    READ_AT_ONCE = 64 << 10,
    FDS = 16, /* that have come, and whose frames have not */
};

#define ARENA_UNUSED (5 * BOUGH_SEC) /* about so long, then it is given up */

struct block {
    struct bough_list link;
    int fd; /* goes out with the first byte; -1: none, or gone */
    size_t size, sent, capacity;
    char bytes[];
};

struct socket_link {
    struct link link;
    int fd;
    int broken; /* why nothing can be sent any more; 0 */

    struct bough_list blocks;  /* to be sent */
    size_t queued;             /* bytes in them */
    struct bough_wait *pump;   /* waits for something to send */
    struct bough_list starved; /* wait for room */
    struct bough_list drains;  /* wait until all is out */
    struct arena_out out;
    struct bough_timer arena_unused;
    bool arena_is_watched; /* by the timer */

    char *in;
    size_t in_at, in_end;
    bool drained;    /* the socket was empty after the last receive */
    bool fd_follows; /* unless a descriptor is there */
    int fds[FDS];
    unsigned fd_count;
    struct arena_in arena;
};

/* --- sending --- */

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
static struct block *block_for(struct socket_link *s, size_t size, int fd)
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
static int announce_fd(struct socket_link *s)
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
static int queue_frame(struct socket_link *s, const struct frame_head *head,
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

/* Tell of a new arena, or (fd < 0) that there is none any more. The descriptor is taken over. */
static int tell_of_arena(struct socket_link *s, int fd)
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
static void watch_arena(struct socket_link *s)
{
    if (!s->out.words || s->arena_is_watched)
        return;
    s->arena_is_watched = true;
    bough_timer_arm(&s->arena_unused, bough_after(bough_now(), ARENA_UNUSED));
}

/* Give it up; the other end has to know first, else it would keep its mapping. One that was used since,
 * or not read yet, is looked at again after something else was sent: so a clock that jumps from deadline
 * to deadline is not driven by this. */
static void arena_is_unused(struct bough_timer *timer)
{
    struct socket_link *s = bough_container_of(timer, struct socket_link, arena_unused);
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
static void offer_arena(struct socket_link *s, size_t size)
{
    int fd = arena_make(&s->out, size);
    if (fd < 0)
        return;
    if (tell_of_arena(s, fd) < 0)
        arena_close(&s->out);
}

static int socket_send(struct link *link, const struct frame_head *head,
                       const struct bough_bytes *parts, int fd)
{
    struct socket_link *s = bough_container_of(link, struct socket_link, link);
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

static void batch_fill(struct batch *batch, struct socket_link *s)
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

static void have_sent(struct socket_link *s, size_t size)
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

/* The other end is gone: what is queued is for nobody. If it should be there all the same, both ends
 * find that the link has ended. */
static void break_off(struct socket_link *s, int rc)
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

static int send_queue(struct socket_link *s)
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
        } else if (n != -EINTR && n != -ETOOMANYREFS) {
            break_off(s, n);
        } else if (n ==
                   -ETOOMANYREFS) { /* descriptors that nobody has taken yet: there is room soon */
            int rc = bough_sleep(BOUGH_MS);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int socket_pump(struct link *link)
{
    struct socket_link *s = bough_container_of(link, struct socket_link, link);
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
    return rc;
}

static int socket_wait_room(struct link *link)
{
    struct socket_link *s = bough_container_of(link, struct socket_link, link);
    if (s->queued < QUEUE_HIGH)
        return 0;
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "room in a link to an actor"};
    bough_list_push(&s->starved, &wait.link);
    return bough_wait(&wait);
}

static int socket_drain(struct link *link)
{
    struct socket_link *s = bough_container_of(link, struct socket_link, link);
    if (s->queued == 0)
        return 0;
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "the last words to an actor"};
    bough_list_push(&s->drains, &wait.link);
    return bough_wait(&wait);
}

/* --- receiving --- */

/* Descriptors that came with some bytes. More than can be expected, or cut off: it is no peer of
 * ours. */
static int take_fds(struct socket_link *s, struct msghdr *header)
{
    int rc = header->msg_flags & MSG_CTRUNC
                 ? bough_fail(-EMFILE, "a descriptor that was sent could not be opened")
                 : 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (s->fd_count < FDS) {
                s->fds[s->fd_count++] = fd;
            } else {
                close(fd);
                rc = bough_fail(-EPROTO, "more descriptors than frames that have one");
            }
        }
    }
    return rc;
}

/* Read something, waiting for it. The number of bytes; 0: the end. */
static int read_some(struct socket_link *s, void *buffer, size_t size)
{
    struct iovec bytes = {buffer, size};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(FDS * sizeof(int))];
    } control;
    for (;;) {
        struct msghdr header = {.msg_iov = &bytes,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof(control)};
        int n = s->drained ? -EAGAIN
                           : sys_call(ECONNRESET,
                                      recvmsg(s->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
        s->drained = n > 0 && (size_t)n < size && !s->fd_follows;
        if (n >= 0) {
            int rc = header.msg_controllen ? take_fds(s, &header) : 0;
            bough_passed();
            return rc < 0 ? rc : n;
        }
        if (n == -ECONNRESET)
            return 0;
        if (n != -EINTR && n != -EAGAIN)
            return bough_fail(n, "a link to an actor: %s", bough_error_name(n));
        n = n == -EAGAIN ? bough__fd_wait(s->fd, BOUGH_READABLE) : 0;
        if (n < 0)
            return n;
    }
}

/* At least 'size' (small) bytes in the buffer. 1; 0: the end; who was killed may have got no further
 * than the middle of a frame. */
static int fill(struct socket_link *s, size_t size)
{
    size_t have;
    while ((have = s->in_end - s->in_at) < size) {
        if (have && s->in_at)
            memmove(s->in, s->in + s->in_at, have);
        s->in_at = 0;
        s->in_end = have;
        int n = read_some(s, s->in + have, READ_AT_ONCE - have);
        if (n <= 0)
            return n;
        s->in_end += (size_t)n;
    }
    return 1;
}

/* The next 'size' bytes, to 'to', or to nowhere. 1; 0: the end; or an error. */
static int read_payload(struct socket_link *s, char *to, size_t size)
{
    size_t have = s->in_end - s->in_at, n = have < size ? have : size;
    if (to && n)
        memcpy(to, s->in + s->in_at, n);
    s->in_at += n;
    while (n < size) {
        size_t left = size - n;
        int got = to ? read_some(s, to + n, left)
                     : read_some(s, s->in, left < READ_AT_ONCE ? left : READ_AT_ONCE);
        if (got <= 0)
            return got;
        n += (size_t)got;
    }
    return 1;
}

static int take_fd(struct socket_link *s, struct frame *f)
{
    if (!(f->head.flags & FRAME_HAS_FD))
        return 1;
    if (s->fd_count == 0)
        return bough_fail(-EPROTO, "a frame without the descriptor that it should have");
    f->fd = s->fds[0];
    memmove(s->fds, s->fds + 1, --s->fd_count * sizeof(int));
    return 1;
}

/* The next head, and its descriptor. 1; 0: the end. */
static int read_head(struct socket_link *s, struct frame *f)
{
    int rc = fill(s, sizeof(f->head));
    if (rc <= 0)
        return rc;
    memcpy(&f->head, s->in + s->in_at, sizeof(f->head));
    s->in_at += sizeof(f->head);
    rc = frame_check(&f->head);
    if (rc < 0)
        return rc;
    s->fd_follows = f->head.type == FRAME_FD_FOLLOWS;
    if (s->fd_follows)
        s->drained = false;
    return take_fd(s, f);
}

/* A frame of the link's own. 0, or what is wrong with it. */
static int own_frame(struct socket_link *s, struct frame *f)
{
    int fd = f->fd;
    if (f->head.size || (f->head.type == FRAME_FD_FOLLOWS && fd >= 0))
        return bough_fail(-EPROTO, "a frame of the link itself has a payload");
    f->fd = -1;
    if (f->head.type == FRAME_ARENA && fd >= 0)
        return arena_map(&s->arena, fd, f->head.value);
    if (f->head.type == FRAME_ARENA) {
        arena_unmap(&s->arena);
        spare_trim();
    }
    return 0;
}

/* A payload that does not fit into memory is skipped. 1; 0: the end; or an error. */
static int take_payload(struct socket_link *s, struct frame *f)
{
    uint64_t place;
    f->data = frame_data_new(f->head.size);
    f->lost = !f->data;
    char *to = f->data ? f->data->bytes : NULL;
    if (!(f->head.flags & FRAME_IN_ARENA))
        return read_payload(s, to, f->head.size);
    int rc = read_payload(s, (char *)&place, sizeof(place));
    return rc <= 0 ? rc : arena_take(&s->arena, place, f->head.size, to);
}

static int socket_receive(struct link *link, struct frame *ret_frame)
{
    struct socket_link *s = bough_container_of(link, struct socket_link, link);
    struct frame f = {.fd = -1};
    int rc;
    while ((rc = read_head(s, &f)) > 0 && f.head.type >= FRAME_FD_FOLLOWS)
        if ((rc = own_frame(s, &f)) < 0)
            break;
    if (rc > 0 && f.head.size)
        rc = take_payload(s, &f);
    if (rc <= 0)
        frame_release(&f);
    else
        *ret_frame = f;
    return rc;
}

/* --- open, hang up, free --- */

static void socket_hang_up(struct link *link)
{
    (void)shutdown(bough_container_of(link, struct socket_link, link)->fd, SHUT_RDWR);
}

static void socket_free(struct link *link)
{
    struct socket_link *s = bough_container_of(link, struct socket_link, link);
    break_off(s, -EBADF);
    arena_unmap(&s->arena);
    for (unsigned i = 0; i < s->fd_count; i++)
        close(s->fds[i]);
    bough__fd_close(s->fd);
    free(s->in);
    free(s);
}

static const struct link_kind socket_kind = {
    .send = socket_send,
    .receive = socket_receive,
    .wait_room = socket_wait_room,
    .pump = socket_pump,
    .drain = socket_drain,
    .hang_up = socket_hang_up,
    .free = socket_free,
};

/* Who has made the socket, or its pair, is the user that we are. */
static int check_user(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    return peer.uid == geteuid() ? 0 : -EPERM;
}

int link_socket_open(int fd, struct link **ret_link)
{
    struct socket_link *s = sys_calloc(1, sizeof(*s));
    char *in = s ? sys_malloc(READ_AT_ONCE) : NULL;
    int rc = in ? check_user(fd) : -ENOMEM;
    if (rc >= 0)
        rc = bough__fd_set_nonblocking(fd);
    if (rc >= 0)
        rc = bough__fd_adopt(fd);
    if (rc < 0) {
        free(in);
        free(s);
        close(fd);
        return bough_fail(rc, "no link to an actor: %s", bough_error_name(rc));
    }
    s->link.kind = &socket_kind;
    s->fd = fd;
    s->in = in;
    bough_list_init(&s->blocks);
    bough_list_init(&s->starved);
    bough_list_init(&s->drains);
    s->arena_unused.fire = arena_is_unused;
    *ret_link = &s->link;
    return 0;
}
