"""Trio. It is what the library is modelled on, in an interpreted language.

SPDX-License-Identifier: MIT
"""
import os
import sys
import tempfile
from time import perf_counter_ns

import trio

from common import (BATCH, FILE_BLOCK, FILE_BLOCKS, MANY, MILLION, PROCESSES, file_offset, main,
                    nothing, process_time_ns, resident, sleep_s)


async def group(tasks, fn, *args):
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(fn, *args)


async def yielder(each):
    for _ in range(each):
        await trio.lowlevel.checkpoint()


async def yield_cost(tasks, each):
    start = process_time_ns()
    await group(tasks, yielder, each)
    return (process_time_ns() - start) / (tasks * each)


async def child():
    pass


async def start_join(tasks, times):
    start = process_time_ns()
    for _ in range(times):
        await group(tasks, child)
    return (process_time_ns() - start) / (tasks * times)


async def channel(capacity, items):
    async def send(tx):
        async with tx:
            for i in range(items):
                await tx.send(i)

    start = process_time_ns()
    async with trio.open_nursery() as nursery:
        tx, rx = trio.open_memory_channel(capacity)
        nursery.start_soon(send, tx)
        async for _ in rx:
            pass
    return (process_time_ns() - start) / items


async def scope(times):
    start = process_time_ns()
    for _ in range(times):
        with trio.CancelScope():
            pass
    return (process_time_ns() - start) / times


async def timeout(times):
    start = process_time_ns()
    for _ in range(times):
        with trio.fail_after(1):
            await trio.lowlevel.checkpoint_if_cancelled()
    return (process_time_ns() - start) / times


async def sleepers():
    start = process_time_ns()
    async with trio.open_nursery() as nursery:
        for i in range(MANY):
            nursery.start_soon(trio.sleep, sleep_s(i))
    return (process_time_ns() - start) / MANY


async def park_and_cancel(tasks):
    before = resident()
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(trio.sleep_forever)
        await trio.lowlevel.checkpoint()
        size = (resident() - before) / tasks
        start = process_time_ns()
        nursery.cancel_scope.cancel()
    return size, (process_time_ns() - start) / tasks


async def cancel():
    return (await park_and_cancel(MANY))[1]


async def memory(tasks):
    return (await park_and_cancel(tasks))[0]


async def serve(stream):
    async with stream:
        async for data in stream:
            await stream.send_all(data)


async def echo():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print("port", listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(serve, listeners)


async def read_cached(times):
    with tempfile.TemporaryFile() as file:
        fd = file.fileno()
        os.pwrite(fd, bytes(FILE_BLOCK * FILE_BLOCKS), 0)
        start = process_time_ns()
        for i in range(times):
            await trio.to_thread.run_sync(os.pread, fd, FILE_BLOCK, file_offset(i))
        return (process_time_ns() - start) / times


async def process_start():
    start = perf_counter_ns()
    for _ in range(PROCESSES):
        await trio.run_process([nothing()])
    return (perf_counter_ns() - start) / PROCESSES / 1000


main({
    "yield-2": (yield_cost, 2, 20000),
    "yield-1000": (yield_cost, BATCH, 50),
    "start-join-1": (start_join, 1, 5000),
    "start-join-1000": (start_join, BATCH, 10),
    "rendezvous": (channel, 0, 10000),
    "channel-64": (channel, 64, 10000),
    "scope": (scope, 50000),
    "timeout": (timeout, 20000),
    "sleepers-100k": (sleepers,),
    "cancel-100k": (cancel,),
    "memory-100k": (memory, MANY),
    "memory-1m": (memory, MILLION),
    "echo": (echo,),
    "read-cached": (read_cached, 3000),
    "process-start": (process_start,),
}, trio.run, sys.argv)
