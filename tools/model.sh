#!/bin/sh
# model.sh [--mutants]: checks docs/models/actors.pml with Spin; --mutants: are its mistakes found? TAP.
# SPDX-License-Identifier: MIT
set -eu
model=$(cd "$(dirname "$0")/.." && pwd)/docs/models/actors.pml
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cp "$model" .
count=0 failed=0

# make SPIN_OPTIONS CC_OPTIONS: the program that goes through the states
make() {
    # shellcheck disable=SC2086 # lists of words
    spin $1 -a actors.pml >spin.log 2>&1 && cc -O2 -w -DMEMLIM=2000 $2 -o pan pan.c
}

# report NAME GOOD
report() {
    count=$((count + 1))
    states=$(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' pan.log)
    if [ "$2" = 1 ]; then
        echo "ok $count - $1 ($states states)"
    else
        failed=$((failed + 1))
        echo "not ok $count - $1"
        sed 's/^/# /' pan.log
        if [ -f actors.pml.trail ]; then
            ./pan -E -r -n 2>/dev/null | tail -n 60 | sed 's/^/# /'
        fi
    fi
}

# Are all states seen, and all of them good?
is_good() {
    grep -q 'errors: 0' pan.log && ! grep -q 'Search not completed\|too small\|out of memory' pan.log
}

# Go through all states, or to the first that is bad.
search() {
    rm -f actors.pml.trail
    make "$1" "-DSAFETY -DNOCLAIM -DHC4"
    ./pan -E -m20000 >pan.log 2>&1 || true
}

holds() {
    search "$2"
    good=0; ! is_good || good=1
    report "$1" $good
}

holds_over_time() {
    make "-DFAULTS=0 -DCALLBACK" "-DCOLLAPSE"
    claims=$(sed -n 's/^ltl \([a-z_]*\).*/\1/p' actors.pml)
    for claim in $claims; do
        rm -f actors.pml.trail
        ./pan -a -E -m20000 -N "$claim" >pan.log 2>&1 || true
        good=0; ! is_good || good=1
        report "over time: $claim" $good
    done
}

is_found() {
    number=$(sed -n "s/^#define $1 *\([0-9]*\).*/\1/p" actors.pml)
    search "-DMUTANT=$number $2"
    good=0; ! grep -q 'assertion violated' pan.log || good=1
    report "$1 is found" $good
}

case ${1:-} in
--mutants)
    for mutant in NO_ACK DROP_CANCEL SETTLE_TWICE ANSWER_TWICE RETURN_AT_ONCE NO_HANG_UP FAIL_AT_ONCE \
        DEAF CALLS_LAST; do
        is_found $mutant -DFAULTS=1
    done
    is_found NO_LAST_RESORT -DFAULTS=2
    for mutant in BYE_IF_KNOWN NO_WATCH; do is_found $mutant "-DTHREAD -DFAULTS=1"; done ;;
*)
    holds "without a fault, calls both ways" "-DFAULTS=0 -DCALLBACK"
    holds "with a fault" "-DFAULTS=1"
    holds "with a fault, in a thread" "-DFAULTS=1 -DTHREAD"
    holds "with a fault, calls both ways" "-DFAULTS=1 -DCALLBACK"
    holds "with two faults" "-DFAULTS=2"
    holds_over_time ;;
esac
echo "1..$count"
echo "# $((count - failed)) passed, $failed failed"
[ $failed = 0 ]
