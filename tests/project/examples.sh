#!/bin/sh
# The examples do what they say.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"; [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true' EXIT

# says FILE TEXT ...: every text is in the file.
says() {
    file=$1; shift
    for text; do
        grep -qF "$text" "$file" || { echo "it does not say: $text"; cat "$file"; return 1; }
    done
}
skip() { number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }
run() { timeout 60 "$build/examples/$1" >"$there/$1" 2>&1 || { cat "$there/$1"; return 1; }; }

hello() { run hello && says "$there/hello" "left: stopped after 3" "both have ended"; }
# before FILE FIRST SECOND: both are there, in this order.
before() {
    first=$(grep -nF "$2" "$1" | head -n 1 | cut -d: -f1)
    second=$(grep -nF "$3" "$1" | tail -n 1 | cut -d: -f1)
    [ -n "$first" ] && [ -n "$second" ] && [ "$first" -lt "$second" ] && return 0
    echo "'$2' does not come before '$3'"; cat "$1"; return 1
}
# act NUMBER: that act of parallel_managers.
act() { sed -n "/^$1: /,/^$(($1 + 1)): /p" "$there/parallel_managers" >"$there/act"; }

parallel_managers() {
    run parallel_managers || return 1
    act 1
    says "$there/act" "directory   entered" "upstream 1  entered" "upstream 3  entered" \
        "runs, and has all of them" "upstream 1  exiting; the body has ended well" "result      no error" || return 1
    # At once: all have begun to exit before the first has.
    before "$there/act" "upstream 3  exiting" "upstream 1  exited" || return 1
    act 2
    says "$there/act" "upstream 1  exited" "directory   exited" "upstream 2  enter: FAILED" \
        "upstream 3  enter: cancelled" "the body never ran; caught" || return 1
    ! grep -q "body  .*runs" "$there/act" || { echo "the body ran"; return 1; }
    act 3
    says "$there/act" "upstream 1  exit: FAILED" "upstream 2  exited" "upstream 3  exited" "directory   exited" \
        "upstream 2  exiting; the body has failed" "caught both" || return 1
    says "$there/parallel_managers" "panic: the manager stray (entered at" "by task enter_stray) is exited by task main" \
        "panic: managers are exited out of order in task main" "while inside stray, opened at" "ended: Aborted"
}
on_demand() {
    ! "$build/examples/parallel_managers" 3 >"$there/demand" 2>&1 || { echo "it ended well"; return 1; }
    says "$there/demand" "upstream 3  enter: FAILED" "upstream 1  exited" "EACCES" &&
        "$build/examples/parallel_managers" 0 >"$there/demand" 2>&1 && says "$there/demand" "result      no error"
}
with_redis() {
    redis-server --port 16399 --save '' --dir "$there" >"$there/redis" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        ! grep -q "Ready to accept" "$there/redis" || break
        sleep 0.05
    done
    REDIS_PORT=16399 "$build/examples/parallel_managers" 0 >"$there/with_redis" 2>&1 || { cat "$there/with_redis"; return 1; }
    kill "$server"
    wait "$server" || true
    server=
    says "$there/with_redis" "Redis       entered" "Redis       exited" "result      no error"
}
quiet_stream() {
    run quiet_stream && says "$there/quiet_stream" "nothing came for 250 ms" "12 ticks" "loses nothing" \
        "panic: the iterator numbers (opened at" "emits inside bough_fail_after, opened at" "ended: Aborted"
}
lost_connection() {
    run lost_connection && says "$there/lost_connection" "kill -9" "falls silent" \
        "the body is cancelled, and cleans up" "caught: connection lost: the server" \
        "caught: connection lost: no heartbeat" "done, without an error"
}
websocket() {
    run websocket && says "$there/websocket" "kill -9" "falls silent" "the body is cancelled, and cleans up" \
        "caught: connection lost: the peer closed it" "caught: connection lost: no pong" \
        "reconnecting in 50 ms" "reconnecting in 100 ms" "order 3: taken" "said goodbye" &&
        [ "$(grep -c 'the body is cancelled' "$there/websocket")" = 2 ] &&
        [ "$(grep -c '^connected' "$there/websocket")" = 3 ]
}
exit_pool() {
    run exit_pool && says "$there/exit_pool" "5 entered in parallel" "values in order: 0 1 2 3 4" \
        "added while the body runs: connection 6" "all 7 have been exited" "disarmed: the file stays" \
        "moved to another owner" "the second in sees Input/output error" "connection 1 closes, and sees the error" \
        "and suppresses it" "the result: no error" "the file is still there" || return 1
    before "$there/exit_pool" "the last in, the first out, sees Input/output error" "the second in sees" &&
        before "$there/exit_pool" "the second in sees" "the first in, the last out, sees Protocol error" &&
        "$build/examples/exit_pool" 300 >"$there/exit_pool" && says "$there/exit_pool" "all 302 have been exited"
}
many_tasks() { run many_tasks && says "$there/many_tasks" "100000 timed out" "bytes a task"; }

echo_server() {
    # A shell starts what runs in the background with SIGINT ignored.
    env --default-signal=INT "$build/examples/echo_server" >"$there/server" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.*port //p' "$there/server")
        [ -z "$port" ] || break
        sleep 0.05
    done
    "$build/examples/fetch" localhost "$port" "hello over there" >"$there/fetch" &&
        says "$there/fetch" "hello over there" || return 1
    kill -INT "$server"
    timeout 10 tail --pid="$server" -f /dev/null || return 1
    wait "$server" || { echo "the server did not end well"; return 1; }
    server=
    says "$there/server" "stopped by Ctrl-C"
}
fetch_fails() {
    ! "$build/examples/fetch" localhost 1 x >"$there/fails" 2>&1 && says "$there/fails" "ECONNREFUSED"
}

check "hello ends both its tasks" hello
check "parallel_managers enters and exits in parallel, and loses no error" parallel_managers
check "parallel_managers fails on demand" on_demand
if command -v redis-server >/dev/null; then
    check "parallel_managers with a real Redis" with_redis
else
    skip "parallel_managers with a real Redis" "redis-server is not installed"
fi
check "quiet_stream times out and loses nothing" quiet_stream
check "lost_connection catches connection lost, twice" lost_connection
if [ -x "$build/examples/websocket" ]; then
    check "websocket is forced to end, twice, and reconnects" websocket
else
    skip "websocket is forced to end, twice, and reconnects" "libwslay-dev is not installed"
fi
check "exit_pool keeps the order of values, and nests" exit_pool
check "many_tasks times out 100,000 tasks" many_tasks
check "echo_server answers fetch, and Ctrl-C ends it" echo_server
check "fetch says why it cannot connect" fetch_fails
finish
