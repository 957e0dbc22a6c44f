/* Unix sockets: names, listeners, descriptors that are passed.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <bough/unix.h>

/* A directory of the test's own. */
struct place {
    char directory[32], path[64];
};

static void place_make(struct place *p)
{
    strcpy(p->directory, "/tmp/bough-unix-XXXXXX");
    CHECK(mkdtemp(p->directory));
    snprintf(p->path, sizeof(p->path), "%s/socket", p->directory);
}

/* Nothing may be left in it. */
static void place_remove(struct place *p)
{
    CHECK_EQ(rmdir(p->directory), 0);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* As a dead process leaves it. */
static void leave_stale_socket(const char *path)
{
    struct bough_address at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bough_unix_address(path, &at), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at.storage, at.size), 0);
    CHECK_EQ(listen(fd, 1), 0);
    close(fd);
    CHECK(exists(path));
}

/* --- streams --- */

static int make_unix_pair(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    (void)arg;
    return bough_unix_pair(ret_a, ret_b);
}

IO_TEST(a_pair_keeps_the_contract)
{
    return bough_test_stream_contract(make_unix_pair, NULL);
}

struct server {
    const char *name;
    struct bough_listener *listener;
};

static int make_connection(struct bough_stream **ret_a, struct bough_stream **ret_b, void *arg)
{
    struct server *s = arg;
    CHECK_EQ(bough_unix_connect(s->name, ret_a), 0);
    return bough_listener_accept(s->listener, ret_b);
}

IO_TEST(connections_keep_the_contract)
{
    struct place p;
    place_make(&p);
    struct server s = {.name = p.path};
    CHECK_EQ(bough_unix_listen(p.path, &s.listener), 0);
    int rc = bough_test_stream_contract(make_connection, &s);
    bough_listener_free(s.listener);
    place_remove(&p);
    return rc;
}

/* --- names --- */

TASK_TEST(names_are_paths_or_abstract)
{
    struct bough_address a;
    char text[BOUGH_ADDRESS_TEXT], name[120];
    CHECK_EQ(bough_unix_address("/run/x", &a), 0);
    CHECK_STR(bough_address_format(&a, text, sizeof(text)), "unix:/run/x");
    CHECK_EQ(a.size, offsetof(struct sockaddr_un, sun_path) + 7);
    CHECK_EQ(bough_unix_address("@x", &a), 0);
    CHECK_STR(bough_address_format(&a, text, sizeof(text)), "unix:@x");
    CHECK_EQ(a.size, offsetof(struct sockaddr_un, sun_path) + 2);
    CHECK_EQ(memcmp(((struct sockaddr_un *)&a.storage)->sun_path, "\0x", 2), 0);
    CHECK_EQ(bough_unix_address("", &a), -EINVAL);
    CHECK_EQ(bough_unix_address("@", &a), -EINVAL);
    memset(name, 'x', sizeof(name));
    name[107] = '\0';
    CHECK_EQ(bough_unix_address(name, &a), 0);
    name[107] = 'x';
    name[108] = '\0';
    CHECK_EQ(bough_unix_address(name, &a), -ENAMETOOLONG);
    return 0;
}

IO_TEST(an_abstract_name_has_no_file_and_is_free_again_after_it)
{
    char name[64];
    struct bough_stream *a, *b;
    struct bough_listener *l, *other = NULL;
    snprintf(name, sizeof(name), "@bough-test-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(bough_unix_listen(name, &l), 0);
        CHECK_EQ(bough_unix_listen(name, &other), -EADDRINUSE);
        CHECK(!other && !exists(name));
        CHECK_EQ(bough_unix_connect(name, &a), 0);
        CHECK_EQ(bough_listener_accept(l, &b), 0);
        bough_stream_free(a);
        bough_stream_free(b);
        bough_listener_free(l);
    }
    CHECK_EQ(bough_unix_connect(name, &a), -ECONNREFUSED);
    return 0;
}

/* --- listening --- */

