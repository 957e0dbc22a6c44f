/* The machine's own limit: what the measures cost when nothing is done beyond what each must do.
 *
 * A fiber kernel of some sixty lines: a queue of ready fibers, a switch of six registers that ends
 * in a jump, stacks from one mapping, reused last in, first out, with coloured tops. It has no
 * cancellation, errors, guard pages, fairness, limits or threads, so it is no runtime, and no fair
 * opponent for one; it says how much of a figure is the machine's. The servers are a bare epoll
 * loop; what is about processes and files is in the files beside this one.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "actors.h"
#include "files.h"
#include "listen.h"
#include "measure.h"
#include "system.h"

/* --- the kernel --- */

struct fiber {
    void *sp;
    struct fiber *next;
    void (*fn)(void *arg);
    void *arg;
    struct scope *scope;
};

enum { STACK = 16 * 1024, COLOURS = 32 };

static struct fiber first, *current = &first; /* the thread's own stack */
static struct fiber *ready, **ready_tail = &ready, *spare;
static char *fresh; /* stacks never used */
static long live;
static bool joining;

void floor_switch(void **save, void *load);
void floor_begin(void);

#if defined(__x86_64__)
__asm__(".text\n.p2align 5\n.globl floor_switch\nfloor_switch:\n"
        "push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
        "mov %rsp, (%rdi); mov %rsi, %rsp\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
        "pop %rcx; jmp *%rcx\n"
        ".globl floor_begin\nfloor_begin:\n"
        "call *%rbx\n"
        "ud2\n");
enum { FRAME = 7, FRAME_ENTRY = 4, FRAME_RESUME = 6 };
#elif defined(__aarch64__)
__asm__(".text\n.p2align 5\n.globl floor_switch\nfloor_switch:\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp]; stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]\n"
        "stp x25, x26, [sp, #48]; stp x27, x28, [sp, #64]; stp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]\n"
        "stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]\n"
        "mov x9, sp; str x9, [x0]; mov sp, x1\n"
        "ldp x19, x20, [sp]; ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]\n"
        "ldp x25, x26, [sp, #48]; ldp x27, x28, [sp, #64]; ldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]\n"
        "ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]\n"
        "add sp, sp, #160\n"
        "mov x16, x30; br x16\n"
        ".globl floor_begin\nfloor_begin:\n"
        "blr x19\n"
        "brk #0\n");
enum { FRAME = 20, FRAME_ENTRY = 0, FRAME_RESUME = 11 };
#else
#error "no switch for this processor"
#endif

static void make_ready(struct fiber *f)
{
    f->next = NULL;
    *ready_tail = f;
    ready_tail = &f->next;
}

/* Go on with the next fiber, without being ready. Nobody calls it when nobody is. */
static void park(void)
{
    struct fiber *self = current, *next = ready;
    ready = next->next;
    if (!ready)
        ready_tail = &ready;
    if (next == self)
        return;
    current = next;
    floor_switch(&self->sp, next->sp);
}

static void yield(void)
{
    make_ready(current);
    park();
}

static void fiber_main(void)
{
    struct fiber *self = current;
    self->fn(self->arg);
    self->next = spare; /* nobody takes it before we have left */
    spare = self;
    if (--live == 0 && joining)
        make_ready(&first);
    struct fiber *next = ready;
    ready = next->next;
    if (!ready)
        ready_tail = &ready;
    current = next;
    floor_switch(&self->sp, next->sp);
}

