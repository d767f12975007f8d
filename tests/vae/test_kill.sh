#!/usr/bin/env bash
# SIGKILL, SIGTERM and SIGUSR1 of one rank or of all at ten random moments of training, each time resumed on another number
# of ranks: the bits of a training that nobody stopped, held in memory and read from the file, and nothing left behind.
# timeout: 300
# KILLS (10) and SEED (1) may be set.
set -uo pipefail
kills=${KILLS:-10}
RANDOM=${SEED:-1}
cd "$TT_SCRATCH" || exit 1

fail() { # what file: says it, with the file
    echo "$1"
    cat "$2"
    exit 1
}

train() { # ranks output settings...: a training of about two seconds
    local ranks=$1 output=$2
    shift 2
    exec mpirun -q -n "$ranks" "$TT_BUILD/tutti" train --input "$PWD/rows.h5:/x" --output "$PWD/$output" \
        --set train.epochs=80 --set train.batch_size=64 --set model.hidden_dims=[24] --set model.latent_dim=4 \
        --set train.checkpoint_seconds=0.05 --set train.patience=100 --set train.optimizer=adamw \
        --set train.weight_decay=0.01 --set train.schedule=cosine --set train.clip_norm=50 "$@"
}

# Checksums of every dataset but the clock's.
bits_of() {
    "$TT_BUILD/tutti" verify "$1" >verified 2>&1 || fail "$1 is not whole:" verified
    h5dump -A 0 -g /checksum "$1" | awk '
        /GROUP/ { group = $2 }
        /DATASET/ { name = group "/" $2; skip = $2 == "\"(structure)\"" || name == "\"history\"/\"seconds\"" }
        /DATATYPE/ { next }
        /^ *\([0-9]+\): / && !skip { print name, $0 }'
}

# Kill a training again and again until it has ended or enough kills have hit.
cut_up() { # output settings...
    local output=$1 signals=(KILL TERM USR1) signal job attempt alive
    shift
    for attempt in 1 2 3 4 5; do
        (train $((RANDOM % 3 + 1)) "$output" "$@") >out 2>err &
        job=$!
        until [ -e "$output.part" ] || ! kill -0 "$job" 2>/dev/null; do sleep 0.02; done
        sleep "0.$((RANDOM % 8))$((RANDOM % 10))"
        mapfile -t alive < <(pgrep -f "^$TT_BUILD/tutti train --input $PWD/rows.h5:/x --output $PWD/$output ")
        signal=${signals[hits % 3]}
        if [ ${#alive[@]} -gt 0 ] && [ "$attempt" -lt 5 ]; then
            [ $((RANDOM % 2)) = 0 ] || alive=("${alive[RANDOM % ${#alive[@]}]}")
            kill -"$signal" "${alive[@]}" 2>/dev/null && hits=$((hits + 1))
        else
            signal=none
        fi
        wait $job
        status=$?
        if [ $status = 0 ]; then break; fi
        [ "$signal" != none ] || fail "resumed, it fails:" err
        case $signal-$status in # 143 and 138: it came before the program was there to catch it
        KILL-* | *-75 | TERM-143 | USR1-138) ;;
        *) fail "$signal ends with status $status:" err ;;
        esac
    done
    [ "$status" = 0 ] || fail "never done:" err
}

mpirun -q -n 2 "$TT_BUILD/tests/store/test_writer" "$PWD/rows.h5" 800 0 >out 2>&1 || fail "no input:" out
hits=0
for memory in 0 1; do
    (train 2 whole$memory.h5 --set train.memory=$memory) >out 2>err || fail "a training that nobody stops fails:" err
    bits_of whole$memory.h5 >whole$memory
    [ "$(wc -l <whole$memory)" -gt 20 ] || fail "too little to compare:" whole$memory
done
grep -q 'stay in the file' err || fail "the rows are not read from the file:" err
for round in $(seq 8); do
    if [ $hits -ge "$kills" ]; then break; fi
    cut_up "cut$round.h5" --set train.memory=$((round % 2))
    bits_of "cut$round.h5" >bits
    diff whole$((round % 2)) bits || fail "round $round: other bits" err
    rm -f "cut$round.h5"
    left=$(find . -name 'cut*')
    [ -z "$left" ] || fail "left behind: $left" err
done
echo "$hits signals hit"
[ $hits -ge "$kills" ]
