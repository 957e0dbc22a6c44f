"""tractor: Trio's structured concurrency over processes, which talk MessagePack over TCP.

SPDX-License-Identifier: MIT
"""
import os
import sys
from time import perf_counter_ns

import tractor
import trio

from common import STREAMS, cpu_ns_with, main


async def reply(message):
    return message


async def pid_of():
    return os.getpid()


@tractor.context
async def sink(ctx):
    """Count what comes up to each empty message, and answer how many it was."""
    await ctx.started()
    async with ctx.open_stream() as stream:
        count = 0
        async for message in stream:
            if message:
                count += 1
            else:
                await stream.send(count)
                count = 0


async def with_actor(fn, *args):
    async with tractor.open_nursery() as nursery:
        portal = await nursery.start_actor("bench", enable_modules=[__name__])
        figure = await fn(portal, await portal.run(pid_of), *args)
        await portal.cancel_actor()
    return figure


async def call(portal, pid, times):
    for i in range(-times // 10, times):
        if i == 0:
            start = cpu_ns_with([pid])
        await portal.run(reply, message=bytes(64))
    return (cpu_ns_with([pid]) - start) / times


async def stream(portal, pid, size, times):
    message = bytes(size)
    async with portal.open_context(sink) as (ctx, _), ctx.open_stream() as stream:
        for count in times // 10, times:
            start = cpu_ns_with([pid])
            for _ in range(count):
                await stream.send(message)
            await stream.send(b"")
            assert await stream.receive() == count
        return (cpu_ns_with([pid]) - start) / times


async def start(times):
    async with tractor.open_nursery() as nursery:
        start = perf_counter_ns()
        for i in range(times):
            portal = await nursery.start_actor(f"bench-{i}", enable_modules=[__name__])
            await portal.cancel_actor()
        return (perf_counter_ns() - start) / times / 1000


if __name__ == "__main__":
    main({
        "actor-call-process": (with_actor, call, 500),
        **{name: (with_actor, stream, size, times // 10)
           for name, (size, times) in STREAMS.items()},
        "actor-start": (start, 5),
    }, trio.run, sys.argv)
