/* The protocol, from the other end of the socket: whatever comes, the connection ends with a clear
 * error, or goes on, and nothing else happens. The private parts of the actors are used directly: a
 * session over one end of a socket pair, and a peer made of bytes at the other.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <sys/socket.h>

#include "actor/dialogue.h"
#include "actor/fields.h"
#include "actor/handle.h"
#include "actor/serve.h"

/* --- the near end: an actor that serves, and is lost when the link ends --- */

static int echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

static int listen_to_all(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    while (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        bough_message_free(&m);
        rc = 0;
    }
    return rc;
}

static int hang(struct bough_call *call, void *state)
{
    (void)state;
    int rc = bough_call_started(call, BOUGH_NO_BYTES, NULL);
    return rc < 0 ? rc : bough_sleep_forever();
}

static const struct bough_operation operations[] = {
    {"echo", echo}, {"listen", listen_to_all}, {"hang", hang}, {0}};

struct near {
    struct bough_actor actor; /* whose session it is, to be called */
    struct service service;
    struct bough_nursery calls, tasks;
    struct bough_event over; /* the link has ended, or the session is broken */
    int peer;                /* the far end's descriptor */
};

static void lost(struct session *s, int code)
{
    struct near *near = s->owner;
    session_break(s, code < 0 ? code : -EPIPE, "the peer is gone");
    bough_event_set(&near->over);
}

static void near_open(struct near *near)
{
    struct link *link;
    int fds[2];
    memset(near, 0, sizeof(*near));
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(link_socket_open(fds[0], &link), 0);
    near->peer = fds[1];
    CHECK_EQ(fcntl(near->peer, F_SETFL, O_NONBLOCK), 0);
    near->service = (struct service){
        .name = "near", .operations = operations, .calls = &near->calls, .accepting = true};
    struct session *s = &near->actor.session;
    session_init(s, link, false);
    near->actor.state = ACTOR_UP;
    snprintf(near->actor.name, sizeof(near->actor.name), "far");
    snprintf(s->peer, sizeof(s->peer), "far");
    s->owner = near;
    s->service = &near->service;
    s->called = serve_call;
    s->lost = lost;
    bough_event_init(&near->over);
    bough_nursery_open(&near->tasks);
    bough_nursery_open(&near->calls);
    CHECK_EQ(session_start(s, &near->tasks), 0);
}

static void near_close(struct near *near)
{
    session_break(&near->actor.session, -EBADF, "closed here");
    CHECK_EQ(bough_nursery_close(&near->calls, 0), 0);
    CHECK_EQ(bough_nursery_close(&near->tasks, 0), 0);
    session_release(&near->actor.session);
    if (near->peer >= 0)
        close(near->peer);
}

/* --- the far end: bytes --- */

static void put(struct near *near, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t n = send(near->peer, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EPIPE) /* it has hung up already */
            return;
        if (n < 0) {
            CHECK_EQ(errno, EAGAIN);
            CHECK_EQ(bough_wait_writable(near->peer), 0);
            continue;
        }
        at += n;
        size -= (size_t)n;
    }
}

static size_t lay_out(char *to, struct frame_head head, const void *payload, size_t size)
{
    head.size = (uint32_t)size;
    head.version = FRAME_VERSION;
    memcpy(to, &head, sizeof(head));
    if (size)
        memcpy(to + sizeof(head), payload, size);
    return sizeof(head) + size;
}

static void put_frame(struct near *near, struct frame_head head, const void *payload, size_t size)
{
    char bytes[1024];
    CHECK(size < sizeof(bytes) - sizeof(head));
    put(near, bytes, lay_out(bytes, head, payload, size));
}

static void hang_up(struct near *near)
{
    close(near->peer);
    near->peer = -1;
}