IO_TEST(a_listener_that_is_closed_takes_its_file_along)
{
    struct bough_listener *l;
    struct place p;
    place_make(&p);
    CHECK_EQ(bough_unix_listen(p.path, &l), 0);
    CHECK(exists(p.path));
    CHECK_EQ(bough_listener_port(l), 0);
    bough_listener_close(l);
    CHECK(!exists(p.path));
    leave_stale_socket(p.path);
    bough_listener_close(l); /* again: that is another's */
    bough_listener_free(l);
    CHECK(exists(p.path));
    CHECK_EQ(unlink(p.path), 0);
    place_remove(&p);
    return 0;
}

IO_TEST(a_file_that_has_been_replaced_is_left_alone)
{
    struct bough_listener *l;
    struct place p;
    place_make(&p);
    CHECK_EQ(bough_unix_listen(p.path, &l), 0);
    CHECK_EQ(unlink(p.path), 0);
    leave_stale_socket(p.path);
    bough_listener_free(l);
    CHECK(exists(p.path));
    CHECK_EQ(unlink(p.path), 0);
    place_remove(&p);
    return 0;
}

IO_TEST(the_file_is_found_again_from_another_directory)
{
    struct bough_listener *l;
    struct place p;
    place_make(&p);
    CHECK_EQ(chdir(p.directory), 0);
    CHECK_EQ(bough_unix_listen("socket", &l), 0);
    CHECK(exists(p.path));
    CHECK_EQ(chdir("/"), 0);
    bough_listener_free(l);
    CHECK(!exists(p.path));
    place_remove(&p);
    return 0;
}

IO_TEST(a_stale_file_is_replaced)
{
    struct bough_listener *l;
    struct bough_stream *s;
    struct place p;
    place_make(&p);
    leave_stale_socket(p.path);
    CHECK_EQ(bough_unix_connect(p.path, &s), -ECONNREFUSED);
    CHECK_EQ(bough_unix_listen(p.path, &l), 0);
    CHECK_EQ(bough_unix_connect(p.path, &s), 0);
    bough_stream_free(s);
    bough_listener_free(l);
    place_remove(&p);
    return 0;
}

IO_TEST(one_who_listens_is_not_replaced)
{
    struct bough_listener *l, *other = NULL;
    struct bough_stream *a, *b;
    struct place p;
    char byte;
    place_make(&p);
    CHECK_EQ(bough_unix_listen(p.path, &l), 0);
    CHECK_EQ(bough_unix_listen(p.path, &other), -EADDRINUSE);
    CHECK(!other);
    CHECK_EQ(bough_unix_connect(p.path, &a), 0);
    CHECK_EQ(bough_listener_accept(l, &b), 0); /* the one who asked */
    CHECK_EQ(bough_stream_receive_some(b, &byte, 1), 0);
    bough_stream_free(b);
    CHECK_EQ(bough_listener_accept(l, &b), 0);
    CHECK_EQ(bough_stream_send_all(a, "x", 1), 0);
    CHECK_EQ(bough_stream_receive_some(b, &byte, 1), 1);
    bough_stream_free(a);
    bough_stream_free(b);
    bough_listener_free(l);
    place_remove(&p);
    return 0;
}

