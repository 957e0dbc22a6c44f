#!/bin/sh
# The examples do what they say.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT

# says FILE TEXT ...: every text is in the file.
says() {
    file=$1; shift
    for text; do
        grep -qF "$text" "$file" || { echo "it does not say: $text"; cat "$file"; return 1; }
    done
}
skip() { number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }
run() { timeout 60 "$build/examples/$1" >"$there/$1" 2>&1 || { cat "$there/$1"; return 1; }; }

hello() { run hello && says "$there/hello" "left: stopped after" "both have ended"; }
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
    redis=$((20000 + $$ % 10000)) # others may test on this machine at the same time
    redis-server --port $redis --save '' --dir "$there" >"$there/redis" 2>&1 &
    server=$! servers="$servers $!"
    await "$there/redis" "Ready to accept"
    REDIS_PORT=$redis "$build/examples/parallel_managers" 0 >"$there/with_redis" 2>&1 || { cat "$there/with_redis"; return 1; }
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
actor_tree() {
    run actor_tree && says "$there/actor_tree" 'anna has copied "the letter"' "actor office (office, process" \
        "      actor bert (clerk, process" "kill -9" "has died: process" "was killed by SIGKILL" "clerk 1: gone" "clerk 2: gone" &&
        timeout 60 "$build/examples/actor_tree" --place thread >"$there/actor_threads" &&
        says "$there/actor_threads" 'anna has copied "the letter"' "a thread of process" "the block has ended: well"
}
quotes() {
    for place in thread process; do
        timeout 60 "$build/examples/quotes" --place $place >"$there/quotes" 2>&1 || { cat "$there/quotes"; return 1; }
        says "$there/quotes" "seen 600 of 600, and missed 0" "knows that it missed the rest: yes" \
            "limits that were passed: 2 of 2" || return 1
    done
}
# while_it FILE COMMAND: what was said between that command and the next.
while_it() { sed -n "/^$2\$/,/^[^ ]/p" "$1" >"$there/while"; }
actor_pool() {
    "$build/examples/actor_pool" 300000 >"$there/pool" 2>&1 &&
        "$build/examples/actor_pool" --place thread -w 3 300000 >>"$there/pool" 2>&1 || { cat "$there/pool"; return 1; }
    [ "$(grep -c "^25997 primes below 300000; 0 slices lost and done again, 0 workers replaced" "$there/pool")" = 2 ] &&
        says "$there/pool" "[64/64 slices]" || { cat "$there/pool"; return 1; }
    ! "$build/examples/actor_pool" --crash --place thread 2>"$there/pool" || return 1
    says "$there/pool" "a thread cannot be killed"
}
actor_pool_crash() {
    timeout 60 "$build/examples/actor_pool" --crash -w 2 300000 >"$there/pool" 2>&1 || { cat "$there/pool"; return 1; }
    says "$there/pool" "lost: the actor primes-" "SIGKILL" "25997 primes below 300000; 1 slices lost and done again, 1 workers replaced"
}
supervised() {
    run supervised || return 1
    while_it "$there/supervised" "crash cache"
    says "$there/while" "cache: the cache is corrupt; again in 50 ms" "front: stopped" "cache: up, life 2" "front: up, life 2" &&
        before "$there/while" "cache: up" "front: up" || return 1
    ! grep "store" "$there/while" || { echo "the store is before the cache"; return 1; }
    while_it "$there/supervised" "crash store"
    says "$there/while" "was killed by SIGKILL; again in 50 ms" "store: up, life 2" "cache: up, life 3" "front: up, life 3" &&
        before "$there/while" "store: up" "cache: up" && before "$there/while" "cache: up" "front: up" || return 1
    while_it "$there/supervised" "crash front"
    says "$there/while" "front: up, life 4" || return 1
    ! grep -E "store|cache" "$there/while" || { echo "the front is the last one"; return 1; }
    while_it "$there/supervised" "stop"
    says "$there/supervised" "the front says 5" "the front says 0" &&
        before "$there/while" "front: stopped" "cache: stopped" && before "$there/while" "cache: stopped" "store: stopped"
}
supervised_limit() {
    ! timeout 60 "$build/examples/supervised" "crash front" "crash front" "crash front" "crash front" "crash front" \
        "crash front" >"$there/limit" 2>&1 || { echo "it ended well"; return 1; }
    says "$there/limit" "again in 800 ms" "front: that was once too often" "restart limit reached: more than 5 within" \
        "6. EPIPE: the front has lost its way" || return 1
    ! grep "EBADF" "$there/limit"
}
many_tasks() { run many_tasks && says "$there/many_tasks" "100000 timed out" "bytes a task"; }

