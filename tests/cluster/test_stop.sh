#!/usr/bin/env bash
# SIGTERM at any moment of a tree: exit status 75 and a checkpoint, from which another number of ranks goes on to the
# same bits; when the tree is done the checkpoint goes.
# timeout: 180
set -u
program=$TT_BUILD/tests/cluster/test_stop
cd "$TT_SCRATCH" || exit 1

fail() {
    echo "$*"
    cat out err 2>/dev/null
    exit 1
}

for linkage in ward average single; do
    whole=$(mpirun -q -n 1 "$program" whole.checkpoint $linkage 3000 0 2>err) || fail "$linkage: uninterrupted run failed"
    stops=0 resumed=0
    for attempt in $(seq 40); do
        mpirun -q -n $((attempt % 3 + 1)) "$program" run.checkpoint $linkage 3000 $((attempt * 15000)) >out 2>err
        status=$?
        grep -q "goes on from" err && resumed=$((resumed + 1))
        [ "$status" = 0 ] && break
        [ "$status" = 75 ] || fail "$linkage: exit status $status"
        stops=$((stops + 1))
    done
    [ "$status" = 0 ] || fail "$linkage: not done after $attempt attempts"
    [ "$(cat out)" = "$whole" ] || fail "$linkage: another tree after $stops stops"
    if [ $stops = 0 ] || [ $resumed = 0 ]; then fail "$linkage: $stops stops, $resumed resumed: nothing was tried"; fi
    [ ! -e run.checkpoint ] || fail "$linkage: the checkpoint is still there"
    echo "$linkage: $stops stops, $resumed resumed"
done
