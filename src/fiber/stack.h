/* Stacks: guarded, in large mappings, reused last in, first out.
 *
 * A slab is one mapping of many stacks, each with an inaccessible guard at its low end. The guard
 * is MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), which needs no mapping of its own, so
 * a million guarded stacks are a few hundred mappings; else mprotect(), which needs two a stack and
 * so reaches about 32,000 under the default vm.max_map_count.
 *
 * Stacks that come back are kept: giving them to the kernel and taking page faults for new ones
 * costs far more than all else that a task does. An idle loop calls stack_pool_trim() now and then,
 * which returns the memory, not the addresses, of those that nobody has needed since the last time,
 * but for a few.
 *
 * Colour: the tops of stacks that lie a power of two apart fall into the same cache sets.
 * stack_top() is shifted by a multiple of a cache line that depends on the address.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "fiber/annotate.h"

struct slab;

struct stack_pool {
    size_t size;        /* of one stack, guard included; a power of two */
    struct slab *slabs; /* the newest first; only that one has stacks that were never used */
    void **free;        /* low ends of free stacks, the hottest last; room for all there are */
    size_t free_count, total;
    size_t unused;  /* free[0 .. unused) were not taken since the last trim */
    size_t trimmed; /* those of free[0 .. trimmed) that were not taken since have no memory */
    bool watched;   /* by a tool that has to be told about stacks */
};

enum { STACK_GUARD = 4096, STACK_HOT = 64, STACK_MIN = 16 * 1024 };

/* The high end of every stack: what the tools keep about it, over all its lives. */
struct stack_top {
    struct annotation annotation;
    unsigned valgrind_id;
} __attribute__((aligned(64)));

/* 'size' is rounded up to a power of two. */
void stack_pool_init(struct stack_pool *pool, size_t size);
void stack_pool_release(struct stack_pool *pool);

/* The rare half of stack_get(): map more. */
int bough__stack_new(struct stack_pool *pool, void **ret_low);

/* Take a stack; 0, or -ENOMEM and the like. */
static inline int stack_get(struct stack_pool *pool, void **ret_low)
{
    if (BOUGH_UNLIKELY(pool->free_count == 0))
        return bough__stack_new(pool, ret_low);
    *ret_low = pool->free[--pool->free_count];
    if (pool->unused > pool->free_count)
        pool->unused = pool->free_count;
    return 0;
}

/* Give one back. It may be the one that the caller runs on, if nobody takes it before he leaves. */
static inline void stack_put(struct stack_pool *pool, void *low)
{
    pool->free[pool->free_count++] = low;
}

static inline struct stack_top *stack_top_of(const struct stack_pool *pool, void *low)
{
    return (struct stack_top *)((char *)low + pool->size) - 1;
}

/* A stack that was taken is written to before anybody runs on it. */
static inline void stack_taken(const struct stack_pool *pool, void *low)
{
    if (BOUGH_UNLIKELY(pool->watched))
        annotate_stack_reused((char *)low + STACK_GUARD, stack_top_of(pool, low));
}

/* Where the use of the stack begins, 64-byte aligned. */
static inline char *stack_top(const struct stack_pool *pool, void *low)
{
    size_t colour = ((uintptr_t)low >> __builtin_ctzl(pool->size)) %
                    32; /* a division takes longer than the rest */
    return (char *)stack_top_of(pool, low) - colour * 64;
}

/* Return the memory of free stacks that have not been used since the last call. */
void stack_pool_trim(struct stack_pool *pool);
