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

kills=0
for round in $(seq 8); do
    rm -f run.h5*
    for attempt in $(seq 8); do
        mpirun -q -n $((RANDOM % 3 + 1)) "$writer" "$PWD/run.h5" $rows $((RANDOM % 3000)) >out 2>&1 &
        job=$!
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        mapfile -t ranks < <(pgrep -f "^$writer $PWD/run.h5")
        if [ ${#ranks[@]} -gt 0 ] && [ "$attempt" -lt 8 ]; then
            if [ $((RANDOM % 2)) = 0 ]; then ranks=("${ranks[RANDOM % ${#ranks[@]}]}"); fi
            kill -9 "${ranks[@]}" 2>/dev/null && kills=$((kills + 1))
        fi
        if wait $job; then
            [ -e run.h5 ] || fail "round $round: done, but no file"
            break
        fi
        [ ! -e run.h5 ] || h5dump -H run.h5 >/dev/null || fail "round $round: published, but unreadable"
        [ "$attempt" -lt 8 ] || fail "round $round: $(cat out)"
        if [ -e run.h5 ]; then break; fi # killed after the rename
    done
    [ "$(data_of run.h5)" = "$whole" ] || fail "round $round: other data after $attempt attempts"
done
[ $kills -ge 10 ] || fail "only $kills kills hit"
