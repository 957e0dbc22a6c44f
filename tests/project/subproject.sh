#!/bin/sh
# bough can be a Meson subproject of a program.
# SPDX-License-Identifier: MIT
set -eu
root=$1
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
mkdir "$there/subprojects"
ln -s "$root" "$there/subprojects/bough"
cat >"$there/meson.build" <<'MESON'
project('program', 'c')
executable('program', 'program.c', dependencies: dependency('bough', fallback: 'bough'))
MESON
cat >"$there/program.c" <<'C'
#include <bough.h>
static int hello(void *arg)
{
    (void)arg;
    return bough_sleep(BOUGH_MS);
}
int main(void)
{
    return bough_run(hello, (void *)0);
}
C
configures() { meson setup "$there/build" "$there"; }
builds() { ninja -j 2 -C "$there/build" program; }
check "a project finds it as a dependency" configures
check "a program builds against it" builds
check "and runs" "$there/build/program"
finish
