#!/usr/bin/env bash
# timeout: 90
# The runner tells a passing test from one that fails, hangs, dies or is skipped; its exit status says whether all is well.
set -eu
mkdir -p "$TT_SCRATCH/project/tests/room" "$TT_SCRATCH/project/build/tests/room" "$TT_SCRATCH/project/tools"
cp tests/run "$TT_SCRATCH/project/tests/"
cp tools/mpienv.sh "$TT_SCRATCH/project/tools/"
mkdir "$TT_SCRATCH/tmp"
cd "$TT_SCRATCH/project"
export TMPDIR=$TT_SCRATCH/tmp

script() { # name lines...
    printf '%s\n' '#!/bin/bash' "${@:2}" >"tests/room/test_$1.sh"
    chmod +x "tests/room/test_$1.sh"
}
program() { # name lines...: in place of a compiled one
    printf '%s\n' '#!/bin/bash' "${@:2}" >"build/tests/room/test_$1"
    chmod +x "build/tests/room/test_$1"
    : >"tests/room/test_$1.c"
}
wrong() {
    echo "$1:"
    cat out
    exit 1
}
runs() { # status last-line words...
    local status=0
    tests/run -n "1 2" "${@:3}" >out 2>&1 || status=$?
    [ "$status" = "$1" ] || wrong "exit status $status in place of $1"
    [ "$(tail -n 1 out)" = "$2" ] || wrong "the last line is not '$2'"
}
says() { # pattern
    grep -Eq -- "$1" out || wrong "no line matches '$1'"
}

script good 'echo should not show'
program fine 'exit 0'
script absent 'echo some tool is missing' 'exit 77'
runs 0 "2 passed, 0 failed, 1 skipped"
says '^room/test_good .* ok$'
says '^room/test_fine  *1 2 .* ok$'
says '^room/test_absent .* skipped: some tool is missing$'
! grep -q "should not show" out || wrong "a passing test shows its output"

script bad 'echo the reason; exit 3'
# shellcheck disable=SC2016 # what is between single quotes is for the script
script hung '# timeout: 1' 'sleep 300 & echo $! >"$TT_HUNG"; wait'
# shellcheck disable=SC2016
script stubborn '# timeout: 1' "trap '' TERM" 'for i in $(seq 30); do sleep 1; done'
script dead 'kill -SEGV $$'
# shellcheck disable=SC2016
program two '[ "${OMPI_COMM_WORLD_SIZE:-1}" = 1 ] || exit 1'
export TT_HUNG=$PWD/hung.pid
runs 1 "2 passed, 5 failed, 1 skipped"
says '^room/test_bad .* FAILED$'
says '^    the reason$'
says '^room/test_hung .* FAILED$'
says '^    hung: still running after 1 s$'
says '^room/test_stubborn .* FAILED$'
says '^room/test_dead .* FAILED$'
says '^room/test_two .* FAILED on 2 ranks$'
! kill -0 "$(cat "$TT_HUNG")" 2>/dev/null || wrong "what a hung test started lives on"

runs 1 "0 passed, 1 failed, 0 skipped" test_bad
runs 1 "0 passed, 0 failed, 0 skipped" no_such_test
[ -z "$(ls "$TMPDIR")" ] || wrong "folders of tests were left: $(ls "$TMPDIR")"