/* The next frame that comes, which must be of that type. */
static void expect(struct near *near, enum frame_type type, struct frame_head *ret_head,
                   char *ret_payload, size_t room)
{
    struct frame_head head;
    char *to = (char *)&head;
    size_t want = sizeof(head), have = 0;
    bool in_payload = false;
    for (;;) {
        ssize_t n = recv(near->peer, to + have, want - have, 0);
        if (n < 0 && errno == EAGAIN) {
            CHECK_EQ(bough_wait_readable(near->peer), 0);
            continue;
        }
        CHECK(n > 0);
        have += (size_t)n;
        if (have < want)
            continue;
        if (in_payload || head.size == 0)
            break;
        CHECK(head.size < room);
        to = ret_payload;
        want = head.size;
        have = 0;
        in_payload = true;
    }
    CHECK_EQ(head.type, type);
    CHECK_EQ(head.version, FRAME_VERSION);
    if (ret_head)
        *ret_head = head;
    if (ret_payload)
        ret_payload[head.size] = '\0';
}

/* The peer learns of it, too. */
static void expect_hung_up(struct near *near)
{
    char bytes[1024];
    ssize_t n;
    while ((n = recv(near->peer, bytes, sizeof(bytes), 0)) > 0 || (n < 0 && errno == EAGAIN))
        if (n < 0)
            CHECK_EQ(bough_wait_readable(near->peer), 0);
}

/* The session ends with that code, and says so in words. */
static void expect_broken(struct near *near, int code, const char *words)
{
    CHECK_EQ(bough_event_wait(&near->over), 0);
    CHECK_EQ(near->actor.session.broken, code);
    CHECK_HAS(near->actor.session.why, words);
    CHECK_EQ(bough_call(&near->actor, "x", BOUGH_NO_BYTES, NULL), code);
    CHECK_HAS(bough_error_message(bough_error_last()), words);
    if (near->peer >= 0)
        expect_hung_up(near);
}

/* It still does what it is asked. */
static void expect_well(struct near *near, uint64_t context)
{
    char payload[64];
    struct frame_head head;
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = context}, "echo\0there", 10);
    expect(near, FRAME_REPLY, &head, payload, sizeof(payload));
    CHECK_EQ(head.context, context);
    CHECK_STR(payload, "there");
}

