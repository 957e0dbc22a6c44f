/* Ask PostgreSQL, row by row and within 10 seconds; Ctrl-C stops the query, at the server too.
 *
 *     ./postgres_query "host=localhost dbname=postgres" "SELECT generate_series(1, \$1::int)" 5
 * SPDX-License-Identifier: MIT */
#include <libpq-fe.h>
#include <stdio.h>

#include <bough.h>
#include <bough/postgres.h>

static int print_row(const struct pg_result *row, void *arg)
{
    (void)arg;
    for (int i = 0; i < PQnfields(row); i++)
        printf("%s%s", i ? "\t" : "", PQgetisnull(row, 0, i) ? "NULL" : PQgetvalue(row, 0, i));
    printf("\n");
    return 0;
}

struct question {
    const char *where, *sql;
    int count;
    const char *const *values;
};

static int ask(void *arg)
{
    struct question *q = arg;
    int rc = 0;
    bough_fail_after (10 * BOUGH_SEC, &rc) {
        struct bough_postgres *p;
        rc = bough_postgres_connect(q->where, &p);
        if (rc == 0) {
            rc = bough_postgres_rows(p, q->sql, q->count, q->values, print_row, NULL);
            bough_postgres_close(p);
        }
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s CONNINFO SQL [VALUE ...]\n", argv[0]);
        return 2;
    }
    struct question question = {argv[1], argv[2], argc - 3, (const char *const *)argv + 3};
    int rc = bough_run(ask, &question);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