IO_TEST(a_file_that_is_no_socket_is_not_replaced)
{
    struct bough_listener *l;
    struct place p;
    place_make(&p);
    int fd = open(p.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    CHECK_EQ(bough_unix_listen(p.path, &l), -EADDRINUSE);
    CHECK(exists(p.path));
    CHECK_EQ(unlink(p.path), 0);
    CHECK_EQ(symlink("elsewhere", p.path), 0);
    CHECK_EQ(bough_unix_listen(p.path, &l), -EADDRINUSE);
    CHECK(exists(p.path));
    CHECK_EQ(unlink(p.path), 0);
    place_remove(&p);
    CHECK_EQ(bough_unix_listen(p.path, &l), -ENOENT);
    return 0;
}

static int listen_there(void *arg)
{
    struct place *p = arg;
    struct bough_listener *l;
    int rc = bough_unix_listen(p->path, &l);
    if (rc == 0)
        bough_listener_free(l);
    return rc;
}

/* Another process is just looking whether the file is stale. */
VIRTUAL_IO_TEST(who_listens_waits_for_his_turn)
{
    struct place p;
    int rc = 0;
    place_make(&p);
    leave_stale_socket(p.path);
    int lock = open(p.directory, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(flock(lock, LOCK_EX), 0);
    struct waiter w = {.call = listen_there, .object = &p};
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK(exists(p.path));
        CHECK_EQ(call_timed(BOUGH_SEC, listen_there, &p), -ETIMEDOUT);
        close(lock);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(call_cancelled(listen_there, &p), -ECANCELED);
    place_remove(&p);
    return rc;
}

static int accept_one(void *arg)
{
    struct server *s = arg;
    struct bough_stream *c;
    int rc = bough_listener_accept(s->listener, &c);
    if (rc == 0)
        bough_stream_free(c);
    return rc;
}

IO_TEST(accepting_waits_and_may_be_cancelled_and_closed)
{
    struct place p;
    struct bough_stream *c;
    int rc = 0;
    place_make(&p);
    struct server s = {.name = p.path};
    struct waiter w = {.call = accept_one, .object = &s};
    CHECK_EQ(bough_unix_listen(p.path, &s.listener), 0);
    CHECK_EQ(call_cancelled(accept_one, &s), -ECANCELED);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(accept_one(&s), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -ECANCELED);
        waiter_park(n, &w);
        CHECK_EQ(bough_unix_connect(p.path, &c), 0);
        bough_stream_free(c);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, 0);
        waiter_park(n, &w);
        bough_listener_close(s.listener);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_listener_free(s.listener);
    place_remove(&p);
    return rc;
}

/* --- connecting --- */

static int connect_there(void *arg)
{
    struct server *s = arg;
    struct bough_stream *c;
    int rc = bough_unix_connect(s->name, &c);
    if (rc == 0)
        bough_stream_free(c);
    return rc;
}

IO_TEST(connecting_to_nobody_fails)
{
    struct server s = {.name = "/tmp/no/such/socket"};
    CHECK_EQ(connect_there(&s), -ENOENT);
    CHECK_EQ(call_cancelled(connect_there, &s), -ECANCELED);
    return 0;
}

/* The kernel's answer is EAGAIN then, and it never says when there is room. */
VIRTUAL_IO_TEST(connecting_waits_while_the_queue_is_full)
{
    struct place p;
    struct bough_address at;
    int fds[2] = {-1, -1}, rc = 0;
    place_make(&p);
    struct server s = {.name = p.path};
    struct waiter w = {.call = connect_there, .object = &s};
    CHECK_EQ(bough_unix_address(p.path, &at), 0);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at.storage, at.size), 0);
    CHECK_EQ(listen(listener, 0), 0);
    fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fds[0], (struct sockaddr *)&at.storage, at.size), 0);
    CHECK_EQ(call_timed(BOUGH_SEC, connect_there, &s), -ETIMEDOUT);
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    CHECK_EQ(w.rc, 0);
    CHECK(bough_now() <= BOUGH_MINUTE + BOUGH_SEC + 100 * BOUGH_MS);
    close(fds[0]);
    close(fds[1]);
    close(listener);
    CHECK_EQ(unlink(p.path), 0);
    place_remove(&p);
    return rc;
}

struct attempt {
    int fd;
    struct bough_address to;
};

static int attempt(void *arg)
{
    struct attempt *a = arg;
    return bough_socket_connect(a->fd, &a->to);
}

VIRTUAL_IO_TEST(a_socket_that_is_closed_while_it_waits_for_the_queue_is_not_mistaken_for_another)
{
    struct attempt a;
    struct waiter w = {.call = attempt, .object = &a};
    char name[64];
    int rc = 0, listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name, sizeof(name), "@bough-test-%d-full", (int)getpid());
    CHECK_EQ(bough_unix_address(name, &a.to), 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&a.to.storage, a.to.size), 0);
    CHECK_EQ(listen(listener, 0), 0);
    CHECK_EQ(connect(first, (struct sockaddr *)&a.to.storage, a.to.size), 0);
    a.fd = bough_socket_open(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(call_timed(BOUGH_SEC, attempt, &a), -ETIMEDOUT);
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_socket_close(a.fd);
        CHECK_EQ(bough_socket_open(AF_UNIX, SOCK_STREAM, 0), a.fd); /* the same number again */
        close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_socket_close(a.fd);
    close(first);
    close(listener);
    return rc;
}

