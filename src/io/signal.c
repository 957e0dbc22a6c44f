/* Signals as messages.
 *
 * One handler for all receivers, and one list of them, which the handler walks: in any thread, and
 * in the middle of anything. So who changes the list holds a lock that the handler does not take,
 * publishes each change with one store, and before it frees a receiver waits until no handler is in
 * the list any more.
 *
 * A signal leaves two marks. One in each receiver, taken by receive(). And one for the process
 * ('unclaimed'), made first and wiped by whoever receives it: if it is still there when the last
 * receiver goes, nobody has seen the signal.
 *
 * Receivers are in the heap because the loop may have been told of one that is closed: then the
 * loop frees it.
 * SPDX-License-Identifier: MIT */
#include "bough/signal.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/entry.h"
#include "bough/error.h"
#include "bough/wait.h"

enum { SIGNALS = 65 };

struct bough_signals {
    struct bough_signals *next; /* atomic; in the list of all receivers */
    uint64_t set;               /* atomic; the signals that it is for, as bits */
    uint64_t arrived;           /* atomic; and have come */
    uint32_t order[SIGNALS];    /* atomic; when they did */
    struct bough_gate *gate;
    struct bough_entry entry;
    int rung; /* atomic; the entry is on its way */
    bool closed;
    struct bough_wait *waiter; /* the task that receives, if it has to wait */
};

