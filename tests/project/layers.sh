#!/bin/sh
# The code keeps to the order of modules in ARCHITECTURE.md, and to its width.
# SPDX-License-Identifier: MIT
set -eu
root=$1
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
check "every include points down the order in ARCHITECTURE.md" "$root/tools/check-layers.sh" "$root"
# Comments too, which clang-format leaves as they are.
fits() {
    find "$root/include" "$root/src" "$root/tests" "$root/examples" "$root/bench" "$root/fuzz" \
        -name '*.[ch]' -exec awk 'length > 100 { print FILENAME ":" FNR ": " length; bad = 1 }
                                  END { exit bad }' {} +
}
check "no line is longer than 100 columns" fits
finish