/* A test is given a near end; in real time, by the driver of the environment. */
#define WIRE_TEST(name)                                                                            \
    static void name##_with(struct near *near);                                                    \
    static int name##_task(void *arg)                                                              \
    {                                                                                              \
        struct near near;                                                                          \
        int rc = 0;                                                                                \
        (void)arg;                                                                                 \
        near_open(&near);                                                                          \
        bough_fail_after (20 * BOUGH_SEC, &rc)                                                     \
            name##_with(&near);                                                                    \
        near_close(&near);                                                                         \
        return rc;                                                                                 \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        CHECK_EQ(bough_run(name##_task, NULL), 0);                                                 \
    }                                                                                              \
    static void name##_with(struct near *near)

/* --- frames that are none --- */

WIRE_TEST(a_peer_that_behaves_is_served)
{
    expect_well(near, 3);
    expect_well(near, 5);
    hang_up(near);
    expect_broken(near, -EPIPE, "gone");
}

WIRE_TEST(a_frame_comes_a_byte_at_a_time)
{
    char bytes[128], payload[64];
    size_t size =
        lay_out(bytes, (struct frame_head){.type = FRAME_CALL, .context = 3}, "echo\0slow", 9);
    for (size_t i = 0; i < size; i++) {
        put(near, bytes + i, 1);
        CHECK_EQ(bough_checkpoint(), 0);
    }
    expect(near, FRAME_REPLY, NULL, payload, sizeof(payload));
    CHECK_STR(payload, "slow");
}

WIRE_TEST(many_frames_come_at_once)
{
    char bytes[8192], payload[64];
    size_t size = 0;
    for (uint64_t i = 0; i < 100; i++)
        size += lay_out(bytes + size, (struct frame_head){.type = FRAME_CALL, .context = 3 + 2 * i},
                        "echo\0many", 9);
    put(near, bytes, size);
    for (int i = 0; i < 100; i++) {
        expect(near, FRAME_REPLY, NULL, payload, sizeof(payload));
        CHECK_STR(payload, "many");
    }
}

static int cut_off_at_each_byte(void *arg)
{
    char bytes[128];
    size_t size =
        lay_out(bytes, (struct frame_head){.type = FRAME_CALL, .context = 3}, "echo\0never", 10);
    (void)arg;
    for (size_t i = 1; i < size; i++) {
        struct near near;
        near_open(&near);
        put(&near, bytes, i);
        hang_up(&near);
        expect_broken(&near, -EPIPE, "gone"); /* as by one that was killed */
        near_close(&near);
    }
    return 0;
}

TEST(a_link_that_ends_in_a_frame_has_ended)
{
    CHECK_EQ(bough_run(cut_off_at_each_byte, NULL), 0);
}

static void put_head(struct near *near, struct frame_head head)
{
    put(near, &head, sizeof(head));
}

static int open_as_others(__attribute__((unused)) void *arg)
{
    struct link *link;
    int fds[2];
    CHECK_EQ(seteuid(65534), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(seteuid(0), 0);
    CHECK_EQ(link_socket_open(fds[0], &link), -EPERM);
    close(fds[1]);
    return 0;
}

TEST(a_socket_of_another_user_is_refused)
{
    if (geteuid() != 0)
        test_skip("only root can be two users");
    CHECK_EQ(bough_run(open_as_others, NULL), 0);
    bough_error_clear();
}

WIRE_TEST(a_frame_of_four_gigabytes_is_refused_before_it_comes)
{
    put_head(near,
             (struct frame_head){.type = FRAME_CALL, .version = FRAME_VERSION, .size = UINT32_MAX});
    expect_broken(near, -EPROTO, "4294967295 bytes");
}

WIRE_TEST(another_version_is_refused)
{
    put_head(near, (struct frame_head){.type = FRAME_CALL, .version = FRAME_VERSION + 1});
    expect_broken(near, -EPROTO, "version 2");
}

WIRE_TEST(types_that_do_not_exist_are_refused)
{
    put_head(near, (struct frame_head){.type = 0, .version = FRAME_VERSION});
    expect_broken(near, -EPROTO, "does not exist");
}

WIRE_TEST(types_beyond_the_last_are_refused)
{
    put_head(near, (struct frame_head){.type = FRAME_TYPES, .version = FRAME_VERSION});
    expect_broken(near, -EPROTO, "does not exist");
}

static int random_bytes(void *arg)
{
    unsigned x = 12345;
    (void)arg;
    for (int i = 0; i < test_scale(2000); i++) {
        struct near near;
        unsigned char bytes[200];
        near_open(&near);
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (unsigned char)((x = x * 1103515245u + 12345u) >> 16);
        if (i % 2) { /* a head that is nearly one */
            struct frame_head head = {.size = bytes[0] % 64,
                                      .version = FRAME_VERSION,
                                      .type = bytes[1] % (FRAME_TYPES + 1),
                                      .flags = bytes[2] % 8 == 0 ? bytes[3] : 0,
                                      .context = bytes[4] % 8,
                                      .value = bytes[5] % 3 ? bytes[6] : -(int64_t)bytes[6]};
            memcpy(bytes, &head, sizeof(head));
        }
        put(&near, bytes, sizeof(bytes));
        hang_up(&near);
        CHECK_EQ(bough_event_wait(&near.over), 0);
        CHECK(near.actor.session.broken < 0);
        near_close(&near);
    }
    return 0;
}

TEST(random_bytes_end_the_connection_and_nothing_else)
{
    CHECK_EQ(bough_run(random_bytes, NULL), 0);
}

/* --- descriptors --- */

WIRE_TEST(a_frame_without_the_descriptor_that_it_promises_is_refused)
{
    put_head(near, (struct frame_head){
                       .type = FRAME_CALL, .version = FRAME_VERSION, .flags = FRAME_HAS_FD});
    expect_broken(near, -EPROTO, "without the descriptor");
}

static void put_with_fds(struct near *near, const void *bytes, size_t size, int fd, int count)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(64 * sizeof(int))];
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(int));
    CHECK_EQ(sendmsg(near->peer, &header, 0), (ssize_t)size);
}

