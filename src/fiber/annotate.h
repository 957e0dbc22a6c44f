/* Tell the checking tools what a switch is: ASan, TSan, Valgrind.
 *
 * Without, each gives false results, and LeakSanitizer misses real leaks. In a plain build
 * everything here is empty, but for Valgrind's requests, which are a few no-ops where a stack is
 * mapped.
 *
 * Rules that were learned the hard way: ASan's start and finish stand on the two sides of the
 * switch; the fake stack is given up (NULL) when the old stack will never run again; TSan's switch
 * must be in the same function as the switch itself, so these are always inlined.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

#if defined(__SANITIZE_ADDRESS__)
#define BOUGH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BOUGH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define BOUGH_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define BOUGH_TSAN 1
#endif

#ifdef BOUGH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef BOUGH_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/memcheck.h>
#endif

/* Under these, code needs more stack than it was compiled for otherwise. */
#if defined(BOUGH_ASAN) || defined(BOUGH_TSAN)
enum { ANNOTATE_STACK_FACTOR = 4, ANNOTATE_SANITIZED = 1 };
#else
enum { ANNOTATE_STACK_FACTOR = 1, ANNOTATE_SANITIZED = 0 };
#endif

/* What the tools keep about one fiber. */
struct annotation {
#ifdef BOUGH_ASAN
    void *fake_stack;
    const void *bottom; /* of the stack; learned at the first switch for a thread's own stack */
    size_t size;
#endif
#ifdef BOUGH_TSAN
    void *tsan;
#endif
    char nothing[0];
};

/* A stack was mapped / is unmapped. */
static inline unsigned annotate_stack_mapped(void *low, void *high)
{
    (void)low, (void)high;
#ifdef BOUGH_ASAN
    /* LeakSanitizer finds blocks that only a suspended stack points at. */
    __lsan_register_root_region(low, (size_t)((char *)high - (char *)low));
#endif
#ifdef BOUGH_HAVE_VALGRIND_H
    return VALGRIND_STACK_REGISTER(low, (char *)high - 1);
#else
    return 0;
#endif
}

static inline void annotate_stack_unmapped(void *low, void *high, unsigned id)
{
    (void)low, (void)high, (void)id;
#ifdef BOUGH_ASAN
    __lsan_unregister_root_region(low, (size_t)((char *)high - (char *)low));
    __asan_unpoison_memory_region(low, (size_t)((char *)high - (char *)low));
#endif
#ifdef BOUGH_HAVE_VALGRIND_H
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

static inline bool annotate_on_valgrind(void)
{
#ifdef BOUGH_HAVE_VALGRIND_H
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

/* The fiber of a stack [low, low + size), for all its lives; low is NULL for a thread's own stack.
 */
static inline void annotate_born(struct annotation *a, void *low, size_t size)
{
    (void)a, (void)low, (void)size;
#ifdef BOUGH_ASAN
    a->fake_stack = NULL;
    a->bottom = low;
    a->size = size;
#endif
#ifdef BOUGH_TSAN
    a->tsan = low ? __tsan_create_fiber(0) : __tsan_get_current_fiber();
#endif
}

/* Its stack goes away. */
static inline void annotate_died(struct annotation *a)
{
    (void)a;
#ifdef BOUGH_TSAN
    __tsan_destroy_fiber(a->tsan);
#endif
}

/* [low, high) of a stack that has been used before will be written to from outside. Poison left by
 * frames that never returned must not hit that, nor Valgrind's idea that nothing is below the stack
 * pointer. */
static inline void annotate_stack_reused(void *low, void *high)
{
    (void)low, (void)high;
#ifdef BOUGH_ASAN
    __asan_unpoison_memory_region(low, (size_t)((char *)high - (char *)low));
#endif
#ifdef BOUGH_HAVE_VALGRIND_H
    VALGRIND_MAKE_MEM_UNDEFINED(low, (size_t)((char *)high - (char *)low));
#endif
}

static BOUGH_ALWAYS_INLINE void annotate_before_switch(struct annotation *from,
                                                       struct annotation *to, bool dying)
{
    (void)from, (void)to, (void)dying;
#ifdef BOUGH_ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack, to->bottom, to->size);
    if (dying)
        from->fake_stack = NULL; /* it is freed by that; the next life begins without one */
#endif
#ifdef BOUGH_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* On the new stack: we are 'self', and came from 'from'. */
static BOUGH_ALWAYS_INLINE void annotate_after_switch(struct annotation *self,
                                                      struct annotation *from)
{
    (void)self, (void)from;
#ifdef BOUGH_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
    if (from && !from->bottom) {
        from->bottom = bottom;
        from->size = size;
    }
#endif
}
