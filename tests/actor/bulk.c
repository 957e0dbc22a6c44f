/* Large payloads: through memory that both ends share, and over the socket when that is not to be
 * had. Most are driven over the two ends of a link in one run; hostile ends speak to one by hand.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <bough/testing.h>

#include "actor/arena.h"
#include "actor/link.h"

/* Mappings of arenas in this process. */
static int arenas(void)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps))
        count += strstr(line, "bough-arena") != NULL;
    fclose(maps);
    return count;
}

/* --- bytes that tell who they are --- */

static char byte_of(uint64_t number, size_t at)
{
    return (char)((number + 1) * 31 + at * 7 + (at >> 12));
}

static char *bytes_of(uint64_t number, size_t size)
{
    char *bytes = malloc(size + 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_of(number, i);
    return bytes;
}

static void check_bytes(const char *bytes, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte_of(number, i))
            test_fail(__FILE__, __LINE__, "byte %zu of the %zu of frame %ju is wrong", i, size,
                      (uintmax_t)number);
}

/* --- two ends --- */

static int pump(void *arg)
{
    struct link *l = arg;
    return l->kind->pump(l);
}

/* In two parts, as names and requests are. */
static int send_bytes(struct link *l, uint64_t number, size_t size)
{
    char *bytes = bytes_of(number, size);
    struct frame_head head = {
        .size = (uint32_t)size, .version = FRAME_VERSION, .type = FRAME_DATA, .context = number};
    struct bough_bytes parts[2] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
    int rc = link_send(l, &head, parts, -1);
    free(bytes);
    return rc;
}

static int receive_bytes(struct link *l, uint64_t number, size_t size)
{
    struct frame f;
    int rc = l->kind->receive(l, &f);
    if (rc <= 0)
        return rc;
    CHECK_EQ(f.head.context, number);
    CHECK_EQ(f.head.size, size);
    CHECK_EQ(f.head.flags & FRAME_IN_ARENA, f.head.flags);
    if (f.data)
        check_bytes(f.data->bytes, number, size);
    rc = f.lost ? -ENOMEM : 1;
    frame_release(&f);
    return rc;
}

static int pass(struct link *from, struct link *to, uint64_t number, size_t size)
{
    int rc = send_bytes(from, number, size);
    return rc < 0 ? rc : receive_bytes(to, number, size);
}

/* The other end is spoken for by hand. */
static void link_and_raw(struct link **ret_link, int *ret_raw)
{
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(link_socket_open(fds[0], ret_link), 0);
    *ret_raw = fds[1];
}

struct ends {
    int (*body)(struct link *a, struct link *b);
    int most; /* arenas that there are in the end */
};

static int with_ends(void *arg)
{
    const struct ends *e = arg;
    struct link *a, *b;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    int rc = link_socket_open(fds[0], &a);
    if (rc < 0) {
        close(fds[1]);
        return rc;
    }
    rc = link_socket_open(fds[1], &b);
    if (rc < 0) {
        a->kind->free(a);
        return rc;
    }
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, pump, a);
        if (rc == 0)
            rc = bough_nursery_start_service(n, pump, b);
        if (rc == 0)
            rc = e->body(a, b);
        if (e->most >= 0)
            CHECK_EQ(arenas(), e->most);
    }
    a->kind->free(a);
    b->kind->free(b);
    CHECK_EQ(arenas(), 0);
    return rc < 0 ? rc : 0;
}

/* A test of a body between two ends; 'most': so many mappings there are at its end. */
#define LINK_TEST(test_name, most_)                                                                \
    static int test_name##_body(struct link *a, struct link *b);                                   \
    TASK_TEST(test_name)                                                                           \
    {                                                                                              \
        int fds = count_in("/proc/self/fd");                                                       \
        int rc = with_ends(&(struct ends){test_name##_body, most_});                               \
        CHECK_EQ(count_in("/proc/self/fd"), fds);                                                  \
        return rc;                                                                                 \
    }                                                                                              \
    static int test_name##_body(struct link *a, __attribute__((unused)) struct link *b)

static const size_t sizes[] = {
    1,           ARENA_FROM - 1,  ARENA_FROM, ARENA_FROM + 1, 64 << 10,      (64 << 10) + 1, 100000,
    ARENA_LEAST, ARENA_LEAST + 1, 1 << 20,    1000003,        MESSAGE_LIMIT, FRAME_LIMIT,
};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), TIMES = 4 };

