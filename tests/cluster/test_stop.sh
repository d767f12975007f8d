#!/usr/bin/env bash
# SIGTERM at two moments of a tree and of DBSCAN: exit status 75 and a checkpoint, from which another number of ranks goes
# on to the same bits; when the work is done the checkpoint goes.
# timeout: 60
set -u
program=$TT_BUILD/tests/cluster/test_stop
cd "$TT_SCRATCH" || exit 1

fail() {
    echo "$method: $*"
    cat out err 2>/dev/null
    exit 1
}

attempt() { # ranks reductions expected-status
    mpirun -q -n "$1" "$program" run.checkpoint "$method" 1500 "$2" >out 2>err
    status=$?
    [ $status = "$3" ] || fail "exit status $status after $2 of $reductions reductions, expected $3"
}

for method in ward average single dbscan; do
    mpirun -q -n 2 "$program" whole.checkpoint $method 1500 0 >out 2>err || fail "uninterrupted run failed"
    read -r _ whole _ reductions <out
    attempt 2 $((reductions / 6)) 75
    [ -e run.checkpoint ] || fail "no checkpoint after $reductions / 6 reductions"
    attempt 3 $((reductions / 3)) 75
    grep -q "goes on from" err || fail "the second run did not go on from the checkpoint"
    attempt 1 0 0
    grep -q "goes on from" err || fail "the third run did not go on from the checkpoint"
    read -r _ result _ <out
    [ "$result" = "$whole" ] || fail "another result"
    [ ! -e run.checkpoint ] || fail "the checkpoint is still there"
done