static int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

WIRE_TEST(descriptors_that_nobody_has_asked_for_are_closed)
{
    char bytes[128], payload[64];
    int before = count_fds();
    size_t size =
        lay_out(bytes, (struct frame_head){.type = FRAME_CALL, .context = 3, .flags = FRAME_HAS_FD},
                "echo\0x", 6);
    put_with_fds(near, bytes, size, near->peer, 1);
    expect(near, FRAME_REPLY, NULL, payload, sizeof(payload));
    CHECK_EQ(count_fds(), before);
}

static int forty_descriptors(void *arg)
{
    struct near near;
    char bytes[128];
    int before = count_fds();
    (void)arg;
    near_open(&near);
    size_t size =
        lay_out(bytes, (struct frame_head){.type = FRAME_CALL, .context = 3}, "echo\0x", 6);
    put_with_fds(&near, bytes, size, near.peer, 40);
    CHECK_EQ(bough_event_wait(&near.over), 0);
    CHECK(near.actor.session.broken < 0);
    near_close(&near);
    CHECK_EQ(count_fds(), before);
    return 0;
}

TEST(more_descriptors_than_frames_break_the_connection_and_leak_nothing)
{
    if (test_is_emulated())
        test_skip("the emulator itself leaks what does not fit into a message");
    CHECK_EQ(bough_run(forty_descriptors, NULL), 0);
}

/* --- calls that are none --- */

WIRE_TEST(a_call_without_a_name_is_refused)
{
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, NULL, 0);
    expect_broken(near, -EPROTO, "no call is like this");
}

WIRE_TEST(a_call_whose_name_does_not_end_is_refused)
{
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, "echo", 4);
    expect_broken(near, -EPROTO, "no call is like this");
}

WIRE_TEST(a_call_with_a_number_of_ours_is_refused)
{
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 4}, "echo", 5);
    expect_broken(near, -EPROTO, "no call is like this");
}

WIRE_TEST(a_call_with_a_number_that_is_in_use_is_refused)
{
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, "hang", 5);
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, "hang", 5);
    expect_broken(near, -EPROTO, "no call is like this");
}

WIRE_TEST(a_window_that_cannot_be_is_refused)
{
    put_frame(near,
              (struct frame_head){
                  .type = FRAME_CALL, .context = 3, .flags = FRAME_IS_DIALOGUE, .value = -1},
              "hang", 5);
    expect_broken(near, -EPROTO, "no call is like this");
}

WIRE_TEST(an_unknown_operation_is_an_error_of_that_call)
{
    struct frame_head head;
    char payload[512];
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, "dance", 6);
    expect(near, FRAME_ERROR, &head, payload, sizeof(payload));
    CHECK_EQ(head.value, -ENOSYS);
    expect_well(near, 5);
}

WIRE_TEST(control_frames_on_a_connection_without_them_are_refused)
{
    put_frame(near, (struct frame_head){.type = FRAME_BYE}, NULL, 0);
    expect_broken(near, -EPROTO, "it is not for this connection");
}

/* --- cancels --- */

WIRE_TEST(a_cancel_of_what_nobody_knows_is_acknowledged)
{
    struct frame_head head;
    char payload[64];
    put_frame(near, (struct frame_head){.type = FRAME_CANCEL, .context = 77}, "why", 3);
    expect(near, FRAME_CANCEL_ACK, &head, payload, sizeof(payload));
    CHECK_EQ(head.context, 77);
    expect_well(near, 3);
}

