"""multiprocessing, of Python's standard library; a process is started by subprocess.run.

SPDX-License-Identifier: MIT
"""
import multiprocessing
import os
import subprocess
import sys
from time import perf_counter_ns

from common import (HEAVY_ITEMS, POOL_ITEMS, PROCESSES, STREAMS, cpu_ns_with, heavy, main, nothing,
                    process_time_ns, to_ideal, trivial)


def answer_all(pipe):
    while (message := pipe.recv()) is not None:
        pipe.send(message)


def with_child(target, fn, *args):
    mine, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=target, args=(theirs,))
    child.start()
    figure = fn(mine, child.pid, *args)
    mine.send(None)
    child.join()
    return figure


def call(pipe, pid, times):
    for i in range(-times // 10, times):
        if i == 0:
            start = cpu_ns_with([pid])
        pipe.send(bytes(64))
        pipe.recv()
    return (cpu_ns_with([pid]) - start) / times


def count_all(pipe):
    """Each None asks how many came before it; the last one, after nothing, is the end."""
    count = 0
    while (message := pipe.recv()) is not None or count:
        if message is None:
            pipe.send(count)
            count = 0
        else:
            count += 1


def stream(pipe, pid, size, times):
    message = bytes(size)
    for count in times // 10, times:
        start = cpu_ns_with([pid])
        for _ in range(count):
            pipe.send(message)
        pipe.send(None)
        assert pipe.recv() == count
    return (cpu_ns_with([pid]) - start) / times


def nobody():
    pass


def start(times):
    spawn = multiprocessing.get_context("spawn")
    start = perf_counter_ns()
    for _ in range(times):
        process = spawn.Process(target=nobody)
        process.start()
        process.join()
    return (perf_counter_ns() - start) / times / 1000


def process_start():
    start = perf_counter_ns()
    for _ in range(PROCESSES):
        subprocess.run([nothing()], check=True)
    return (perf_counter_ns() - start) / PROCESSES / 1000


def pool_map():
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        pool.map(trivial, range(POOL_ITEMS // 10), chunksize=1)
        start = perf_counter_ns()
        pool.map(trivial, range(POOL_ITEMS), chunksize=1)
        return (perf_counter_ns() - start) / POOL_ITEMS / 1000


def pool_heavy():
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        pool.map(trivial, range(POOL_ITEMS // 10), chunksize=1)
        start, cpu = perf_counter_ns(), process_time_ns()
        took = pool.map(heavy, range(HEAVY_ITEMS), chunksize=1)
        return to_ideal(perf_counter_ns() - start, process_time_ns() - cpu, took)


def run(fn, *args):
    return fn(*args)


if __name__ == "__main__":
    main({
        "process-start": (process_start,),
        "actor-call-process": (with_child, answer_all, call, 10000),
        **{name: (with_child, count_all, stream, *how) for name, how in STREAMS.items()},
        "actor-start": (start, 8),
        "pool-map": (pool_map,),
        "pool-heavy": (pool_heavy,),
    }, run, sys.argv)
