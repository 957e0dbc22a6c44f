/* PostgreSQL from tasks, against a real server.
 * SPDX-License-Identifier: MIT */
#include "server.h"

/* --- queries --- */

PG_TEST(values_that_are_too_many_are_a_mistake_and_harm_nothing)
{
    const char *values[] = {"1", "2"};
    struct bough_postgres_command command = {.sql = "SELECT 1", .count = -1};
    CHECK_EQ(bough_postgres_query(p, "SELECT $1::int", 2, values, NULL), -EINVAL);
    CHECK_STR(bough_postgres_sqlstate(p), "08P01");
    CHECK_EQ(bough_postgres_query(p, "SELECT 1", -1, values, NULL), -EINVAL);
    CHECK_EQ(bough_postgres_query(p, "SELECT 1", 65536, values, NULL), -EINVAL);
    CHECK_EQ(bough_postgres_pipeline(p, &command, 1), -EINVAL);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

PG_TEST(a_failure_of_another_connection_of_the_server_does_not_break_this_one)
{
    CHECK_EQ(bough_postgres_query(p, "DO $$BEGIN RAISE SQLSTATE '08001'; END$$", 0, NULL, NULL),
             -EREMOTEIO);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

PG_TEST(a_query_with_values_gets_its_rows)
{
    const char *values[] = {"20", NULL, "it's"};
    struct pg_result *result;
    CHECK_EQ(bough_postgres_query(p,
                                  "SELECT $1::int + n, $2::text, $3 FROM generate_series(1, 3) n",
                                  3, values, &result),
             0);
    CHECK_EQ(PQntuples(result), 3);
    CHECK_STR(PQgetvalue(result, 2, 0), "23");
    CHECK(PQgetisnull(result, 0, 1));
    CHECK_STR(PQgetvalue(result, 0, 2), "it's");
    PQclear(result);
    return 0;
}

PG_TEST(several_statements_give_the_last_result)
{
    CHECK_STR(one(p, "SELECT 1; SELECT 2; SELECT 3"), "3");
    CHECK_EQ(bough_postgres_query(p, "SELECT 1; SELECT 1/0; SELECT 3", 0, NULL, NULL), -EINVAL);
    CHECK_STR(one(p, "SELECT 4"), "4");
    return 0;
}

PG_TEST(a_large_query_and_a_large_result_go_through)
{
    enum { SIZE = 8 << 20 };
    char *text = malloc(SIZE + 1);
    const char *values[] = {text};
    struct pg_result *result;
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    CHECK_EQ(bough_postgres_query(p, "SELECT $1::text", 1, values, &result), 0);
    CHECK_EQ(PQgetlength(result, 0, 0), SIZE);
    PQclear(result);
    free(text);
    return 0;
}

static int tick(void *arg)
{
    int *ticks = arg, rc = 0;
    while (rc == 0) {
        rc = bough_sleep(BOUGH_MS);
        ++*ticks;
    }
    return rc;
}

PG_TEST(other_tasks_run_while_a_query_does)
{
    int ticks = 0, rc = 0;
    bough_with_background (tick, &ticks, &rc)
        rc = bough_postgres_query(p, "SELECT pg_sleep(0.2)", 0, NULL, NULL);
    CHECK(ticks >= 10);
    return rc;
}

struct sum {
    int64_t sum;
    int rows, stop_after, rc;
};

static int add(const struct pg_result *row, void *arg)
{
    struct sum *sum = arg;
    CHECK_EQ(PQntuples(row), 1);
    sum->sum += atoll(PQgetvalue(row, 0, 0));
    return ++sum->rows == sum->stop_after ? sum->rc : 0;
}

PG_TEST(rows_come_one_by_one)
{
    struct sum sum = {0};
    const char *values[] = {"100000"};
    CHECK_EQ(bough_postgres_rows(p, "SELECT generate_series(1, $1::int)", 1, values, add, &sum), 0);
    CHECK_EQ(sum.rows, 100000);
    CHECK_EQ(sum.sum, INT64_C(5000050000));
    return 0;
}

PG_TEST(rows_may_be_stopped_early)
{
    struct sum sum = {.stop_after = 10, .rc = 7};
    CHECK_EQ(bough_postgres_rows(p, "SELECT generate_series(1, 10000000)", 0, NULL, add, &sum), 7);
    CHECK_EQ(sum.rows, 10);
    sum = (struct sum){.stop_after = 1, .rc = -EIO};
    CHECK_EQ(bough_postgres_rows(p, "SELECT generate_series(1, 10000000)", 0, NULL, add, &sum),
             -EIO);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

PG_TEST(rows_that_end_in_a_failure_say_so)
{
    struct sum sum = {0};
    CHECK_EQ(
        bough_postgres_rows(p, "SELECT 1/(5 - n) FROM generate_series(1, 9) n", 0, NULL, add, &sum),
        -EINVAL);
    CHECK_STR(bough_postgres_sqlstate(p), "22012");
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

/* --- failures --- */

PG_TEST(a_failure_has_its_sqlstate)
{
    CHECK_STR(bough_postgres_sqlstate(p), "");
    CHECK_EQ(bough_postgres_query(p, "SELECT * FROM nowhere", 0, NULL, NULL), -EINVAL);
    CHECK_HAS(last_message(), "SQLSTATE 42P01: relation \"nowhere\" does not exist");
    CHECK_STR(bough_postgres_sqlstate(p), "42P01");
    CHECK_EQ(bough_postgres_query(p, "SELEC", 0, NULL, NULL), -EINVAL);
    CHECK_STR(bough_postgres_sqlstate(p), "42601");
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

PG_TEST(failures_are_told_apart)
{
    CHECK_EQ(bough_postgres_query(p, "CREATE TEMP TABLE t (id int PRIMARY KEY CHECK (id > 0))", 0,
                                  NULL, NULL),
             0);
    CHECK_EQ(bough_postgres_query(p, "INSERT INTO t VALUES (1)", 0, NULL, NULL), 0);
    CHECK_EQ(bough_postgres_query(p, "INSERT INTO t VALUES (1)", 0, NULL, NULL), -EEXIST);
    CHECK_HAS(last_message(), "Key (id)=(1) already exists");
    CHECK_EQ(bough_postgres_query(p, "INSERT INTO t VALUES (0)", 0, NULL, NULL), -EREMOTEIO);
    CHECK_EQ(
        bough_postgres_query(p, "SET statement_timeout = 20; SELECT pg_sleep(20)", 0, NULL, NULL),
        -ETIMEDOUT);
    CHECK_EQ(
        bough_postgres_query(p, "SET ROLE pg_monitor; CREATE TABLE public.x ()", 0, NULL, NULL),
        -EACCES);
    return 0;
}

PG_TEST(a_copy_is_not_supported_and_says_so)
{
    CHECK_EQ(bough_postgres_query(p, "COPY (SELECT 1) TO STDOUT", 0, NULL, NULL), -ENOTSUP);
    CHECK_EQ(bough_postgres_query(p, "SELECT 1", 0, NULL, NULL), -EPIPE);
    return 0;
}

static int sleep_query(void *arg)
{
    return bough_postgres_query(arg, "SELECT pg_sleep(20)", 0, NULL, NULL);
}

PG_TEST(a_connection_serves_one_task_at_a_time)
{
    int rc = 0;
    bough_with_background (sleep_query, p, &rc) {
        rc = bough_sleep(BOUGH_MS);
        CHECK_EQ(bough_postgres_query(p, "SELECT 1", 0, NULL, NULL), -EBUSY);
    }
    CHECK_STR(one(p, "SELECT 1"), "1");
    return rc;
}

/* --- cancels --- */

PG_TEST(a_cancelled_query_is_stopped_and_the_connection_goes_on)
{
    int rc = 0;
    struct bough_postgres *other;
    CHECK_EQ(bough_postgres_connect(address(NULL), &other), 0);
    int64_t start = bough_now();
    bough_move_on_after (50 * BOUGH_MS, &rc)
        rc = bough_postgres_query(p, "SELECT pg_sleep(30)", 0, NULL, NULL);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK(bough_now() - start < 10 * BOUGH_SEC);
    CHECK_STR(one(p, "SELECT 'still here'"), "still here");
    CHECK_STR(one(other,
                  "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)' AND "
                  "state = 'active'"),
              "0");
    bough_postgres_close(other);
    return rc;
}

PG_TEST(a_query_that_is_cancelled_at_once_is_stopped_all_the_same)
{
    for (int i = 0; i < test_scale(20); i++) {
        int rc = 0;
        bough_move_on_after (i % 4 * 100 * BOUGH_US, &rc)
            rc = bough_postgres_query(p, "SELECT pg_sleep(20)", 0, NULL, NULL);
        CHECK_EQ(rc, 0);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_STR(one(p, "SELECT 1"), "1");
    }
    return 0;
}

PG_TEST(a_cancelled_query_leaves_a_transaction_that_has_failed)
{
    int rc = 0;
    CHECK_EQ(bough_postgres_query(p, "BEGIN", 0, NULL, NULL), 0);
    bough_move_on_after (20 * BOUGH_MS, &rc)
        rc = bough_postgres_query(p, "SELECT pg_sleep(20)", 0, NULL, NULL);
    CHECK_EQ(bough_postgres_query(p, "SELECT 1", 0, NULL, NULL), -EREMOTEIO);
    CHECK_STR(bough_postgres_sqlstate(p), "25P02");
    CHECK_EQ(bough_postgres_query(p, "ROLLBACK", 0, NULL, NULL), 0);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return rc;
}

PG_TEST(rows_may_be_cancelled)
{
    int rc = 0;
    struct sum sum = {0};
    bough_move_on_after (20 * BOUGH_MS, &rc)
        rc = bough_postgres_rows(p, "SELECT generate_series(1, 1000000000)", 0, NULL, add, &sum);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_STR(one(p, "SELECT 1"), "1");
    return rc;
}

PG_TEST(a_query_in_a_cancelled_scope_is_not_sent)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        rc = bough_postgres_query(p, "CREATE TABLE public.never ()", 0, NULL, NULL);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_STR(one(p, "SELECT count(*) FROM pg_class WHERE relname = 'never'"), "0");
    return rc;
}

/* --- pipelines --- */

PG_TEST(a_pipeline_gets_all_results_in_order)
{
    enum { COUNT = 1000 };
    static struct bough_postgres_command commands[COUNT];
    static char numbers[COUNT][8];
    static const char *values[COUNT][1];
    for (int i = 0; i < COUNT; i++) {
        snprintf(numbers[i], sizeof(numbers[i]), "%d", i);
        values[i][0] = numbers[i];
        commands[i] = (struct bough_postgres_command){"SELECT $1::int * 2", 1, values[i], NULL};
    }
    CHECK_EQ(bough_postgres_pipeline(p, commands, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(atoi(PQgetvalue(commands[i].result, 0, 0)), i * 2);
        PQclear(commands[i].result);
    }
    CHECK_EQ(bough_postgres_pipeline(p, commands, 0), 0);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

PG_TEST(a_pipeline_larger_than_all_buffers_does_not_jam)
{
    enum { COUNT = 40, SIZE = 1 << 19 };
    static struct bough_postgres_command commands[COUNT];
    char *text = malloc(SIZE + 1);
    const char *values[] = {text};
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    for (int i = 0; i < COUNT; i++)
        commands[i] = (struct bough_postgres_command){"SELECT $1::text", 1, values, NULL};
    CHECK_EQ(bough_postgres_pipeline(p, commands, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(PQgetlength(commands[i].result, 0, 0), SIZE);
        PQclear(commands[i].result);
    }
    free(text);
    return 0;
}

PG_TEST(a_pipeline_that_fails_has_done_nothing)
{
    struct bough_postgres_command commands[] = {
        {"INSERT INTO pipe VALUES (1)", 0, NULL, NULL},
        {"SELECT 1/0", 0, NULL, NULL},
        {"INSERT INTO pipe VALUES (2)", 0, NULL, NULL},
    };
    CHECK_EQ(bough_postgres_query(p, "CREATE TEMP TABLE pipe (id int)", 0, NULL, NULL), 0);
    CHECK_EQ(bough_postgres_pipeline(p, commands, 3), -EINVAL);
    CHECK_HAS(last_message(), "SQLSTATE 22012");
    CHECK(!commands[0].result && !commands[2].result);
    CHECK_STR(one(p, "SELECT count(*) FROM pipe"), "0");
    return 0;
}

PG_TEST(a_pipeline_may_be_cancelled)
{
    struct bough_postgres_command commands[] = {
        {"SELECT 1", 0, NULL, NULL},
        {"SELECT pg_sleep(20)", 0, NULL, NULL},
        {"SELECT 2", 0, NULL, NULL},
    };
    int rc = 0;
    bough_move_on_after (50 * BOUGH_MS, &rc)
        rc = bough_postgres_pipeline(p, commands, 3);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK(!commands[0].result);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return rc;
}

/* --- notifications --- */

PG_TEST(notifications_are_received_in_order)
{
    struct bough_postgres *other;
    struct bough_postgres_notification n;
    CHECK_EQ(bough_postgres_listen(p, "Odd \"name\""), 0);
    CHECK_EQ(bough_postgres_connect(address(NULL), &other), 0);
    CHECK_EQ(bough_postgres_query(
                 other,
                 "NOTIFY \"Odd \"\"name\"\"\", 'first'; NOTIFY \"Odd \"\"name\"\"\", 'second'", 0,
                 NULL, NULL),
             0);
    CHECK_EQ(bough_postgres_receive(p, &n), 1);
    CHECK_STR(n.channel, "Odd \"name\"");
    CHECK_STR(n.payload, "first");
    CHECK_EQ(n.sender, PQbackendPID(bough_postgres_handle(other)));
    CHECK_STR(one(p, "SELECT 1"), "1");
    CHECK_EQ(bough_postgres_receive(p, &n), 1);
    CHECK_STR(n.payload, "second");
    bough_postgres_close(other);
    return 0;
}

PG_TEST(a_timeout_while_waiting_for_a_notification_loses_nothing)
{
    struct bough_postgres_notification n;
    int rc = 0;
    CHECK_EQ(bough_postgres_listen(p, "later"), 0);
    bough_move_on_after (10 * BOUGH_MS, &rc)
        rc = bough_postgres_receive(p, &n);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_postgres_query(p, "NOTIFY later, 'now'", 0, NULL, NULL), 0);
    CHECK_EQ(bough_postgres_receive(p, &n), 1);
    CHECK_STR(n.payload, "now");
    return rc;
}

/* --- connecting --- */

static void skip_names_on_valgrind(void)
{
    if (test_on_valgrind())
        test_skip("Valgrind loses sight of what the resolver keeps for each thread");
}

PG_TEST(a_host_by_name_is_resolved_before)
{
    struct bough_postgres *other;
    skip_names_on_valgrind();
    CHECK_EQ(bough_postgres_connect(address("host=localhost user=bough"), &other), 0);
    CHECK_STR(PQhost(bough_postgres_handle(other)), "localhost");
    CHECK_STR(one(other, "SELECT 1"), "1");
    bough_postgres_close(other);
    CHECK_EQ(bough_postgres_connect(address("host=no-such-host.invalid user=bough"), &other),
             -ENOENT);
    return 0;
}

PG_TEST(hosts_are_tried_in_turn)
{
    struct bough_postgres *other;
    skip_names_on_valgrind();
    CHECK_EQ(bough_postgres_connect(address("host=127.0.0.2,localhost user=bough"), &other), 0);
    CHECK_STR(PQhost(bough_postgres_handle(other)), "localhost");
    bough_postgres_close(other);
    return 0;
}

PG_TEST(a_connection_that_cannot_be_says_why)
{
    struct bough_postgres *other;
    CHECK_EQ(bough_postgres_connect("nonsense=1", &other), -EINVAL);
    CHECK_HAS(last_message(), "nonsense");
    CHECK_EQ(bough_postgres_connect("host=127.0.0.1 port=1", &other), -ECONNREFUSED);
    CHECK_EQ(bough_postgres_connect("host=/nowhere", &other), -ECONNREFUSED);
    CHECK_EQ(bough_postgres_connect(address("host=127.0.0.1 user=secret password=wrong"), &other),
             -EACCES);
    CHECK_HAS(last_message(), "password authentication failed");
    CHECK_EQ(bough_postgres_connect(address("host=127.0.0.1 user=nobody_here"), &other), -EACCES);
    CHECK_EQ(bough_postgres_connect(address("host=127.0.0.1 user=secret password=right"), &other),
             0);
    bough_postgres_close(other);
    return 0;
}

PG_TEST(connecting_to_who_says_nothing_can_be_cancelled)
{
    struct bough_listener *l;
    struct bough_postgres *other;
    char where[64];
    int rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    snprintf(where, sizeof(where), "host=127.0.0.1 port=%u", bough_listener_port(l));
    bough_move_on_after (20 * BOUGH_MS, &rc)
        rc = bough_postgres_connect(where, &other);
    CHECK(bough_scope_cancelled_caught(NULL));
    bough_listener_free(l);
    return rc;
}

static int garbage(struct bough_connection *c, __attribute__((unused)) void *arg)
{
    return bough_stream_send_all(c->stream, "HTTP/1.1 400 not PostgreSQL\r\n\r\n", 31);
}

static int talk_garbage(void *arg)
{
    return bough_serve(arg, garbage, NULL);
}

PG_TEST(a_server_that_talks_something_else_is_refused)
{
    struct bough_listener *l;
    struct bough_postgres *other;
    char where[64];
    int rc = 0;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    snprintf(where, sizeof(where), "host=127.0.0.1 port=%u", bough_listener_port(l));
    bough_with_background (talk_garbage, l, &rc)
        CHECK_EQ(bough_postgres_connect(where, &other), -ECONNREFUSED);
    bough_listener_free(l);
    return rc;
}

static int connect_and_ask(void *arg)
{
    struct bough_postgres *p;
    int rc = bough_postgres_connect(arg, &p);
    if (rc < 0)
        return rc;
    rc = bough_postgres_query(p, "SELECT 1", 0, NULL, NULL);
    bough_postgres_close(p);
    return rc;
}

TEST(connecting_and_asking_may_be_cancelled_at_every_point)
{
    /* None if the server gets the processor at once: then it has answered when we look. */
    CHECK_CANCELS(connect_and_ask, (void *)address(NULL), 0);
}

PG_TEST(options_that_make_no_sense_are_told_from_a_server_that_does_not_answer)
{
    struct bough_postgres *other;
    CHECK_EQ(bough_postgres_connect("nonsense", &other), -EINVAL);
    CHECK(!strchr(last_message(), '\n'));
    CHECK_EQ(bough_postgres_connect("host=127.0.0.1 port=abc", &other), -EINVAL);
    CHECK_EQ(bough_postgres_connect("host=127.0.0.1 port=70000", &other), -EINVAL);
    CHECK_EQ(bough_postgres_connect("host=127.0.0.1 sslmode=perhaps", &other), -EINVAL);
    CHECK_EQ(bough_postgres_connect("host=127.0.0.1,127.0.0.1 port=1,2,3", &other), -EINVAL);
    CHECK_STR(last_message(), "PostgreSQL: 3 ports for 2 hosts");
    CHECK_EQ(bough_postgres_connect("host=127.0.0.1 port=1", &other), -ECONNREFUSED);
    CHECK_STR(one(p, "SELECT 1"), "1");
    return 0;
}

static int sleep_there(void *arg)
{
    return bough_postgres_query(arg, "SELECT pg_sleep(20)", 0, NULL, NULL);
}

TEST_PANICS(closing_a_connection_that_a_task_is_in, "closed while a task is in it")
{
    struct bough_postgres *p;
    int rc = bough_postgres_connect(address(NULL), &p);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleep_there, p);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_postgres_close(p);
    }
    return rc;
}

/* --- the server goes away --- */

PG_TEST(a_connection_that_the_server_ends_is_broken)
{
    struct bough_postgres *other;
    char sql[64];
    CHECK_EQ(bough_postgres_connect(address(NULL), &other), 0);
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 10000)",
             PQbackendPID(bough_postgres_handle(other)));
    CHECK_STR(one(p, sql), "t");
    CHECK_EQ(bough_postgres_query(other, "SELECT 1", 0, NULL, NULL), -EPIPE);
    CHECK_HAS(last_message(), "terminating connection");
    CHECK_EQ(bough_postgres_query(other, "SELECT 1", 0, NULL, NULL), -EPIPE);
    bough_postgres_close(other);
    return 0;
}

static int kill_backend(void *arg)
{
    struct bough_postgres *p = arg;
    int rc = bough_sleep(20 * BOUGH_MS);
    if (kill(PQbackendPID(bough_postgres_handle(p)), SIGKILL) < 0)
        test_skip("we may not kill the server");
    return rc;
}

/* The last one: the server restarts all of itself after that. */
PG_TEST(a_server_that_is_killed_in_the_middle_of_a_query_is_a_broken_connection)
{
    int rc = 0;
    bough_with_background (kill_backend, p, &rc)
        CHECK_EQ(bough_postgres_query(p, "SELECT pg_sleep(20)", 0, NULL, NULL), -EPIPE);
    return rc;
}
