/* Boost.Fiber (libboost-fiber-dev). It has no cancellation: cancel-100k is a flag and notify_all.
 * Stacks of starts come from its pool, which is its fast way; those of many tasks from its default
 * allocator.
 * SPDX-License-Identifier: MIT */
#include <boost/fiber/all.hpp>

#include <chrono>
#include <memory>
#include <vector>

#include "../measure.h"

namespace fibers = boost::fibers;

static long ran;

static void yield_all(int tasks, long each)
{
    std::vector<fibers::fiber> all;
    for (int i = 0; i < tasks; i++)
        all.emplace_back([each] {
            for (long k = 0; k < each; k++)
                boost::this_fiber::yield();
        });
    for (auto &f : all)
        f.join();
}

static double yield_cost(int tasks, long each)
{
    double start = cpu_ns();
    yield_all(tasks, each);
    return (cpu_ns() - start) / ((double)tasks * (double)each);
}

static double yield_2()
{
    return yield_cost(2, 1000000);
}

static double yield_1000()
{
    return yield_cost(BATCH, 2000);
}

static double start_join(int batch, int times)
{
    fibers::pooled_fixedsize_stack stacks(64 * 1024);
    std::vector<fibers::fiber> all;
    double start = 0;
    for (int t = -10; t < times; t++) {
        if (t == 0)
            start = cpu_ns();
        for (int i = 0; i < batch; i++)
            all.emplace_back(std::allocator_arg, stacks, [] { ran++; });
        for (auto &f : all)
            f.join();
        all.clear();
    }
    return (cpu_ns() - start) / ((double)times * batch);
}

static double start_join_1()
{
    return start_join(1, 300000);
}

static double start_join_1000()
{
    return start_join(BATCH, 500);
}

template <typename Channel> static double channel_cost(Channel &channel, long items)
{
    double start = cpu_ns();
    fibers::fiber sender([&] {
        for (long i = 0; i < items; i++)
            channel.push(i);
        channel.close();
    });
    fibers::fiber receiver([&] {
        long item;
        while (channel.pop(item) == fibers::channel_op_status::success)
            ran += item;
    });
    sender.join();
    receiver.join();
    return (cpu_ns() - start) / (double)items;
}

static double rendezvous()
{
    fibers::unbuffered_channel<long> channel;
    return channel_cost(channel, 500000);
}

static double channel_64()
{
    fibers::buffered_channel<long> channel(CAPACITY);
    return channel_cost(channel, 3000000);
}

static double sleepers_100k()
{
    double start = cpu_ns();
    std::vector<fibers::fiber> all;
    for (int i = 0; i < MANY; i++)
        all.emplace_back(
            [i] { boost::this_fiber::sleep_for(std::chrono::microseconds(sleep_us(i))); });
    for (auto &f : all)
        f.join();
    return (cpu_ns() - start) / MANY;
}

static double park_and_end(int tasks, double *ret_bytes)
{
    fibers::mutex mutex;
    fibers::condition_variable over;
    bool done = false;
    std::vector<fibers::fiber> all;
    all.reserve((size_t)tasks);
    double before = resident();
    for (int i = 0; i < tasks; i++)
        all.emplace_back([&] {
            std::unique_lock<fibers::mutex> lock(mutex);
            over.wait(lock, [&] { return done; });
        });
    boost::this_fiber::yield();
    *ret_bytes = (resident() - before) / tasks;
    double start = cpu_ns();
    {
        std::unique_lock<fibers::mutex> lock(mutex);
        done = true;
    }
    over.notify_all();
    for (auto &f : all)
        f.join();
    return (cpu_ns() - start) / tasks;
}

static double cancel_100k()
{
    double bytes;
    return park_and_end(MANY, &bytes);
}

static double memory_100k()
{
    double bytes;
    park_and_end(MANY, &bytes);
    return bytes;
}

static const struct measure measures[] = {
    {"yield-2", yield_2},
    {"yield-1000", yield_1000},
    {"start-join-1", start_join_1},
    {"start-join-1000", start_join_1000},
    {"rendezvous", rendezvous},
    {"channel-64", channel_64},
    {"sleepers-100k", sleepers_100k},
    {"cancel-100k", cancel_100k},
    {"memory-100k", memory_100k},
    {nullptr, nullptr},
};

int main(int argc, char **argv)
{
    return measure_main(argc, argv, measures);
}
