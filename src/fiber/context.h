/* The switch: leave one stack, go on with another.
 *
 * One assembly file a CPU, of which the build takes one. It saves what the ABI says a call
 * preserves and ends in a jump, not a return: a return would be predicted to go where *this*
 * stack's caller is, and mispredicted every time (about 12 ns). The callers above are written so
 * that the call of context_switch is their last act, so that the compiler jumps there too and no
 * wrapper's return is left to mispredict.
 *
 * Not saved: the signal mask, and the floating point control words (mxcsr, x87 cw, fpcr). Whoever
 * changes those changes them for the thread.
 *
 * The frame that a suspended stack holds is fixed, so that a debugger can unwind it; see the .S
 * files.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

/* Save the running context with its stack pointer in *save, continue the one whose stack pointer is
 * 'load'. There, context_switch() returns 'value'. */
int bough__context_switch(void **save, void *load, int value);

/* The second half alone: continue 'load', never to come back. */
void bough__context_leave(void *load, int value);

/* The words of a suspended frame, as the .S file of the CPU lays them out. */
#if defined(__x86_64__)
enum { CONTEXT_WORDS = 7, CONTEXT_ARG = 3, CONTEXT_ENTRY = 4, CONTEXT_PC = 6 };
#elif defined(__aarch64__)
enum { CONTEXT_WORDS = 20, CONTEXT_ENTRY = 0, CONTEXT_ARG = 1, CONTEXT_PC = 11 };
#else
#error "bough has no context switch for this CPU yet: write src/fiber/context_CPU.S"
#endif

/* Where a new stack begins: calls the entry with its argument. */
void bough__context_begin(void);

/* Make a context below 'top' (16-byte aligned) that, when first switched to, calls entry(arg),
 * which must not return. Returns its stack pointer. */
static inline void *context_make(void *top, void (*entry)(void *arg), void *arg)
{
    uintptr_t *frame = (uintptr_t *)top - CONTEXT_WORDS;
    for (int i = 0; i < CONTEXT_WORDS; i++)
        frame[i] = 0;
    frame[CONTEXT_ENTRY] = (uintptr_t)entry;
    frame[CONTEXT_ARG] = (uintptr_t)arg;
    frame[CONTEXT_PC] = (uintptr_t)bough__context_begin;
    return frame;
}

/* Does the CPU keep a shadow stack of return addresses for this thread? Then our switches would
 * fault. */
bool bough__context_has_shadow_stack(void);
