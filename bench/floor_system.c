/* What a process costs at the least.
 * SPDX-License-Identifier: MIT */
#include <spawn.h>
#include <sys/wait.h>

#include "system.h"

extern char **environ;

double process_start(void)
{
    char *argv[] = {(char *)nothing_path(), NULL};
    double start = real_ns();
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || status != 0)
            return 0;
    }
    return (real_ns() - start) / PROCESSES / 1000;
}
