#!/usr/bin/env bash
# timeout: 300
# Promise 2: nothing is lost when something dies. kill -9 of a rank, of mpirun or of all of them at random moments of
# extraction, of training and of the whole line: every published file is whole, and the same command again, on
# any number of ranks, ends in the same bits as a run that was never cut and leaves nothing else behind.
# KILLS (9) and SEED (1) may be set; `make soak` does.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
kills=${KILLS:-9}
RANDOM=${SEED:-1}
cd "$TT_SCRATCH"
"$TT_BUILD/tutti" synth --tracks 40 --seconds 10 --out corpus 2>/dev/null

run() { # ranks directory: the whole line
    exec mpirun -q -n "$1" "$TT_BUILD/tutti" run --run "$2" --set corpus.path=corpus --set train.epochs=400 \
        --set train.checkpoint_seconds=0.1 --set model.hidden_dims=[64] --set cluster.kmeans.k=4
}

fail() { # what file: says it, with the file
    echo "$1"
    cat "$2"
    exit 1
}

took() { # stage: its seconds in the run that was never cut
    sed -n "s/^tutti: $1  *done in \([0-9.]*\) s.*/\1/p" err
}

start=$EPOCHREALTIME
(run 2 whole) >out 2>err || fail "a run that nobody kills fails:" err
line=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
"$here/bits.sh" whole >bits 2>err4 || fail "a run that nobody kills is not whole:" err4
[ "$(wc -l <bits)" -gt 100 ] || fail "too little to compare:" bits
echo "never cut: $line s, extract $(took extract) s, train $(took train) s"

# Until the file is there, or the run is over.
wait_for() { # file
    until [ -e "$1" ] || ! kill -0 "$runner" 2>/dev/null; do sleep 0.01; done
}

cuts=0
for i in $(seq "$kills"); do
    dir=$PWD/cut$i # nobody else has a process that names it
    (run $((RANDOM % 3 + 1)) "$dir") >out 2>err2 &
    runner=$!
    case $((i % 3)) in
    0) span=$line moment="the whole line" ;;
    1) span=$(took train) moment=training && wait_for "$dir/hybrid.h5" ;;
    2) span=$(took extract) moment=extraction && wait_for "$dir/features.h5.part" ;;
    esac
    sleep "$(awk -v t="$span" -v r="$RANDOM" 'BEGIN { print t * r / 32768 }')"
    mapfile -t alive < <(pgrep -f "tutti run --run $dir ")
    case $((RANDOM % 3)) in # mpirun is the oldest
    0) victims=("${alive[@]:0:1}") who=mpirun ;;
    1) victims=("${alive[@]: -1}") who="a rank" ;;
    2) victims=("${alive[@]}") who=all ;;
    esac
    [ ${#victims[@]} = 0 ] || kill -9 "${victims[@]}" 2>/dev/null || true
    if ! wait "$runner" 2>/dev/null; then cuts=$((cuts + 1)); fi
    mapfile -t published < <(find "$dir" -name '*.h5' 2>/dev/null)
    echo "kill $i in $moment: $who, ${#published[@]} files were whole"
    [ ${#published[@]} = 0 ] || "$TT_BUILD/tutti" verify "${published[@]}" >out 2>&1 || fail "not whole:" out
    (run $((RANDOM % 3 + 1)) "$dir") >out 2>err3 || fail "running again fails:" err3
    "$here/bits.sh" "$dir" >bits.cut 2>err4 || fail "after running again a file is not whole:" err4
    diff bits bits.cut || fail "running again gives other bits:" err3
    find "$dir" -type f ! -name '*.h5' ! -name '*.png' ! -name '*.json' ! -name config.yaml ! -name scores.txt >left
    [ ! -s left ] || fail "left behind:" left
    rm -rf "$dir"
done
echo "$cuts of $kills kills cut a run off"
[ "$cuts" -gt $((kills / 2)) ] || exit 1
