"""The programs that are measured, and how each is built or found.

A peer is a class whose build() leaves self.command. What it needs is tried first, and installed
only if that fails; when it cannot be had, Unavailable says why.

SPDX-License-Identifier: MIT
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
C_FLAGS = ["-O2", "-g", "-D_GNU_SOURCE"]


class Unavailable(Exception):
    """A program that cannot be measured here; the text says why."""


def run(command, timeout=600, **options):
    """Returns what it printed, or raises Unavailable with the last thing it complained of."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    except FileNotFoundError:
        raise Unavailable(f"there is no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took longer than {timeout} s") from None
    if done.returncode == 0:
        return done.stdout
    lines = (done.stderr or done.stdout).splitlines()
    complaint = [line for line in lines if "error:" in line.lower()] or lines[-1:] or ["no message"]
    raise Unavailable(f"{Path(command[0]).name}: {complaint[0].strip()}")


class Program:
    name = ""
    packages = []  # of Debian and its kin
    color = "#9aa5b1"
    environment = {}
    only = None  # the measures it is for; None: all that it lists

    def __init__(self, place, nothing):
        self.place = place  # where built things go
        self.nothing = nothing  # the program that process-start starts
        self.command = None
        self.measures = set()

    def build(self):
        raise NotImplementedError

    def prepare(self, may_install):
        """Build it, list its measures."""
        try:
            self.build()
        except Unavailable:
            if not may_install:
                raise
            self.install()
            self.build()
        listed = run(self.command + ["--list"], timeout=60, env=self.full_environment()).split()
        self.measures = set(listed)

    def install(self):
        if self.packages:
            install(self.packages)

    def full_environment(self):
        return {**os.environ, "BENCH_NOTHING": str(self.nothing), **self.environment}

    def has(self, measure):
        if self.only and measure.id not in self.only:
            return False
        return (measure.server or measure.id) in self.measures