/* --- serving --- */

static int greet(struct bough_connection *c, void *arg)
{
    (void)arg;
    return bough_stream_send_all(c->stream, "hello", 5);
}

static int serve(void *arg)
{
    struct server *s = arg;
    return bough_serve(s->listener, greet, NULL);
}

IO_TEST(a_server_serves_unix_sockets_too)
{
    struct place p;
    struct bough_stream *c;
    char buffer[8] = "";
    int rc = 0;
    place_make(&p);
    struct server s = {.name = p.path};
    CHECK_EQ(bough_unix_listen(p.path, &s.listener), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, serve, &s), 0);
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(bough_unix_connect(p.path, &c), 0);
            CHECK_EQ(receive_exactly(c, buffer, 8), 5);
            CHECK_STR(buffer, "hello");
            bough_stream_free(c);
        }
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    bough_listener_free(s.listener);
    place_remove(&p);
    return rc;
}

/* --- who is there --- */

IO_TEST(the_peer_is_known)
{
    struct bough_unix_peer peer = {0};
    struct bough_stream *a, *b;
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    CHECK_EQ(bough_unix_peer_of(a, &peer), 0);
    CHECK_EQ(peer.pid, getpid());
    CHECK_EQ(peer.uid, getuid());
    CHECK_EQ(peer.gid, getgid());
    CHECK_EQ(bough_stream_close(a), 0);
    CHECK_EQ(bough_unix_peer_of(a, &peer), -EBADF);
    bough_stream_free(a);
    bough_stream_free(b);
    CHECK_EQ(make_tcp_streams(&a, &b, NULL), 0);
    CHECK_EQ(bough_unix_peer_of(a, &peer), -EINVAL);
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

/* --- descriptors --- */

static bool is_same_file(int a, int b)
{
    struct stat x, y;
    CHECK_EQ(fstat(a, &x), 0);
    CHECK_EQ(fstat(b, &y), 0);
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

IO_TEST(descriptors_arrive_in_order_and_are_closed_on_exec)
{
    struct bough_stream *a, *b;
    int fds[2], got[4] = {-1, -1, -1, -1};
    unsigned count = 9;
    char text[8] = "";
    make_pipe(fds);
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    CHECK_EQ(bough_unix_send_fds(a, "two", 3, fds, 2), 0);
    CHECK_EQ(bough_unix_receive_fds(b, text, sizeof(text), got, 4, &count), 3);
    CHECK_STR(text, "two");
    CHECK_EQ(count, 2);
    for (int i = 0; i < 2; i++) {
        CHECK(got[i] != fds[i] && is_same_file(got[i], fds[i]));
        CHECK(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
    }
    CHECK_EQ(got[2], -1);
    close_both(got);
    close_both(fds);
    CHECK_EQ(bough_unix_send_fds(a, "none", 4, NULL, 0), 0);
    CHECK_EQ(bough_unix_receive_fds(b, text, sizeof(text), NULL, 0, &count), 4);
    CHECK_EQ(count, 0);
    bough_stream_free(a);
    CHECK_EQ(bough_unix_receive_fds(b, text, sizeof(text), got, 4, &count), 0);
    bough_stream_free(b);
    return 0;
}

IO_TEST(as_many_descriptors_as_the_limit_arrive_and_one_more_is_refused)
{
    struct bough_stream *a, *b;
    int fds[BOUGH_UNIX_FDS + 1], got[BOUGH_UNIX_FDS];
    unsigned count;
    char byte;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i <= BOUGH_UNIX_FDS; i++)
        fds[i] = null;
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    CHECK_EQ(bough_unix_send_fds(a, "x", 1, fds, BOUGH_UNIX_FDS + 1), -EINVAL);
    CHECK_EQ(bough_unix_send_fds(a, "x", 1, fds, BOUGH_UNIX_FDS), 0);
    CHECK_EQ(bough_unix_receive_fds(b, &byte, 1, got, BOUGH_UNIX_FDS, &count), 1);
    CHECK_EQ(count, BOUGH_UNIX_FDS);
    for (unsigned i = 0; i < count; i++)
        close(got[i]);
    close(null);
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

IO_TEST(descriptors_that_have_no_room_are_closed)
{
    struct bough_stream *a, *b;
    int fds[2], got[2] = {-1, -1};
    unsigned count = 9;
    char text[8];
    make_pipe(fds);
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    int before = open_descriptors();
    CHECK_EQ(bough_unix_send_fds(a, "two", 3, fds, 2), 0);
    CHECK_EQ(bough_unix_receive_fds(b, text, sizeof(text), got, 1, &count), -EMSGSIZE);
    CHECK_EQ(got[0], -1);
    CHECK_EQ(count, 9);
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(bough_unix_send_fds(a, "two", 3, fds, 2), 0);
    CHECK_EQ(bough_stream_receive_some(b, text, sizeof(text)), 3); /* drops them */
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(bough_unix_send_fds(a, "two", 3, fds, 2), 0); /* never received */
    bough_stream_free(a);
    bough_stream_free(b);
    close_both(fds);
    return 0;
}

IO_TEST(descriptors_that_cannot_all_be_opened_are_closed)
{
    struct bough_stream *a, *b;
    struct rlimit limit, low;
    int fds[2], got[2] = {-1, -1};
    unsigned count;
    char text[8];
    if (test_on_valgrind())
        test_skip("Valgrind keeps the limit of descriptors to itself");
    make_pipe(fds);
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    int before = open_descriptors();
    CHECK_EQ(bough_unix_send_fds(a, "two", 3, fds, 2), 0);
    int next = dup(0);
    close(next);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)next + 1, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    int rc = bough_unix_receive_fds(b, text, sizeof(text), got, 2, &count);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(rc, -EMFILE);
    CHECK_EQ(open_descriptors(), before);
    bough_stream_free(a);
    bough_stream_free(b);
    close_both(fds);
    return 0;
}

enum { LONG = 600000 };

static int send_long(void *arg)
{
    int null = 0;
    char *data = malloc(LONG);
    for (int i = 0; i < LONG; i++)
        data[i] = (char)(i % 251);
    int rc = bough_unix_send_fds(arg, data, LONG, &null, 1);
    free(data);
    return rc;
}

IO_TEST(a_long_message_goes_with_its_descriptors)
{
    struct bough_stream *a, *b;
    char *data = malloc(LONG);
    int got = -1, rc = 0;
    unsigned count;
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, send_long, a), 0);
        int have = bough_unix_receive_fds(b, data, LONG, &got, 1, &count);
        CHECK(have > 0);
        CHECK_EQ(count, 1);
        CHECK_EQ(receive_exactly(b, data + have, LONG - have), LONG - have);
    }
    for (int i = 0; i < LONG; i++)
        CHECK_EQ(data[i], (char)(i % 251));
    close(got);
    bough_stream_free(a);
    bough_stream_free(b);
    free(data);
    return rc;
}

