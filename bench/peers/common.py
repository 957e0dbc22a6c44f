"""What the peers in Python share: the sizes, the clock and the command line of ../measure.h.

SPDX-License-Identifier: MIT
"""
import os
import time
from time import process_time_ns

FILE_BLOCK, FILE_BLOCKS, PROCESSES = 4096, 256, 200
STREAMS = {"actor-stream-64": (64, 20000), "actor-stream-4k": (4096, 10000),
           "actor-stream-1m": (1 << 20, 50)}
POOL_ITEMS, HEAVY_ITEMS = 10_000, 200

MANY, MILLION, BATCH, SLEEP_MS = 100_000, 1_000_000, 1000, 100


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def sleep_s(i):
    return (1000 + i * 7919 % ((SLEEP_MS - 1) * 1000)) / 1e6


def nothing():
    """A small static program, to be started."""
    return os.environ["BENCH_NOTHING"]


def file_offset(i):
    return i * 7 % FILE_BLOCKS * FILE_BLOCK


def cpu_ns_with(pids):
    """CPU time of this process and of others that live."""
    def clock_of(pid):  # the number that clock_getcpuclockid(3) comes to
        return ~pid << 3 | 2

    return process_time_ns() + sum(time.clock_gettime_ns(clock_of(pid)) for pid in pids)


def trivial(item):
    return item + 1


def heavy(item):
    """About 5 ms; returns how long it took, in ns."""
    start = time.perf_counter_ns()
    for _ in range(60000):
        item = item * 1103515245 + 12345 & 0x7fffffff
    return time.perf_counter_ns() - start


def to_ideal(real_ns, cpu_ns, took):
    """See ../pools.c."""
    return real_ns * len(os.sched_getaffinity(0)) / (sum(took) - cpu_ns)


def main(measures, run, argv):
    """Each measure is an async function and its arguments; run(fn, *args) runs it."""
    if argv[1] == "--list":
        print(*measures, sep="\n")
    else:
        print(f"{argv[1]} {run(*measures[argv[1]]):.2f}")