static struct fiber *new_stack(void)
{
    static long made;
    if (!fresh) {
        fresh = mmap(NULL, (size_t)STACK * MILLION, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (fresh == MAP_FAILED || madvise(fresh, (size_t)STACK * MILLION, MADV_NOHUGEPAGE) < 0)
            exit(1);
    }
    char *top = fresh + (made + 1) * STACK - made % COLOURS * 64;
    made++;
    return (struct fiber *)(top - 64);
}

static void spawn(void (*fn)(void *), void *arg)
{
    struct fiber *f = spare;
    if (f)
        spare = f->next;
    else
        f = new_stack();
    void **sp = (void **)f - FRAME - 2; /* so that a call finds the stack aligned */
    sp[FRAME_ENTRY] = (void *)fiber_main;
    sp[FRAME_RESUME] = (void *)floor_begin;
    f->sp = sp;
    f->fn = fn;
    f->arg = arg;
    f->scope = NULL;
    live++;
    make_ready(f);
}

/* Only the first stack joins. */
static void join_all(void)
{
    joining = true;
    if (live)
        park();
    joining = false;
}

/* --- switches and starts --- */

static long rounds;

#define YIELDER(n)                                                                                 \
    static void yielder_##n(void *arg)                                                             \
    {                                                                                              \
        (void)arg;                                                                                 \
        for (long i = rounds; i > 0; i--) {                                                        \
            OWN_CODE(n);                                                                           \
            yield();                                                                               \
        }                                                                                          \
    }
EIGHT_TIMES(YIELDER)
#define YIELDER_NAME(n) yielder_##n,
static void (*const yielders[])(void *) = {EIGHT_TIMES(YIELDER_NAME)};

static void yield_all(int tasks, long each)
{
    rounds = each;
    for (int i = 0; i < tasks; i++)
        spawn(yielders[i % 8], NULL);
    join_all();
}

static double measure_yield(int tasks, long each)
{
    yield_all(tasks, 10);
    double start = cpu_ns();
    yield_all(tasks, each);
    return (cpu_ns() - start) / ((double)tasks * (double)each);
}

static double yield_2(void)
{
    return measure_yield(2, 10000000);
}

static double yield_1000(void)
{
    return measure_yield(BATCH, 10000);
}

#define CHILD(n)                                                                                   \
    static void child_##n(void *arg)                                                               \
    {                                                                                              \
        OWN_CODE(n);                                                                               \
        ++*(long *)arg;                                                                            \
    }
EIGHT_TIMES(CHILD)
#define CHILD_NAME(n) child_##n,
static void (*const children[])(void *) = {EIGHT_TIMES(CHILD_NAME)};
static long ran;

#define START_JOIN(n)                                                                              \
    spawn(children[n], &ran);                                                                      \
    join_all();

static double start_join_1(void)
{
    long times = 1000000;
    double start = 0;
    for (long i = -1000; i < times; i++) {
        if (i == 0)
            start = cpu_ns();
        EIGHT_TIMES(START_JOIN)
    }
    return (cpu_ns() - start) / (8.0 * (double)times);
}

static double start_join_1000(void)
{
    int times = 10000;
    double start = 0;
    for (int i = -10; i < times; i++) {
        if (i == 0)
            start = cpu_ns();
        for (int k = 0; k < BATCH; k++)
            spawn(children[k % 8], &ran);
        join_all();
    }
    return (cpu_ns() - start) / ((double)times * BATCH);
}

/* --- channels --- */

static struct {
    struct fiber *sender, *receiver;
    long *from, *to; /* of the one who waits */
    long ring[CAPACITY];
    unsigned head, used;
} channel;

static void wake(struct fiber **f)
{
    if (*f)
        make_ready(*f);
    *f = NULL;
}

static void meet_sender(void *arg)
{
    for (long i = *(long *)arg; i > 0; i--) {
        if (channel.receiver) {
            *channel.to = i;
            wake(&channel.receiver);
            continue;
        }
        channel.from = &i;
        channel.sender = current;
        park();
    }
}

static void meet_receiver(void *arg)
{
    long item, sum = 0;
    for (long i = *(long *)arg; i > 0; i--) {
        if (channel.sender) {
            item = *channel.from;
            wake(&channel.sender);
        } else {
            channel.to = &item;
            channel.receiver = current;
            park();
        }
        sum += item;
    }
    ran = sum;
}

static void ring_sender(void *arg)
{
    for (long i = *(long *)arg; i > 0; i--) {
        while (channel.used == CAPACITY) {
            channel.sender = current;
            park();
        }
        channel.ring[(channel.head + channel.used++) % CAPACITY] = i;
        wake(&channel.receiver);
    }
}

static void ring_receiver(void *arg)
{
    long sum = 0;
    for (long i = *(long *)arg; i > 0; i--) {
        while (channel.used == 0) {
            channel.receiver = current;
            park();
        }
        sum += channel.ring[channel.head++ % CAPACITY];
        channel.used--;
        wake(&channel.sender);
    }
    ran = sum;
}

static double measure_channel(void (*sender)(void *), void (*receiver)(void *), long items)
{
    long warm = 1000;
    spawn(sender, &warm);
    spawn(receiver, &warm);
    join_all();
    double start = cpu_ns();
    spawn(sender, &items);
    spawn(receiver, &items);
    join_all();
    return (cpu_ns() - start) / (double)items;
}

static double rendezvous(void)
{
    return measure_channel(meet_sender, meet_receiver, 10000000);
}

static double channel_64(void)
{
    return measure_channel(ring_sender, ring_receiver, 20000000);
}

/* --- scopes and time --- */

struct scope {
    struct scope *parent;
    bool cancelled;
    int64_t deadline;
    size_t place; /* in the heap */
    struct fiber *sleeper;
};

static struct scope *heap[MANY + 1];
static size_t heap_used;
static int64_t now; /* read by the loop */

static __attribute__((noinline)) void scope_enter(struct scope *s)
{
    s->parent = current->scope;
    s->cancelled = false;
    current->scope = s;
}

static __attribute__((noinline)) bool scope_exit(struct scope *s)
{
    current->scope = s->parent;
    return s->cancelled;
}

static __attribute__((noinline)) bool cancelled(void)
{
    return current->scope->cancelled;
}

static void heap_set(size_t place, struct scope *s)
{
    heap[place] = s;
    s->place = place;
}

static void heap_up(size_t at, struct scope *s)
{
    for (; at > 0 && s->deadline < heap[(at - 1) / 4]->deadline; at = (at - 1) / 4)
        heap_set(at, heap[(at - 1) / 4]);
    heap_set(at, s);
}

static void heap_down(size_t at, struct scope *s)
{
    for (;;) {
        size_t child = 4 * at + 1, best = child;
        size_t end = child + 4 < heap_used ? child + 4 : heap_used;
        if (child >= heap_used)
            break;
        while (++child < end)
            if (heap[child]->deadline < heap[best]->deadline)
                best = child;
        if (heap[best]->deadline >= s->deadline)
            break;
        heap_set(at, heap[best]);
        at = best;
    }
    heap_set(at, s);
}

static __attribute__((noinline)) void timer_arm(struct scope *s, int64_t deadline)
{
    s->deadline = deadline;
    heap_up(heap_used++, s);
}

static __attribute__((noinline)) void timer_disarm(struct scope *s)
{
    struct scope *last = heap[--heap_used];
    size_t at = s->place;
    if (last == s)
        return;
    if (at > 0 && last->deadline < heap[(at - 1) / 4]->deadline)
        heap_up(at, last);
    else
        heap_down(at, last);
}

static double scope(void)
{
    long times = 50000000;
    double start = cpu_ns();
    for (long i = 0; i < times; i++) {
        struct scope s;
        scope_enter(&s);
        ran += scope_exit(&s);
    }
    return (cpu_ns() - start) / (double)times;
}

static double timeout(void)
{
    long times = 20000000;
    double start = cpu_ns();
    for (long i = 0; i < times; i++) {
        struct scope s;
        scope_enter(&s);
        timer_arm(&s, now + 1000000000);
        ran += cancelled();
        timer_disarm(&s);
        ran += scope_exit(&s);
    }
    return (cpu_ns() - start) / (double)times;
}

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void sleeper(void *arg)
{
    struct scope s = {.sleeper = current};
    timer_arm(&s, now + sleep_us((intptr_t)arg) * 1000);
    park();
}

static double sleepers_100k(void)
{
    double start = cpu_ns();
    for (intptr_t i = 0; i < MANY; i++)
        spawn(sleeper, (void *)i);
    now = clock_ns();
    while (live) {
        if (ready)
            yield();
        now = clock_ns();
        if (!ready && heap_used && heap[0]->deadline > now) {
            struct timespec t = {heap[0]->deadline / 1000000000, heap[0]->deadline % 1000000000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
            now = clock_ns();
        }
        while (heap_used && heap[0]->deadline <= now) {
            struct scope *s = heap[0];
            timer_disarm(s);
            make_ready(s->sleeper);
        }
    }
    return (cpu_ns() - start) / MANY;
}

/* --- many parked fibers --- */

static void parked(void *arg)
{
    struct fiber **list = arg;
    current->next = *list;
    *list = current;
    park();
}

static double cancel_100k(void)
{
    struct fiber *list = NULL;
    for (long i = 0; i < MANY; i++)
        spawn(parked, &list);
    yield();
    double start = cpu_ns();
    while (list) {
        struct fiber *f = list;
        list = f->next;
        make_ready(f);
    }
    join_all();
    return (cpu_ns() - start) / MANY;
}

static double memory_of(long tasks)
{
    struct fiber *list = NULL;
    double before = resident();
    for (long i = 0; i < tasks; i++)
        spawn(parked, &list);
    yield();
    return (resident() - before) / (double)tasks;
}

static double memory_100k(void)
{
    return memory_of(MANY);
}

static double memory_1m(void)
{
    return memory_of(MILLION);
}

/* --- files: bare system calls, which hold up all the others --- */

static double read_cached(void)
{
    char block[FILE_BLOCK];
    int fd = file_anonymous();
    double start = cpu_ns();
    for (long i = 0; i < FILE_READS; i++)
        if (pread(fd, block, sizeof(block), file_offset(i)) != sizeof(block))
            return 0;
    return (cpu_ns() - start) / FILE_READS;
}

static double write_64(void)
{
    static const char block[FILE_BLOCK];
    int fd = file_anonymous();
    double start = cpu_ns();
    for (long i = 0; i < FILE_CALLS; i++)
        if (pwrite(fd, block, sizeof(block), file_offset(i)) != sizeof(block))
            return 0;
    return (cpu_ns() - start) / FILE_CALLS;
}

static double stat_64(void)
{
    struct stat st;
    double start = cpu_ns();
    for (long i = 0; i < FILE_CALLS; i++)
        if (stat("/", &st) < 0)
            return 0;
    return (cpu_ns() - start) / FILE_CALLS;
}

/* --- the servers: level-triggered, one buffer, no state --- */

static char request[4096];

static void echo_once(int fd)
{
    ssize_t n = recv(fd, request, sizeof(request), 0);
    if (n > 0 && send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
        return;
    if (n < 0 && errno == EAGAIN)
        return;
    close(fd);
}

/* The end of a request's head is looked for, and nothing else of it: it has come whole. */
static void http_once(int fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                 "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                 "Content-Length: 14\r\n\r\nHello, world!\n";
    size_t size = sizeof(answer) - 1;
    ssize_t n = recv(fd, request, sizeof(request), 0);
    if (n > 0 && memmem(request, (size_t)n, "\r\n\r\n", 4) &&
        send(fd, answer, size, MSG_NOSIGNAL) == (ssize_t)size)
        return;
    if (n < 0 && errno == EAGAIN)
        return;
    close(fd);
}

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        no_delay(fd);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static inline __attribute__((always_inline)) double serve(void (*once)(int fd))
{
    int listener = listen_anywhere(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    int n;
    while ((n = epoll_wait(epoll, events, 256, -1)) >= 0) {
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                once(events[i].data.fd);
        }
    }
    return 0;
}

static double echo(void)
{
    return serve(echo_once);
}

double http(void)
{
    return serve(http_once);
}

static const struct measure measures[] = {
    {"yield-2", yield_2},
    {"yield-1000", yield_1000},
    {"start-join-1", start_join_1},
    {"start-join-1000", start_join_1000},
    {"rendezvous", rendezvous},
    {"channel-64", channel_64},
    {"scope", scope},
    {"timeout", timeout},
    {"sleepers-100k", sleepers_100k},
    {"cancel-100k", cancel_100k},
    {"memory-100k", memory_100k},
    {"memory-1m", memory_1m},
    {"read-cached", read_cached},
    {"write-64", write_64},
    {"stat-64", stat_64},
    {"echo", echo},
    SYSTEM_MEASURES,
    ACTOR_MEASURES,
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return measure_main(argc, argv, measures);
}