echo_server() {
    # A shell starts what runs in the background with SIGINT ignored.
    start server env --default-signal=INT "$build/examples/echo_server"
    "$build/examples/fetch" localhost "$port" "hello over there" >"$there/fetch"
    says "$there/fetch" "hello over there"
    kill -INT "$server"
    ends "$server"
    says "$there/server" "stopped by Ctrl-C"
}
fetch_fails() {
    ! "$build/examples/fetch" localhost 1 x >"$there/fails" 2>&1 && says "$there/fails" "ECONNREFUSED"
}


# --- servers and tools ---
#
# Each of these tests is a subshell that ends what it has started, also when it fails.

# start NAME PROGRAM [ARGUMENT ...]: in the background; what it prints is in $there/NAME. Sets $server, and $port when it
# says that.
start() {
    out=$there/$1; shift
    "$@" >"$out" 2>&1 &
    server=$!
    servers="${servers:-} $server"
    await "$out" "port "
    port=$(sed -n 's/.*port //p' "$out")
}
# await FILE TEXT: until the text is there, for at most 20 s.
await() {
    for _ in $(seq 400); do
        ! grep -qsF "$2" "$1" || return 0
        sleep 0.05
    done
    echo "it does not say: $2"; cat "$1"
    return 1
}
# ends PID: by itself, and well, within 20 s.
ends() {
    timeout 20 tail -s 0.05 --pid="$1" -f /dev/null || { echo "it does not end"; return 1; }
    wait "$1"
}
# shellcheck disable=SC2086,SC2154 # a list of numbers; set by who uses it
stop_servers() { [ -z "$servers" ] || kill -KILL $servers 2>/dev/null || true; }
# shellcheck disable=SC2030,SC2031 # that is the point
isolated() ( servers=; trap stop_servers EXIT; "$@" )
fails() { if "$@"; then echo "it should fail: $*"; return 1; fi; }
is() { [ "$1" = "$2" ] || { echo "it is $1, not $2"; return 1; }; }

