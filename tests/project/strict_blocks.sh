#!/bin/sh
# With -DBOUGH_STRICT_BLOCKS, return and goto out of a block are warnings, and nothing else is.
# SPDX-License-Identifier: MIT
set -eu
root=$1
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT

# program BODY: a function with all kinds of blocks, and BODY in the innermost.
program() {
    cat <<C
#include <bough.h>
int work(int);
int work(int x) { return bough_sleep(x); }
static int manager(struct bough_manager *self, void *arg) { return bough_yield(self, arg); }
static int generator(struct bough_generator *self, void *arg) { return bough_emit(self, arg); }
int program(int x);
int program(int x)
{
    int rc = 0;
    struct bough_resource all[1] = {{.fn = manager}};
    bough_fail_after (BOUGH_SEC, &rc)
        bough_shielded (BOUGH_SEC, &rc)
            bough_with_nursery (n, &rc) {
                bough_with (char *, name, manager, "", &rc) {
                    bough_with_all (all, 1, &rc) {
                        bough_with_generator (rx, generator, "", 1, &rc) {
                            rc = work(x);
                            $1
                        }
                    }
                }
            }
out:
    return rc;
}
C
}
warns() { # OPTIMISATION BODY
    program "$2" | $CC -x c -std=gnu17 "$1" -DBOUGH_STRICT_BLOCKS -I"$root/include" -c - -o "$there/x.o" 2>&1 |
        grep -q 'out of a bough block'
}
quiet() { ! warns "$@"; }
for level in -O1 -O2 -O3; do
    check "$level: a return out of a block is a warning" warns $level 'if (x == 3) return rc;'
    check "$level: a goto out of a block is a warning" warns $level 'if (x == 3) goto out;'
    check "$level: the end of a block is none" quiet $level 'if (x == 3) goto out_of_luck; out_of_luck:;'
    check "$level: break and continue are none" quiet $level 'if (x == 3) break; if (x == 4) continue;'
done
finish
