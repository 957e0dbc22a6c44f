#!/bin/sh
# The code keeps to the order of modules in ARCHITECTURE.md.
# SPDX-License-Identifier: MIT
set -eu
root=$1
# shellcheck source=tests/project/tap.sh
. "$root/tests/project/tap.sh"
check "every include points down the order in ARCHITECTURE.md" "$root/tools/check-layers.sh" "$root"
finish
