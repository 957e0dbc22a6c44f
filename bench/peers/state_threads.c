/* State Threads 1.9 (libst-dev). It has no channels, so the one here is made of its condition
 * variables, and no yield, so that is a sleep of 0; its cancel is an interrupt of each thread.
 * SPDX-License-Identifier: MIT */
#include <st.h>

#include "../listen.h"
#include "../measure.h"

enum { STACK = 64 * 1024 };

static st_thread_t threads[MILLION];
static long rounds, ran;

static void start(int i, void *(*fn)(void *), void *arg)
{
    threads[i] = st_thread_create(fn, arg, 1, STACK);
    if (!threads[i]) {
        perror("st_thread_create");
        exit(1);
    }
}

static void join_all(int count)
{
    for (int i = 0; i < count; i++)
        st_thread_join(threads[i], NULL);
}

static void *yielder(void *arg)
{
    for (long i = 0; i < rounds; i++)
        st_usleep(0);
    return arg;
}

static double yield_cost(int tasks, long each)
{
    double begin = cpu_ns();
    rounds = each;
    for (int i = 0; i < tasks; i++)
        start(i, yielder, NULL);
    join_all(tasks);
    return (cpu_ns() - begin) / ((double)tasks * (double)each);
}

static double yield_2(void)
{
    return yield_cost(2, 500000);
}

static double yield_1000(void)
{
    return yield_cost(BATCH, 1000);
}

static void *child(void *arg)
{
    ran++;
    return arg;
}

static double start_join(int batch, int times)
{
    double begin = 0;
    for (int t = -10; t < times; t++) {
        if (t == 0)
            begin = cpu_ns();
        for (int i = 0; i < batch; i++)
            start(i, child, NULL);
        join_all(batch);
    }
    return (cpu_ns() - begin) / ((double)times * batch);
}

static double start_join_1(void)
{
    return start_join(1, 1000000);
}

static double start_join_1000(void)
{
    return start_join(BATCH, 1000);
}

/* --- a channel of 'capacity' --- */

static long ring[CAPACITY];
static unsigned head, used, capacity;
static st_cond_t room, items;

static void *sender(void *arg)
{
    for (long i = 0; i < rounds; i++) {
        while (used == capacity)
            st_cond_wait(room);
        ring[(head + used++) % CAPACITY] = i;
        st_cond_signal(items);
    }
    return arg;
}

static void *receiver(void *arg)
{
    for (long i = 0; i < rounds; i++) {
        while (used == 0)
            st_cond_wait(items);
        ran += ring[head++ % CAPACITY];
        used--;
        st_cond_signal(room);
    }
    return arg;
}

static double channel_64(void)
{
    capacity = CAPACITY;
    rounds = 5000000;
    room = st_cond_new();
    items = st_cond_new();
    double begin = cpu_ns();
    start(0, sender, NULL);
    start(1, receiver, NULL);
    join_all(2);
    return (cpu_ns() - begin) / (double)rounds;
}

/* --- many --- */

static void *sleeper(void *arg)
{
    st_usleep((st_utime_t)sleep_us((intptr_t)arg));
    return arg;
}

static double sleepers_100k(void)
{
    double begin = cpu_ns();
    for (int i = 0; i < MANY; i++)
        start(i, sleeper, (void *)(intptr_t)i);
    join_all(MANY);
    return (cpu_ns() - begin) / MANY;
}

static void *parked(void *arg)
{
    st_usleep(ST_UTIME_NO_TIMEOUT);
    return arg;
}

static double park(int count)
{
    double before = resident();
    for (int i = 0; i < count; i++)
        start(i, parked, NULL);
    st_usleep(0);
    return (resident() - before) / count;
}

static double cancel_100k(void)
{
    park(MANY);
    double begin = cpu_ns();
    for (int i = 0; i < MANY; i++)
        st_thread_interrupt(threads[i]);
    join_all(MANY);
    return (cpu_ns() - begin) / MANY;
}

static double memory_100k(void)
{
    return park(MANY);
}

static double memory_1m(void)
{
    return park(MILLION);
}

static void *serve(void *arg)
{
    st_netfd_t s = arg;
    char buffer[4096];
    ssize_t n;
    while ((n = st_read(s, buffer, sizeof(buffer), ST_UTIME_NO_TIMEOUT)) > 0)
        if (st_write(s, buffer, (size_t)n, ST_UTIME_NO_TIMEOUT) != n)
            break;
    st_netfd_close(s);
    return NULL;
}

static double echo(void)
{
    st_netfd_t s, listener = st_netfd_open_socket(listen_anywhere());
    while ((s = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT))) {
        no_delay(st_netfd_fileno(s));
        if (!st_thread_create(serve, s, 0, STACK))
            break;
    }
    return 0;
}

static const struct measure measures[] = {
    {"yield-2", yield_2},
    {"yield-1000", yield_1000},
    {"start-join-1", start_join_1},
    {"start-join-1000", start_join_1000},
    {"channel-64", channel_64},
    {"sleepers-100k", sleepers_100k},
    {"cancel-100k", cancel_100k},
    {"memory-100k", memory_100k},
    {"memory-1m", memory_1m},
    {"echo", echo},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    st_set_eventsys(ST_EVENTSYS_ALT); /* epoll */
    return st_init() < 0 ? 1 : measure_main(argc, argv, measures);
}
