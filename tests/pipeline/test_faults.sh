#!/usr/bin/env bash
# timeout: 240
# Promise 3 and 5: a bad input gives one clear line and the right exit status, on one rank and on four.
set -u
cd "$TT_SCRATCH" || exit 1
failed=0
small="--set train.epochs=2 --set model.hidden_dims=[16] --set model.latent_dim=4 --set cluster.kmeans.k=3"

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

# a full disk: one line, and when there is room again the same command goes on
if mkdir full && mount -t tmpfs -o size=1m tmpfs full 2>/dev/null; then
    # shellcheck disable=SC2086 # $small is a list of words
    expect "full disk" 1 "No space left on device" run --run full/run --set corpus.path=corpus $small
    mount -o remount,size=64m full
    # shellcheck disable=SC2086
    mpirun -q -n 2 "$TT_BUILD/tutti" run --run full/run --set corpus.path=corpus $small >out 2>err || { echo "no going on after a full disk:"; cat err; failed=1; }
    umount full
else
    echo "no tmpfs can be mounted here: the full disk was not tried"
fi

# 5 % broken files: status 0, the counts add up, each broken file is listed
"$TT_BUILD/tutti" synth --tracks 100 --seconds 3 --broken 0.05 --seed 5 --out some 2>/dev/null
# shellcheck disable=SC2086
mpirun -q -n 2 "$TT_BUILD/tutti" run --run r6 --set corpus.path=some $small >out 2>err || { echo "5 % broken files end the run:"; cat err; failed=1; }
grep -E "found|read|failed" err
exit $failed
