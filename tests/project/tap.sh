# For scripts that are tests: source it, call 'check NAME COMMAND...' for each, and 'finish' at the end.
# SPDX-License-Identifier: MIT
# shellcheck shell=sh
number=0 failures=0
#
# A command that fails ends a check, with set -e as in any script: so it must not stand in a condition of ours.
attempt() {
    set +e
    output=$(set -e; "$@" 2>&1)
    status=$?
    set -e
}
check() {
    number=$((number + 1))
    what=$1; shift
    attempt "$@"
    if [ "$status" != 0 ] && [ -n "${BOUGH_TEST_AGAIN:-}" ]; then # as in tests/harness.c
        echo "# unsteady: $what"
        printf '%s\n' "$output" | sed 's/^/#   /'
        attempt "$@"
    fi
    if [ "$status" = 0 ]; then
        echo "ok $number - $what"
    else
        failures=$((failures + 1))
        echo "not ok $number - $what"
        printf '%s\n' "$output" | sed 's/^/#   /'
    fi
}
finish() {
    echo "1..$number"
    echo "# $((number - failures)) passed, $failures failed"
    [ "$failures" = 0 ]
}
