#!/bin/sh
# What is installed can be used: by pkg-config, linked statically and dynamically, from C and from C++.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
cat >"$there/main.c" <<'C'
#include <bough.h>
static int hello(void *arg)
{
    (void)arg;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_sleep(BOUGH_MS);
    }
    return rc < 0 ? rc : 42;
}
int main(void)
{
    return bough_run(hello, (void *)0) == 42 ? 0 : 1;
}
C
cp "$there/main.c" "$there/main.cc"
install_it() { meson install -C "$build" --no-rebuild --destdir "$there/root" --quiet; }
flags() {
    pc=$(find "$there/root" -name bough.pc)
    PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR="$there/root" pkg-config "$@" bough
}
# shellcheck disable=SC2046 # lists of words
dynamic() {
    $CC "$there/main.c" -o "$there/dynamic" $(flags --cflags --libs) &&
        LD_LIBRARY_PATH=$(dirname "$(find "$there/root" -name libbough.so)") "$there/dynamic"
}
# shellcheck disable=SC2046,SC2086
static() {
    $CC "$there/main.c" -o "$there/static" $(flags --cflags) "$(find "$there/root" -name libbough.a)" $LIBS &&
        "$there/static"
}
# shellcheck disable=SC2046,SC2086
from_cxx() {
    c++ -std=c++17 "$there/main.cc" -o "$there/cxx" $(flags --cflags) \
        "$(find "$there/root" -name libbough.a)" $LIBS && "$there/cxx"
}
check "it installs" install_it
check "a program links the shared library through pkg-config" dynamic
check "a program links the static library" static
check "a C++ program links it" from_cxx
finish
