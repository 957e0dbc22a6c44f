#!/bin/sh
# The tour: what bough does, on real sockets and processes. Called by ./dev tour; usage: tour.sh BUILD-DIR
# SPDX-License-Identifier: MIT
set -eu
here=$1/examples
# show TITLE EXPLANATION PROGRAM [ARGUMENT ...]
show() {
    printf '\n\033[1m%s\033[0m\n' "$1"
    printf '%s\n\n' "$2" | fold -s -w 96
    shift 2
    program=$1; shift
    "$here/$program" "$@" | fold -s -w 110 | sed 's/^/    /'
    printf '    \033[2m(examples/%s.c)\033[0m\n' "$program"
}

printf '\033[1mbough: structured concurrency for C\033[0m\n'

show "Tasks cannot outlive their block" \
    "Two tasks count in a nursery, and a timeout is around it. When it strikes both are cancelled where they sleep, and the block ends when they have." \
    hello

show "1. Parallel managers" \
    "A directory, three servers (real processes, slow to log in), and Redis if it runs here are opened at once and closed at once, each by a manager in a task of its own. If one enter fails the others are exited and the body never runs; if an exit fails the others finish; and a manager that is exited by the wrong task, or out of order, is a panic that names both places." \
    parallel_managers

show "2. A timeout on a stream does not kill the stream" \
    "A feed (a real process, over TCP) sends ticks and goes quiet for a while. The consumer gives up waiting twice, and misses no tick; and an iterator that would leak its timeout to its consumer is caught." \
    quiet_stream

show "3. A body ends when its connection dies" \
    "The body of a session is busy, and would not notice that its server has died. A watcher in the connection's manager does: it fails, the body is cancelled, cleanup runs, and the caller catches one error, \"connection lost\"." \
    lost_connection

if [ -x "$here/websocket" ]; then
    show "3. The same with WebSockets, and reconnecting" \
        "The first server is killed, the second falls silent without closing, so no pong comes. Each time the caller catches \"connection lost\" and reconnects, after a pause that doubles with each attempt." \
        websocket
else
    printf '\n(examples/websocket.c was not built: it needs libwslay-dev.)\n'
fi

show "4. An exit pool, and an exit stack" \
    "A pool enters as many connections as you like in parallel, keeps their order, and takes more while the body runs. A stack undoes one thing after the other, as if the blocks were nested: each may see, replace or suppress the error, and what it holds can be disarmed or moved to another owner." \
    exit_pool

show "5. Many processes, one tree" \
    "An office in a process of its own has two clerks, in processes of theirs. They are found by name and asked; the tasks of all are one tree. Then the office is killed (kill -9) while a clerk is busy: the call fails, the block ends with what has happened, and nobody is left." \
    actor_tree

show "5. Dialogues with a service" \
    "A market in a process of its own streams its prices to three customers: the fast one misses none, the slow one is told what it missed and holds up nobody, and the third one names limits on the same stream, while prices come." \
    quotes

show "100,000 tasks" \
    "Started, cancelled, and once more: timed out." \
    many_tasks

printf '\nThat was the tour. The programs are in examples/, docs/tutorial.md explains them step by step, the reference is include/bough/.\n'
