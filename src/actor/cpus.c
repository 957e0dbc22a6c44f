/* SPDX-License-Identifier: MIT */
#include "actor/cpus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bough/pool.h"

/* A small file as text; false: there is none. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

/* "150000 100000" is one CPU and a half: two workers can use it. "max 100000" is no limit. */
static unsigned quota_of(const char *text, unsigned cpus)
{
    unsigned long long quota, period;
    if (sscanf(text, "%llu %llu", &quota, &period) != 2 || period == 0)
        return cpus;
    unsigned long long allowed = (quota + period - 1) / period;
    if (allowed < 1)
        allowed = 1;
    return allowed < cpus ? (unsigned)allowed : cpus;
}

unsigned cpus_of_group(const char *root, const char *path, unsigned cpus)
{
    char group[2048], file[4096], text[64], *slash;
    snprintf(group, sizeof(group), "%s", path);
    do {
        snprintf(file, sizeof(file), "%s%s/cpu.max", root, group);
        if (read_text(file, text, sizeof(text)))
            cpus = quota_of(text, cpus);
        if ((slash = strrchr(group, '/')))
            *slash = '\0';
    } while (slash);
    return cpus;
}

static unsigned affinity(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a cpu_set_t has */
    return online > 0 ? (unsigned)online : 1;
}

unsigned bough_cpu_count(void)
{
    char text[4096], *line;
    unsigned cpus = affinity();
    if (!read_text("/proc/self/cgroup", text, sizeof(text)))
        return cpus;
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return cpus;
    line = strchr(line, '/');
    if (!line)
        return cpus;
    line[strcspn(line, "\n")] = '\0';
    return cpus_of_group("/sys/fs/cgroup", line, cpus);
}