def install(packages):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable("needs " + " ".join(packages) + " (not root, or no apt-get)")
    run(["apt-get", "install", "-y", "--no-install-recommends", *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


# --- ours and the floor: built by Meson ---


def build_ours(build_dir):
    """Returns the folder of bench-ours, bench-floor, bench-load and bench-nothing."""
    if not (build_dir / "build.ninja").exists():
        run(["meson", "setup", str(build_dir), str(BENCH.parent), "-Dbuildtype=release",
             "-Dbench=true", "-Dtests=false", "-Dexamples=false"])
    elif "bench-ours" not in (build_dir / "build.ninja").read_text():
        run(["meson", "configure", str(build_dir), "-Dbench=true"])
    run(["ninja", "-C", str(build_dir)])
    return build_dir / "bench"


class Floor(Program):
    name = "floor"
    color = "#c9ced6"

    def build(self):
        self.command = [str(self.place / "bench-floor")]


class FloorUring(Program):
    name = "floor, io_uring"
    color = "#e3e6ea"

    def build(self):
        if not (self.place / "bench-floor-uring").exists():
            raise Unavailable("built without liburing")
        self.command = [str(self.place / "bench-floor-uring")]


class Ours(Program):
    name = "ours"
    color = "#2f7d4f"
    environment = {"BOUGH_IO": "epoll"}

    def build(self):
        self.command = [str(self.place / "bench-ours")]


class OursUring(Ours):
    """The second driver: only where a driver matters."""

    name = "ours, io_uring"
    color = "#63b384"
    environment = {"BOUGH_IO": "io_uring"}
    only = {"echo-1", "echo-64", "echo-1000", "http-1", "http-64", "sleepers-100k", "read-cached",
            "write-64", "stat-64"}

    def build(self):
        super().build()
        run(self.command + ["scope"], timeout=60, env=self.full_environment())


# --- peers ---


class CompiledPeer(Program):
    compiler = "cc"
    source = ""
    libraries = []

    def build(self):
        out = self.place / Path(self.source).stem
        run([self.compiler, *C_FLAGS, str(BENCH / "peers" / self.source), "-o", str(out),
             *self.libraries])
        self.command = [str(out)]


class Libuv(CompiledPeer):
    name = "libuv"
    packages = ["libuv1-dev", "node-llhttp"]
    source = "libuv.c"
    libraries = ["-isystem", "/usr/share/include/llhttp",
                 *(f"/usr/share/llhttp/{x}.c" for x in ("api", "http", "llhttp")), "-luv"]


class StateThreads(CompiledPeer):
    name = "State Threads"
    packages = ["libst-dev"]
    source = "state_threads.c"
    libraries = ["-lst"]


class BoostFiber(CompiledPeer):
    name = "Boost.Fiber"
    packages = ["g++", "libboost-fiber-dev"]
    compiler = "c++"
    source = "boost_fiber.cpp"
    libraries = ["-lboost_fiber", "-lboost_context", "-lpthread"]


class CopiedPeer(Program):
    """Built in a copy of its sources: its tools write beside them."""

    source = ""

    def copy(self):
        to = self.place / self.source
        shutil.copytree(BENCH / "peers" / self.source, to, dirs_exist_ok=True)
        return to


class Go(CopiedPeer):
    name = "Go"
    packages = ["golang-go"]
    source = "go"

    def build(self):
        out = self.place / "bench-go"
        run(["go", "build", "-o", str(out), "."], cwd=self.copy())
        self.command = [str(out)]


class Tokio(CopiedPeer):
    name = "Tokio"
    source = "tokio"

    def build(self):
        at = self.copy()
        run(["cargo", "build", "--release", "--target-dir", str(at / "target")], cwd=at)
        self.command = [str(at / "target/release/bench-tokio")]


class PythonPeer(Program):
    module = ""
    script = ""
    arguments = []

    def build(self):
        # The distribution's first: that is where packages are installed to.
        pythons = dict.fromkeys(["/usr/bin/python3", sys.executable])
        for python in pythons:
            try:
                run([python, "-c", f"import {self.module}; from asyncio import timeout"],
                    timeout=60)
                self.command = [python, str(BENCH / "peers" / self.script), *self.arguments]
                return
            except Unavailable:
                continue
        raise Unavailable(f"no Python 3.11 with {self.module}")


class Erlang(Program):
    name = "Erlang"
    packages = ["erlang-base"]

    def build(self):
        run(["erlc", "-o", str(self.place), str(BENCH / "peers" / "bench_erlang.erl")])
        self.command = [str(BENCH / "peers" / "erlang.sh"), str(self.place)]


class Multiprocessing(PythonPeer):
    name = "multiprocessing"
    packages = ["python3"]
    module = "multiprocessing"
    script = "multiprocessing_peer.py"


class PypiPeer(PythonPeer):
    """One that is no package of the distribution: in a virtual environment of its own."""

    pip = []

    def build(self):
        python = self.place / self.module / "bin/python"
        if not python.exists():
            raise Unavailable(f"no {self.module} in {python.parent.parent}")
        run([str(python), "-c", f"import {self.module}"], timeout=60)
        self.command = [str(python), str(BENCH / "peers" / self.script)]

    def install(self):
        at = self.place / self.module
        make = [sys.executable, "-m", "venv", "--clear", str(at)]
        try:
            run(make)
        except Unavailable:
            install(["python3-venv"])
            run(make)
        for arguments in self.pip:
            run([str(at / "bin/pip"), "install", "-q", *arguments])


class Aiomultiprocess(PypiPeer):
    name = "aiomultiprocess"
    module = "aiomultiprocess"
    script = "aiomultiprocess_peer.py"
    pip = [["aiomultiprocess"]]


class Tractor(PypiPeer):
    name = "tractor"
    environment = {"PYTHONPATH": str(BENCH / "peers")}  # for its processes
    module = "tractor"
    script = "tractor_peer.py"
    # Without what it names as its debugger: that is no package of PyPI.
    pip = [["--no-deps", "tractor"],
           ["trio<0.22", "async_generator", "trio_typing", "tricycle", "msgspec", "colorlog",
            "wrapt", "pdbpp"]]


class Trio(PythonPeer):
    name = "Trio"
    packages = ["python3-trio"]
    module = "trio"
    script = "trio_peer.py"


class Asyncio(PythonPeer):
    name = "asyncio"
    packages = ["python3"]
    module = "asyncio"
    script = "asyncio_peer.py"


class Uvloop(PythonPeer):
    name = "uvloop"
    packages = ["python3-uvloop"]
    module = "uvloop"
    script = "asyncio_peer.py"
    arguments = ["uvloop"]


OURS = [Floor, FloorUring, Ours, OursUring]
PEERS = [StateThreads, BoostFiber, Libuv, Go, Tokio, Trio, Asyncio, Uvloop, Multiprocessing,
         Aiomultiprocess, Tractor, Erlang]
