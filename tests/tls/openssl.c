/* TLS streams against the programs of OpenSSL.
 * SPDX-License-Identifier: MIT */
#include "identity.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/* Start 'openssl ...' with pipes for its input and output. */
static pid_t start_openssl(char *const argv[], struct bough_stream **ret_input,
                           struct bough_stream **ret_output)
{
    int in[2], out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    int error = posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    if (error)
        test_skip("there is no openssl to run");
    CHECK_EQ(bough_fd_stream_open(in[1], ret_input), 0);
    CHECK_EQ(bough_fd_stream_open(out[0], ret_output), 0);
    return pid;
}

static void stop(pid_t pid, struct bough_stream *input, struct bough_stream *output)
{
    bough_stream_free(input);
    bough_stream_free(output);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Read until 'text' has come. */
static int read_until(struct bough_stream *s, const char *text)
{
    char seen[16384] = "";
    size_t length = 0;
    while (length < sizeof(seen) - 1) {
        int n = bough_stream_receive_some(s, seen + length, sizeof(seen) - 1 - length);
        if (n <= 0)
            return n < 0 ? n
                         : bough_fail(-EPROTO, "it ended without saying \"%s\": %s", text, seen);
        length += (size_t)n;
        seen[length] = '\0';
        if (strstr(seen, text))
            return 0;
    }
    return bough_fail(-EPROTO, "it did not say \"%s\"", text);
}

static int read_to_end(struct bough_stream *s)
{
    char buffer[4096];
    int n;
    while ((n = bough_stream_receive_some(s, buffer, sizeof(buffer))) > 0)
        ;
    return n;
}

static unsigned free_port(void)
{
    struct bough_listener *l;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    unsigned port = bough_listener_port(l);
    bough_listener_free(l);
    return port;
}

static int against_s_server(__attribute__((unused)) void *arg)
{
    struct identity id;
    struct bough_stream *input, *output, *s;
    struct bough_tls *tls;
    char port[16];
    identity_make(&id, "here", 0, 3600);
    unsigned number = free_port();
    snprintf(port, sizeof(port), "%u", number);
    pid_t pid = start_openssl((char *[]){"openssl", "s_server", "-accept", port, "-cert",
                                         id.certificate, "-key", id.key, NULL},
                              &input, &output);
    int rc = read_until(output, "ACCEPT");
    if (rc == 0)
        rc = bough_tls_open(&(struct bough_tls_options){.trust_file = id.certificate}, &tls);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_tcp_connect("127.0.0.1", number, &s), 0);
    CHECK_EQ(bough_tls_connect(tls, s, "here", &s), 0);
    CHECK_EQ(bough_stream_send_all(s, "from bough\n", 11), 0);
    CHECK_EQ(read_until(output, "from bough"), 0);
    CHECK_EQ(bough_stream_send_all(input, "from openssl\n", 13), 0);
    CHECK_EQ(read_until(s, "from openssl"), 0);
    CHECK_EQ(bough_stream_send_all(input, "Q\n", 2), 0); /* it leaves without a goodbye */
    char end[16];
    CHECK_EQ(bough_stream_receive_some(s, end, sizeof(end)), -EPIPE);
    CHECK_HAS(bough_error_message(bough_error_last()), "truncated");
    bough_stream_free(s);
    bough_tls_close(tls);
    stop(pid, input, output);
    identity_remove(&id);
    return 0;
}

static int within(int (*fn)(void *))
{
    int rc = 0;
    bough_fail_after (20 * BOUGH_SEC, &rc)
        rc = fn(NULL);
    return rc;
}

static int s_server_task(__attribute__((unused)) void *arg)
{
    return within(against_s_server);
}

TEST(a_client_talks_to_openssl_s_server)
{
    CHECK_EQ(bough_run(s_server_task, NULL), 0);
}

static int echo(struct bough_connection *c, void *tls)
{
    char buffer[256];
    int n, rc = bough_tls_accept(tls, c->stream, &c->stream);
    if (rc < 0)
        return rc;
    while ((n = bough_stream_receive_some(c->stream, buffer, sizeof(buffer))) > 0)
        if ((rc = bough_stream_send_all(c->stream, buffer, (size_t)n)) < 0)
            break;
    CHECK_EQ(n, 0);
    return bough_keep(rc, bough_stream_close(c->stream));
}

struct serving {
    struct bough_listener *listener;
    struct bough_tls *tls;
};

static int serve(void *arg)
{
    struct serving *serving = arg;
    return bough_serve(serving->listener, echo, serving->tls);
}

static int against_s_client(__attribute__((unused)) void *arg)
{
    struct identity id;
    struct bough_stream *input, *output;
    struct serving serving;
    char to[32];
    int rc = 0;
    identity_make(&id, "here", 0, 3600);
    struct bough_tls_options options = {.certificate_file = id.certificate, .key_file = id.key};
    CHECK_EQ(bough_tls_open(&options, &serving.tls), 0);
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &serving.listener), 0);
    snprintf(to, sizeof(to), "127.0.0.1:%u", bough_listener_port(serving.listener));
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, serve, &serving);
        pid_t pid = start_openssl((char *[]){"openssl", "s_client", "-connect", to, "-CAfile",
                                             id.certificate, "-verify_return_error", NULL},
                                  &input, &output);
        CHECK_EQ(read_until(output, "Verify return code: 0 (ok)"), 0);
        CHECK_EQ(bough_stream_send_all(input, "there and back\n", 15), 0);
        CHECK_EQ(read_until(output, "there and back"), 0);
        CHECK_EQ(bough_stream_send_all(input, "Q\n", 2), 0);
        CHECK_EQ(read_until(output, "DONE"), 0);
        rc = read_to_end(output);
        stop(pid, input, output);
    }
    bough_listener_free(serving.listener);
    bough_tls_close(serving.tls);
    identity_remove(&id);
    return rc;
}

static int s_client_task(__attribute__((unused)) void *arg)
{
    return within(against_s_client);
}

TEST(a_server_talks_to_openssl_s_client)
{
    CHECK_EQ(bough_run(s_client_task, NULL), 0);
}
