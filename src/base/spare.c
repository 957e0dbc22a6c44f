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
    LOWEST = 10,                            /* 2^10 is SPARE_FROM */
    CLASSES = (20 - LOWEST) * QUARTERS + 1, /* 2^20 is SPARE_MOST */
};

/* A block that is kept, in itself. */
struct spare {
    struct spare *next;
};

static __thread struct {
    struct spare *blocks[CLASSES];
    size_t kept;
    unsigned victim; /* the class that loses a block next */
    bool will_end;   /* end_of_thread() will be called */
} mine;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool off;

static size_t round_up(size_t size, unsigned *ret_class)
{
    if (size <= SPARE_FROM) {
        *ret_class = 0;
        return SPARE_FROM;
    }
    unsigned log = 63 - (unsigned)__builtin_clzll(size - 1);
    size_t quarter = ((size_t)1 << log) / QUARTERS, count = (size - 1) / quarter + 1;
    *ret_class = (log - LOWEST) * QUARTERS + (unsigned)(count - QUARTERS);
    return count * quarter;
}

static void *pop(unsigned class, size_t capacity)
{
    struct spare *block = mine.blocks[class];
    mine.blocks[class] = block->next;
    mine.kept -= capacity;
    return block;
}

static size_t capacity_of(unsigned class)
{
    return ((size_t)(QUARTERS + class % QUARTERS) << (LOWEST + class / QUARTERS)) / QUARTERS;
}

static void end_of_thread(void *unused)
{
    (void)unused;
    for (unsigned class = 0; class < CLASSES; class ++)
        while (mine.blocks[class])
            free(pop(class, capacity_of(class)));
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
static int next_victim(unsigned class)
{
    for (unsigned i = 0; i < CLASSES; i++) {
        mine.victim = (mine.victim + 1) % CLASSES;
        if (mine.victim != class && mine.blocks[mine.victim])
            return (int)mine.victim;
    }
    return -1;
}

/* Sizes that are no longer wanted give way to those that are. */
static bool make_room(size_t capacity, unsigned class)
{
    while (mine.kept + capacity > SPARE_MOST) {
        int victim = next_victim(class);
        if (victim < 0)
            return false;
        free(pop((unsigned)victim, capacity_of((unsigned)victim)));
    }
    return true;
}

void *spare_get(size_t size, size_t *ret_capacity)
{
    unsigned class;
    *ret_capacity = size;
    if (size < SPARE_FROM || size > SPARE_MOST)
        return sys_malloc(size);
    if (sys_fails(SYS_FAULT_MEMORY))
        return NULL;
    *ret_capacity = round_up(size, &class);
    return mine.blocks[class] ? pop(class, *ret_capacity) : malloc(*ret_capacity);
}

void spare_put(void *block, size_t capacity)
{
    unsigned class;
    if (!block)
        return;
    if (capacity < SPARE_FROM || capacity > SPARE_MOST || !keeps()) {
        free(block);
        return;
    }
    (void)round_up(capacity, &class);
    if (!make_room(capacity, class)) {
        free(block);
        return;
    }
    struct spare *spare = block;
    spare->next = mine.blocks[class];
    mine.blocks[class] = spare;
    mine.kept += capacity;
}

size_t spare_kept(void)
{
    return mine.kept;
}