# is_loaded URL: 20 connections for a second, and not one error.
is_loaded() {
    timeout 30 wrk -t1 -c20 -d1s --timeout 10s "$1" >"$there/wrk" 2>&1 || { cat "$there/wrk"; return 1; }
    says "$there/wrk" "requests in"
    fails grep -E "Socket errors|Non-2xx" "$there/wrk"
}
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2 \
        -addext subjectAltName=DNS:localhost -keyout "$there/key.pem" -out "$there/cert.pem" 2>"$there/openssl"
}
secure_curl() { curl -sS --max-time 30 --cacert "$there/cert.pem" "$@"; }
# in_flight URL: a request that is being answered; its output is in $there/answer. Sets $client.
in_flight() {
    secure_curl -v "$1" >"$there/answer" 2>"$there/trace" &
    client=$!
    await "$there/trace" "> GET"
    sleep 0.2 # from here on the server has had time to read it
}
https_server() {
    certificate
    start plain "$build/examples/https_server" 0
    is "$(secure_curl "http://localhost:$port/")" hello
    is_loaded "http://localhost:$port/"
    kill "$server"
    ends "$server"

    start tls "$build/examples/https_server" 0 "$there/cert.pem" "$there/key.pem"
    is "$(secure_curl "https://localhost:$port/")" hello
    is "$(secure_curl -o /dev/null -w '%{http_code}' "https://localhost:$port/x")" 404
    fails secure_curl "http://localhost:$port/"
    is_loaded "https://localhost:$port/"

    in_flight "https://localhost:$port/slow/1"
    kill "$server"
    await "$there/tls" "SIGTERM: shutting down"
    fails secure_curl "https://localhost:$port/"
    wait "$client"
    says "$there/answer" "at last"
    ends "$server"
    says "$there/tls" "stopped after"
}
status_of() { status=0; timeout 60 "$@" >"$there/out" 2>"$there/err" || status=$?; }
# refuses PROGRAM [ARGUMENT ...]: with how it is used, and does nothing.
refuses() {
    status_of "$@"
    case $status in 2 | 255) ;; *) echo "$*: it ended with $status"; return 1 ;; esac
    says "$there/err" "usage: $1"
}
https_server_refuses() {
    for port in "" abc 80x -1 65536; do refuses "$build/examples/https_server" "$port"; done
    refuses "$build/examples/https_server"
    refuses "$build/examples/https_server" 0 cert.pem
}
https_server_twice() {
    start twice "$build/examples/https_server" 0
    in_flight "http://localhost:$port/slow/9"
    kill "$server"
    await "$there/twice" "SIGTERM: shutting down"
    kill "$server"
    ends "$server"
    fails wait "$client"
    fails grep "at last" "$there/answer"
}
forward() {
    start echo "$build/examples/echo_server"
    start forward "$build/examples/forward" 0 localhost "$port" 5
    for i in $(seq 20); do
        "$build/examples/fetch" localhost "$port" "hello number $i" >"$there/forward.$i" &
        clients="${clients:-} $!"
    done
    for client in $clients; do wait "$client"; done
    for i in $(seq 20); do says "$there/forward.$i" "hello number $i"; done
    kill "$server"
    ends "$server"
    says "$there/forward" "stopped after 20 connections"

    start nowhere "$build/examples/forward" 0 127.0.0.1 1
    "$build/examples/fetch" localhost "$port" x >/dev/null 2>&1 || true
    await "$there/nowhere" "cannot connect to"
    kill "$server"
    ends "$server"
}
# Two descriptors for a connection: who is taken can be connected.
forward_descriptors() {
    for limit in 0 x; do refuses "$build/examples/forward" 0 localhost 80 $limit; done
    for port in 0 x 70000; do refuses "$build/examples/forward" 0 localhost $port; done
    start echo "$build/examples/echo_server"
    start forward sh -c "ulimit -n 50; exec $build/examples/forward 0 localhost $port"
    says "$there/forward" "at most 9 connections at once"
    for i in $(seq 30); do
        "$build/examples/fetch" localhost "$port" "hello number $i" >"$there/forward.$i" &
        clients="${clients:-} $!"
    done
    for client in $clients; do wait "$client"; done
    kill "$server"
    ends "$server"
    fails grep "failed" "$there/forward"
}
forward_limits() {
    start hello "$build/examples/http_hello" 0
    start narrow "$build/examples/forward" 0 localhost "$port" 1
    begin=$(date +%s%N) clients=
    for i in 1 2 3; do
        curl -sS --max-time 30 "localhost:$port/ticks" >"$there/ticks.$i" &
        clients="$clients $!"
    done
    for client in $clients; do wait "$client"; done
    for i in 1 2 3; do says "$there/ticks.$i" "tick 5"; done
    [ $(($(date +%s%N) - begin)) -ge 1500000000 ] || { echo "they were not one after the other"; return 1; }

    curl -sSN --max-time 30 "localhost:$port/ticks" >"$there/last" &
    client=$!
    await "$there/last" "tick 1"
    kill "$server" # what is open goes on
    wait "$client"
    says "$there/last" "tick 5"
    ends "$server"
}
parallel() {
    status_of "$build/examples/parallel" -j 3 'echo a; sleep 0.1; echo b' 'echo c; echo e >&2; sleep 0.1; echo d' 'exit 3'
    is "$status" 1
    is "$(tr -d '\n' <"$there/out" | sed s/cdab/abcd/)" abcd
    says "$there/err" "failed: exit 3" "exited with 3"
    is "$(grep -v failed "$there/err")" e

    printf 'echo one\n\nfalse\nexit 2\nprintf last' >"$there/commands"
    status_of "$build/examples/parallel" -j 2 <"$there/commands"
    is "$status" 2
    says "$there/out" one last
    { echo 'echo one'; sleep 0.2; echo 'echo two'; } | timeout 60 "$build/examples/parallel" >"$there/out"
    says "$there/out" one two

    status_of "$build/examples/parallel" --timeout 0.3 'echo begun; sleep 100' 'echo fine'
    is "$status" 1
    says "$there/out" begun fine
    says "$there/err" "took too long"
    status_of "$build/examples/parallel" -j 4 --halt 'sleep 100' 'false' 'sleep 100'
    is "$status" 1
    is "$(grep -c failed "$there/err")" 1
}
parallel_refuses() {
    for jobs in 0 -1 x 4x; do refuses "$build/examples/parallel" -j $jobs true; done
    for time in 0 -1 x 1s; do refuses "$build/examples/parallel" --timeout $time true; done
    # What cannot be handed on is not lost in silence: neither a little, nor more than a buffer.
    for lines in 1 100000; do
        status=0
        timeout 60 "$build/examples/parallel" "seq $lines" >/dev/full 2>"$there/err" || status=$?
        is "$status" 1
        says "$there/err" "cannot copy the output: No space left on device"
    done
}
parallel_at_once() { # in a directory, where each makes a file while it runs
    mkdir "$there/running"
    for i in $(seq 12); do
        echo "touch $there/running/$i; ls $there/running | wc -l; sleep 0.05; rm $there/running/$i"
    done >"$there/commands"
    status_of "$build/examples/parallel" -j 3 <"$there/commands"
    is "$status" 0
    is "$(wc -l <"$there/out")" 12
    [ "$(sort -n "$there/out" | tail -n 1)" -le 3 ]
}
parallel_stops() {
    "$build/examples/parallel" "trap 'echo told; exit 0' TERM; sleep 100 & echo pid \$! >$there/pid; wait" \
        >"$there/told" &
    # shellcheck disable=SC2031 # the same subshell
    server=$! servers="$servers $!"
    await "$there/pid" "pid"
    kill -INT "$server"
    status=0
    ends "$server" || status=$?
    is "$status" 130
    says "$there/told" told
    # Nobody may have waited for it yet: whose child it is now is not for us to say.
    state=/proc/$(sed 's/pid //' "$there/pid")/status
    [ ! -e "$state" ] || grep -q "State:.*[ZX]" "$state" || { echo "its child is left"; return 1; }
}
download() {
    start flaky "$build/tests/project/flaky"
    url=http://127.0.0.1:$port
    mkdir -p "$there/files" && cd "$there/files"
    status_of "$build/examples/download" -p -j 2 "$url/whole/a" "$url/break/b" "$url/resume/c" "$url/busy/d" \
        "$url/gone/e" "$url/whole/f" "$url/early/h"
    is "$status" 1
    says "$there/out" "a: 300000 bytes, attempt 1" "b: 300000 bytes, attempt 3" "c: 300000 bytes, attempt 3" \
        "d: 300000 bytes, attempt 3" "h: 300000 bytes, attempt 3"
    says "$there/err" "e: " "404" "] 7/7 files, 1.8 MB"
    says "$there/flaky" '/resume/c bytes=150000- "one"' '/resume/c bytes=225000- "one"' "at once: 2"
    fails grep "at once: 3" "$there/flaky"
    for file in a b c d f h; do is "$(cksum <$file)" "$(cksum <a)"; done
    is "$(echo *)" "a b c d f h"

    env --default-signal=INT "$build/examples/download" "$url/hang/g" >"$there/hang" 2>&1 &
    server=$! servers="$servers $!"
    await "$there/flaky" "/hang/g"
    kill -INT "$server"
    fails ends "$server"
    is "$(echo *)" "a b c d f h"
}
# It is stopped by SIGTERM; a name that is taken, twice.
download_leaves() {
    start flaky "$build/tests/project/flaky"
    url=http://127.0.0.1:$port
    mkdir -p "$there/leaves" && cd "$there/leaves"
    "$build/examples/download" "$url/hang/a" >"$there/hang" 2>&1 &
    server=$! servers="$servers $!"
    await "$there/flaky" "/hang/a"
    kill "$server"
    status=0
    ends "$server" || status=$?
    is "$status" 143
    status_of "$build/examples/download" "$url/whole/b" "$url/break/b"
    is "$status" 1
    says "$there/err" "both would be b"
    is "$(echo *)" "*"
    : >c.part
    status_of "$build/examples/download" "$url/whole/c"
    is "$status" 1
    says "$there/err" "cannot make c.part: File exists"
    is "$(echo *)" "c.part"
}
curl_fetch() {
    export NO_PROXY='*'
    start hello "$build/examples/http_hello" 0
    timeout 60 "$build/examples/curl_fetch" "http://127.0.0.1:$port/" "http://127.0.0.1:$port/ticks" >"$there/pages"
    says "$there/pages" ":$port/ticks: 35 bytes" ":$port/: "
    kill "$server"
    ends "$server"
    says "$there/hello" "stopped"
    status_of "$build/examples/curl_fetch" http://127.0.0.1:1/
    is "$status" 1
    says "$there/err" "http://127.0.0.1:1/: failed" "ECONNREFUSED"
}
# Nobody listens on port 1.
ares_lookup() {
    status_of "$build/examples/ares_lookup" -s 127.0.0.1:1 localhost 127.0.0.2
    is "$status" 0
    says "$there/out" "localhost: 127.0.0.1:0" "127.0.0.2: 127.0.0.2:0"
    status_of "$build/examples/ares_lookup" -s 127.0.0.1:1 no.test
    is "$status" 1
    says "$there/err" "no.test: failed" "EHOSTUNREACH"
}
# guest LOOP PROGRAM
guest() {
    run "$2"
    for i in 1 2 3 4 5; do
        before "$there/$2" "$1: tick $i" "client: the server echoes tick $i"
    done
    before "$there/$2" "$1: that is enough" "tasks: all have ended"
    before "$there/$2" "tasks: all have ended" "the loop has ended; a task slept meanwhile"
}
guest_glib() { guest glib guest_glib; }
guest_uv() { guest libuv guest_uv; }
# A server in a directory of its own, without a port. It does not run as root.
start_postgres() {
    database=$there/database as=
    mkdir "$database"
    if [ "$(id -u)" = 0 ]; then
        chmod 711 "$there"
        chown nobody "$database"
        as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
    fi
    # shellcheck disable=SC2086 # a list of words
    (cd "$database" && $as "$postgres/initdb" -D data -A trust -U bough --no-sync -E UTF8 --locale=C >initdb)
    # shellcheck disable=SC2086
    $as "$postgres/postgres" -D "$database/data" -k "$database" -c listen_addresses= -c fsync=off \
        -c shared_buffers=1MB >"$there/postgres" 2>&1 &
    # shellcheck disable=SC2031 # the same subshell
    server=$! servers="$servers $!"
    await "$there/postgres" "ready to accept connections"
}
ask() { status_of "$build/examples/postgres_query" "host=$database user=bough dbname=postgres" "$@"; }
postgres_query() {
    start_postgres
    # shellcheck disable=SC2016 # the parameters of SQL
    ask 'SELECT n, $2 || n, NULL FROM generate_series(1, $1::int) AS n' 3 "row "
    is "$status" 0
    printf '1\trow 1\tNULL\n2\trow 2\tNULL\n3\trow 3\tNULL\n' | diff - "$there/out"
    ask "SELECT 1 / 0"
    is "$status" 1
    says "$there/err" "division by zero"
    kill -INT "$server"
    ends "$server"
}
# with PROGRAM ... -- NAME FUNCTION: that check, if all the programs are there.
with() {
    missing=
    while [ "$1" != -- ]; do
        command -v "$1" >/dev/null || missing="$missing ${1##*/}"
        shift
    done
    if [ -z "$missing" ]; then check "$2" isolated "$3"; else skip "$2" "there is no$missing"; fi
}

