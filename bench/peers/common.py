"""What the peers in Python share: the sizes, the clock and the command line of ../measure.h.

SPDX-License-Identifier: MIT
"""
import os
from time import process_time_ns  # noqa: F401: for those who import us

MANY, MILLION, BATCH, SLEEP_MS = 100_000, 1_000_000, 1000, 100


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def sleep_s(i):
    return (1000 + i * 7919 % ((SLEEP_MS - 1) * 1000)) / 1e6


def main(measures, run, argv):
    """Each measure is an async function and its arguments; run(fn, *args) runs it."""
    if argv[1] == "--list":
        print(*measures, sep="\n")
    else:
        print(f"{argv[1]} {run(*measures[argv[1]]):.2f}")