LINK_TEST(payloads_of_all_sizes_arrive_as_they_were_sent, 4)
{
    int rc = 1;
    int count =
        test_on_valgrind() || test_is_sanitized() ? SIZES - 2 : SIZES; /* it is slow there */
    for (int i = 0; rc > 0 && i < count; i++)
        for (int k = 0; rc > 0 && k < TIMES; k++) {
            rc = pass(a, b, (uint64_t)i, sizes[i]);
            if (rc > 0)
                rc = pass(b, a, (uint64_t)i + 100, sizes[i]);
        }
    return rc;
}

LINK_TEST(a_single_large_payload_is_not_worth_an_arena, 0)
{
    int rc = pass(a, b, 1, 1 << 20);
    return rc < 0 ? rc : pass(a, b, 2, ARENA_FROM - 1);
}

LINK_TEST(a_payload_that_is_larger_than_the_arena_gets_a_larger_one, 2)
{
    int rc = 1;
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, ARENA_FROM);
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, 4 * ARENA_LEAST);
    return rc;
}

static size_t mixed_size(int i)
{
    return ARENA_FROM - 2000 + (size_t)(i * 37 % 60) * 1000;
}

/* As many as are more than an arena holds: the others overtake nothing, and are overtaken by none.
 */
LINK_TEST(what_finds_no_room_in_the_arena_keeps_its_turn, 2)
{
    enum { MANY = 100 };
    int rc = 1;
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, ARENA_FROM);
    for (int round = 0; rc > 0 && round < 3; round++) {
        for (int i = 0; rc >= 0 && i < MANY; i++)
            rc = send_bytes(a, (uint64_t)i, mixed_size(i));
        for (int i = 0; rc >= 0 && i < MANY; i++)
            rc = receive_bytes(b, (uint64_t)i, mixed_size(i));
    }
    return rc;
}

/* Any order of sending and receiving, sizes that go round the ring at odd places. */
LINK_TEST(a_receiver_may_be_slow, -1)
{
    uint64_t sent = 0, received = 0;
    unsigned random = 1, count = 600;
    int rc = 1;
    while (rc >= 0 && received < count) {
        random = random * 1103515245 + 12345;
        bool may_send = sent < count && sent - received < 30;
        if (may_send && ((random >> 16) % 5 < 3 || sent == received)) {
            rc = send_bytes(a, sent, 1000 + sent * 7919 % 90000);
            sent++;
        } else {
            rc = receive_bytes(b, received, 1000 + received * 7919 % 90000);
            received++;
        }
    }
    return rc;
}

LINK_TEST(an_arena_that_is_not_used_is_given_up_and_comes_back, 2)
{
    struct frame f;
    int rc = 1;
    for (int round = 0; rc > 0 && round < 3; round++) {
        for (int i = 0; rc > 0 && i < TIMES; i++)
            rc = pass(a, b, (uint64_t)i, ARENA_FROM);
        CHECK_EQ(arenas(), 2);
        if (rc <= 0 || round == 2)
            break;
        rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(arenas(), 1);
        bough_move_on_after (BOUGH_SEC, &rc) /* the other end has to read that */
            rc = b->kind->receive(b, &f);
        CHECK_EQ(arenas(), 0);
        rc = 1;
    }
    return rc;
}

LINK_TEST(an_arena_that_was_not_read_is_given_up_later, 1)
{
    int rc = 1;
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, ARENA_FROM);
    if (rc > 0)
        rc = send_bytes(a, 9, ARENA_FROM);
    if (rc == 0)
        rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(arenas(), 2);
    if (rc == 0)
        rc = receive_bytes(b, 9, ARENA_FROM);
    if (rc > 0)
        rc = pass(a, b, 10, 1); /* from here on there is nothing in its way */
    if (rc > 0)
        rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(arenas(), 1); /* what the other end has not read about */
    return rc;
}

