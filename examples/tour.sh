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
    "$here/$program" "$@" | sed 's/^/    /'
    printf '    \033[2m(examples/%s.c)\033[0m\n' "$program"
}

printf '\033[1mbough: structured concurrency for C\033[0m\n'

show "Tasks cannot outlive their block" \
    "Two tasks count in a nursery, and a timeout is around it. When it strikes both are cancelled where they sleep, and the block ends when they have." \
    hello

show "A timeout on a stream does not kill the stream" \
    "A feed (a real process, over TCP) sends ticks and goes quiet for a while. The consumer gives up waiting twice, and misses no tick." \
    quiet_stream

show "A body ends when its connection dies" \
    "The body of a session is busy, and would not notice that its server has died. A watcher does: it fails, the body is cancelled, cleanup runs, and the caller catches one error, \"connection lost\". The first server is killed in mid-stream, the second falls silent without closing, the third works." \
    lost_connection

show "100,000 tasks" \
    "Started, cancelled, and once more: timed out." \
    many_tasks

printf '\nThat was the tour. The programs are in examples/, the reference is include/bough/.\n'
