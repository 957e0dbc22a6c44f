/* SPDX-License-Identifier: MIT */
#include "actor/stray.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/nursery.h"
#include "bough/task.h"
#include "bough/time.h"

#define PATIENCE (6 * BOUGH_SEC) /* its grace, and a little more */
#define LOOK_MOST (100 * BOUGH_MS)

struct stray {
    pid_t pid, group;
};

/* It becomes our child when its parent has ended altogether, which may be a little later than its
 * parent's link has. */
static bool is_there(const struct stray *s)
{
    pid_t found = waitpid(s->pid, NULL, WNOHANG);
    return found == 0 || (found < 0 && getpgid(s->pid) == s->group);
}

static int see_off(void *arg)
{
    struct stray s = *(struct stray *)arg;
    int64_t until = bough_after(bough_now(), PATIENCE), pause = BOUGH_MS;
    int rc = 0;
    free(arg);
    bough_task_set_name("orphan %d", (int)s.pid);
    while (rc == 0 && is_there(&s)) {
        if (bough_now() > until)
            kill(s.pid, SIGKILL);
        rc = bough_sleep(pause);
        pause = pause * 2 < LOOK_MOST ? pause * 2 : LOOK_MOST;
    }
    return rc;
}

void stray_adopt(pid_t pid, pid_t group, struct bough_nursery *host)
{
    struct stray *s;
    if (pid <= 0 || group <= 0 || getpgid(pid) != group)
        return;
    s = sys_malloc(sizeof(*s));
    if (s) {
        *s = (struct stray){pid, group};
        if (bough_nursery_start_service(host, see_off, s) == 0)
            return;
    }
    free(s);
    kill(pid, SIGKILL); /* without memory for it: the end of its group reaps it */
}