/* On a clock that jumps, a payload that nobody reads must not make it run. */
LINK_TEST(an_arena_does_not_drive_the_clock, 2)
{
    int rc = 1;
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, ARENA_FROM);
    if (rc > 0)
        rc = send_bytes(a, 9, ARENA_FROM);
    struct bough_run_stats before, after;
    bough_run_statistics(&before);
    if (rc >= 0)
        rc = bough_sleep(60 * BOUGH_MINUTE);
    bough_run_statistics(&after);
    CHECK(after.polls - before.polls < 20);
    return rc;
}

TASK_TEST(an_end_that_closes_leaves_nothing_mapped_at_the_other)
{
    struct link *a;
    int raw, rc = 0;
    link_and_raw(&a, &raw);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, pump, a);
        for (int i = 0; rc == 0 && i < TIMES; i++)
            rc = send_bytes(a, (uint64_t)i, ARENA_FROM);
        CHECK_EQ(arenas(), 1);
        close(raw);
        while (rc == 0)
            if ((rc = bough_sleep(BOUGH_MS)) == 0)
                rc = send_bytes(a, 9, ARENA_FROM);
        CHECK_EQ(rc, -EPIPE);
        CHECK_EQ(arenas(), 0);
        rc = 0;
    }
    a->kind->free(a);
    return rc;
}

/* --- when the world says no --- */

static int exchange(struct link *a, struct link *b)
{
    int rc = 1;
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, ARENA_FROM);
    for (int i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, (uint64_t)i, 2 * ARENA_LEAST);
    return rc;
}

/* One end may break while the other waits for it. */
static int exchange_in_time(struct link *a, struct link *b)
{
    int rc = 0;
    bough_fail_after (BOUGH_MINUTE, &rc)
        rc = exchange(a, b);
    return rc;
}

static void check_faults(enum bough_fault fault)
{
    int fds = count_in("/proc/self/fd");
    int rc = bough_test_faults(fault, with_ends, &(struct ends){exchange_in_time, -1});
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    CHECK(rc > 10);
    CHECK_EQ(count_in("/proc/self/fd"), fds);
}

TEST(without_memory_nothing_is_left_behind)
{
    check_faults(BOUGH_FAULT_MEMORY);
}

TEST(without_system_calls_nothing_is_left_behind)
{
    check_faults(BOUGH_FAULT_CALL);
}

/* Each of the calls that an arena is made by fails once; nobody notices. */
static int exchange_with_faults(struct link *a, struct link *b)
{
    struct arena_out out = {0};
    int made = -1, rc = exchange(a, b);
    for (int nth = 1; made < 0; nth++) {
        bough_fault_set(BOUGH_FAULT_CALL, nth);
        made = arena_make(&out, ARENA_FROM);
        bough_fault_set(BOUGH_FAULT_CALL, 0);
        CHECK(made >= 0 || !out.words);
        CHECK(nth < 10);
    }
    arena_close(&out);
    close(made);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(arena_make(&out, ARENA_FROM), -ENOMEM);
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    return rc;
}

LINK_TEST(an_arena_that_cannot_be_made_leaves_nothing, 2)
{
    return exchange_with_faults(a, b);
}

/* To try to have a larger file would be a signal, which kills. */
LINK_TEST(where_files_must_be_small_payloads_take_the_socket, 0)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 64 << 10;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return exchange(a, b);
}

/* The other end has no memory for its mapping: it never says that it has one. */
LINK_TEST(what_the_other_end_cannot_map_is_not_used, 1)
{
    int rc = pass(a, b, 1, ARENA_FROM);
    if (rc > 0)
        rc = send_bytes(a, 2, ARENA_FROM);
    CHECK_EQ(arenas(), 1);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    if (rc >= 0)
        rc = receive_bytes(b, 2, ARENA_FROM);
    CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    for (uint64_t i = 0; rc > 0 && i < TIMES; i++)
        rc = pass(a, b, i, ARENA_FROM);
    return rc;
}

/* --- an end that lies --- */

