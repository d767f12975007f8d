#!/usr/bin/env bash
# kill -9 of one rank or of all at random moments: every file that is published is whole, and what is resumed ends in
# the same bits as an uninterrupted run.
# timeout: 240
set -u
writer=$TT_BUILD/tests/store/test_writer
rows=2000
cd "$TT_SCRATCH" || exit 1

fail() {
    echo "$*"
    exit 1
}

# The data of a file: all but what tells when and by how many ranks it was made.
data_of() {
    local dataset
    for dataset in /x /id /late/code; do
        h5dump -b LE -o dataset.bin -d $dataset "$1" >/dev/null && md5sum <dataset.bin
    done
}

mpirun -q -n 3 "$writer" "$PWD/whole.h5" $rows 0 >/dev/null || fail "the uninterrupted run failed"
whole=$(data_of whole.h5)

# An mpirun whose rank dies while it starts may wait for ever: it has a time limit, and ends with this script.
job=
trap '[ -z "$job" ] || kill -9 "$job" 2>/dev/null' EXIT
trap 'exit 1' TERM INT

# ranks_of JOB: the writers among its processes as soon as there are any, in `ranks`
ranks_of() {
    ranks=()
    while [ ${#ranks[@]} = 0 ] && kill -0 "$1" 2>/dev/null; do
        mapfile -t ranks < <(pgrep -f "^$writer $PWD/run.h5")
        sleep 0.02
    done
}

kills=0 last=6
for round in $(seq 5); do
    rm -f run.h5*
    for attempt in $(seq $last); do
        timeout --foreground -k 3 25 mpirun -q -n $((RANDOM % 3 + 1)) "$writer" "$PWD/run.h5" $rows $((RANDOM % 3000)) >out 2>&1 &
        job=$!
        ranks_of $job
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        if [ ${#ranks[@]} -gt 0 ] && [ "$attempt" -lt $last ]; then
            if [ $((RANDOM % 2)) = 0 ]; then ranks=("${ranks[RANDOM % ${#ranks[@]}]}"); fi
            kill -9 "${ranks[@]}" 2>/dev/null && kills=$((kills + 1))
        fi
        if wait $job; then
            [ -e run.h5 ] || fail "round $round: done, but no file"
            break
        fi
        [ ! -e run.h5 ] || h5dump -H run.h5 >/dev/null || fail "round $round: published, but unreadable"
        [ "$attempt" -lt $last ] || fail "round $round: $(cat out)"
        if [ -e run.h5 ]; then break; fi # killed after the rename
    done
    job=
    [ "$(data_of run.h5)" = "$whole" ] || fail "round $round: other data after $attempt attempts"
done
[ $kills -ge 5 ] || fail "only $kills kills hit"
