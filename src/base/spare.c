/* SPDX-License-Identifier: MIT */
#include "base/spare.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/sys.h"

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    QUARTERS = 4,
    LOWEST = 10,                          /* 2^10 is SPARE_FROM */
    KINDS = (21 - LOWEST) * QUARTERS + 1, /* 2^21 is SPARE_LARGEST */
};

/* A block that is kept, in itself. */
struct spare {
    struct spare *next;
};

static __thread struct {
    struct spare *blocks[KINDS];
    size_t kept;
    unsigned victim; /* the kind that loses a block next */
    bool will_end;   /* end_of_thread() will be called */
} mine;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool off;

static size_t round_up(size_t size, unsigned *ret_kind)
{
    if (size <= SPARE_FROM) {
        *ret_kind = 0;
        return SPARE_FROM;
    }
    unsigned log = 63 - (unsigned)__builtin_clzll(size - 1);
    size_t quarter = ((size_t)1 << log) / QUARTERS, count = (size - 1) / quarter + 1;
    *ret_kind = (log - LOWEST) * QUARTERS + (unsigned)(count - QUARTERS);
    return count * quarter;
}

static void *pop(unsigned kind, size_t capacity)
{
    struct spare *block = mine.blocks[kind];
    mine.blocks[kind] = block->next;
    mine.kept -= capacity;
    return block;
}

static size_t capacity_of(unsigned kind)
{
    return ((size_t)(QUARTERS + kind % QUARTERS) << (LOWEST + kind / QUARTERS)) / QUARTERS;
}

void spare_trim(void)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        while (mine.blocks[kind])
            free(pop(kind, capacity_of(kind)));
}

static void end_of_thread(void *unused)
{
    (void)unused;
    spare_trim();
    mine.will_end = false;
}

static void begin(void)
{
    off = SANITIZED || RUNNING_ON_VALGRIND || pthread_key_create(&key, end_of_thread) != 0;
}

static bool keeps(void)
{
    if (mine.will_end)
        return true;
    pthread_once(&once, begin);
    mine.will_end = !off && pthread_setspecific(key, &mine) == 0;
    return mine.will_end;
}

/* Another size that has a block, each in its turn; -1: there is none. */
static int next_victim(unsigned kind)
{
    for (unsigned i = 0; i < KINDS; i++) {
        mine.victim = (mine.victim + 1) % KINDS;
        if (mine.victim != kind && mine.blocks[mine.victim])
            return (int)mine.victim;
    }
    return -1;
}

/* Sizes that are no longer wanted give way to those that are. */
static bool make_room(size_t capacity, unsigned kind)
{
    while (mine.kept + capacity > SPARE_MOST) {
        int victim = next_victim(kind);
        if (victim < 0)
            return false;
        free(pop((unsigned)victim, capacity_of((unsigned)victim)));
    }
    return true;
}

void *spare_get(size_t size, size_t *ret_capacity)
{
    unsigned kind;
    *ret_capacity = size;
    if (size < SPARE_FROM || size > SPARE_LARGEST)
        return sys_malloc(size);
    if (sys_fails(SYS_FAULT_MEMORY))
        return NULL;
    *ret_capacity = round_up(size, &kind);
    return mine.blocks[kind] ? pop(kind, *ret_capacity) : malloc(*ret_capacity);
}

void spare_put(void *block, size_t capacity)
{
    unsigned kind;
    if (!block)
        return;
    if (capacity < SPARE_FROM || capacity > SPARE_LARGEST || !keeps()) {
        free(block);
        return;
    }
    (void)round_up(capacity, &kind);
    if (!make_room(capacity, kind)) {
        free(block);
        return;
    }
    struct spare *spare = block;
    spare->next = mine.blocks[kind];
    mine.blocks[kind] = spare;
    mine.kept += capacity;
}

size_t spare_kept(void)
{
    return mine.kept;
}
