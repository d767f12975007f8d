#!/usr/bin/env bash
# timeout: 200
# Extraction of one long track and many short ones: the same bits on any number of ranks and threads, after kill -9 of a rank
# or of mpirun at random moments too; the pieces of the long track that were done are not done again; a limit on failures
# ends the run on all ranks, and a limit on time only what takes longer.
# KILLS (4) and SEED (1) may be set.
set -euo pipefail
bits=$(realpath "$(dirname "$0")/../pipeline/bits.sh")
RANDOM=${SEED:-1}
cd "$TT_SCRATCH"

noise() { # file seconds: 16 bits, mono, 22050 Hz
    local bytes=$(($2 * 44100))
    {
        printf 'RIFF'
        printf '%08x' $((bytes + 36)) | sed 's/\(..\)\(..\)\(..\)\(..\)/\\x\4\\x\3\\x\2\\x\1/' | xargs -0 printf '%b'
        printf 'WAVEfmt \020\000\000\000\001\000\001\000\042\126\000\000\104\254\000\000\002\000\020\000data'
        printf '%08x' "$bytes" | sed 's/\(..\)\(..\)\(..\)\(..\)/\\x\4\\x\3\\x\2\\x\1/' | xargs -0 printf '%b'
        head -c "$bytes" /dev/urandom
    } >"$1"
}

mkdir -p corpus/noise
noise corpus/noise/long.wav 900
for i in $(seq 30); do noise "corpus/noise/short$i.wav" $((i % 7 + 3)); done

extract() { # ranks threads folder options...
    mkdir -p "$3"
    OMP_NUM_THREADS=$2 exec mpirun -q -n "$1" "$TT_BUILD/tutti" extract --corpus corpus --output "$PWD/$3/features.h5" "${@:4}"
}

fail() { # what file: says it, with the file
    echo "$1"
    cat "$2"
    exit 1
}

same() { # folder
    : >"$1/metrics.json"
    "$bits" "$1" >bits.other 2>err || fail "$1 is not whole:" err
    diff bits.whole bits.other || { echo "$1 holds other bits" && exit 1; }
    rm -rf "$1"
}

(extract 1 1 whole) 2>log || fail "a run that nobody kills fails:" log
: >whole/metrics.json
"$bits" whole >bits.whole 2>err || fail "a run that nobody kills is not whole:" err
clips=$(sed -n 's/.* clips = \([0-9]*\) valid .*/\1/p' log)
for ranks in 2 5; do
    for threads in 1 3; do
        (extract $ranks $threads "r$ranks.$threads") 2>log || fail "$ranks ranks of $threads threads:" log
        same "r$ranks.$threads"
    done
done

kept=0
for ((i = 1; i <= ${KILLS:-4} || (kept == 0 && i <= 20); i++)); do # on and on while they come too early
    (extract $((RANDOM % 3 + 1)) $((RANDOM % 2 + 1)) "cut$i") 2>log &
    runner=$!
    until [ -e "cut$i/features.h5.part" ] || ! kill -0 $runner 2>/dev/null; do sleep 0.01; done
    sleep "0.$((RANDOM % 9))"
    mapfile -t alive < <(pgrep -f "tutti extract .* --output $PWD/cut$i/")
    [ ${#alive[@]} = 0 ] || kill -9 "${alive[@]: -$((RANDOM % 2))}" 2>/dev/null || true
    wait $runner 2>/dev/null || true
    (extract $((RANDOM % 3 + 1)) $((RANDOM % 2 + 1)) "cut$i") 2>log || fail "running again fails:" log
    made=$(sed -n 's/.* \([0-9]*\) made now .*/\1/p' log)
    echo "kill $i: $made of $clips clips made again"
    [ "$made" -ge "$clips" ] || kept=$((kept + 1))
    same "cut$i"
done
[ "$kept" -gt 0 ] || { echo "no run went on from the pieces that were done" && exit 1; }

# a file that is gone since the scan: too many failures end the run, on all ranks, and say how many
for i in $(seq 1 2 30); do mv "corpus/noise/short$i.wav" "away$i.wav" && : >"corpus/noise/short$i.wav"; done
if (extract 3 1 failing --max-failures 0.2) >log 2>&1; then fail "15 of 31 tracks failed, and nobody minded" log; fi
grep -q max_failures log || fail "max_failures is not named:" log

# nothing opens within a nanosecond: no clip, which is an error; a minute is enough for all
if (extract 2 1 late --set audio.time_limit=1e-9) >log 2>&1; then fail "a nanosecond was enough" log; fi
grep -q "none of 31 tracks gave a clip" log || fail "nothing about the tracks:" log
(extract 2 1 slow --set audio.time_limit=60) >log 2>&1 || fail "a minute was not enough" log