WIRE_TEST(a_cancel_is_acknowledged_each_time_and_has_one_outcome)
{
    struct frame_head head;
    char payload[64];
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, "hang", 5);
    for (int i = 0; i < 3; i++)
        put_frame(near, (struct frame_head){.type = FRAME_CANCEL, .context = 3}, "why", 3);
    for (int i = 0; i < 3; i++)
        expect(near, FRAME_CANCEL_ACK, NULL, payload, sizeof(payload));
    expect(near, FRAME_CANCELLED, &head, payload, sizeof(payload));
    CHECK_EQ(head.flags & FRAME_AS_ASKED, FRAME_AS_ASKED);
    expect_well(near, 5);
}

WIRE_TEST(acknowledgements_that_nobody_waits_for_do_nothing)
{
    for (int i = 0; i < 3; i++)
        put_frame(near, (struct frame_head){.type = FRAME_CANCEL_ACK, .context = 3}, NULL, 0);
    expect_well(near, 3);
}

/* --- streams --- */

static void open_dialogue(struct near *near, const char *operation)
{
    struct frame_head head;
    char payload[64];
    put_frame(near,
              (struct frame_head){
                  .type = FRAME_CALL, .context = 3, .flags = FRAME_IS_DIALOGUE, .value = 1 << 18},
              operation, strlen(operation) + 1);
    expect(near, FRAME_STARTED, &head, payload, sizeof(payload));
    CHECK_EQ(head.value, 1 << 18);
}

WIRE_TEST(data_without_a_window_breaks_the_connection)
{
    static char much[300 << 10];
    struct frame_head head = {.type = FRAME_DATA, .version = FRAME_VERSION, .context = 3};
    open_dialogue(near, "hang"); /* which receives nothing */
    head.size = sizeof(much);
    for (int i = 0; i < 2; i++) { /* the first one overdraws it, as it may */
        put_head(near, head);
        put(near, much, sizeof(much));
    }
    expect_broken(near, -EPROTO, "nobody has asked for it");
}

WIRE_TEST(data_before_the_start_or_in_a_plain_call_breaks_the_connection)
{
    put_frame(near, (struct frame_head){.type = FRAME_CALL, .context = 3}, "hang", 5);
    put_frame(near, (struct frame_head){.type = FRAME_DATA, .context = 3}, "x", 1);
    expect_broken(near, -EPROTO, "nobody has asked for it");
}

WIRE_TEST(data_after_the_end_breaks_the_connection)
{
    open_dialogue(near, "hang");
    put_frame(near, (struct frame_head){.type = FRAME_FINISH, .context = 3}, NULL, 0);
    put_frame(near, (struct frame_head){.type = FRAME_DATA, .context = 3}, "x", 1);
    expect_broken(near, -EPROTO, "nobody has asked for it");
}

WIRE_TEST(data_for_what_has_ended_is_dropped)
{
    struct frame_head head;
    char payload[64];
    open_dialogue(near, "listen");
    put_frame(near, (struct frame_head){.type = FRAME_FINISH, .context = 3}, NULL, 0);
    expect(near, FRAME_REPLY, &head, payload, sizeof(payload));
    put_frame(near, (struct frame_head){.type = FRAME_DATA, .context = 3}, "x", 1);
    put_frame(near, (struct frame_head){.type = FRAME_CREDIT, .context = 3, .value = 5}, NULL, 0);
    expect_well(near, 5);
}

WIRE_TEST(a_credit_that_cannot_be_breaks_the_connection)
{
    open_dialogue(near, "hang");
    put_frame(near, (struct frame_head){.type = FRAME_CREDIT, .context = 3, .value = -1}, NULL, 0);
    expect_broken(near, -EPROTO, "such a credit");
}

WIRE_TEST(credit_without_end_breaks_the_connection)
{
    open_dialogue(near, "hang");
    for (int i = 0; i < 3; i++)
        put_frame(near, (struct frame_head){.type = FRAME_CREDIT, .context = 3, .value = INT32_MAX},
                  NULL, 0);
    expect_broken(near, -EPROTO, "such a credit");
}

/* --- answers: the near end asks --- */

struct asker {
    struct near *near;
    int rc;
    char why[256];
};

