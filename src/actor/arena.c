/* SPDX-License-Identifier: MIT */
#include "actor/arena.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/memcheck.h>
#else
#define VALGRIND_CHECK_MEM_IS_DEFINED(bytes, size) (void)0
#endif

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

enum {
    WORDS = 4096,    /* before the ring */
    LINE = 64,       /* payloads start at multiples of it */
    STEP = 64 << 10, /* memory is had in such */
};

struct arena_words {
    uint32_t accepted; /* 1: it is mapped over there */
    uint64_t released; /* the position up to which all has been copied out */
};

static uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

static void *map(int fd, uint64_t size)
{
    void *at = sys_fails(SYS_FAULT_MEMORY)
                   ? MAP_FAILED
                   : mmap(NULL, WORDS + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* --- sending --- */

/* How far has the other end read? It may have written anything there. */
static bool look(struct arena_out *a)
{
    uint64_t released = __atomic_load_n(&a->words->released, __ATOMIC_ACQUIRE);
    if (released - a->released > a->end - a->released) {
        arena_close(a);
        a->distrusted = true;
        return false;
    }
    a->released = released;
    return true;
}

/* Have memory from the start of the ring to there. */
static bool back(struct arena_out *a, uint64_t to)
{
    if (to <= a->backed)
        return true;
    to = round_up(to, STEP);
    if (sys_call(ENOMEM, madvise(a->bytes + a->backed, to - a->backed, MADV_POPULATE_WRITE)) < 0)
        return false;
    a->backed = to;
    return true;
}

/* A payload lies in one piece: what is left before the end of the ring is skipped. An empty ring
 * starts over in front, where it has memory and is in the cache. */
bool arena_reserve(struct arena_out *a, size_t size, uint64_t *ret_place)
{
    if (!a->words || !look(a))
        return false;
    if (!__atomic_load_n(&a->words->accepted, __ATOMIC_ACQUIRE))
        return false;
    bool empty = a->released == a->end;
    uint64_t place = a->end, offset = place % a->size;
    if (offset && (empty || offset + size > a->size))
        place = round_up(place, a->size);
    uint64_t taken_from = empty ? place : a->released > a->start ? a->released : a->start;
    if (place + size - taken_from > a->size || !back(a, place % a->size + size))
        return false;
    *ret_place = place;
    return true;
}

void arena_fill(struct arena_out *a, uint64_t place, const struct bough_bytes *parts)
{
    char *to = a->bytes + place % a->size;
    if (a->released == a->end)
        a->start = place;
    for (int i = 0; i < 2; i++) {
        VALGRIND_CHECK_MEM_IS_DEFINED(parts[i].data, parts[i].size); /* as a system call would */
        if (parts[i].size)
            memcpy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
    a->end = place + round_up(parts[0].size + parts[1].size, LINE);
    a->used = true;
}

bool arena_is_wanted(struct arena_out *a, size_t size)
{
    if (a->distrusted || (a->words && size <= a->size))
        return false;
    return ++a->wishes > 1;
}

/* A file in memory that cannot shrink. */
static int make_file(uint64_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && WORDS + size > limit.rlim_cur)
        return -EFBIG; /* to try would be a SIGXFSZ */
    int fd = sys_call(EMFILE, memfd_create("bough-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (fd < 0)
        return fd;
    int rc = sys_call(ENOMEM, ftruncate(fd, (off_t)(WORDS + size)));
    if (rc >= 0)
        rc = sys_call(EPERM, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

/* Twice the payload, so that one can be written while the other is read. */
int arena_make(struct arena_out *a, size_t payload)
{
    uint64_t size = ARENA_LEAST;
    while (size < 2 * payload && size < ARENA_MOST)
        size *= 2;
    a->wishes = 0;
    int fd = make_file(size);
    if (fd < 0)
        return fd;
    struct arena_words *words = map(fd, size);
    int rc = words ? sys_call(ENOMEM, madvise(words, WORDS, MADV_POPULATE_WRITE)) : -ENOMEM;
    if (rc < 0) {
        if (words)
            munmap(words, WORDS + size);
        close(fd);
        return rc;
    }
    arena_close(a);
    *a = (struct arena_out){.words = words, .bytes = (char *)words + WORDS, .size = size};
    return fd;
}

bool arena_is_idle(struct arena_out *a)
{
    bool idle = !a->used && look(a) && a->released == a->end;
    a->used = false;
    return idle;
}

void arena_close(struct arena_out *a)
{
    if (a->words)
        munmap(a->words, WORDS + a->size);
    *a = (struct arena_out){.distrusted = a->distrusted};
}

/* --- receiving --- */

/* Only memory, as large as it says it is, for ever. */
static bool can_be_trusted(int fd, uint64_t size)
{
    struct stat is;
    struct statfs on;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &is) == 0 &&
           (uint64_t)is.st_size == WORDS + size && fstatfs(fd, &on) == 0 &&
           on.f_type == TMPFS_MAGIC;
}

int arena_map(struct arena_in *a, int fd, int64_t size)
{
    arena_unmap(a);
    if (size < LINE || size > ARENA_MOST || !can_be_trusted(fd, (uint64_t)size)) {
        close(fd);
        return bough_fail_text(-EPROTO, "shared memory that is none, or could shrink");
    }
    a->words = map(fd, (uint64_t)size);
    close(fd);
    if (!a->words)
        return 0;
    a->bytes = (const char *)a->words + WORDS;
    a->size = (uint64_t)size;
    __atomic_store_n(&a->words->accepted, 1, __ATOMIC_RELEASE);
    return 0;
}

int arena_take(struct arena_in *a, uint64_t place, size_t size, char *to)
{
    if (!a->words)
        return bough_fail_text(-EPROTO, "a payload in shared memory, of which there is none");
    uint64_t offset = place % a->size;
    if (size > a->size - offset)
        return bough_fail(-EPROTO, "%zu bytes at %llu of %llu bytes of shared memory", size,
                          (unsigned long long)offset, (unsigned long long)a->size);
    if (to)
        memcpy(to, a->bytes + offset, size);
    __atomic_store_n(&a->words->released, place + round_up(size, LINE), __ATOMIC_RELEASE);
    return 1;
}

void arena_unmap(struct arena_in *a)
{
    if (a->words)
        munmap(a->words, WORDS + a->size);
    *a = (struct arena_in){0};
}
