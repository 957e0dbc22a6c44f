/* What is measured, and what must not grow.
 *
 * In a pause nobody works, so descriptors, tasks and children must be exactly what they were; what
 * the system or abandoned threads still clean up may take a moment. Memory may vary: caches fill,
 * and blocks lie where they happen to. But what leaks grows without end.
 * SPDX-License-Identifier: MIT */
#include "soak.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/wait.h>

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#include <bough/observe.h>

enum { PATIENCE = 500, HEAP_SLACK = 256 << 10, RESIDENT_SLACK = 8 << 20 };

/* Checking tools keep what is freed, and malloc() is theirs; but they find leaks by themselves. */
static bool memory_is_told(void)
{
#ifdef BOUGH_HAVE_VALGRIND_H
    if (RUNNING_ON_VALGRIND)
        return false;
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return false;
#endif
#endif
    return true;
}

static int count_files(const char *path)
{
    int count = -3; /* ".", "..", and this one */
    DIR *directory = opendir(path);
    CHECK(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static size_t resident(void)
{
    unsigned long all, here = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f && fscanf(f, "%lu %lu", &all, &here) == 2);
    fclose(f);
    return here * (size_t)sysconf(_SC_PAGESIZE);
}

struct level level_now(void)
{
    struct bough_run_stats stats;
    siginfo_t child;
    bough_run_statistics(&stats);
    struct level now = {.descriptors = count_files("/proc/self/fd"),
                        .threads = count_files("/proc/self/task") + 1,
                        .tasks = (int)stats.tasks,
                        /* Without taking it. */
                        .child = waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0};
    if (memory_is_told()) {
        malloc_trim(0);
        struct mallinfo2 info = mallinfo2();
        now.heap = info.uordblks + info.hblkhd;
        now.resident = resident();
    }
    return now;
}

static bool is_settled(const struct site *site, const struct level *before, const struct level *now)
{
    return now->descriptors == before->descriptors && now->tasks == before->tasks && !now->child &&
           __atomic_load_n(&site->dropped, __ATOMIC_ACQUIRE) == 0;
}

int level_settle(const struct site *site, const struct level *before, struct level *ret_now)
{
    *ret_now = level_now();
    for (int i = 0; !is_settled(site, before, ret_now); i++) {
        if (i == PATIENCE) {
            bough_tree_print(stderr);
            soak_failed("something was left over: %d descriptors, before %d; %d tasks, before %d; "
                        "a child: %d; arguments of threads: %u",
                        ret_now->descriptors, before->descriptors, ret_now->tasks, before->tasks,
                        ret_now->child, site->dropped);
        }
        int rc = bough_sleep(10 * BOUGH_MS);
        if (rc < 0)
            return rc;
        *ret_now = level_now();
    }
    return 0;
}

void level_compare(const struct level *before, const struct level *now, unsigned workers)
{
    /* Each worker may have had a thread at work and one that it had abandoned. */
    if (now->threads > (int)(2 * workers + 2) && now->threads > before->threads)
        soak_failed("threads grow: %d, before %d", now->threads, before->threads);
    if (now->heap > before->heap + HEAP_SLACK)
        soak_failed("the heap grows: %zu bytes, before %zu", now->heap, before->heap);
    if (now->resident > before->resident + RESIDENT_SLACK)
        soak_failed("memory grows: %zu KiB, before %zu KiB", now->resident / 1024,
                    before->resident / 1024);
}
