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

/* Where a new stack begins: rbx is the entry, r12 its argument. The bottom of every back trace. */
        .globl  bough__context_begin
        .hidden bough__context_begin
        .type   bough__context_begin, @function
        .p2align 4
bough__context_begin:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %r12, %rdi
        xorl    %ebp, %ebp
        call    *%rbx
        ud2
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
