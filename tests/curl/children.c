/* Transfers from a server in a process of its own.
 * SPDX-License-Identifier: MIT */
#include "server.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

/* Start a Python program; the first line that it prints is a port. */
static pid_t start_python(const char *program, const char *arg, unsigned *ret_port)
{
    int out[2];
    pid_t pid;
    char line[32] = "";
    posix_spawn_file_actions_t actions;
    CHECK(pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    char *const argv[] = {"python3", "-c", (char *)program, (char *)arg, NULL};
    int error = posix_spawnp(&pid, "python3", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    if (error)
        test_skip("there is no python3 to run a server");
    /* Nothing else runs yet. */
    for (size_t length = 0; length < sizeof(line) - 1 && !strchr(line, '\n'); length++)
        CHECK_EQ(read(out[0], line + length, 1), 1);
    close(out[0]);
    *ret_port = (unsigned)atoi(line);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static const char files_server[] = "import sys, http.server, functools\n"
                                   "class H(http.server.SimpleHTTPRequestHandler):\n"
                                   "    protocol_version = 'HTTP/1.1'\n"
                                   "    def log_message(self, *a): pass\n"
                                   "h = functools.partial(H, directory=sys.argv[1])\n"
                                   "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), h)\n"
                                   "print(s.server_address[1], flush=True)\n"
                                   "s.serve_forever()\n";

struct fetch {
    struct bough_curl *c;
    unsigned port;
};

static int fetch_file(void *arg)
{
    struct fetch *f = arg;
    struct page page;
    CURL *easy = handle(f->port, "/file", &page);
    int rc = bough_curl_perform(f->c, easy);
    if (rc == 0)
        CHECK_EQ(page.size, 300000);
    curl_easy_cleanup(easy);
    return rc;
}

static int fetch_files(void *arg)
{
    struct fetch *f = arg;
    int rc = bough_curl_open(&f->c);
    CHECK_EQ(rc, 0);
    bough_fail_after (20 * BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 10 && rc == 0; i++)
                rc = bough_nursery_start_soon(n, fetch_file, f);
    bough_curl_close(f->c);
    return rc;
}

TEST(files_come_from_pythons_http_server)
{
    char directory[] = "/tmp/bough-curl-XXXXXX", path[64];
    struct fetch f;
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof(path), "%s/file", directory);
    FILE *file = fopen(path, "w");
    CHECK(file && ftruncate(fileno(file), 300000) == 0);
    fclose(file);
    pid_t pid = start_python(files_server, directory, &f.port);
    int rc = bough_run(fetch_files, &f);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    stop(pid);
    unlink(path);
    rmdir(directory);
    CHECK_EQ(rc, 0);
}

/* Sends the half of an answer. */
static const char half_server[] =
    "import socket, time\n"
    "s = socket.create_server(('127.0.0.1', 0))\n"
    "print(s.getsockname()[1], flush=True)\n"
    "c, _ = s.accept()\n"
    "c.recv(9999)\n"
    "c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf')\n"
    "time.sleep(60)\n";

struct victim {
    pid_t pid;
    unsigned port;
    struct page page;
};

/* Called in the middle of the transfer: there will be no more. */
static size_t kill_the_server(char *data, size_t one, size_t size, void *arg)
{
    struct victim *v = arg;
    kill(v->pid, SIGKILL);
    return keep(data, one, size, &v->page);
}

static int fetch_half(void *arg)
{
    struct victim *v = arg;
    struct bough_curl *c;
    int rc = bough_curl_open(&c);
    CHECK_EQ(rc, 0);
    CURL *easy = handle(v->port, "/", &v->page);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, kill_the_server);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, v);
    bough_fail_after (20 * BOUGH_SEC, &rc)
        rc = bough_curl_perform(c, easy);
    curl_easy_cleanup(easy);
    bough_curl_close(c);
    return rc;
}

TEST(a_server_that_is_killed_in_the_middle_is_a_broken_transfer)
{
    struct victim v = {0};
    v.pid = start_python(half_server, NULL, &v.port);
    int rc = bough_run(fetch_half, &v);
    stop(v.pid);
    CHECK_EQ(rc, -EPIPE);
    CHECK_STR(v.page.start, "half");
}
