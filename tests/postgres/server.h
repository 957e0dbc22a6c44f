/* A PostgreSQL server for the tests: in a directory of its own under /tmp, run by nobody in
 * particular, and gone after the program's last test.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bough/postgres.h>
#include <bough/testing.h>

/* The first test that needs it starts it; it ends when the runner of the tests (OWNER) has. A
 * server does not run as root. */
static const char server_script[] =
    "dir=$1 owner=$2 bin=$3 port=$4 as=\n"
    "mkdir \"$dir\" || exit 1\n"
    "cd \"$dir\"\n"
    "if [ \"$(id -u)\" = 0 ]; then\n"
    "    user=$(id -u postgres 2>/dev/null || id -u nobody)\n"
    "    chown \"$user\" .\n"
    "    as=\"setpriv --reuid=$user --regid=$user --clear-groups\"\n"
    "fi\n"
    "$as \"$bin/initdb\" -D data -A trust -U bough --no-sync -E UTF8 --locale=C >initdb.log 2>&1 "
    "||\n"
    "    { touch failed; exit 1; }\n"
    "{ echo 'host all secret 127.0.0.1/32 scram-sha-256'; cat data/pg_hba.conf; } >hba\n"
    "cat hba >data/pg_hba.conf\n"
    "$as \"$bin/postgres\" -D data -k \"$dir\" -p \"$port\" -c listen_addresses=127.0.0.1 -c "
    "fsync=off \\\n"
    "    -c shared_buffers=1MB -c max_connections=90 >server.log 2>&1 &\n"
    "server=$!\n"
    "until \"$bin/pg_isready\" -q -h \"$dir\" -p \"$port\"; do\n"
    "    kill -0 $server 2>/dev/null || { touch failed; exit 1; }\n"
    "    sleep 0.1\n"
    "done\n"
    "\"$bin/psql\" -q -h \"$dir\" -p \"$port\" -U bough -d postgres \\\n"
    "    -c \"CREATE ROLE secret LOGIN PASSWORD 'right'\" >psql.log 2>&1\n"
    "echo \"$port\" >port.new; mv port.new port\n"
    "while kill -0 \"$owner\" 2>/dev/null; do sleep 0.2; done\n"
    "kill -INT $server; wait $server\n"
    "cd /; rm -rf \"$dir\"\n";

extern char **environ;

static inline void spawn_server(const char *dir, const char *bin)
{
    char owner[16], port[16];
    pid_t pid;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    snprintf(owner, sizeof(owner), "%d", (int)getppid());
    snprintf(port, sizeof(port), "%d", 20000 + (int)getppid() % 10000);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    char *const argv[] = {"sh", "-c", (char *)server_script, "sh", (char *)dir, owner, (char *)bin,
                          port, NULL};
    CHECK_EQ(posix_spawnp(&pid, "sh", &actions, &attributes, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

static inline bool is_there(const char *dir, const char *name)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* The directory of the server, which runs; its socket is in there. Its port is in the file "port".
 */
static inline const char *server_directory(void)
{
    static char dir[64];
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        test_skip("there is no PostgreSQL server to run");
    snprintf(dir, sizeof(dir), "/tmp/bough-postgres-%d", (int)getppid());
    if (access(dir, F_OK) != 0) {
        *strrchr(found.gl_pathv[0], '/') = '\0';
        spawn_server(dir, found.gl_pathv[0]);
    }
    globfree(&found);
    while (!is_there(dir, "port")) {
        CHECK(!is_there(dir, "failed"));
        usleep(20000);
    }
    return dir;
}

/* Where to connect to: over the socket, or with 'more' that has a host. */
static inline const char *address(const char *more)
{
    static char text[256];
    char path[96], port[16] = "";
    const char *dir = server_directory();
    snprintf(path, sizeof(path), "%s/port", dir);
    FILE *f = fopen(path, "r");
    CHECK(f && fgets(port, sizeof(port), f));
    fclose(f);
    port[strcspn(port, "\n")] = '\0';
    snprintf(text, sizeof(text), "port=%s dbname=postgres %s%s %s", port,
             more && strstr(more, "host=") ? "" : "host=", more && strstr(more, "host=") ? "" : dir,
             more ? more : "user=bough");
    return text;
}

struct pg_test {
    int (*body)(struct bough_postgres *p);
};

static inline int with_connection(void *arg)
{
    struct pg_test *test = arg;
    struct bough_postgres *p;
    const char *where = address(NULL);
    int rc = 0;
    bough_fail_after (25 * BOUGH_SEC, &rc) {
        rc = bough_postgres_connect(where, &p);
        if (rc == 0) {
            rc = test->body(p);
            bough_postgres_close(p);
        }
    }
    return rc;
}

/* A test with a connection, on a real run. */
#define PG_TEST(test_name)                                                                         \
    static int test_name##_body(struct bough_postgres *p);                                         \
    TEST(test_name)                                                                                \
    {                                                                                              \
        struct pg_test test = {test_name##_body};                                                  \
        int rc = bough_run(with_connection, &test);                                                \
        if (rc < 0)                                                                                \
            bough_error_print(bough_error_last(), stderr);                                         \
        CHECK(rc >= 0);                                                                            \
    }                                                                                              \
    static int test_name##_body(__attribute__((unused)) struct bough_postgres *p)

/* The first value of the first row. */
static inline const char *one(struct bough_postgres *p, const char *sql)
{
    static char text[256];
    struct pg_result *result;
    CHECK_EQ(bough_postgres_query(p, sql, 0, NULL, &result), 0);
    CHECK_EQ(PQntuples(result), 1);
    snprintf(text, sizeof(text), "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

static inline const char *last_message(void)
{
    return bough_error_message(bough_error_last());
}