/* The process's. Written under the lock, but for what is atomic. */
static struct {
    pthread_mutex_t lock;
    struct bough_signals *receivers; /* atomic */
    unsigned users[SIGNALS];
    struct sigaction before[SIGNALS];
    uint64_t unclaimed; /* atomic; have come, and nobody has received them */
    uint32_t clock;     /* atomic; counts arrivals */
    unsigned handlers;  /* atomic; that are running */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t bit(int number)
{
    return UINT64_C(1) << (number - 1);
}

/* --- in the handler --- */

static bool arrive(struct bough_signals *s, int number)
{
    if (!(__atomic_load_n(&s->set, __ATOMIC_ACQUIRE) & bit(number)))
        return false;
    if (!(__atomic_load_n(&s->arrived, __ATOMIC_ACQUIRE) & bit(number)))
        __atomic_store_n(&s->order[number], __atomic_add_fetch(&all.clock, 1, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    __atomic_or_fetch(&s->arrived, bit(number), __ATOMIC_SEQ_CST);
    if (!__atomic_exchange_n(&s->rung, 1, __ATOMIC_SEQ_CST))
        (void)bough_enter(s->gate, &s->entry);
    return true;
}

static void on_signal(int number);

static bool is_ours(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == on_signal;
}

/* The last receiver went while the kernel was on its way here: what is in place now shall have
 * it. */
static void pass_on(int number)
{
    struct sigaction now;
    __atomic_and_fetch(&all.unclaimed, ~bit(number), __ATOMIC_SEQ_CST);
    if (sigaction(number, NULL, &now) == 0 && !is_ours(&now))
        (void)kill(getpid(), number);
}

static void on_signal(int number)
{
    int saved_errno = errno;
    bool received = false;
    __atomic_add_fetch(&all.handlers, 1, __ATOMIC_SEQ_CST);
    /* First: who receives it from here on has seen this one, too. */
    __atomic_or_fetch(&all.unclaimed, bit(number), __ATOMIC_SEQ_CST);
    for (struct bough_signals *s = __atomic_load_n(&all.receivers, __ATOMIC_SEQ_CST); s;
         s = __atomic_load_n(&s->next, __ATOMIC_SEQ_CST))
        received |= arrive(s, number);
    if (!received)
        pass_on(number);
    __atomic_sub_fetch(&all.handlers, 1, __ATOMIC_SEQ_CST);
    errno = saved_errno;
}

/* --- receiving --- */

/* The one that came first; 0: none. */
static int take(struct bough_signals *s)
{
    uint64_t arrived = __atomic_load_n(&s->arrived, __ATOMIC_SEQ_CST);
    int first = 0;
    for (uint64_t left = arrived; left; left &= left - 1) {
        int number = __builtin_ctzll(left) + 1;
        uint32_t when = __atomic_load_n(&s->order[number], __ATOMIC_RELAXED);
        if (!first || (int32_t)(when - __atomic_load_n(&s->order[first], __ATOMIC_RELAXED)) < 0)
            first = number;
    }
    if (first) {
        __atomic_and_fetch(&s->arrived, ~bit(first), __ATOMIC_SEQ_CST);
        __atomic_and_fetch(&all.unclaimed, ~bit(first), __ATOMIC_SEQ_CST);
    }
    return first;
}

/* In the loop, which was rung for. */
static void look(struct bough_entry *entry)
{
    struct bough_signals *s = bough_container_of(entry, struct bough_signals, entry);
    if (s->closed) {
        free(s);
        return;
    }
    __atomic_store_n(&s->rung, 0, __ATOMIC_SEQ_CST);
    struct bough_wait *waiter = s->waiter;
    int number = waiter ? take(s) : 0;
    if (number) {
        s->waiter = NULL;
        bough_wake(waiter, number);
    }
}

struct receive_wait {
    struct bough_wait wait;
    struct bough_signals *signals;
};

static bool receive_abort(struct bough_wait *wait)
{
    bough_container_of(wait, struct receive_wait, wait)->signals->waiter = NULL;
    return true;
}

int bough_signals_receive_nowait(struct bough_signals *s)
{
    if (s->waiter)
        return bough_fail_text(-EBUSY, "another task is receiving these signals");
    int number = take(s);
    return number ? number : bough_fail_text(-EAGAIN, "no signal has come");
}

int bough_signals_receive(struct bough_signals *s)
{
    struct receive_wait w = {.wait = {.abort = receive_abort, .what = "a signal"}, .signals = s};
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (s->waiter)
        return bough_fail_text(-EBUSY, "another task is receiving these signals");
    int number = take(s);
    if (number)
        return number;
    s->waiter = &w.wait;
    rc = bough_wait(&w.wait);
    return rc == -EBADF ? bough_fail_text(rc, "the receiver of signals was closed") : rc;
}

/* --- the actions of the process --- */

static int catch_signal(struct bough_signals *s, int number)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&ours.sa_mask);
    if (s->set & bit(number))
        return 0;
    __atomic_or_fetch(&s->set, bit(number), __ATOMIC_SEQ_CST);
    if (all.users[number] == 0) {
        int rc = sys_call(EINVAL, sigaction(number, &ours, &all.before[number]));
        if (rc < 0) {
            __atomic_and_fetch(&s->set, ~bit(number), __ATOMIC_SEQ_CST);
            return bough_fail(rc, "%s cannot be received", bough_signal_name(number));
        }
    }
    all.users[number]++;
    return 0;
}

/* The old action again, if this was the last receiver. */
static void leave_signal(int number)
{
    struct sigaction now;
    if (--all.users[number] == 0 && sigaction(number, NULL, &now) == 0 && is_ours(&now))
        (void)sigaction(number, &all.before[number], NULL);
}

static void link_receiver(struct bough_signals *s)
{
    s->next = all.receivers;
    __atomic_store_n(&all.receivers, s, __ATOMIC_SEQ_CST);
}

/* No handler will see it from here on. One that runs in this thread has ended, of course: it
 * interrupted us. */
static void unlink_receiver(struct bough_signals *s)
{
    struct bough_signals **at = &all.receivers;
    while (*at != s)
        at = &(*at)->next;
    __atomic_store_n(at, s->next, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&all.handlers, __ATOMIC_SEQ_CST))
        sched_yield();
}

/* Those of 'set' that nobody receives any more, and nobody has received. */
static uint64_t take_unclaimed(uint64_t set)
{
    for (uint64_t left = set; left; left &= left - 1) {
        int number = __builtin_ctzll(left) + 1;
        if (all.users[number])
            set &= ~bit(number);
    }
    return __atomic_fetch_and(&all.unclaimed, ~set, __ATOMIC_SEQ_CST) & set;
}

