/* Into a run from other threads and signal handlers.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <pthread.h>
#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

struct call {
    struct bough_entry entry;
    int number, times;
};

static int called[4096], called_count;

static void note_call(struct bough_entry *entry)
{
    struct call *call = bough_container_of(entry, struct call, entry);
    called[called_count++ % 4096] = call->number;
    call->times++;
}

TASK_TEST(entries_are_called_in_the_loop_in_order)
{
    enum { MANY = 1000 };
    static struct call calls[MANY];
    struct bough_gate *gate = bough_gate_hold();
    for (int i = 0; i < MANY; i++) {
        calls[i] = (struct call){.entry.fn = note_call, .number = i};
        CHECK_EQ(bough_enter(gate, &calls[i].entry), 0);
    }
    CHECK_EQ(called_count, 0); /* not at once */
    while (called_count < MANY)
        CHECK_EQ(bough_checkpoint(), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(called[i], i);
    bough_gate_release(gate);
    return 0;
}

TASK_TEST(an_entry_that_is_queued_already_is_called_once)
{
    struct call call = {.entry.fn = note_call};
    struct bough_gate *gate = bough_gate_hold();
    for (int i = 0; i < 10; i++)
        CHECK_EQ(bough_enter(gate, &call.entry), 0);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(call.times, 1);
    CHECK_EQ(bough_enter(gate, &call.entry), 0); /* and can be used again */
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(call.times, 2);
    bough_gate_release(gate);
    return 0;
}

TASK_TEST(several_gates_of_one_run_are_the_same_and_each_is_released)
{
    struct bough_gate *a = bough_gate_hold(), *b = bough_gate_hold();
    CHECK(a == b);
    bough_gate_release(a);
    struct call call = {.entry.fn = note_call};
    CHECK_EQ(bough_enter(b, &call.entry), 0);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(call.times, 1);
    bough_gate_release(b);
    return 0;
}

/* --- an entry that enters itself again --- */

struct again {
    struct bough_entry entry;
    struct bough_gate *gate;
    uint64_t times, most;
    int last_rc;
};

static void enter_again(struct bough_entry *entry)
{
    struct again *again = bough_container_of(entry, struct again, entry);
    if (++again->times < again->most)
        again->last_rc = bough_enter(again->gate, entry);
}

