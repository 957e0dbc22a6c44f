"""aiomultiprocess: a pool of processes with an event loop in each, and nothing like a stream.

SPDX-License-Identifier: MIT
"""
import asyncio
import os
import sys
from time import perf_counter_ns

import aiomultiprocess

import common
from common import HEAVY_ITEMS, POOL_ITEMS, cpu_ns_with, main, process_time_ns, to_ideal


async def reply(message):
    return message


async def trivial(item):
    return common.trivial(item)


async def heavy(item):
    return common.heavy(item)


async def nobody():
    pass


async def call(times):
    async with aiomultiprocess.Pool(processes=1) as pool:
        await pool.apply(reply, (bytes(64),))
        pids = [worker.pid for worker in pool.processes]
        start = cpu_ns_with(pids)
        for _ in range(times):
            await pool.apply(reply, (bytes(64),))
        return (cpu_ns_with(pids) - start) / times


async def start(times):
    start = perf_counter_ns()
    for _ in range(times):
        await aiomultiprocess.Worker(target=nobody)
    return (perf_counter_ns() - start) / times / 1000


def pool_of_all():
    return aiomultiprocess.Pool(processes=len(os.sched_getaffinity(0)))


async def pool_map():
    async with pool_of_all() as pool:
        await pool.map(trivial, range(POOL_ITEMS // 10))
        start = perf_counter_ns()
        await pool.map(trivial, range(POOL_ITEMS))
        return (perf_counter_ns() - start) / POOL_ITEMS / 1000


async def pool_heavy():
    async with pool_of_all() as pool:
        await pool.map(trivial, range(POOL_ITEMS // 10))
        start, cpu = perf_counter_ns(), process_time_ns()
        took = await pool.map(heavy, range(HEAVY_ITEMS))
        return to_ideal(perf_counter_ns() - start, process_time_ns() - cpu, took)


def run(fn, *args):
    return asyncio.run(fn(*args))


if __name__ == "__main__":
    main({
        "actor-call-process": (call, 50),
        "actor-start": (start, 5),
        "pool-map": (pool_map,),
        "pool-heavy": (pool_heavy,),
    }, run, sys.argv)
