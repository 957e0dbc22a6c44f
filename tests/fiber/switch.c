/* The switch: what survives it.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include "fiber/fiber.h"

/* --- by itself --- */

static struct {
    struct stack_pool pool;
    struct fiber main, other;
    struct annotation annotation;
    int visits, arg_seen;
} two;

static void other_main(void *arg)
{
    fiber_entered(&two.other);
    two.arg_seen = *(int *)arg;
    for (int value = 100;; value++) {
        two.visits++;
        int got = fiber_switch(&two.other, &two.main, value);
        CHECK_EQ(got, -two.visits);
    }
}

static void set_up_two(int *arg)
{
    void *low;
    stack_pool_init(&two.pool, 64 * 1024);
    CHECK_EQ(stack_get(&two.pool, &low), 0);
    annotate_born(&two.annotation, NULL, 0);
    two.main.annotation = &two.annotation;
    fiber_make(&two.other, &stack_top_of(&two.pool, low)->annotation, stack_top(&two.pool, low),
               other_main, arg);
}

/* A function of its own, so that the switch stands where it does in the library. */
__attribute__((noinline)) static int visit(int value)
{
    return fiber_switch(&two.main, &two.other, value);
}

TEST(a_new_fiber_calls_its_entry_with_its_argument_and_values_go_both_ways)
{
    int arg = 77;
    set_up_two(&arg);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(visit(-i), 100 + i);
        CHECK_EQ(two.visits, i + 1);
    }
    CHECK_EQ(two.arg_seen, 77);
    stack_pool_release(&two.pool);
}

/* --- registers --- */

#if defined(__x86_64__)
/* Fill the callee-saved registers with value .. value + 4, call 'fn', add up what is wrong
 * afterwards. */
__attribute__((noinline)) static uint64_t registers_survive(uint64_t value, int (*fn)(void))
{
    uint64_t wrong;
    __asm__ volatile("movq %[value], %%rbx\n\t"
                     "leaq 1(%[value]), %%r12\n\t"
                     "leaq 2(%[value]), %%r13\n\t"
                     "leaq 3(%[value]), %%r14\n\t"
                     "leaq 4(%[value]), %%r15\n\t"
                     "subq $144, %%rsp\n\t" /* past the red zone */
                     "movq %%rsp, %%rcx\n\t"
                     "andq $-16, %%rsp\n\t"
                     "pushq %%rcx\n\t"
                     "pushq %[value]\n\t"
                     "call *%[fn]\n\t"
                     "popq %%rax\n\t"
                     "popq %%rsp\n\t"
                     "addq $144, %%rsp\n\t"
                     "xorq %%rax, %%rbx\n\t"
                     "incq %%rax\n\t"
                     "xorq %%rax, %%r12\n\t"
                     "incq %%rax\n\t"
                     "xorq %%rax, %%r13\n\t"
                     "incq %%rax\n\t"
                     "xorq %%rax, %%r14\n\t"
                     "incq %%rax\n\t"
                     "xorq %%rax, %%r15\n\t"
                     "movq %%rbx, %[wrong]\n\t"
                     "orq %%r12, %[wrong]\n\t"
                     "orq %%r13, %[wrong]\n\t"
                     "orq %%r14, %[wrong]\n\t"
                     "orq %%r15, %[wrong]\n\t"
                     : [wrong] "=&a"(wrong)
                     : [value] "D"(value), [fn] "S"(fn)
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
    return wrong;
}
#elif defined(__aarch64__)
__attribute__((noinline)) static uint64_t registers_survive(uint64_t value, int (*fn)(void))
{
    register uint64_t in __asm__("x0") = value; /* and what is wrong, in the end */
    register int (*to)(void) __asm__("x1") = fn;
    __asm__ volatile("mov x19, %[in]\n\t"
                     "add x20, %[in], #1\n\t"
                     "add x21, %[in], #2\n\t"
                     "add x22, %[in], #3\n\t"
                     "add x23, %[in], #4\n\t"
                     "add x24, %[in], #5\n\t"
                     "add x25, %[in], #6\n\t"
                     "add x26, %[in], #7\n\t"
                     "add x27, %[in], #8\n\t"
                     "add x28, %[in], #9\n\t"
                     "fmov d8, x19\n\t"
                     "fmov d9, x20\n\t"
                     "fmov d10, x21\n\t"
                     "fmov d11, x22\n\t"
                     "fmov d12, x23\n\t"
                     "fmov d13, x24\n\t"
                     "fmov d14, x25\n\t"
                     "fmov d15, x26\n\t"
                     "str %[in], [sp, #-16]!\n\t"
                     "blr %[to]\n\t"
                     "ldr x9, [sp], #16\n\t"
                     "fmov x10, d8\n\t eor x11, x10, x19\n\t"
                     "fmov x10, d9\n\t eor x10, x10, x20\n\t orr x11, x11, x10\n\t"
                     "fmov x10, d10\n\t eor x10, x10, x21\n\t orr x11, x11, x10\n\t"
                     "fmov x10, d11\n\t eor x10, x10, x22\n\t orr x11, x11, x10\n\t"
                     "fmov x10, d12\n\t eor x10, x10, x23\n\t orr x11, x11, x10\n\t"
                     "fmov x10, d13\n\t eor x10, x10, x24\n\t orr x11, x11, x10\n\t"
                     "fmov x10, d14\n\t eor x10, x10, x25\n\t orr x11, x11, x10\n\t"
                     "fmov x10, d15\n\t eor x10, x10, x26\n\t orr x11, x11, x10\n\t"
                     "eor x10, x19, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x20, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x21, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x22, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x23, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x24, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x25, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x26, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x27, x9\n\t orr x11, x11, x10\n\t"
                     "add x9, x9, #1\n\t eor x10, x28, x9\n\t orr %[in], x11, x10\n\t"
                     : [in] "+r"(in), [to] "+r"(to)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24",
                       "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6",
                       "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
                       "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
                       "v29", "v30", "v31", "memory", "cc");
    return in;
}
#endif

static int checkpoint(void)
{
    return bough_checkpoint();
}

static int nap(void)
{
    return bough_sleep(1);
}

static int keep_registers(void *arg)
{
    uint64_t value = (uint64_t)(uintptr_t)arg * UINT64_C(0x0101010101010101);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(registers_survive(value + (uint64_t)i, i % 2 ? checkpoint : nap), 0);
    return 0;
}

TASK_TEST(callee_saved_registers_survive)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (uintptr_t i = 1; i <= 8; i++)
            CHECK_EQ(bough_nursery_start_soon(n, keep_registers, (void *)i), 0);
        rc = keep_registers((void *)9);
    }
    return rc;
}

