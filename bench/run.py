#!/usr/bin/env python3
"""Measure ours against the machine's limit and the peers: see README.md.

    bench/run.py --build-dir build/bench [--rounds N] [--only MEASURE,...] [--no-install] [--quick]

SPDX-License-Identifier: MIT
"""
import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import programs
from measures import MEASURES
from programs import Unavailable
from report import Row, in_order, remarks, table, write_charts, write_json

TIMEOUT = 120  # seconds that one run may take
# A run of more seconds than the first is not repeated more often than the second says.
PATIENCE = [(15, 1), (3, 3), (1, 5)]
DERIVED = {"p50": "-p50", "p99": "-p99"}


class Bench:
    def __init__(self, options):
        self.options = options
        self.skipped = []
        self.programs = []
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu, self.load_cpu = cpus[-1], cpus[0]
        self.load = None
        self.busy = os.getloadavg()[0]  # before we add to it

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def skip(self, what, why):
        self.skipped.append({"what": what, "why": str(why)})
        self.say(f"skipped: {what}: {why}")

    # --- what there is to run ---

    def prepare(self):
        built = programs.build_ours(self.options.build_dir)
        self.load = built / "bench-load"
        nothing = built / "bench-nothing"
        peers = built / "peers"
        peers.mkdir(exist_ok=True)
        for kind in programs.OURS:
            self.add(kind(built, nothing))
        for kind in programs.PEERS:
            if not self.options.no_peers:
                self.add(kind(peers, nothing))

    def add(self, program):
        self.say(f"preparing {program.name}")
        try:
            program.prepare(not self.options.no_install)
            self.programs.append(program)
        except (Unavailable, OSError) as why:
            self.skip(program.name, why)

    # --- one run ---

    def command(self, program, measure):
        if measure.server:
            return [str(self.load), measure.id, "--cpus", f"{self.cpu},{self.load_cpu}",
                    *program.command, measure.server]
        return [*program.command, measure.id]

    def run_once(self, program, measure):
        """Returns the figures: the measure's own and those that are part of it."""
        pinned = (None if measure.server or measure.everywhere
                  else lambda: os.sched_setaffinity(0, {self.cpu}))
        try:
            done = subprocess.run(self.command(program, measure), capture_output=True, text=True,
                                  timeout=TIMEOUT, env=program.full_environment(),
                                  preexec_fn=pinned)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"took longer than {TIMEOUT} s") from None
        words = done.stdout.split()
        if done.returncode != 0 or len(words) < 2 or words[0] != measure.id:
            complaint = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            raise Unavailable(complaint)
        figures = {measure.id: float(words[1])}
        for name, value in (word.split("=") for word in words[2:]):
            if name in DERIVED:
                figures[measure.id + DERIVED[name]] = float(value)
        if measure.id + "-p99" in figures:
            figures[measure.id + "-fair"] = (figures[measure.id + "-p99"] /
                                             figures[measure.id + "-p50"])
        return figures

    # --- all rounds of one measure ---

    @staticmethod
    def rounds_for(seconds, rounds):
        return next((few for many, few in PATIENCE if seconds > many), rounds)

    def rounds_of(self, measure):
        """Returns {measure id: {program name: [a figure or None for each round]}}."""
        rounds = min(self.options.rounds, measure.rounds)
        runners = [p for p in self.programs if p.has(measure)]
        values, broken = {}, set()
        enough = {}  # rounds that a slow program is given
        for number in range(rounds):
            # Forth and back, so that nobody always runs after the same neighbour.
            for program in runners if number % 2 == 0 else runners[::-1]:
                if program in broken or number >= enough.get(program, rounds):
                    continue
                start = time.monotonic()
                try:
                    figures = self.run_once(program, measure)
                except (Unavailable, OSError, ValueError) as why:
                    self.skip(f"{program.name}, {measure.id}", why)
                    broken.add(program)
                    continue
                enough.setdefault(program, self.rounds_for(time.monotonic() - start, rounds))
                for name, value in figures.items():
                    column = values.setdefault(name, {})
                    column.setdefault(program.name, [None] * rounds)[number] = value
        return values

    def measure_all(self):
        peers = [kind.name for kind in programs.PEERS]
        rows = []
        wanted = {m.part_of or m.id for m in MEASURES
                  if not self.options.only or m.id in self.options.only}
        for measure in MEASURES:
            if measure.id not in wanted or measure.part_of:
                continue
            self.say(f"measuring {measure.id}: {measure.text}")
            values = self.rounds_of(measure)
            rows += [Row(m, values[m.id], peers) for m in MEASURES if m.id in values]
        return in_order(rows)

    def report(self, rows):
        folder = self.options.build_dir / "bench"
        text = table(rows, [p.name for p in self.programs]) + "\n\n" + remarks(rows)
        if self.busy > 0.5:
            text += (f"Others were at work when this began (load {self.busy:.1f}): ratios hold, "
                     "latencies, the servers' rows and the pools' may not.\n")
        if self.skipped:
            text += "Skipped:\n" + "".join(f"  {s['what']}: {s['why']}\n" for s in self.skipped)
        print(text, end="")
        (folder / "bench.txt").write_text(text)
        write_json(folder / "bench.json", rows, self.skipped, self.options.rounds)
        write_charts(folder, rows, {p.name: p.color for p in self.programs})
        print(f"Written: {folder}/bench.txt, bench.json and a chart a group, bench-*.svg")


def parse():
    parser = argparse.ArgumentParser(description="Measure ours, the machine's limit and the peers.")
    parser.add_argument("--build-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, help="default 7")
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    parser.add_argument("--only", help="measures, with commas between")
    parser.add_argument("--no-install", action="store_true", help="only what is installed already")
    parser.add_argument("--no-peers", action="store_true", help="ours and the floor alone")
    options = parser.parse_args()
    options.build_dir = options.build_dir.resolve()
    options.rounds = max(1, options.rounds or (3 if options.quick else 7))
    options.only = set(options.only.split(",")) if options.only else None
    unknown = (options.only or set()) - {m.id for m in MEASURES}
    if unknown:
        parser.error("no such measure: " + ", ".join(sorted(unknown)) + "; there are " +
                     ", ".join(m.id for m in MEASURES))
    return options


def main():
    bench = Bench(parse())
    try:
        bench.prepare()
    except Unavailable as why:
        sys.exit(f"bench: cannot build ours: {why}")
    bench.report(bench.measure_all())


if __name__ == "__main__":
    main()