static void raw_send(int to, struct frame_head head, int fd, const void *bytes, size_t size)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec parts[2] = {{&head, sizeof(head)}, {(void *)bytes, size}};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
    head.version = FRAME_VERSION;
    if (fd >= 0) {
        head.flags |= FRAME_HAS_FD;
        header.msg_control = &control;
        header.msg_controllen = sizeof(control);
        *CMSG_FIRSTHDR(&header) = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &fd, sizeof(fd));
    }
    CHECK_EQ(sendmsg(to, &header, MSG_NOSIGNAL), (ssize_t)(sizeof(head) + size));
}

enum { RING = 1 << 16, WHOLE = RING + 4096 };

static int memory(size_t size, int seals)
{
    int fd = memfd_create("bough-arena-of-a-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, (off_t)size), 0);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void raw_arena(int to, int fd, int64_t size)
{
    if (fd >= 0)
        raw_send(to, (struct frame_head){.type = FRAME_FD_FOLLOWS}, -1, NULL, 0);
    raw_send(to, (struct frame_head){.type = FRAME_ARENA, .value = size}, fd, NULL, 0);
    if (fd >= 0)
        close(fd);
}

static void raw_payload(int to, uint64_t place, uint32_t size)
{
    struct frame_head head = {
        .type = FRAME_DATA, .context = 1, .flags = FRAME_IN_ARENA, .size = size};
    raw_send(to, head, -1, &place, sizeof(place));
}

/* What a link to 'raw' receives after what was sent: it must break, and say 'why'. */
#define HOSTILE_TEST(test_name, why)                                                               \
    static void test_name##_sends(int raw);                                                        \
    TASK_TEST(test_name)                                                                           \
    {                                                                                              \
        struct link *l;                                                                            \
        struct frame f;                                                                            \
        int raw, fds = count_in("/proc/self/fd");                                                  \
        link_and_raw(&l, &raw);                                                                    \
        test_name##_sends(raw);                                                                    \
        CHECK_EQ(l->kind->receive(l, &f), -EPROTO);                                                \
        CHECK_HAS(WHY, why);                                                                       \
        l->kind->free(l);                                                                          \
        close(raw);                                                                                \
        CHECK_EQ(arenas(), 0);                                                                     \
        CHECK_EQ(count_in("/proc/self/fd"), fds);                                                  \
        return 0;                                                                                  \
    }                                                                                              \
    static void test_name##_sends(int raw)

HOSTILE_TEST(memory_that_could_shrink_is_refused, "could shrink")
{
    raw_arena(raw, memory(WHOLE, 0), RING);
}

HOSTILE_TEST(memory_that_is_smaller_than_it_says_is_refused, "shared memory that is none")
{
    raw_arena(raw, memory(WHOLE - 1, F_SEAL_SHRINK), RING);
}

HOSTILE_TEST(a_negative_size_is_refused, "shared memory that is none")
{
    raw_arena(raw, memory(WHOLE, F_SEAL_SHRINK), -RING);
}

HOSTILE_TEST(a_size_beyond_the_limit_is_refused, "shared memory that is none")
{
    raw_arena(raw, memory((size_t)ARENA_MOST + 4096 + 64, F_SEAL_SHRINK), ARENA_MOST + 64);
}

HOSTILE_TEST(a_file_is_not_memory, "shared memory that is none")
{
    raw_arena(raw, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), RING);
}

HOSTILE_TEST(an_arena_with_a_payload_is_refused, "has a payload")
{
    raw_send(raw, (struct frame_head){.type = FRAME_ARENA, .size = 8}, -1, "payload", 8);
}

HOSTILE_TEST(a_place_where_no_arena_is_is_refused, "of which there is none")
{
    raw_payload(raw, 0, 100);
}

HOSTILE_TEST(a_place_in_an_arena_that_was_given_up_is_refused, "of which there is none")
{
    raw_arena(raw, memory(WHOLE, F_SEAL_SHRINK), RING);
    raw_arena(raw, -1, 0);
    raw_payload(raw, 0, 100);
}

HOSTILE_TEST(a_payload_across_the_end_is_refused, "100 bytes at 65472 of 65536")
{
    raw_arena(raw, memory(WHOLE, F_SEAL_SHRINK), RING);
    raw_payload(raw, RING - 64, 100);
}

HOSTILE_TEST(a_payload_larger_than_the_arena_is_refused, "65537 bytes at 0 of 65536")
{
    raw_arena(raw, memory(WHOLE, F_SEAL_SHRINK), RING);
    raw_payload(raw, 0, RING + 1);
}

/* Who is killed may have got no further. */
TASK_TEST(a_place_that_is_cut_off_is_the_end)
{
    struct link *l;
    struct frame f;
    int raw;
    link_and_raw(&l, &raw);
    raw_arena(raw, memory(WHOLE, F_SEAL_SHRINK), RING);
    raw_send(raw, (struct frame_head){.type = FRAME_DATA, .flags = FRAME_IN_ARENA, .size = 100}, -1,
             "1234", 4);
    CHECK_EQ(shutdown(raw, SHUT_WR), 0);
    CHECK_EQ(l->kind->receive(l, &f), 0);
    l->kind->free(l);
    close(raw);
    CHECK_EQ(arenas(), 0);
    return 0;
}

/* Any position is one in the ring: to wrap is no error, and only the sender's own loss. */
TASK_TEST(arenas_may_be_replaced_and_places_may_be_any)
{
    struct link *l;
    struct frame f;
    int raw, rc = 1;
    link_and_raw(&l, &raw);
    for (int i = 0; i < 5; i++) {
        raw_arena(raw, memory(WHOLE, F_SEAL_SHRINK), RING);
        raw_payload(raw, UINT64_MAX - 63, 64);
        rc = l->kind->receive(l, &f);
        CHECK_EQ(rc, 1);
        CHECK_EQ(f.data->bytes[63], 0);
        frame_release(&f);
        CHECK_EQ(arenas(), 1);
    }
    l->kind->free(l);
    close(raw);
    CHECK_EQ(arenas(), 0);
    return rc;
}

/* All the bytes that come until the last are 'size'; the descriptor with them, if any. */
static int raw_receive(int raw, char *to, size_t size)
{
    int fd = -1, rc = 0;
    for (size_t have = 0; have < size;) {
        union {
            struct cmsghdr align;
            char room[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec part = {to + have, size - have};
        struct msghdr header = {.msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(raw, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0) {
            CHECK_EQ(errno, EAGAIN);
            rc = bough_sleep(BOUGH_MS);
            CHECK_EQ(rc, 0);
            continue;
        }
        CHECK(n > 0);
        have += (size_t)n;
        if (header.msg_controllen)
            memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
    }
    return fd;
}

/* Payloads to an end that accepts the arena, and says "so far I have read" what it likes. */
static int send_to_liar(struct link *l, int raw, uint64_t lie)
{
    enum { SIZE = ARENA_FROM, HEAD = sizeof(struct frame_head) };
    static char bytes[SIZE + 4 * HEAD];
    struct frame_head head;
    CHECK_EQ(send_bytes(l, 1, SIZE), 0);
    CHECK_EQ(raw_receive(raw, bytes, HEAD + SIZE), -1);
    CHECK_EQ(send_bytes(l, 2, SIZE), 0);
    int fd = raw_receive(raw, bytes, 3 * HEAD + SIZE); /* it follows, it comes, the payload */
    CHECK(fd >= 0);
    memcpy(&head, bytes + HEAD, HEAD);
    CHECK_EQ(head.type, FRAME_ARENA);
    uint64_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(words != MAP_FAILED);
    close(fd);
    *(uint32_t *)words = 1;
    CHECK_EQ(send_bytes(l, 3, SIZE), 0);
    (void)raw_receive(raw, bytes, HEAD + 8);
    memcpy(&head, bytes, HEAD);
    CHECK_EQ(head.flags, FRAME_IN_ARENA);
    words[1] = lie;
    for (int i = 0; i < TIMES; i++) {
        CHECK_EQ(send_bytes(l, 4, SIZE), 0);
        (void)raw_receive(raw, bytes, HEAD + SIZE);
        memcpy(&head, bytes, HEAD);
        CHECK_EQ(head.flags, 0);
        check_bytes(bytes + HEAD, 4, SIZE);
    }
    CHECK_EQ(arenas(), 1); /* the liar's */
    munmap(words, 4096);
    return 0;
}

static int meet_liar(uint64_t lie)
{
    struct link *l;
    int raw, rc = 0;
    link_and_raw(&l, &raw);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, pump, l);
        if (rc == 0)
            rc = send_to_liar(l, raw, lie);
        if (rc == 0)
            rc = bough_sleep(BOUGH_MINUTE);
    }
    l->kind->free(l);
    close(raw);
    CHECK_EQ(arenas(), 0);
    return rc;
}

TASK_TEST(who_says_to_have_read_what_was_not_written_gets_no_arena)
{
    return meet_liar(1 << 20);
}

TASK_TEST(who_says_to_have_read_less_than_nothing_gets_no_arena)
{
    return meet_liar(UINT64_MAX);
}

/* --- actors --- */

static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

/* Take one message, and no more. */
static int sleeper(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    for (int i = 0; rc >= 0 && i < TIMES; i++) {
        rc = bough_dialogue_receive(d, &m);
        if (rc > 0)
            bough_message_free(&m);
    }
    return rc < 0 ? rc : bough_sleep_forever();
}

static const struct bough_operation operations[] = {{"echo", echo}, {"sleeper", sleeper}, {0}};
BOUGH_ACTOR(bulk, .operations = operations);

ACTOR_TEST(large_requests_and_replies_are_what_was_said)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "bulk");
        for (int i = 0; rc == 0 && i < SIZES * 2 - 4; i++) {
            size_t size = sizes[i / 2];
            char *bytes = bytes_of((uint64_t)i, size);
            struct bough_message reply;
            rc = bough_call(a, "echo", (struct bough_bytes){bytes, size}, &reply);
            free(bytes);
            if (rc < 0)
                break;
            CHECK_EQ(reply.size, size);
            check_bytes(reply.data, (uint64_t)i, size);
            bough_message_free(&reply);
        }
    }
    CHECK_EQ(arenas(), 0);
    return rc;
}

