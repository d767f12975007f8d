#!/usr/bin/env bash
# clang and a portable build (ARCH=x86-64) take the whole tree without a warning, and the portable program clusters a corpus
# as the one for this machine does.
# timeout: 400
set -eu
cd "$(dirname "$0")/../.."
command -v clang >/dev/null || { echo "clang is not installed" && exit 77; }

builds() { # name words...
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -j"$(nproc)" BUILD="$TT_BUILD/$1" "${@:2}" >"$TT_SCRATCH/$1.log" 2>&1 ||
        { cat "$TT_SCRATCH/$1.log" && exit 1; }
    if grep -A 4 'warning:' "$TT_SCRATCH/$1.log"; then exit 1; fi
}
builds clang CC=clang CFLAGS=-O1 all tests
builds portable ARCH=x86-64 all

cd "$TT_SCRATCH"
"$TT_BUILD/tutti" synth --tracks 30 --seconds 4 --out corpus 2>log || { cat log && exit 1; }
for build in . clang portable; do
    mpirun -q -n 2 "$TT_BUILD/$build/tutti" run --run "run-$build" --set corpus.path=corpus --set train.epochs=3 \
        --set cluster.kmeans.k=5 >log 2>&1 || { cat log && exit 1; }
done
for build in clang portable; do # a float apart in the order of sums, not more
    h5diff -d 0.01 run-./hybrid.h5 "run-$build/hybrid.h5" /x
    h5diff -d 0.01 run-./latents.h5 "run-$build/latents.h5" /mu
    h5diff run-./clusters.h5 "run-$build/clusters.h5" /baseline/raw/kmeans/label
done
