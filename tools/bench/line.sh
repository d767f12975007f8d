#!/usr/bin/env bash
# What each stage of the line takes on one rank and on two. TRACKS (400) of about 12 s.
set -eu

seconds() { # log stage: "4.5 s" or "1 min 05 s" as seconds
    sed -n "s/^tutti: $2  *done in \([^:]*\): .*/\1/p" "$1" |
        awk '{ print $2 == "min" ? $1 * 60 + $3 : $2 == "h" ? $1 * 3600 + $3 * 60 : $1 }'
}

mpirun -q -n 2 "$TUTTI" synth --tracks "${TRACKS:-400}" --format csv --out corpus 2>synth.log
for n in 1 2; do
    mpirun -q -n "$n" "$TUTTI" run --run "run$n" --set corpus.path=corpus >/dev/null 2>"log$n"
done
grep "x real" synth.log log1 log2 | sed 's/^\([a-z0-9]*\)[.a-z]*:tutti: /\1: /'
printf '\n%-10s %10s %10s %10s\n' stage "1 rank, s" "2 ranks, s" speed-up
for stage in scan extract fuse train encode pca cluster embed evaluate report; do
    one=$(seconds log1 "$stage") two=$(seconds log2 "$stage")
    awk -v stage="$stage" -v one="$one" -v two="$two" 'BEGIN {
        printf "%-10s %10.1f %10.1f %10s\n", stage, one, two, (one >= 0.5 && two > 0) ? sprintf("%.2f", one / two) : "too short" }'
done
