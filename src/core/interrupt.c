/* SPDX-License-Identifier: MIT */
#include "core/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "core/scope.h"

static struct run *interrupted_run;
static struct bough_gate *interrupt_gate;

static void interrupt_cancel(struct bough_entry *entry)
{
    (void)entry;
    if (interrupted_run)
        scope_cancel(&interrupted_run->root, BOUGH_CANCEL_SIGINT, NULL, 0, NULL);
}

static struct bough_entry interrupt_entry = {.fn = interrupt_cancel};

static void on_sigint(int signal)
{
    int saved_errno = errno;
    if (__atomic_load_n(&interrupted_run, __ATOMIC_ACQUIRE))
        (void)bough_enter(interrupt_gate, &interrupt_entry);
    else
        raise(
            signal); /* put back by somebody after the run: it means what it means by default now */
    errno = saved_errno;
}

/* What is static here belongs to the main thread, and to the handler. */
static bool in_main_thread(void)
{
    return gettid() == getpid();
}

void interrupt_install(struct run *run)
{
    struct sigaction before;
    /* SA_RESETHAND: the second one kills, whatever the program is stuck in. */
    struct sigaction ours = {.sa_handler = on_sigint,
                             .sa_flags = SA_RESETHAND | SA_RESTART | SA_ONSTACK};
    if (!in_main_thread() || sigaction(SIGINT, NULL, &before) < 0 || before.sa_handler != SIG_DFL)
        return;
    interrupted_run = run;
    interrupt_gate = run->gate;
    (void)sigaction(SIGINT, &ours, NULL);
}

void interrupt_remove(struct run *run)
{
    struct sigaction now, default_action = {.sa_handler = SIG_DFL};
    if (!in_main_thread() || interrupted_run != run)
        return;
    if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_sigint)
        (void)sigaction(SIGINT, &default_action, NULL);
    interrupted_run = NULL;
}
