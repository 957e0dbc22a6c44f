#!/bin/sh
# The programs of docs/tutorial.md compile, run, and print what it says they print.
#
# A ```c block is a program; its output is in the ```text block that follows. After a ```text part, which is for panics, the output may
# have other lines as well, and the program may die. A ```c fragment is for reading only.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT

# Program n is n/program.c, what it prints n/expected; n/part if that is only a part of it; n/title where it stands.
awk -v there="$there" '
    /^##+ /            { title = $0; sub(/^#+ /, "", title); next }
    /^```c$/           { n++; dir = there "/" n; system("mkdir " dir); print title >(dir "/title"); out = dir "/program.c"; next }
    /^```text( part)?$/ { if (n && !(n in done)) { done[n] = 1; out = dir "/expected"; printf "" >out
                          if ($2 == "part") print "" >(dir "/part") } next }
    /^```/             { if (out) close(out); out = ""; next }
    out                { print >out }
' "$root/docs/tutorial.md"

# shellcheck disable=SC2086 # a list of words
compile() { # in its directory, so that messages name program.c
    cd "$1" && $CC -O2 -Wall -Wextra -Werror -I"$root/include" program.c "$build/libbough.a" $LIBS -o program
}
runs() {
    status=0
    (cd "$1" && exec timeout 20 ./program) >"$1/output" 2>&1 || status=$?
    if [ -e "$1/part" ]; then
        # Each line, in order; others may be between them.
        awk 'NR == FNR { want[NR] = $0; total = NR; next } FNR == 1 { at = 1 } at <= total && $0 == want[at] { at++ }
             END { exit at <= total || total == 0 }' "$1/expected" "$1/output" || { diff "$1/expected" "$1/output"; return 1; }
    else
        diff "$1/expected" "$1/output" && [ "$status" = 0 ]
    fi
}
program() { grep -q 'int main(' "$1/program.c" && [ -e "$1/expected" ] && compile "$1" && runs "$1"; }

n=1
while [ -d "$there/$n" ]; do
    check "program $n of the tutorial, in '$(cat "$there/$n/title")', does what it says" program "$there/$n"
    n=$((n + 1))
done
check "the tutorial has programs" [ "$n" -gt 20 ]
finish
