#!/bin/sh
# erlang.sh FOLDER MEASURE: run bench_erlang, compiled into FOLDER. One scheduler: the others have
# one thread, too.
# SPDX-License-Identifier: MIT
exec erl +S 1:1 -noshell -pa "$1" -start_epmd false -epmd_module bench_erlang \
    -kernel inet_dist_use_interface '{127,0,0,1}' -sname "bench-$$@localhost" \
    -s bench_erlang main -extra "$2"
