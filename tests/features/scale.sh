#!/usr/bin/env bash
# scale.sh: extraction of CLIPS (100,000) clips from about 64 tar shards on 1, 2, 3, 5 and 8 ranks: the same bits. Then
# stopped by SIGTERM, killed, and cut off by a full disk (needs root), each resumed on another number of ranks: the same
# bits. AFTER (5): seconds to the signal. Prints time and peak memory of each run. `make scale` calls it; it takes minutes and 2 kB of disk per clip.
set -euo pipefail
root=$(realpath "$(dirname "$0")/../..")
. "$root/tools/mpienv.sh"
clips=${CLIPS:-100000} TT_BUILD=$(realpath "${TT_BUILD:-$root/build}")
export TT_BUILD
work=$(mktemp -d "${TMPDIR:-/tmp}/tutti-scale.XXXXXX")
trap 'umount "$work/small" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

settings=(--set audio.sample_rate=8000 --set audio.clip_seconds=0.1 --set audio.clip_hop=0.1 --set features.n_fft=256
    --set features.hop_length=128 --set features.n_mels=16 --set features.n_mfcc=8 --set features.fmax=4000)

launch() { # ranks output: in place of this shell
    exec mpirun -q -n "$1" "$TT_BUILD/tutti" extract --corpus 'shards/shard-*.tar' --output "$2" "${settings[@]}"
}

bits() { # features.h5: checksums of all data
    mkdir -p one && ln -sf "$(realpath "$1")" one/features.h5
    echo '{}' >one/metrics.json
    "$root/tests/pipeline/bits.sh" one 2>/dev/null | sha256sum | cut -c1-16
}

peak() { # the highest resident set of a rank in megabytes, while process $1 runs
    local most=0 now
    while kill -0 "$1" 2>/dev/null; do
        now=$(pgrep -P "$1" | while read -r rank; do
            sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$rank/status" 2>/dev/null || true
        done | sort -n | tail -n 1)
        if [ "${now:-0}" -gt "$most" ]; then most=$now; fi
        sleep 0.2
    done
    echo $((most / 1024))
}

check() { # what file: the bits are those of one rank
    local got
    got=$(bits "$2")
    [ "$got" = "$expected" ] || { echo "FAILED: $1 gives $got, one rank $expected"; exit 1; }
}

# a track of 2 s gives 20 clips; its mean length is what synth aims at
tracks=$((clips / 20))
mpirun -q -n 2 "$TT_BUILD/tutti" synth --tracks "$tracks" --seconds 2 --format folder --out made 2>/dev/null
"$root/tools/make-shards.sh" --size $(($(du -sb made | cut -f1) / 66)) made shards/shard >/dev/null
rm -rf made
echo "corpus: $tracks tracks in $(find shards -name '*.tar' | wc -l) shards, $(du -sm shards | cut -f1) MB"

expected=
for n in 1 2 3 5 8; do
    start=$EPOCHREALTIME
    (launch "$n" "f$n.h5") 2>"log$n" &
    memory=$(peak $!)
    wait $! || { cat "log$n"; exit 1; }
    took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    [ -n "$expected" ] || expected=$(bits f1.h5)
    check "$n ranks" "f$n.h5"
    echo "$n ranks: $took s, at most $memory MB a rank; $(sed -n 's/^tutti: extract: \([0-9]* clips = .*\); .*/\1/p' "log$n"): the same bits"
    [ "$n" = 1 ] || rm "f$n.h5"*
done

for signal in TERM KILL; do
    (launch 3 "$signal.h5") 2>/dev/null &
    until [ -e "$signal.h5.part" ]; do sleep 0.05; done
    sleep "${AFTER:-5}"
    pkill "-$signal" -P $! || true
    wait $! && { echo "FAILED: SIG$signal came too late; try a smaller AFTER"; exit 1; }
    [ ! -e "$signal.h5" ] || { echo "FAILED: published in spite of SIG$signal"; exit 1; }
    (launch 2 "$signal.h5") 2>log || { cat log; exit 1; }
    check "SIG$signal and resumed" "$signal.h5"
    echo "SIG$signal after ${AFTER:-5} s on 3 ranks, resumed on 2 ($(sed -n 's/.*; \([0-9]* made now\).*/\1/p' log)): the same bits"
    rm "$signal.h5"*
done

size=$(stat -c %s f1.h5)
mkdir small
if mount -t tmpfs -o "size=$((size / 2))" none small 2>/dev/null; then
    (launch 2 small/f.h5) 2>log && { echo "FAILED: a full disk goes unnoticed"; exit 1; }
    [ ! -e small/f.h5 ] || { echo "FAILED: published on a full disk"; exit 1; }
    grep 'error:' log | head -n 1
    mount -o "remount,size=$((size * 2))" small
    (launch 3 small/f.h5) 2>log || { cat log; exit 1; }
    check "a full disk and resumed" small/f.h5
    echo "disk full at half, given room, resumed on 3 ranks: the same bits"
else
    echo "no right to mount: the full disk was not tried"
fi
