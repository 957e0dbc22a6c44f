#!/bin/sh
# The harness tells right from wrong: nothing else here would notice if it could not.
# SPDX-License-Identifier: MIT
set -eu
root=$1 build=$2
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
cat >"$there/tests.c" <<'C'
#include "harness.h"
#include <signal.h>
#include <sys/stat.h>
TEST(what_is_true)
{
    CHECK_EQ(1 + 1, 2);
}
TEST(what_is_wrong)
{
    CHECK_EQ(1 + 1, 3);
}
TEST(what_is_right_the_second_time)
{
    CHECK_EQ(mkdir("seen", 0700), -1);
}
TEST(what_crashes)
{
    raise(SIGSEGV);
}
TEST(what_is_skipped)
{
    test_skip("not today");
}
C
# shellcheck disable=SC2086 # a compiler with options, a list of libraries
compiles() {
    ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -I"$root/tests" -I"$root/include" -o "$there/tests" \
        "$there/tests.c" "$root/tests/harness.c" -L"$build" -lbough -Wl,-rpath,"$build" $LIBS
}
# says STATUS TEXT COMMAND...: it exits so, and a line of what it prints is TEXT.
says() {
    expected=$1 text=$2; shift 2
    rm -rf "$there/seen"
    printed=$(cd "$there" && "$@") && status=0 || status=$?
    echo "$printed"
    [ "$status" = "$expected" ] && echo "$printed" | grep -qx "$text"
}
run() { env -u BOUGH_TEST_AGAIN ./tests "$@"; }
again() { BOUGH_TEST_AGAIN=1 ./tests "$@"; }
check "a program of tests compiles" compiles
check "all is counted" says 1 "# 2 passed, 3 failed" run
check "what is true passes" says 0 "ok 1 - what is true" run true
check "what is wrong fails" says 1 "not ok 1 - what is wrong" run wrong
check "a failure has its place and values" says 1 "#   .*tests.c:10: 1 + 1 is 2, not 3 (3)" run wrong
check "a crash fails" says 1 "# what_crashes: it died of Segmentation fault" run crashes
check "what is skipped is said, and why" says 0 "ok 1 - what is skipped # SKIP not today" run skipped
check "a second chance is not given unasked" says 1 "not ok 1 - what is right the second time" run second
check "a second chance is said to be one" says 0 \
    "# unsteady: what_is_right_the_second_time: it exited with 97" again second
check "a second chance passes" says 0 "ok 1 - what is right the second time" again second
check "a second chance does not help what is wrong" says 1 "not ok 1 - what is wrong" again wrong
finish