static void raise_again(uint64_t set)
{
    for (; set; set &= set - 1)
        (void)kill(getpid(), __builtin_ctzll(set) + 1);
}

/* --- open and close --- */

static bool can_be_received(int number)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
        return false;
    default:
        return number > 0 && number < SIGNALS;
    }
}

/* Undo all that was done for it; what is owed to the old actions. */
static uint64_t forget(struct bough_signals *s)
{
    for (uint64_t left = s->set; left; left &= left - 1)
        leave_signal(__builtin_ctzll(left) + 1);
    unlink_receiver(s);
    return take_unclaimed(s->set);
}

static int catch_all(struct bough_signals *s, const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int rc = catch_signal(s, numbers[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_numbers(const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!can_be_received(numbers[i]))
            return bough_fail(-EINVAL, "%s cannot be received", bough_signal_name(numbers[i]));
    return count ? 0 : bough_fail_text(-EINVAL, "a receiver of no signals");
}

int bough_signals_open(const int *numbers, size_t count, struct bough_signals **ret_signals)
{
    int rc = check_numbers(numbers, count);
    if (rc < 0)
        return rc;
    struct bough_signals *s = sys_calloc(1, sizeof(*s));
    if (!s)
        return bough_fail_text(-ENOMEM, "no memory for a receiver of signals");
    s->entry.fn = look;
    s->gate = bough_gate_hold();
    pthread_mutex_lock(&all.lock);
    link_receiver(s);
    rc = catch_all(s, numbers, count);
    pthread_mutex_unlock(&all.lock);
    if (rc < 0)
        bough_signals_close(s);
    else
        *ret_signals = s;
    return rc;
}

void bough_signals_close(struct bough_signals *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&all.lock);
    uint64_t owed = forget(s);
    pthread_mutex_unlock(&all.lock);
    bough_gate_release(s->gate);
    if (s->waiter)
        bough_wake(s->waiter, -EBADF);
    if (s->rung)
        s->closed = true; /* the loop has been told of it, and frees it */
    else
        free(s);
    raise_again(owed);
}

/* --- the block --- */

struct bough_signals_block *bough_signals_block_enter(struct bough_signals_block *b,
                                                      const int *numbers, size_t count, int *rc)
{
    *b = (struct bough_signals_block){NULL, false};
    int opened = bough_signals_open(numbers, count, &b->signals);
    if (opened == 0)
        return b;
    *rc = opened;
    return NULL;
}

struct bough_signals_block *bough_signals_block_exit(struct bough_signals_block *b)
{
    bough_signals_block_abandon(b);
    return NULL;
}

void bough_signals_block_abandon(struct bough_signals_block *b)
{
    bough_signals_close(b->signals);
    b->signals = NULL;
}

/* --- names --- */

#define NAMED(name) [name] = #name
static const char *const names[] = {
    NAMED(SIGHUP),    NAMED(SIGINT),  NAMED(SIGQUIT),  NAMED(SIGILL),  NAMED(SIGTRAP),
    NAMED(SIGABRT),   NAMED(SIGBUS),  NAMED(SIGFPE),   NAMED(SIGKILL), NAMED(SIGUSR1),
    NAMED(SIGSEGV),   NAMED(SIGUSR2), NAMED(SIGPIPE),  NAMED(SIGALRM), NAMED(SIGTERM),
    NAMED(SIGCHLD),   NAMED(SIGCONT), NAMED(SIGSTOP),  NAMED(SIGTSTP), NAMED(SIGTTIN),
    NAMED(SIGTTOU),   NAMED(SIGURG),  NAMED(SIGXCPU),  NAMED(SIGXFSZ), NAMED(SIGPROF),
    NAMED(SIGVTALRM), NAMED(SIGSYS),  NAMED(SIGWINCH), NAMED(SIGIO),   NAMED(SIGPWR),
};

const char *bough_signal_name(int number)
{
    bool known = number > 0 && number < (int)(sizeof(names) / sizeof(*names)) && names[number];
    return known ? names[number] : "a signal without a name";
}