check "hello ends both its tasks" hello
check "parallel_managers enters and exits in parallel, and loses no error" parallel_managers
check "parallel_managers fails on demand" on_demand
with redis-server -- "parallel_managers with a real Redis" with_redis
check "quiet_stream times out and loses nothing" quiet_stream
check "lost_connection catches connection lost, twice" lost_connection
if [ -x "$build/examples/websocket" ]; then
    check "websocket is forced to end, twice, and reconnects" websocket
else
    skip "websocket is forced to end, twice, and reconnects" "libwslay-dev is not installed"
fi
check "exit_pool keeps the order of values, and nests" exit_pool
check "many_tasks times out 100,000 tasks" many_tasks
check "actor_tree leaves nobody when its middle is killed" actor_tree
check "quotes tells the slow what they miss" quotes
check "actor_pool counts the primes in processes and in threads" actor_pool
check "actor_pool loses a worker, and no primes" actor_pool_crash
check "supervised starts again who crashed, and those after it" supervised
check "supervised gives up when that is too often" supervised_limit
check "echo_server answers fetch, and Ctrl-C ends it" isolated echo_server
check "fetch says why it cannot connect" fetch_fails
with "$build/examples/https_server" openssl curl wrk -- \
    "https_server stands a load without an error, and lets requests end at SIGTERM" https_server
