#!/bin/sh
# Every public header compiles alone, as C and as C++, without a warning.
# SPDX-License-Identifier: MIT
set -eu
root=$1
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
compile() { # LANGUAGE STANDARD HEADER
    compiler=$CC
    [ "$1" = c ] || compiler=c++
    printf '#include "%s"\n#include "%s"\n' "$3" "$3" |
        $compiler -x "$1" -std="$2" -Wall -Wextra -Wshadow -Werror -fsyntax-only -I"$root/include" -
}
cd "$root/include"
for header in bough.h bough/*.h; do
    check "$header compiles alone as C" compile c gnu17 "$header"
    check "$header compiles alone as C++" compile c++ c++17 "$header"
done
finish
