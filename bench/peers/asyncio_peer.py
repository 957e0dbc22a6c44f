"""asyncio, and with the argument `uvloop` before the measure, uvloop under it. Streams are its
portable way to talk TCP; a Queue(1) stands for the rendezvous that it does not have.

SPDX-License-Identifier: MIT
"""
import asyncio
import sys
from time import perf_counter_ns

from common import (BATCH, MANY, MILLION, PROCESSES, main, nothing, process_time_ns, resident,
                    sleep_s)


async def group(tasks, fn, *args):
    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(fn(*args))


async def yielder(each):
    for _ in range(each):
        await asyncio.sleep(0)


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
    async def send():
        for i in range(items):
            await queue.put(i)

    start = process_time_ns()
    queue = asyncio.Queue(capacity)
    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        for _ in range(items):
            await queue.get()
    return (process_time_ns() - start) / items


async def timeout(times):
    start = process_time_ns()
    for _ in range(times):
        async with asyncio.timeout(1):
            await child()
    return (process_time_ns() - start) / times


async def sleepers():
    start = process_time_ns()
    async with asyncio.TaskGroup() as group:
        for i in range(MANY):
            group.create_task(asyncio.sleep(sleep_s(i)))
    return (process_time_ns() - start) / MANY


async def park_and_cancel(tasks):
    before = resident()
    forever = asyncio.Event()
    everybody = [asyncio.create_task(forever.wait()) for _ in range(tasks)]
    await asyncio.sleep(0)
    size = (resident() - before) / tasks
    start = process_time_ns()
    for task in everybody:
        task.cancel()
    await asyncio.wait(everybody)
    return size, (process_time_ns() - start) / tasks


async def cancel():
    return (await park_and_cancel(MANY))[1]


async def memory(tasks):
    return (await park_and_cancel(tasks))[0]


async def serve(reader, writer):
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


async def echo():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def process_start():
    start = perf_counter_ns()
    for _ in range(PROCESSES):
        process = await asyncio.create_subprocess_exec(nothing())
        await process.wait()
    return (perf_counter_ns() - start) / PROCESSES / 1000


def run(fn, *args):
    return asyncio.run(fn(*args))


if "uvloop" in sys.argv:
    import uvloop

    sys.argv.remove("uvloop")
    uvloop.install()

main({
    "yield-2": (yield_cost, 2, 50000),
    "yield-1000": (yield_cost, BATCH, 100),
    "start-join-1": (start_join, 1, 10000),
    "start-join-1000": (start_join, BATCH, 30),
    "rendezvous": (channel, 1, 20000),
    "channel-64": (channel, 64, 100000),
    "timeout": (timeout, 50000),
    "sleepers-100k": (sleepers,),
    "cancel-100k": (cancel,),
    "memory-100k": (memory, MANY),
    "memory-1m": (memory, MILLION),
    "echo": (echo,),
    "process-start": (process_start,),
}, run, sys.argv)
