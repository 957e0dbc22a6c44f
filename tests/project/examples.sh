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
run() { timeout 60 "$build/examples/$1" >"$there/$1" 2>&1 || { cat "$there/$1"; return 1; }; }

hello() { run hello && says "$there/hello" "left: stopped after 3" "both have ended"; }
quiet_stream() {
    run quiet_stream && says "$there/quiet_stream" "nothing came for 250 ms" "12 ticks" "loses nothing"
}
lost_connection() {
    run lost_connection && says "$there/lost_connection" "kill -9" "falls silent" \
        "the body is cancelled, and cleans up" "caught: connection lost: the server" \
        "caught: connection lost: no heartbeat" "done, without an error"
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
check "quiet_stream times out and loses nothing" quiet_stream
check "lost_connection catches connection lost, twice" lost_connection
check "many_tasks times out 100,000 tasks" many_tasks
check "echo_server answers fetch, and Ctrl-C ends it" echo_server
check "fetch says why it cannot connect" fetch_fails
finish
