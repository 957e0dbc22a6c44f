/* SPDX-License-Identifier: MIT */
#include "actor/stray.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bough/nursery.h"
#include "bough/task.h"
#include "bough/time.h"

#define PATIENCE (6 * BOUGH_SEC) /* its grace, and a little more */
#define LOOK_MOST (100 * BOUGH_MS)

/* Is it (still) our child, and alive? Reaps it if it is not alive. */
static bool is_there(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static int see_off(void *arg)
{
    pid_t pid = (pid_t)(intptr_t)arg;
    int64_t until = bough_after(bough_now(), PATIENCE), pause = BOUGH_MS;
    int rc = 0;
    bough_task_set_name("orphan %d", (int)pid);
    while (rc == 0 && is_there(pid)) {
        if (bough_now() > until)
            kill(pid, SIGKILL);
        rc = bough_sleep(pause);
        pause = pause * 2 < LOOK_MOST ? pause * 2 : LOOK_MOST;
    }
    return rc;
}

void stray_adopt(pid_t pid, pid_t group, struct bough_nursery *host)
{
    if (pid <= 0 || group <= 0 || getpgid(pid) != group || !is_there(pid))
        return;
    /* Without memory for that it is killed: the end of its group reaps it. */
    if (bough_nursery_start_service(host, see_off, (void *)(intptr_t)pid) < 0)
        kill(pid, SIGKILL);
}
