#!/bin/sh
# The shared library exports what its headers declare, and nothing else.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
exported() { nm -D --defined-only "$build/libbough.so" | awk '{ print $3 }' | sort; }
declared() { cat "$root"/include/bough/*.h | grep -o 'bough_[a-z0-9_]*' | sort -u; }
no_strangers() { ! exported | grep -v '^bough_[a-z0-9]'; }
all_declared() {
    declared >"$build/declared.txt"
    ! exported | grep -vxFf "$build/declared.txt"
}
check "all exported symbols begin with bough_" no_strangers
check "all exported symbols are declared in a public header" all_declared
finish
