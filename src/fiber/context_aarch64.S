/* AArch64, AAPCS64. The frame of a suspended stack, from its saved stack pointer up: x19 to x28, x29, x30 (the
 * address to go on at), d8 to d15.
 * SPDX-License-Identifier: MIT */

        .text
        .globl  bough__context_switch
        .hidden bough__context_switch
        .type   bough__context_switch, %function
        .p2align 5
bough__context_switch:          /* x0: save, x1: load, x2: value */
        .cfi_startproc
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1                  /* same layout: the CFI above stays true */
        mov     x0, x2
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        mov     x9, x30
        br      x9
        .cfi_endproc
        .size   bough__context_switch, . - bough__context_switch

/* The second half alone, for a stack that is left for ever. To a stack that begins it jumps; to one that is resumed it
 * returns, which is predicted when a child has run since its parent called us. */
        .globl  bough__context_leave
        .hidden bough__context_leave
        .type   bough__context_leave, %function
        .p2align 5
bough__context_leave:           /* x0: load, x1: value */
        .cfi_startproc
        .cfi_undefined x30
        mov     sp, x0
        mov     x0, x1
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        adrp    x9, bough__context_begin
        add     x9, x9, :lo12:bough__context_begin
        cmp     x9, x30
        b.eq    bough__context_begin
        ret
        .cfi_endproc
        .size   bough__context_leave, . - bough__context_leave

/* Where a new stack begins: x19 is the entry, x20 its argument. The bottom of every back trace. It jumps rather than calls, so
 * that an entry that ends in a jump leaves nothing behind; the return address is for unwinders. */
        .globl  bough__context_begin
        .hidden bough__context_begin
        .type   bough__context_begin, %function
        .p2align 4
bough__context_begin:
        .cfi_startproc
        .cfi_undefined x30
        mov     x0, x20
        mov     x29, #0
        adr     x30, 1f
        br      x19
        nop
1:      brk     #1
        .cfi_endproc
        .size   bough__context_begin, . - bough__context_begin

/* The guarded control stack of Armv9.4 is not enabled for a program that does not ask for it. */
        .globl  bough__context_has_shadow_stack
        .hidden bough__context_has_shadow_stack
        .type   bough__context_has_shadow_stack, %function
bough__context_has_shadow_stack:
        mov     w0, #0
        ret
        .size   bough__context_has_shadow_stack, . - bough__context_has_shadow_stack

        .section .note.GNU-stack, "", %progbits
