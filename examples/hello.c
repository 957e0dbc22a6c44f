/* The first program: two tasks, a timeout around both, and no way to leave one behind.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <bough.h>

static int count(void *arg)
{
    const char *name = arg;
    for (int i = 1;; i++) {
        int rc = bough_sleep(100 * BOUGH_MS);
        if (rc < 0) {
            printf("%s: stopped after %d\n", name, i - 1);
            return rc;
        }
        printf("%s: %d\n", name, i);
    }
}

static int hello(void *arg)
{
    (void)arg;
    int rc = 0;
    bough_move_on_after (350 * BOUGH_MS, &rc) {
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, count, "left");
            if (rc == 0)
                rc = bough_nursery_start_soon(n, count, "right");
        }
    }
    printf("both have ended\n");
    return rc;
}

int main(void)
{
    int rc = bough_run(hello, NULL);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
