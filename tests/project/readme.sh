#!/bin/sh
# The code in README.md compiles and runs.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$root/README.md" >"$there/readme.c"
# shellcheck disable=SC2086 # a list of words
compile() {
    $CC -O2 -Wall -Wextra -Werror -I"$root/include" "$there/readme.c" "$build/libbough.a" $LIBS -o "$there/readme"
}
runs() {
    "$there/readme" >"$there/output" 2>&1 || { cat "$there/output"; return 1; }
    awk '/^```text$/ { on = 1; next } /^```/ { on = 0 } on' "$root/README.md" | diff - "$there/output"
}
check "the example of README.md compiles without a warning" compile
check "it prints what README.md says it prints" runs
finish
