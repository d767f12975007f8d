#!/usr/bin/env bash
# timeout: 240
# Promise 3 and 5: a bad input gives one clear line and the right exit status, on one rank and on four.
set -u
cd "$TT_SCRATCH" || exit 1
failed=0

# expect NAME STATUS TEXT COMMAND...: on 1 and 4 ranks the exit status is STATUS, and one error line holds TEXT
expect() {
    local name=$1 status=$2 text=$3 n got
    shift 3
    for n in 1 4; do
        timeout -k 5 60 mpirun -q -n $n "$TT_BUILD/tutti" "$@" >out 2>err
        got=$?
        if [ $got != "$status" ] || [ "$(grep -c 'error: ' err)" != 1 ] || ! grep 'error: ' err | grep -qF -- "$text"; then
            echo "$name on $n ranks: status $got (expected $status), expected one line with '$text', got:"
            cat err
            failed=1
        fi
    done
}

mkdir empty broken broken/noise
head -c 4000 /dev/urandom >broken/noise/a.mp3
: >broken/noise/b.wav
echo "this is text" >broken/noise/c.flac
"$TT_BUILD/tutti" synth --tracks 6 --seconds 4 --out corpus 2>/dev/null

expect "empty corpus" 1 "holds no tracks" run --run r1 --set corpus.path=empty
expect "missing corpus" 1 "nowhere" run --run r2 --set corpus.path=nowhere
expect "all broken" 1 "extract" run --run r3 --set corpus.path=broken
: >plainfile
expect "run directory is a file" 1 "plainfile" run --run plainfile/run --set corpus.path=corpus
expect "unwritable run directory" 1 "/proc/tutti" run --run /proc/tutti --set corpus.path=corpus
printf 'seed: 1\nfeatures:\n  n_melz: 3\n' >unknown.yaml
expect "unknown key" 2 "unknown.yaml line 3: features.n_melz: unknown setting" run unknown.yaml --run r4
printf 'features: {n_fft: 1}\n' >range.yaml
expect "value out of range" 2 "range.yaml line 1: features.n_fft: 1 is out of range" run range.yaml --run r4
expect "no such config" 1 "none.yaml" run none.yaml --run r4
expect "unknown option" 2 "unknown option --fast" run --run r4 --fast
expect "unknown command" 2 "'dance' is no command" dance
expect "--run missing" 2 "--run is missing" run
mkdir old
echo '{"layout": 0, "tutti": "0.0.1"}' >old/run.json
expect "another version" 2 "old was made by tutti 0.0.1" run --run old --set corpus.path=corpus
expect "stage without its input" 1 "run the stages before" fuse --run r5
expect "missing matrix" 1 "no.h5" cluster --input no.h5:/x --output o.h5
expect "not HDF5" 1 "unknown.yaml" cluster --input unknown.yaml:/x --output o.h5
expect "unknown method" 2 "kmeans" cluster --input no.h5:/x --method magic --output o.h5

# run DIR options...: the line on two ranks, which must end well
run() {
    mpirun -q -n 2 "$TT_BUILD/tutti" run --run "$@" >out 2>err || { echo "run $* fails:"; cat err; failed=1; }
}

# a full disk: one line, and when there is room again the same command goes on
small=(--set corpus.path=corpus --set train.epochs=2 --set "model.hidden_dims=[16]" --set model.latent_dim=4 --set cluster.kmeans.k=3)
if mkdir full && mount -t tmpfs -o size=300k tmpfs full 2>/dev/null; then
    expect "full disk" 1 "No space left on device" run --run full/run "${small[@]}"
    mount -o remount,size=64m full
    run full/run "${small[@]}"
    # pictures are written by another program, which does not say that it could not
    rm full/run/results/*
    mount -t tmpfs -o size=16k tmpfs full/run/results
    expect "no room for pictures" 1 "cut short" run --run full/run "${small[@]}"
    umount full/run/results
    umount full
else
    echo "no tmpfs can be mounted here: the full disk was not tried"
fi

# memory that is refused, to us and to BLAS, which would ask for ever
run r6 "${small[@]}"
rm r6/hybrid.h5
(
    ulimit -v 400000
    timeout 60 "$TT_BUILD/tutti" run --run r6 "${small[@]}" >out 2>err
    [ $? = 1 ] && [ "$(grep -c "error: .*no memory for" err)" = 1 ]
) || { echo "no clear end without memory:"; cat err; failed=1; }

# what is damaged between two runs is noticed when it is read, and made again when it is removed
run r6 "${small[@]}"
at=$(h5dump -p -H -d /x r6/hybrid.h5 | sed -n 's/^ *OFFSET \([0-9]*\).*/\1/p')
printf '\125\252' | dd of=r6/hybrid.h5 bs=1 seek=$((at + 1000)) conv=notrunc 2>/dev/null
expect "damaged file" 1 "hybrid.h5: /x rows" run --run r6 "${small[@]}" --set model.latent_dim=3
rm r6/hybrid.h5
: >r6/latents.h5
run r6 "${small[@]}"

# 5 % broken files: status 0, the counts add up, each broken file is listed
"$TT_BUILD/tutti" synth --tracks 100 --seconds 3 --broken 0.05 --seed 5 --out some 2>err
broken=$(sed -n 's/.*(\([0-9]*\) broken on purpose.*/\1/p' err)
run r7 "${small[@]}" --set corpus.path=some
listed=$(h5ls r7/features.h5/failures | sed -n 's/^path .*{\([0-9]*\)}.*/\1/p')
sed -n 's/.*found \([0-9]*\) tracks = \([0-9]*\) read + \([0-9]*\) failed + \([0-9]*\) without audio (\([0-9]*\) read.*/\1 \2 \3 \4 \5/p' err |
    awk -v listed="$listed" -v broken="$broken" '{ n++; ok = $1 == 100 && $1 == $2 + $3 + $4 && listed == $3 + $5 && listed == broken && broken > 0 }
        END { exit !(n == 1 && ok) }' ||
    { echo "of $broken broken files $listed are listed, and the counts do not add up:"; cat err; failed=1; }
exit $failed
