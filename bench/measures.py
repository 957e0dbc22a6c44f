"""What is measured, and what is good enough.

SPDX-License-Identifier: MIT
"""
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Measure:
    id: str
    text: str
    group: str
    unit: str = "ns"
    # Goals; lower is better in every measure.
    floor: Optional[float] = None  # ours is at most so many times the floor
    peer: Optional[float] = None  # the best peer is at least so many times ours
    most: Optional[float] = None  # ours is at most this
    # Not measured by a run of its own: a field of what another one printed.
    part_of: Optional[str] = None
    # One that does not vary, or takes long.
    rounds: int = 1000
    both: bool = False  # the goals hold for both drivers
    everywhere: bool = False  # on all processors, not pinned to one

    @property
    def server(self):
        """The name of the server that bench-load plays clients of, or None."""
        name = self.id.split("-")[0]
        return name if name in ("echo", "http") else None

    @property
    def goal(self):
        words = []
        if self.floor:
            words.append(f"<= {self.floor:g}x floor")
        if self.peer:
            words.append(f">= {self.peer:g}x faster than the best peer" if self.peer > 1
                         else "faster than the best peer")
        if self.most:
            words.append(f"<= {self.most:g} {self.unit}".strip())
        return "; ".join(words)


# 0.97 of the floor's requests a CPU-second.
ECHO = round(1 / 0.97, 3)

MEASURES = [
    Measure("yield-2", "checkpoint round trip, 2 tasks", "switch", floor=2, peer=3),
    Measure("yield-1000", "the same, 1,000 tasks", "switch", floor=2),
    Measure("start-join-1", "start and join, one in its own nursery", "switch", floor=3, peer=2),
    Measure("start-join-1000", "start and join, 1,000 at once", "switch", floor=2, peer=1),
    Measure("manager", "manager, enter and exit", "manager"),
    Measure("manager-ratio", "the same / start and join of one task", "manager", "", most=2),
    Measure("exit-pool-8", "exit pool of 8, enter and exit", "manager"),
    Measure("exit-pool-8-ratio", "the same / start and join of 8 tasks", "manager", "", most=1.3),
    Measure("rendezvous", "hand-off, capacity 0, per item", "channel", floor=3, peer=3),
    Measure("channel-64", "channel, capacity 64, per item", "channel", floor=3, peer=4),
    Measure("scope", "cancel scope, enter and exit", "scope"),
    Measure("timeout", "timeout around a call that does not wait", "scope", floor=2),
    Measure("sleepers-100k", "100,000 sleepers, per task", "many", floor=1.2),
    Measure("cancel-100k", "cancel of 100,000 parked, per child", "many", floor=1.5, peer=1),
    Measure("memory-100k", "memory per parked task, 100,000", "memory", "bytes", most=4200,
            rounds=3),
    Measure("memory-1m", "memory per parked task, 1,000,000", "memory", "bytes", most=4200,
            rounds=3),
    Measure("echo-1", "TCP echo, 1 connection, per request", "echo", floor=ECHO, both=True),
    Measure("echo-64", "TCP echo, 64 connections, per request", "echo", floor=ECHO, both=True),
    Measure("echo-64-p50", "latency of 64 busy clients, median", "latency", "us",
            part_of="echo-64"),
    Measure("echo-64-p99", "the same, 99th percentile", "latency", "us", part_of="echo-64"),
    Measure("echo-64-fair", "p99 / p50 of 64 busy clients", "latency", "", most=2,
            part_of="echo-64"),
    Measure("echo-1000", "TCP echo, 1,000 connections, per request", "echo", floor=ECHO,
            both=True),
    Measure("http-1", "HTTP hello world, 1 connection, per request", "http"),
    Measure("http-64", "HTTP hello world, 64 connections, per request", "http"),
    Measure("read-cached", "read 4 KiB of a cached file", "file", floor=1.15, both=True),
    Measure("write-64", "write 4 KiB, 64 tasks at once, per write", "file"),
    Measure("stat-64", "stat, 64 tasks at once, per call", "file"),
    Measure("process-start", "start and end of a small static program", "process", "us"),
    Measure("actor-call-thread", "call of an actor in a thread, round trip", "actor", floor=1.3),
    Measure("actor-call-process", "call of an actor in a process, round trip", "actor", floor=1.3),
    Measure("actor-stream-64", "stream to a process, 64 bytes, per message", "actor", most=200),
    Measure("actor-stream-64-thread", "the same to a thread", "actor", most=200),
    Measure("actor-stream-4k", "the same, 4 KiB", "actor"),
    Measure("actor-stream-1m", "the same, 1 MiB; floor: a shared-memory ring", "actor", floor=1.25),
    Measure("actor-start", "start and end of an actor's process", "actor", "us", floor=1.3),
    Measure("pool-map", "pool of processes, map of 10,000 trivial items, per item", "pool", "us",
            most=3, everywhere=True),
    Measure("pool-heavy", "map of 200 items of 5 ms / the ideal", "pool", "",
            most=1.03, everywhere=True),
]