static int ask(void *arg)
{
    struct asker *a = arg;
    struct bough_message reply = {0};
    a->rc = bough_call(&a->near->actor, "do", bough_text("it"), &reply);
    if (a->rc < 0)
        snprintf(a->why, sizeof(a->why), "%s", bough_error_message(bough_error_last()));
    else
        snprintf(a->why, sizeof(a->why), "%s", reply.data ? (char *)reply.data : "");
    bough_message_free(&reply);
    return 0;
}

/* Enters and stays until it is cancelled. */
static int converse(void *arg)
{
    struct asker *a = arg;
    int rc = 0;
    bough_with_dialogue (d, &a->near->actor, "do", bough_text("it"), &rc)
        rc = bough_sleep_forever();
    a->rc = rc;
    if (rc < 0)
        snprintf(a->why, sizeof(a->why), "%s", bough_error_message(bough_error_last()));
    return 0;
}

/* Have 'fn' ask, and answer with 'head' and the payload, 'times' times. */
static struct asker answer(struct near *near, int (*fn)(void *), struct frame_head head,
                           const void *payload, size_t size, int times)
{
    struct asker a = {.near = near};
    struct frame_head asked;
    char request[64];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fn, &a);
        expect(near, FRAME_CALL, &asked, request, sizeof(request));
        CHECK_STR(request, "do");
        head.context = asked.context;
        for (int i = 0; i < times; i++)
            put_frame(near, head, payload, size);
    }
    CHECK_EQ(rc, 0);
    return a;
}

WIRE_TEST(a_second_reply_is_for_nobody)
{
    struct asker a = answer(near, ask, (struct frame_head){.type = FRAME_REPLY}, "done", 4, 2);
    CHECK_EQ(a.rc, 0);
    CHECK_STR(a.why, "done");
    expect_well(near, 3);
}

WIRE_TEST(frames_that_only_who_is_asked_understands_break_the_connection)
{
    /* A cancel is acknowledged before it is looked at. */
    struct asker a = answer(near, ask, (struct frame_head){.type = FRAME_CANCEL}, "x", 1, 1);
    CHECK_EQ(a.rc, -EPROTO);
    CHECK_HAS(a.why, "it is not for who has asked");
}

WIRE_TEST(a_failure_that_is_malformed_is_a_protocol_error_of_that_call)
{
    struct asker a = answer(near, ask, (struct frame_head){.type = FRAME_ERROR, .value = -EIO},
                            "\377\377\377\377garbage", 11, 1);
    CHECK_EQ(a.rc, -EPROTO);
    a = answer(near, ask, (struct frame_head){.type = FRAME_ERROR, .value = 5}, NULL, 0, 1);
    CHECK_EQ(a.rc, -EPROTO);
    a = answer(near, ask, (struct frame_head){.type = FRAME_ERROR, .value = INT64_MIN}, NULL, 0, 1);
    CHECK_EQ(a.rc, -EPROTO);
    a = answer(near, ask, (struct frame_head){.type = FRAME_ERROR, .value = -EIO}, NULL, 0, 1);
    CHECK_EQ(a.rc, -EIO);
    expect_well(near, 3);
}

WIRE_TEST(a_window_in_a_start_that_cannot_be_breaks_the_connection)
{
    struct asker a =
        answer(near, converse, (struct frame_head){.type = FRAME_STARTED, .value = -5}, NULL, 0, 1);
    CHECK_EQ(a.rc, -EPROTO);
}

WIRE_TEST(a_plain_call_that_starts_breaks_the_connection)
{
    struct asker a =
        answer(near, ask, (struct frame_head){.type = FRAME_STARTED, .value = 9}, NULL, 0, 1);
    CHECK_EQ(a.rc, -EPROTO);
}

WIRE_TEST(starting_twice_breaks_the_connection)
{
    struct asker a =
        answer(near, converse, (struct frame_head){.type = FRAME_STARTED, .value = 9}, NULL, 0, 2);
    CHECK_EQ(a.rc, -EPROTO);
    CHECK_HAS(a.why, "started already");
}