with "$build/examples/https_server" -- "https_server refuses what is no port" https_server_refuses
with "$build/examples/https_server" curl -- "https_server cancels them at the second" https_server_twice
with "$build/examples/fetch" -- "forward passes bytes and ends both ways" forward
with "$build/examples/fetch" -- "forward takes no more than it has descriptors for" forward_descriptors
with "$build/examples/http_hello" curl -- "forward keeps its limit, and lets connections end" forward_limits
with "$build/examples/parallel" -- "parallel keeps outputs together, and counts failures" parallel
with "$build/examples/parallel" -- "parallel says what it does not understand, and what it cannot write" parallel_refuses
with "$build/examples/parallel" -- "parallel runs so many at once" parallel_at_once
with "$build/examples/parallel" -- "parallel leaves no process behind at Ctrl-C" parallel_stops
with "$build/examples/download" "$build/tests/project/flaky" -- \
    "download tries again, resumes, and leaves no half files" download
with "$build/examples/download" "$build/tests/project/flaky" -- \
    "download leaves nothing at SIGTERM, and overwrites none of its own files" download_leaves
with "$build/examples/curl_fetch" "$build/examples/http_hello" -- \
    "curl_fetch fetches pages, and says why it cannot connect" curl_fetch
with "$build/examples/ares_lookup" -- "ares_lookup finds what there is, and says what it cannot find" ares_lookup
with "$build/examples/guest_glib" -- "guest_glib runs tasks inside GLib's loop" guest_glib
with "$build/examples/guest_uv" -- "guest_uv runs tasks inside libuv's loop" guest_uv
postgres=
for bin in /usr/lib/postgresql/*/bin; do
    [ ! -x "$bin/initdb" ] || postgres=$bin
done
with "$build/examples/postgres_query" "$postgres/initdb" -- "postgres_query asks a real server" postgres_query
finish