TASK_TEST(from_its_own_call_an_entry_can_be_entered_again)
{
    struct again again = {.entry.fn = enter_again, .gate = bough_gate_hold(), .most = 5};
    CHECK_EQ(bough_enter(again.gate, &again.entry), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(again.times, 5);
    bough_gate_release(again.gate);
    return 0;
}

static int run_with_an_endless_entry(void *arg)
{
    struct again *again = arg;
    again->gate = bough_gate_hold();
    CHECK_EQ(bough_enter(again->gate, &again->entry), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(bough_checkpoint(), 0);
    CHECK(again->times >= 1000);
    return 0;
}

TEST(an_entry_that_enters_itself_for_ever_starves_no_task_and_ends_with_the_run)
{
    struct again again = {.entry.fn = enter_again, .most = UINT64_MAX};
    CHECK_EQ(bough_test_run(NULL, run_with_an_endless_entry, &again), 0);
    CHECK_EQ(again.last_rc, -EPIPE);
    bough_gate_release(again.gate);
}

static int sleep_with_an_endless_entry(void *arg)
{
    struct again *again = arg;
    again->gate = bough_gate_hold();
    CHECK_EQ(bough_enter(again->gate, &again->entry), 0);
    return bough_sleep(BOUGH_MS);
}

TEST(nor_does_it_hold_up_deadlines)
{
    struct again again = {.entry.fn = enter_again, .most = UINT64_MAX};
    CHECK_EQ(bough_run(sleep_with_an_endless_entry, &again), 0);
    CHECK(again.times > 1);
    bough_gate_release(again.gate);
}

/* --- threads --- */

struct guest {
    struct bough_entry entry;
    struct bough_gate *gate;
    struct bough_wait wait;
    int result;
};

static void wake_guest(struct bough_entry *entry)
{
    struct guest *guest = bough_container_of(entry, struct guest, entry);
    bough_wake(&guest->wait, guest->result);
}

static void *answer(void *arg)
{
    struct guest *guest = arg;
    guest->result = 42;
    CHECK_EQ(bough_enter(guest->gate, &guest->entry), 0);
    bough_gate_release(guest->gate);
    return NULL;
}

static int ask_a_thread(__attribute__((unused)) void *arg)
{
    for (int i = 0; i < test_scale(1000); i++) {
        pthread_t thread;
        struct guest guest = {
            .entry.fn = wake_guest, .gate = bough_gate_hold(), .wait.what = "a thread"};
        CHECK_EQ(pthread_create(&thread, NULL, answer, &guest), 0);
        CHECK_EQ(bough_wait(&guest.wait), 42);
        pthread_join(thread, NULL);
    }
    return 0;
}

TEST(a_thread_wakes_a_task)
{
    CHECK_EQ(bough_run(ask_a_thread, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, ask_a_thread, NULL), 0);
}

/* A thread that answers each round a little earlier or later. */
struct partner {
    struct guest guest;
    int round, rounds;
};

static void *answer_rounds(void *arg)
{
    struct partner *p = arg;
    for (int i = 1; i <= p->rounds; i++) {
        while (__atomic_load_n(&p->round, __ATOMIC_ACQUIRE) != i)
            sched_yield();
        for (volatile int spin = 0; spin < i % 100 * 10; spin++)
            ;
        struct bough_gate *gate = p->guest.gate;
        CHECK_EQ(bough_enter(gate, &p->guest.entry), 0);
        bough_gate_release(gate);
    }
    return NULL;
}

static int ask_often(void *arg)
{
    pthread_t thread;
    struct partner p = {.guest = {.entry.fn = wake_guest, .result = 3},
                        .rounds = test_scale(30000)};
    CHECK_EQ(pthread_create(&thread, NULL, answer_rounds, &p), 0);
    for (int i = 1; i <= p.rounds; i++) {
        p.guest.gate = bough_gate_hold();
        p.guest.wait = (struct bough_wait){.what = "its partner"};
        __atomic_store_n(&p.round, i, __ATOMIC_RELEASE);
        CHECK_EQ(bough_wait(&p.guest.wait), 3);
    }
    pthread_join(thread, NULL);
    (void)arg;
    return 0;
}

TEST(who_enters_and_lets_go_at_the_very_moment_when_the_loop_goes_idle_is_heard)
{
    CHECK_EQ(bough_run(ask_often, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, ask_often, NULL), 0);
}

enum { PRODUCERS = 8 };

struct producer {
    pthread_t thread;
    struct bough_gate *gate;
    struct call *calls;
    int count;
    int *left;
    int last, misordered;
};

struct produced {
    struct call call;
    struct producer *by;
};

static void take_produced(struct bough_entry *entry)
{
    struct produced *p = bough_container_of(entry, struct produced, call.entry);
    p->by->misordered += p->call.number != p->by->last + 1;
    p->by->last = p->call.number;
    --*p->by->left;
    free(p);
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (int i = 1; i <= p->count; i++) {
        struct produced *item = malloc(sizeof(*item));
        *item = (struct produced){.call = {.entry.fn = take_produced, .number = i}, .by = p};
        CHECK_EQ(bough_enter(p->gate, &item->call.entry), 0);
    }
    bough_gate_release(p->gate);
    return NULL;
}

static int consume_from_many(void *arg)
{
    struct producer producers[PRODUCERS];
    int count = test_scale(50000), left = PRODUCERS * count, rc = 0;
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.gate = bough_gate_hold(), .count = count, .left = &left};
        CHECK_EQ(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    /* Now busy, now asleep: entries must get through either way. */
    while (left > 0 && rc == 0)
        rc = arg ? bough_checkpoint() : bough_sleep(BOUGH_US);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        CHECK_EQ(producers[i].misordered, 0);
        CHECK_EQ(producers[i].last, count);
    }
    CHECK_EQ(left, 0);
    return rc;
}

TEST(many_threads_lose_nothing_and_each_ones_entries_stay_in_order)
{
    CHECK_EQ(bough_run(consume_from_many, NULL), 0);
    CHECK_EQ(bough_run(consume_from_many, ""), 0);
}

/* --- the end of the run --- */

static int hold_and_enter(void *arg)
{
    struct guest *guest = arg;
    guest->gate = bough_gate_hold();
    static struct call call = {.entry.fn = note_call, .number = 7};
    CHECK_EQ(bough_enter(guest->gate, &call.entry), 0);
    return guest->result; /* at once: it was accepted, so it is called */
}

TEST(what_was_accepted_is_called_also_when_the_main_task_fails)
{
    struct guest guest = {.result = -EIO};
    CHECK_EQ(bough_test_run(NULL, hold_and_enter, &guest), -EIO);
    CHECK_EQ(called_count, 1);
    CHECK_EQ(called[0], 7);
    bough_gate_release(guest.gate);
}

TEST(after_the_run_entering_is_epipe_and_not_called)
{
    struct guest guest = {.result = 0};
    CHECK_EQ(bough_test_run(NULL, hold_and_enter, &guest), 0);
    struct call late = {.entry.fn = note_call};
    CHECK_EQ(bough_enter(guest.gate, &late.entry), -EPIPE);
    CHECK_EQ(bough_enter(guest.gate, &late.entry), -EPIPE);
    CHECK_EQ(late.times, 0);
    bough_gate_release(guest.gate);
}

struct hammer {
    pthread_t thread;
    struct bough_gate *gate;
    uint64_t accepted, times;
    bool started;
};

struct blow {
    struct bough_entry entry;
    struct hammer *hammer;
};

static void take_blow(struct bough_entry *entry)
{
    struct blow *blow = bough_container_of(entry, struct blow, entry);
    blow->hammer->times++;
    free(blow);
}

/* Enter until the run has ended. */
static void *hammer(void *arg)
{
    struct hammer *h = arg;
    for (;;) {
        struct blow *blow = malloc(sizeof(*blow));
        *blow = (struct blow){.entry.fn = take_blow, .hammer = h};
        if (bough_enter(h->gate, &blow->entry) == -EPIPE) {
            free(blow);
            break;
        }
        h->accepted++;
        __atomic_store_n(&h->started, true, __ATOMIC_RELEASE);
    }
    bough_gate_release(h->gate);
    return NULL;
}

static int end_under_a_hammer(void *arg)
{
    struct hammer *h = arg;
    h->gate = bough_gate_hold();
    CHECK_EQ(pthread_create(&h->thread, NULL, hammer, h), 0);
    while (!__atomic_load_n(&h->started, __ATOMIC_ACQUIRE))
        CHECK_EQ(bough_checkpoint(), 0);
    return 0;
}

TEST(a_run_that_ends_under_a_hammering_thread_calls_exactly_what_it_accepted)
{
    for (int i = 0; i < 100; i++) {
        struct hammer h = {0};
        CHECK_EQ(bough_run(end_under_a_hammer, &h), 0);
        pthread_join(h.thread, NULL);
        CHECK(h.accepted > 0);
        CHECK_EQ(h.times, h.accepted);
    }
}

static int hold_it(void *arg)
{
    *(struct bough_gate **)arg = bough_gate_hold();
    return 0;
}

TEST(a_gate_outlives_its_run_for_each_who_holds_it)
{
    struct bough_gate *first = NULL, *second = NULL;
    struct call call = {.entry.fn = note_call};
    CHECK_EQ(bough_test_run(NULL, hold_it, &first), 0);
    CHECK_EQ(bough_test_run(NULL, hold_it, &second), 0);
    CHECK(first != second);
    CHECK_EQ(bough_enter(first, &call.entry), -EPIPE);
    bough_gate_release(first);
    CHECK_EQ(bough_enter(second, &call.entry), -EPIPE);
    bough_gate_release(second);
}

/* --- signal handlers --- */

static struct bough_gate *signal_gate;
static struct guest signal_guest;

static void on_signal(__attribute__((unused)) int signal)
{
    int saved_errno = errno;
    (void)bough_enter(signal_gate, &signal_guest.entry);
    errno = saved_errno;
}

static int wait_for_signals(__attribute__((unused)) void *arg)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    struct itimerval interval = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
    signal_gate = bough_gate_hold();
    signal_guest = (struct guest){.entry.fn = wake_guest, .result = 5};
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &interval, NULL), 0);
    for (int i = 0; i < 20; i++) {
        signal_guest.wait = (struct bough_wait){.what = "a signal"};
        CHECK_EQ(bough_wait(&signal_guest.wait), 5);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
    for (int i = 0; i < 20; i++) {
        signal_guest.wait = (struct bough_wait){.what = "a signal"};
        raise(SIGALRM); /* before it is parked: still called only in the loop */
        CHECK_EQ(bough_wait(&signal_guest.wait), 5);
    }
    bough_gate_release(signal_gate);
    return 0;
}

TEST(a_signal_handler_wakes_a_task)
{
    CHECK_EQ(bough_run(wait_for_signals, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, wait_for_signals, NULL), 0);
}

static void *signal_main(void *arg)
{
    for (int i = 0; i < 2000; i++)
        pthread_kill(*(pthread_t *)arg, SIGALRM);
    return NULL;
}

static int spin_under_signals(__attribute__((unused)) void *arg)
{
    int rc = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    pthread_t self = pthread_self(), thread;
    signal_gate = bough_gate_hold();
    signal_guest = (struct guest){.entry.fn = wake_guest};
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, signal_main, &self), 0);
    /* The handler hits the switch, the queue and itself at every instruction. */
    for (int i = 0; i < test_scale(200000) && rc == 0; i++)
        rc = bough_checkpoint();
    pthread_join(thread, NULL);
    bough_gate_release(signal_gate);
    return rc;
}

TEST(signals_may_come_at_any_instruction)
{
    CHECK_EQ(bough_run(spin_under_signals, NULL), 0);
}