WIRE_TEST(the_end_of_the_link_fails_who_has_asked)
{
    struct asker a = {.near = near};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, ask, &a);
        expect(near, FRAME_CALL, NULL, (char[64]){0}, 64);
        hang_up(near);
    }
    CHECK_EQ(a.rc, -EPIPE);
}

/* A request that the peer does not read does not hang what is broken. */
WIRE_TEST(a_peer_that_reads_nothing_bounds_who_asks)
{
    static char much[1 << 20];
    int rc = 0, asked = 0;
    bough_move_on_after (100 * BOUGH_MS, &rc)
        for (; asked < 100 && rc == 0; asked++)
            rc = near->actor.session.link->kind->wait_room(near->actor.session.link) == 0
                     ? session_send(&near->actor.session, (struct frame_head){.type = FRAME_DATA},
                                    (struct bough_bytes){much, sizeof(much)}, BOUGH_NO_BYTES, -1)
                     : -ECANCELED;
    CHECK_EQ(rc, 0);
    CHECK(asked < 10);
}

/* --- a process that was one of ours, and then sends what is none --- */

enum { LINK = 3 }; /* its descriptor there */

static int garble(struct bough_call *call, void *state)
{
    struct bough_bytes bytes = bough_call_request(call);
    (void)state;
    CHECK_EQ(send(LINK, bytes.data, bytes.size, MSG_NOSIGNAL), (ssize_t)bytes.size);
    return bough_sleep_forever();
}
static const struct bough_operation garbling[] = {{"garble", garble}, {"hang", hang}, {0}};
BOUGH_ACTOR(garbler, .operations = garbling);

static void check_garbled(enum bough_place place, struct bough_bytes bytes, const char *words)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return;
    for (int may_fail = 0; may_fail < 2; may_fail++) {
        bough_with_actors (an, &rc) {
            struct bough_actor *a = start(an, .type = "garbler", .name = "g",
                                          .grace = 100 * BOUGH_MS, .may_fail = may_fail);
            rc = bough_call(a, "garble", bytes, NULL);
            CHECK_EQ(rc, -EPROTO);
            CHECK_HAS(WHY, words);
            if (may_fail) {
                CHECK_EQ(bough_actor_join(a), -EPROTO);
                CHECK_HAS(WHY, words);
                CHECK_EQ(bough_call(a, "hang", BOUGH_NO_BYTES, NULL), -EPROTO);
                rc = 0;
            }
        }
        if (may_fail)
            CHECK_RC(rc, 0);
        else
            CHECK_RC(rc, -EPROTO);
        rc = 0;
    }
}

static struct bough_bytes frame_of(struct frame_head head)
{
    static char bytes[sizeof(head)];
    head.version = FRAME_VERSION;
    memcpy(bytes, &head, sizeof(head));
    return (struct bough_bytes){bytes, sizeof(bytes)};
}

ACTOR_TEST(an_actor_that_sends_garbage_is_told_from_one_that_dies)
{
    check_garbled(place, bough_text("this is no frame, and was never meant to be one"), "version");
    return 0;
}

ACTOR_TEST(an_actor_that_says_hello_again_is_cut_off)
{
    check_garbled(place, frame_of((struct frame_head){.type = FRAME_HELLO}),
                  "not the one that was started");
    return 0;
}

ACTOR_TEST(an_actor_that_tells_its_parent_to_end_is_cut_off)
{
    check_garbled(place, frame_of((struct frame_head){.type = FRAME_BYE}), "who has started it");
    return 0;
}

ACTOR_TEST(an_actor_that_says_its_last_word_and_stays_is_seen_off)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a =
            start(an, .type = "garbler", .grace = 100 * BOUGH_MS, .may_fail = true);
        struct bough_bytes bytes = frame_of((struct frame_head){.type = FRAME_ENDED});
        int call = bough_call(a, "garble", bytes, NULL);
        CHECK(call < 0);
        (void)bough_actor_join(a);
        CHECK(!bough_actor_is_up(a));
    }
    return rc;
}
