/* Connecting by TCP: happy eyeballs, on the test kernel's clock.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <netinet/tcp.h>

/* A place to connect to, on an address of its own. */
struct place {
    struct bough_address at;
    int fd;
    int fillers[2];
};

static struct place bind_at(const char *host)
{
    struct place p = {.fillers = {-1, -1}};
    CHECK_EQ(bough_address_parse(host, 0, &p.at), 0);
    p.fd = socket(p.at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p.fd < 0 || bind(p.fd, (struct sockaddr *)&p.at.storage, p.at.size) < 0)
        test_skip("this machine has no %s", host);
    CHECK_EQ(getsockname(p.fd, (struct sockaddr *)&p.at.storage, &p.at.size), 0);
    return p;
}

/* Bound and not listening: it refuses, and nobody else gets the port. */
static struct place refuses(const char *host)
{
    return bind_at(host);
}

static struct place answers(const char *host)
{
    struct place p = bind_at(host);
    CHECK_EQ(listen(p.fd, 10), 0);
    return p;
}

/* Its queue is full, so the kernel drops what comes: nothing is ever heard of it. */
static struct place is_silent(const char *host)
{
    struct place p = bind_at(host);
    CHECK_EQ(listen(p.fd, 0), 0);
    for (int i = 0; i < 2; i++) {
        p.fillers[i] =
            socket(p.at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(p.fillers[i], (struct sockaddr *)&p.at.storage, p.at.size);
    }
    return p;
}

static void leave(struct place *places, int count)
{
    for (int i = 0; i < count; i++) {
        close(places[i].fd);
        for (int j = 0; j < 2; j++)
            if (places[i].fillers[j] >= 0)
                close(places[i].fillers[j]);
    }
}

struct dial {
    struct place places[20];
    unsigned count;
    struct bough_stream *stream;
};

static int dial(void *arg)
{
    struct dial *d = arg;
    struct bough_address addresses[20] = {0};
    for (unsigned i = 0; i < d->count; i++)
        addresses[i] = d->places[i].at;
    d->stream = NULL;
    return bough_tcp_connect_to(addresses, d->count, &d->stream);
}

/* Who is at the other end? */
static bool is_connected_to(struct bough_stream *s, const struct place *p)
{
    struct bough_address peer = {.size = sizeof(peer.storage)};
    CHECK_EQ(getpeername(bough_stream_fd(s), (struct sockaddr *)&peer.storage, &peer.size), 0);
    return memcmp(&peer.storage, &p->at.storage, p->at.size) == 0;
}

static bool was_tried(const struct place *p)
{
    int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Connects to 'which' after 'time', leaving no other socket open. */
static int check_dial(struct dial *d, int which, int64_t time)
{
    int before = open_descriptors();
    CHECK_EQ(dial(d), 0);
    CHECK_EQ(bough_now(), time);
    CHECK_EQ(open_descriptors(), before + 1);
    CHECK(is_connected_to(d->stream, &d->places[which]));
    bough_stream_free(d->stream);
    leave(d->places, (int)d->count);
    return 0;
}

VIRTUAL_IO_TEST(the_first_address_answers_and_no_other_is_tried)
{
    struct dial d = {.places = {answers("127.0.0.1"), answers("127.0.0.2")}, .count = 2};
    CHECK_EQ(dial(&d), 0);
    CHECK_EQ(bough_now(), 0);
    CHECK(is_connected_to(d.stream, &d.places[0]));
    CHECK(was_tried(&d.places[0]));
    CHECK(!was_tried(&d.places[1]));
    bough_stream_free(d.stream);
    leave(d.places, 2);
    return 0;
}

VIRTUAL_IO_TEST(after_a_refusal_the_next_is_tried_at_once)
{
    struct dial d = {.places = {refuses("127.0.0.1"), refuses("127.0.0.2"), answers("127.0.0.3")},
                     .count = 3};
    return check_dial(&d, 2, 0);
}

VIRTUAL_IO_TEST(a_silent_address_has_a_head_start_of_250_ms)
{
    struct dial d = {.places = {is_silent("127.0.0.1"), answers("127.0.0.2")}, .count = 2};
    return check_dial(&d, 1, 250 * BOUGH_MS);
}

VIRTUAL_IO_TEST(each_silent_address_has_a_head_start_of_its_own)
{
    struct dial d = {.places = {is_silent("127.0.0.1"), is_silent("127.0.0.2"),
                                is_silent("127.0.0.3"), answers("127.0.0.4")},
                     .count = 4};
    return check_dial(&d, 3, 750 * BOUGH_MS);
}

VIRTUAL_IO_TEST(a_refusal_after_a_silence_ends_the_head_start)
{
    struct dial d = {.places = {is_silent("127.0.0.1"), refuses("127.0.0.2"), answers("127.0.0.3")},
                     .count = 3};
    return check_dial(&d, 2, 250 * BOUGH_MS);
}

/* The first is silent, so the second tried is the one that answers: of the other family. */
VIRTUAL_IO_TEST(families_take_turns)
{
    struct dial d = {.places = {is_silent("127.0.0.1"), is_silent("127.0.0.2"), answers("::1")},
                     .count = 3};
    return check_dial(&d, 2, 250 * BOUGH_MS);
}

VIRTUAL_IO_TEST(families_take_turns_whichever_comes_first)
{
    struct dial d = {.places = {is_silent("::1"), is_silent("::1"), is_silent("::1"),
                                is_silent("127.0.0.1"), answers("127.0.0.2")},
                     .count = 5};
    return check_dial(&d, 4, 750 * BOUGH_MS); /* 6 4 6 4 */
}

/* There is room in its queue after all, and its next attempt (the kernel's, really a second later)
 * gets through. */
VIRTUAL_IO_TEST(who_was_silent_may_win_in_the_end)
{
    struct dial d = {.places = {is_silent("127.0.0.1"), is_silent("127.0.0.2")}, .count = 2};
    struct waiter w = {.call = dial, .object = &d};
    int rc = 0, before = open_descriptors();
    if (test_on_valgrind())
        test_skip(
            "it waits for the kernel to try again, and has missed that when it was this slow");
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK(was_tried(&d.places[0]));
        while (was_tried(&d.places[0]))
            ;
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(is_connected_to(d.stream, &d.places[0]));
    CHECK_EQ(open_descriptors(), before + 1);
    bough_stream_free(d.stream);
    leave(d.places, 2);
    return rc;
}

/* --- failing --- */

VIRTUAL_IO_TEST(when_all_refuse_the_error_tells_of_each)
{
    struct dial d = {.places = {refuses("127.0.0.1"), refuses("127.0.0.2"), refuses("127.0.0.3")},
                     .count = 3};
    char text[BOUGH_ADDRESS_TEXT];
    int before = open_descriptors();
    CHECK_EQ(dial(&d), -ECONNREFUSED);
    for (int i = 0; i < 3; i++)
        CHECK_HAS(bough_error_message(bough_error_last()),
                  bough_address_format(&d.places[i].at, text, sizeof(text)));
    CHECK(!d.stream);
    CHECK_EQ(bough_now(), 0);
    CHECK_EQ(open_descriptors(), before);
    leave(d.places, 3);
    return 0;
}

IO_TEST(one_address_may_refuse_too)
{
    struct dial d = {.places = {refuses("127.0.0.1")}, .count = 1};
    char text[BOUGH_ADDRESS_TEXT];
    int before = open_descriptors();
    CHECK_EQ(dial(&d), -ECONNREFUSED);
    CHECK_HAS(bough_error_message(bough_error_last()),
              bough_address_format(&d.places[0].at, text, sizeof(text)));
    CHECK_EQ(open_descriptors(), before);
    leave(d.places, 1);
    return 0;
}

VIRTUAL_IO_TEST(when_nobody_answers_a_timeout_ends_it)
{
    struct dial d = {
        .places = {is_silent("127.0.0.1"), refuses("127.0.0.2"), is_silent("127.0.0.3")},
        .count = 3};
    int before = open_descriptors();
    CHECK_EQ(call_timed(10 * BOUGH_SEC, dial, &d), -ETIMEDOUT);
    CHECK_EQ(bough_now(), 10 * BOUGH_SEC);
    CHECK(!d.stream);
    CHECK_EQ(open_descriptors(), before);
    leave(d.places, 3);
    return 0;
}

VIRTUAL_IO_TEST(connecting_can_be_cancelled_at_any_time)
{
    struct dial d = {.places = {is_silent("127.0.0.1"), is_silent("127.0.0.2"),
                                is_silent("127.0.0.3"), answers("127.0.0.4")},
                     .count = 4};
    int before = open_descriptors();
    CHECK_EQ(call_cancelled(dial, &d), -ECANCELED);
    for (int i = 0; i < 15; i++) {
        CHECK_EQ(call_timed(i * 50 * BOUGH_MS, dial, &d), -ETIMEDOUT);
        CHECK_EQ(open_descriptors(), before);
    }
    CHECK(!was_tried(&d.places[3]));
    leave(d.places, 4);
    return 0;
}

IO_TEST(no_address_is_invalid)
{
    struct dial d = {.count = 0};
    CHECK_EQ(dial(&d), -EINVAL);
    return 0;
}

/* More addresses than anybody needs: the first 16 count. */
VIRTUAL_IO_TEST(there_may_be_many_addresses)
{
    struct dial d = {.count = 20};
    for (int i = 0; i < 20; i++)
        d.places[i] = i == 15 || i == 19 ? answers("127.0.0.1") : refuses("127.0.0.1");
    return check_dial(&d, 15, 0);
}

IO_TEST(descriptors_may_run_out_while_connecting)
{
    struct dial d = {.places = {answers("127.0.0.1"), answers("127.0.0.2")}, .count = 2};
    struct rlimit limit, low;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(0);
    close(next);
    low = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    CHECK_EQ(dial(&d), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    leave(d.places, 2);
    return 0;
}

/* --- by name --- */

static int connect_by_name(const char *listen_on, const char *connect_to)
{
    struct bough_listener *l;
    struct bough_stream *client, *server;
    char byte;
    int on = 0, rc = bough_tcp_listen(listen_on, 0, &l);
    socklen_t size = sizeof(on);
    if (rc < 0)
        return rc;
    bough_assert_checkpoints (&rc)
        rc = bough_tcp_connect(connect_to, bough_listener_port(l), &client);
    CHECK_EQ(rc, 0);
    CHECK_EQ(getsockopt(bough_stream_fd(client), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    CHECK(on);
    CHECK_EQ(bough_listener_accept(l, &server), 0);
    CHECK_EQ(getsockopt(bough_stream_fd(server), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    CHECK(on);
    CHECK_EQ(bough_stream_send_all(client, "x", 1), 0);
    CHECK_EQ(bough_stream_receive_some(server, &byte, 1), 1);
    bough_stream_free(client);
    bough_stream_free(server);
    bough_listener_free(l);
    return 0;
}

IO_TEST(a_host_may_be_an_address)
{
    return connect_by_name("127.0.0.1", "127.0.0.1");
}

IO_TEST(a_host_may_be_a_name)
{
    return connect_by_name("localhost", "localhost");
}

/* --- what cannot be had --- */

static int dial_with_faults(void *arg)
{
    struct dial *d = arg;
    int before = open_descriptors(), rc = 0;
    d->stream = NULL;
    bough_fail_after (BOUGH_MINUTE, &rc) /* when only the silent one is left */
        rc = dial(d);
    CHECK_EQ(open_descriptors(), before + (rc == 0));
    bough_stream_free(d->stream);
    while (was_tried(&d->places[2]))
        ;
    return rc;
}

TEST(connecting_survives_the_failure_of_each_allocation_and_call)
{
    int before = open_descriptors();
    struct dial d = {.places = {refuses("127.0.0.1"), is_silent("127.0.0.2"), answers("127.0.0.3")},
                     .count = 3};
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, dial_with_faults, &d) > 5);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, dial_with_faults, &d) > 5);
    leave(d.places, 3);
    CHECK_EQ(open_descriptors(), before);
}
