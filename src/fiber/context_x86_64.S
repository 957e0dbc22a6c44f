/* x86-64, System V ABI. The frame of a suspended stack, from its saved stack pointer up:
 * r15 r14 r13 r12 rbx rbp, the address to go on at.
 * SPDX-License-Identifier: MIT */

        .text
        .globl  bough__context_switch
        .hidden bough__context_switch
        .type   bough__context_switch, @function
        .p2align 5
bough__context_switch:          /* rdi: save, rsi: load, rdx: value */
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp              /* same layout: the CFI above stays true */
        movq    %rdx, %rax
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        jmp     *%rcx
        .cfi_endproc
        .size   bough__context_switch, . - bough__context_switch

/* The second half alone, for a stack that is left for ever. To a stack that begins it jumps. To one that is resumed it
 * returns: a child that has run since its parent called us leaves the CPU's stack of return addresses as it found it, so
 * that this return and those of the parent's callers are predicted. */
        .globl  bough__context_leave
        .hidden bough__context_leave
        .type   bough__context_leave, @function
        .p2align 5
bough__context_leave:           /* rdi: load, rsi: value */
        .cfi_startproc
        .cfi_undefined %rip
        movq    %rdi, %rsp
        movq    %rsi, %rax
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        leaq    bough__context_begin(%rip), %rcx
        cmpq    %rcx, (%rsp)
        je      1f
        ret
1:      addq    $8, %rsp
        jmp     bough__context_begin
        .cfi_endproc
        .size   bough__context_leave, . - bough__context_leave

/* Where a new stack begins: rbx is the entry, r12 its argument. The bottom of every back trace. It jumps rather than calls, so
 * that an entry that ends in a jump leaves nothing behind; the return address is for unwinders. */
        .globl  bough__context_begin
        .hidden bough__context_begin
        .type   bough__context_begin, @function
        .p2align 4
bough__context_begin:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %r12, %rdi
        xorl    %ebp, %ebp
        leaq    1f(%rip), %rcx
        pushq   %rcx
        jmp     *%rbx
        nop
1:      ud2
        .cfi_endproc
        .size   bough__context_begin, . - bough__context_begin

        .globl  bough__context_has_shadow_stack
        .hidden bough__context_has_shadow_stack
        .type   bough__context_has_shadow_stack, @function
bough__context_has_shadow_stack:
        .cfi_startproc
        xorl    %eax, %eax
        rdsspq  %rax                    /* a no-op where there is none */
        testq   %rax, %rax
        setne   %al
        movzbl  %al, %eax
        ret
        .cfi_endproc
        .size   bough__context_has_shadow_stack, . - bough__context_has_shadow_stack

        .section .note.GNU-stack, "", @progbits
