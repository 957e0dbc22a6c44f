/* 100,000 tasks: started, timed out, cancelled; how long each step took, and what they weigh.
 *
 *     ./many_tasks [COUNT]
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bough.h>

static double resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static int64_t step(const char *what, int count, int64_t since)
{
    int64_t now = bough_now();
    printf("  %-52s %7.1f ms  (%.0f ns a task)\n", what, (double)(now - since) / 1e6,
           (double)(now - since) / count);
    return bough_now();
}

static int sleeper(void *arg)
{
    (void)arg;
    return bough_sleep(60 * BOUGH_MINUTE);
}

static int patient(void *arg)
{
    int rc = 0, *timed_out = arg;
    bough_move_on_after (200 * BOUGH_MS, &rc)
        rc = bough_sleep(60 * BOUGH_MINUTE);
    *timed_out += bough_scope_cancelled_caught(NULL);
    return rc;
}

static int start_all(struct bough_nursery *n, int count, bough_task_fn *fn, void *arg)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = bough_nursery_start_soon(n, fn, arg);
    return rc;
}

static int program(void *arg)
{
    int count = *(int *)arg, rc = 0, timed_out = 0;
    double before = resident_bytes();
    int64_t at = bough_now();
    bough_with_nursery (n, &rc) {
        rc = start_all(n, count, sleeper, NULL);
        at = step("started them", count, at);
        if (rc == 0)
            rc = bough_checkpoint();
        at = step("each ran, and sleeps until a deadline of its own", count, at);
        printf("  %-52s %7.0f bytes a task\n", "memory",
               (resident_bytes() - before) / (double)count);
        bough_scope_cancel(bough_nursery_scope(n), "that is enough");
        at = step("cancelled all of them", count, at);
    }
    at = step("all have unwound and ended", count, at);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc)
        rc = start_all(n, count, patient, &timed_out);
    (void)step("as many again, each timed out after 200 ms", count, at);
    printf("  %d timed out\n", timed_out);
    return rc;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 100000;
    if (count <= 0) {
        fprintf(stderr, "usage: %s [COUNT]\n", argv[0]);
        return 2;
    }
    printf("%d tasks\n", count);
    int rc = bough_run(program, &count);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
