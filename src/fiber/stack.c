/* SPDX-License-Identifier: MIT */
#include "fiber/stack.h"

#include <sys/mman.h>

#include "base/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

struct slab {
    struct slab *next;
    char *base;
    size_t count, used;
};

enum { SLAB_FIRST = 16, SLAB_MOST = 4096 };

void stack_pool_init(struct stack_pool *pool, size_t size)
{
    size_t rounded = STACK_MIN;
    while (rounded < size)
        rounded *= 2;
    *pool = (struct stack_pool){.size = rounded,
                                .watched = annotate_on_valgrind() || ANNOTATE_SANITIZED};
}

static void slab_free(struct stack_pool *pool, struct slab *slab)
{
    for (size_t i = 0; i < slab->used; i++) {
        char *low = slab->base + i * pool->size;
        struct stack_top *top = stack_top_of(pool, low);
        annotate_died(&top->annotation);
        if (pool->watched)
            annotate_stack_unmapped(low + STACK_GUARD, low + pool->size, top->valgrind_id);
    }
    munmap(slab->base, slab->count * pool->size);
    free(slab);
}

void stack_pool_release(struct stack_pool *pool)
{
    while (pool->slabs) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        slab_free(pool, slab);
    }
    free(pool->free);
    *pool = (struct stack_pool){.size = pool->size, .watched = pool->watched};
}

static int slab_map(struct stack_pool *pool, size_t count, struct slab **ret_slab)
{
    struct slab *slab = sys_malloc(sizeof(*slab));
    if (!slab)
        return -ENOMEM;
    size_t size = count * pool->size;
    char *base = sys_fails(SYS_FAULT_MEMORY)
                     ? MAP_FAILED
                     : mmap(NULL, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) {
        free(slab);
        return -ENOMEM;
    }
    /* A huge page would make every stack resident at once. */
    (void)madvise(base, size, MADV_NOHUGEPAGE);
    *slab = (struct slab){.base = base, .count = count};
    *ret_slab = slab;
    return 0;
}

/* Room in the free list for every stack there is, so that giving one back cannot fail. */
static int pool_grow(struct stack_pool *pool)
{
    size_t count = pool->slabs ? pool->slabs->count * 2 : SLAB_FIRST;
    if (count > SLAB_MOST)
        count = SLAB_MOST;
    void **list = sys_realloc(pool->free, (pool->total + count) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    pool->free = list;

    struct slab *slab;
    int rc = slab_map(pool, count, &slab);
    if (rc < 0)
        return rc;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->total += count;
    return 0;
}

static int guard_install(void *low)
{
    /* Valgrind does not know the advice, and would not see the guard. */
    if (!annotate_on_valgrind() && madvise(low, STACK_GUARD, MADV_GUARD_INSTALL) == 0)
        return 0;
    return sys_call(ENOMEM, mprotect(low, STACK_GUARD, PROT_NONE));
}

BOUGH_COLD int bough__stack_new(struct stack_pool *pool, void **ret_low)
{
    struct slab *slab = pool->slabs;
    if (!slab || slab->used == slab->count) {
        int rc = pool_grow(pool);
        if (rc < 0)
            return rc;
        slab = pool->slabs;
    }
    char *low = slab->base + slab->used * pool->size;
    int rc = guard_install(low);
    if (rc < 0)
        return rc;
    slab->used++;
    if (pool->watched) {
        struct stack_top *top = stack_top_of(pool, low);
        top->valgrind_id = annotate_stack_mapped(low + STACK_GUARD, low + pool->size);
        annotate_born(&top->annotation, low + STACK_GUARD, pool->size - STACK_GUARD);
    }
    *ret_low = low;
    return 0;
}

void stack_pool_trim(struct stack_pool *pool)
{
    /* The tools keep their notes on the stacks. */
    if (pool->watched)
        return;
    if (pool->trimmed > pool->unused)
        pool->trimmed = pool->unused;
    size_t spare = pool->free_count > STACK_HOT ? pool->free_count - STACK_HOT : 0;
    size_t cold = spare < pool->unused ? spare : pool->unused;
    for (; pool->trimmed < cold; pool->trimmed++)
        (void)madvise((char *)pool->free[pool->trimmed] + STACK_GUARD, pool->size - STACK_GUARD,
                      MADV_DONTNEED);
    pool->unused = pool->free_count;
}