static int ask_many(void *arg)
{
    struct bough_actor *a = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 10; i++) {
        size_t size = ARENA_FROM / 2 + (size_t)i * 30000;
        char *bytes = bytes_of((uint64_t)i, size);
        struct bough_message reply;
        rc = bough_call(a, "echo", (struct bough_bytes){bytes, size}, &reply);
        free(bytes);
        if (rc < 0)
            break;
        CHECK_EQ(reply.size, size);
        check_bytes(reply.data, (uint64_t)i, size);
        bough_message_free(&reply);
    }
    return rc;
}

ACTOR_TEST(many_large_calls_at_once_are_not_mixed_up)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "bulk");
        bough_with_nursery (n, &rc)
            for (int i = 0; rc == 0 && i < 20; i++)
                rc = bough_nursery_start_soon(n, ask_many, a);
    }
    CHECK_EQ(arenas(), 0);
    return rc;
}

/* Until it is dead; what lies in the arena then is for nobody. */
static int send_to_the_dying(struct bough_actor *a)
{
    static char bytes[100000];
    int rc = 0;
    bough_with_dialogue (d, a, "sleeper", BOUGH_NO_BYTES, &rc) {
        for (int i = 0; rc == 0 && i < 100; i++) {
            rc = bough_dialogue_send(d, BOUGH_BYTES(bytes));
            if (i == TIMES)
                kill(bough_actor_pid(a), SIGKILL);
        }
    }
    return rc;
}

static int kill_sleeper(void *arg)
{
    enum bough_place place = BOUGH_PLACE_PROCESS;
    int rc = 0;
    (void)arg;
    bough_with_actors (an, &rc)
        rc = send_to_the_dying(start(an, .type = "bulk"));
    return rc;
}

TEST(an_actor_that_is_killed_with_payloads_before_it_leaves_no_memory)
{
    if (test_is_emulated())
        test_skip("no processes are started under an emulator");
    int fds = count_in("/proc/self/fd");
    CHECK(bough_run(kill_sleeper, NULL) < 0);
    CHECK_EQ(arenas(), 0);
    CHECK_EQ(count_in("/proc/self/fd"), fds);
}