GROUPS = {
    "switch": "Switching and starting tasks",
    "manager": "Managers (no peer has them)",
    "channel": "Channels",
    "scope": "Scopes and timeouts",
    "many": "A hundred thousand tasks",
    "memory": "Memory per parked task",
    "echo": "TCP echo: CPU of the server",
    "http": "HTTP: CPU of the server",
    "file": "Files",
    "process": "Processes, real time",
    "actor": "Actors: CPU of both sides",
    "pool": "Pools of processes, real time",
    "latency": "TCP echo: latency of 64 busy clients",
}

# Where a peer does not do quite the same. (peer, measure): what it does.
NOTES = {
    ("State Threads", "yield-2"): "has no yield: a sleep of 0",
    ("State Threads", "yield-1000"): "has no yield: a sleep of 0",
    ("State Threads", "channel-64"): "has no channel: hand-written over its condition variables",
    ("State Threads", "cancel-100k"): "an interrupt of each thread",
    ("libuv", "timeout"): "no task: a timer started and stopped",
    ("libuv", "sleepers-100k"): "no tasks: timers with callbacks",
    ("Boost.Fiber", "cancel-100k"): "has no cancel: a flag and notify_all",
    ("Go", "cancel-100k"): "one context shared by all",
    ("Tokio", "rendezvous"): "has none: mpsc of capacity 1",
    ("asyncio", "rendezvous"): "has none: a Queue of 1",
    ("uvloop", "rendezvous"): "has none: a Queue of 1",
    ("Tokio", "read-cached"): "a File: seek and read, in a worker thread",
    ("Trio", "read-cached"): "pread in a worker thread",
    ("libuv", "read-cached"): "uv_fs_read in its thread pool",
    ("floor", "http-1"): "looks for the end of the head, answers with fixed bytes",
    ("floor", "http-64"): "looks for the end of the head, answers with fixed bytes",
    ("libuv", "http-1"): "llhttp, nothing kept of what it says; answers with fixed bytes",
    ("libuv", "http-64"): "llhttp, nothing kept of what it says; answers with fixed bytes",
    ("multiprocessing", "process-start"): "subprocess.run",
    ("multiprocessing", "actor-call-process"): "a Pipe: send and recv",
    ("multiprocessing", "actor-start"): "Process, of the start method spawn",
    ("multiprocessing", "pool-map"): "Pool.map with chunksize=1: a message an item, as with us",
    ("aiomultiprocess", "actor-call-process"): "Pool.apply; looks for the answer every 5 ms",
    ("aiomultiprocess", "actor-start"): "Worker, which runs one coroutine",
    ("tractor", "actor-call-process"): "Portal.run, over TCP",
    ("Erlang", "actor-call-process"): "gen_server:call to a node in another process, over TCP",
    ("Erlang", "actor-stream-64"): "messages to a process of such a node",
    ("Erlang", "actor-start"): "such a node, of the module peer",
    ("floor", "cancel-100k"): "not a cancel: requeue, run and join",
    ("floor", "write-64"): "bare system calls, which hold up all the others",
    ("floor", "stat-64"): "bare system calls, which hold up all the others",
    ("floor", "memory-100k"): "no guard pages",
    ("floor", "memory-1m"): "no guard pages",
}

# So different that it is shown but not taken for the best peer.
APART = {
    ("State Threads", "channel-64"),
    ("libuv", "timeout"),
    ("libuv", "sleepers-100k"),
    ("libuv", "http-1"),
    ("libuv", "http-64"),
    ("aiomultiprocess", "actor-call-process"),
}