static int receive_fd(void *arg)
{
    unsigned count;
    int fd;
    char byte;
    int rc = bough_unix_receive_fds(arg, &byte, 1, &fd, 1, &count);
    if (rc > 0 && count)
        close(fd);
    return rc;
}

static int send_fd(void *arg)
{
    int null = 0;
    return bough_unix_send_fds(arg, "x", 1, &null, 1);
}

IO_TEST(receiving_descriptors_waits_and_may_be_cancelled_and_closed)
{
    struct bough_stream *a, *b;
    int rc = 0;
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    struct waiter w = {.call = receive_fd, .object = b};
    CHECK_EQ(send_fd(a), 0);
    CHECK_EQ(call_cancelled(receive_fd, b), -ECANCELED);
    CHECK_EQ(receive_fd(b), 1);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(receive_fd(b), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -ECANCELED);
        waiter_park(n, &w);
        CHECK_EQ(send_fd(a), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, 1);
        waiter_park(n, &w);
        bough_stream_free(b);
    }
    CHECK_EQ(w.rc, -EBADF);
    CHECK_EQ(send_fd(a), -EPIPE);
    CHECK_EQ(bough_stream_close(a), 0);
    CHECK_EQ(send_fd(a), -EBADF);
    bough_stream_free(a);
    return rc;
}

