#!/usr/bin/env bash
# timeout: 400
# Promise 2: nothing is lost when something dies. kill -9 of a random rank, or of mpirun, at random moments of extraction and
# of training: every published file opens and is whole, and the same command again ends in the same bits as a run
# that was never cut. KILLS (10) and SEED (1) may be set.
set -eu
here=$(dirname "$0")
RANDOM=${SEED:-1}
cd "$TT_SCRATCH"
"$TT_BUILD/tutti" synth --tracks 60 --seconds 12 --out corpus 2>/dev/null

run() { # directory: the whole line on two ranks, in the background as a process group of its own
    exec mpirun -q -n 2 "$TT_BUILD/tutti" run --run "$1" --set corpus.path=corpus --set train.epochs=30 \
        --set train.checkpoint_seconds=1 --set cluster.kmeans.k=4
}
start=$EPOCHREALTIME
(run whole) >out 2>err || { cat err; exit 1; }
"$here/bits.sh" whole/*.h5 | sed 's/^/ /' >bits
# seconds of extraction and of training: the kills go there
took() { # stage
    sed -n "s/^tutti: $1  *done in \([0-9.]*\) s.*/\1/p" err
}
echo "whole run: $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }') s; extract $(took extract), train $(took train)"

victims() { # pids of the ranks of this test, and of its mpirun
    pgrep -f "tutti run --run $1 " | grep -v "^$$\$" || true
}
wait_for() { # stage file: until it is being written, or the run is over
    for _ in $(seq 400); do
        [ -e "$1" ] && return 0
        kill -0 "$runner" 2>/dev/null || return 0
        sleep 0.01
    done
}
cuts=0
for i in $(seq "${KILLS:-10}"); do
    dir=cut$i
    file=model.h5 stage=train before=hybrid.h5
    if [ $((i % 2)) = 0 ]; then file=features.h5 stage=extract before=features.h5.part; fi
    (run "$dir") >out 2>err2 &
    runner=$!
    wait_for "$dir/$before"
    sleep "$(awk -v t="$(took "$stage")" -v r="$RANDOM" 'BEGIN { print t * r / 32768 }')"
    mapfile -t pids < <(victims "$dir")
    if [ ${#pids[@]} -gt 0 ]; then
        kill -9 "${pids[$((RANDOM % ${#pids[@]}))]}" 2>/dev/null || true
    fi
    killed=yes
    if wait "$runner" 2>/dev/null; then killed=no; fi
    [ "$killed" = yes ] && [ ! -e "$dir/$file" ] && cuts=$((cuts + 1))
    for published in "$dir"/*.h5; do
        [ -e "$published" ] || continue
        "$TT_BUILD/tutti" verify "$published" >out 2>&1 || { echo "$published is not whole after a kill:"; cat out; exit 1; }
    done
    (run "$dir") >out 2>err3 || { echo "kill $i in $stage: running again failed"; cat err3; exit 1; }
    "$here/bits.sh" "$dir"/*.h5 | sed 's/^/ /' >bits.cut
    diff bits bits.cut || { echo "kill $i in $stage: running again gives other bits"; exit 1; }
    [ -z "$(find "$dir" -name '*.part' -o -name '*.checkpoint')" ] || { echo "left behind:"; ls "$dir"; exit 1; }
    rm -rf "$dir"
done
echo "$cuts of ${KILLS:-10} kills hit before the stage's file was whole"
[ "$cuts" -gt 0 ] || { echo "no kill hit anything"; exit 1; }