/* A function that breaks its promise. */
int break_register(void);
#if defined(__x86_64__)
__asm__(".text\nbreak_register: xorl %ebx, %ebx\n xorl %eax, %eax\n ret\n");
#else
__asm__(".text\nbreak_register: fmov d8, xzr\n mov w0, #0\n ret\n");
#endif

TEST(the_check_of_registers_can_fail)
{
    CHECK(registers_survive(5, break_register) != 0);
}

static int add_up(void *arg)
{
    double x = (double)(intptr_t)arg, sum = 0;
    long double precise = 0;
    for (int i = 1; i <= 100; i++) {
        sum += x / i;
        precise += (long double)x / i;
        int rc = bough_checkpoint();
        if (rc < 0)
            return rc;
    }
    double expected = 0;
    long double precise_expected = 0;
    for (int i = 1; i <= 100; i++) {
        expected += x / i;
        precise_expected += (long double)x / i;
    }
    CHECK(sum == expected);
    CHECK(precise == precise_expected);
    return 0;
}

TASK_TEST(floating_point_survives)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (intptr_t i = 1; i <= 20; i++)
            CHECK_EQ(bough_nursery_start_soon(n, add_up, (void *)(i * 3)), 0);
    return rc;
}

static int check_alignment(__attribute__((unused)) void *arg)
{
    char aligned __attribute__((aligned(64)));
    volatile char *at = &aligned;
    CHECK_EQ((uintptr_t)at % 64, 0);
#if defined(__x86_64__)
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    CHECK_EQ(frame % 16, 0);
#endif
    char text[64];
    snprintf(text, sizeof(text), "%.3f %Lf", 1.5, 2.5L); /* varargs that need the alignment */
    CHECK_STR(text, "1.500 2.500000");
    return 0;
}

TASK_TEST(stacks_are_aligned_as_the_abi_says)
{
    int rc = 0, number = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, check_alignment, NULL), 0);
        CHECK_EQ(bough_nursery_start_soon_with(n, check_alignment, &number, 1), 0);
        CHECK_EQ(bough_nursery_start_soon_with(n, check_alignment, &number, sizeof(number)), 0);
        CHECK_EQ(bough_nursery_start_service(n, check_alignment, NULL), 0);
    }
    return rc;
}

__attribute__((noinline)) static int deep(int depth)
{
    volatile char frame[64];
    memset((char *)frame, depth, sizeof(frame));
    int rc = depth ? deep(depth - 1) : bough_checkpoint();
    for (size_t i = 0; i < sizeof(frame); i++)
        CHECK_EQ((unsigned char)frame[i], (unsigned char)depth);
    return rc;
}

static int go_deep(void *arg)
{
    return deep((int)(intptr_t)arg);
}

TASK_TEST(frames_survive_at_any_depth)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (intptr_t i = 0; i < 100; i++)
            CHECK_EQ(bough_nursery_start_soon(n, go_deep, (void *)i), 0);
    return rc;
}