IO_TEST(sending_descriptors_waits_for_room_and_may_be_cancelled_and_closed)
{
    struct bough_stream *a, *b;
    int rc = 0;
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    struct waiter w = {.call = send_fd, .object = a};
    CHECK_EQ(call_cancelled(send_fd, a), -ECANCELED);
    (void)fill(bough_stream_fd(a));
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(send_fd(a), -EBUSY);
        CHECK_EQ(bough_stream_send_all(a, "x", 1), -EBUSY);
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, -ECANCELED);
        waiter_park(n, &w);
        (void)drain(bough_stream_fd(b));
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(w.rc, 0);
        CHECK_EQ(receive_fd(b), 1);
        (void)fill(bough_stream_fd(a));
        waiter_park(n, &w);
        CHECK_EQ(bough_stream_close(a), 0);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_stream_free(a);
    bough_stream_free(b);
    return rc;
}

IO_TEST(what_cannot_be_sent_is_refused)
{
    struct bough_stream *a, *b;
    int closed[2];
    CHECK_EQ(bough_unix_pair(&a, &b), 0);
    make_pipe(closed);
    close_both(closed);
    CHECK_EQ(bough_unix_send_fds(a, "x", 1, closed, 1), -EBADF);
    CHECK_HAS(bough_error_message(bough_error_last()), "to be sent");
    CHECK_EQ(bough_unix_send_fds(a, "", 0, NULL, 0), -EINVAL);
    CHECK_EQ(bough_unix_receive_fds(a, closed, 0, closed, 2, NULL), -EINVAL);
    bough_stream_free(a);
    bough_stream_free(b);
    CHECK_EQ(bough_memory_stream_pair(8, &a, &b), 0);
    CHECK_EQ(send_fd(a), -EINVAL);
    CHECK_EQ(receive_fd(a), -EINVAL);
    bough_stream_free(a);
    bough_stream_free(b);
    CHECK_EQ(bough_pipe_open(&a, &b), 0);
    CHECK_EQ(send_fd(b), -EINVAL);
    bough_stream_free(a);
    bough_stream_free(b);
    CHECK_EQ(make_tcp_streams(&a, &b, NULL), 0); /* which would drop them without a word */
    CHECK_EQ(send_fd(a), -EINVAL);
    CHECK_EQ(receive_fd(b), -EINVAL);
    bough_stream_free(a);
    bough_stream_free(b);
    return 0;
}

/* --- faults --- */

static int talk(const char *name, struct bough_listener *l)
{
    struct bough_stream *a, *b;
    int rc = bough_unix_connect(name, &a);
    if (rc < 0)
        return rc;
    rc = bough_listener_accept(l, &b);
    if (rc == 0) {
        rc = send_fd(a);
        if (rc == 0)
            rc = receive_fd(b);
        bough_stream_free(b);
    }
    bough_stream_free(a);
    return rc;
}

static int small_program(void *arg)
{
    struct place *p = arg;
    struct bough_listener *l = NULL;
    struct bough_unix_peer peer;
    struct bough_stream *a, *b;
    int before = open_descriptors();
    leave_stale_socket(p->path);
    int rc = bough_unix_listen(p->path, &l);
    if (rc == 0)
        rc = talk(p->path, l);
    bough_listener_free(l);
    (void)unlink(p->path); /* stale still, if the listen failed */
    if (rc >= 0)
        rc = bough_unix_pair(&a, &b);
    if (rc >= 0) {
        rc = bough_unix_peer_of(a, &peer);
        bough_stream_free(a);
        bough_stream_free(b);
    }
    CHECK_EQ(open_descriptors(), before);
    return rc;
}

TEST(a_program_survives_the_failure_of_each_allocation_and_call)
{
    struct place p;
    place_make(&p);
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, small_program, &p) > 5);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, small_program, &p) > 15);
    place_remove(&p);
}
