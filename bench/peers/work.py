"""What the pools in Python do: the work itself, and how long it takes without a pool.

SPDX-License-Identifier: MIT
"""
import multiprocessing
import os
from time import perf_counter_ns

from common import HEAVY_ITEMS


def trivial(item):
    return item + 1


def heavy(item):
    """About 5 ms."""
    for _ in range(60000):
        item = item * 1103515245 + 12345 & 0x7fffffff
    return item


def drain(left):
    while True:
        with left.get_lock():
            left.value -= 1
            item = left.value
        if item < 0:
            return
        heavy(item)


def ideal_ns():
    """All items by a bare process for each processor, which take them from a shared counter."""
    fork = multiprocessing.get_context("fork")
    start = perf_counter_ns()
    left = fork.Value("i", HEAVY_ITEMS)
    workers = [fork.Process(target=drain, args=(left,)) for _ in os.sched_getaffinity(0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return perf_counter_ns() - start
