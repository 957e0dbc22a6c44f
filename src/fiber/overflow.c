/* SPDX-License-Identifier: MIT */
#include "fiber/overflow.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "fiber/annotate.h"

enum { SIGNAL_STACK = 64 * 1024 };

static overflow_describe_fn *describe_overflow;
static struct sigaction previous;
static pthread_once_t install_once = PTHREAD_ONCE_INIT;

/* Of this thread: the signal stack that we gave it, shared by its runs (guests may be several). */
static __thread struct {
    void *memory;
    stack_t before; /* what was there, with SS_DISABLE */
    unsigned runs;
} here;

/* Not an overflow of ours: let who was here before see it, or die of it. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    } else {
        /* A fault happens again when we return, and then kills; what was sent does not. */
        struct sigaction default_action = {.sa_handler = SIG_DFL};
        (void)sigaction(number, &default_action, NULL);
        if (info->si_code <= 0)
            (void)raise(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    char text[512];
    int saved_errno = errno;
    if (describe_overflow(info->si_addr, text, sizeof(text))) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
        (void)ignored;
    }
    pass_on(number, info, context);
    errno = saved_errno;
}

static void install(void)
{
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigaction(SIGSEGV, &ours, &previous);
}

static int give_signal_stack(void)
{
    /* Valgrind 3.19 goes on using a signal stack that was disabled; and it tells of overflows. */
    if (here.memory || annotate_on_valgrind() || sigaltstack(NULL, &here.before) < 0 ||
        !(here.before.ss_flags & SS_DISABLE))
        return 0;
    void *memory =
        mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    stack_t ours = {.ss_sp = memory, .ss_size = SIGNAL_STACK};
    int rc = sys_call(ENOMEM, sigaltstack(&ours, NULL));
    if (rc < 0)
        munmap(memory, SIGNAL_STACK);
    else
        here.memory = memory;
    return rc;
}

/* The handlers stay, ours and others that ask for a signal stack: what is unmapped must not be it
 * any more. If that cannot be had, it is kept for the next run. */
static void take_signal_stack_back(void)
{
    stack_t now;
    if (sigaltstack(NULL, &now) < 0)
        return;
    /* The program may have put a stack of its own there meanwhile. */
    if (now.ss_sp == here.memory && !(now.ss_flags & SS_DISABLE) &&
        sigaltstack(&here.before, NULL) < 0)
        return;
    munmap(here.memory, SIGNAL_STACK);
    here.memory = NULL;
}

int overflow_install(overflow_describe_fn *describe)
{
    __atomic_store_n(&describe_overflow, describe, __ATOMIC_RELAXED);
    pthread_once(&install_once, install);
    here.runs++;
    return give_signal_stack();
}

void overflow_remove(void)
{
    if (--here.runs == 0 && here.memory)
        take_signal_stack_back();
}
