#!/usr/bin/env bash
# timeout: 240
# Promise 1: the number of ranks never changes a result. The whole line on 1, 2, 3, 5 and more ranks than tracks: every
# dataset of every file has the same bits, the scores are equal. And a second run does nothing and says so.
set -eu
here=$(dirname "$0")
cd "$TT_SCRATCH"
mpirun -q -n 2 "$TT_BUILD/tutti" synth --tracks 14 --seconds 5 --broken 0.15 --format csv --seed 3 --out corpus 2>/dev/null

run() { # ranks
    mpirun -q -n "$1" "$TT_BUILD/tutti" run --run "run$1" --set corpus.path=corpus --set train.epochs=4 \
        --set model.hidden_dims=[64] --set model.latent_dim=8 --set cluster.kmeans.k=4
}
for n in 1 2 3 5 17; do
    run "$n" >"out$n" 2>"err$n" || { cat "err$n"; exit 1; }
    "$here/bits.sh" run"$n"/*.h5 >"bits$n"
    sed '/"provenance"/,$d' "run$n/metrics.json" >"scores$n"
    if ! diff bits1 "bits$n" || ! diff scores1 "scores$n"; then
        echo "$n ranks give another result than 1"
        exit 1
    fi
done
[ "$(wc -l <bits1)" -gt 40 ] || { echo "too few datasets compared"; cat bits1; exit 1; }

touch stamp
run 2 >out 2>err
grep -q "nothing to do" err || { echo "a second run does not say that there is nothing to do:"; cat err; exit 1; }
[ -z "$(find run2 -name '*.h5' -newer stamp)" ] || { echo "a second run wrote files"; exit 1; }

# another setting: what depends on it is done again, what does not is kept
mpirun -q -n 2 "$TT_BUILD/tutti" run --run run2 --set corpus.path=corpus --set train.epochs=4 --set model.hidden_dims=[64] \
    --set model.latent_dim=8 --set cluster.kmeans.k=5 >out 2>err
for stage in scan extract fuse train encode pca embed; do
    grep -q "$stage  *current" err || { echo "k alone was changed, but $stage was redone"; cat err; exit 1; }
done
grep -q "cluster  *done" err || { echo "k was changed, but cluster was not redone"; cat err; exit 1; }

# a track less: the corpus is scanned again
rm "$(find corpus/audio -type f | sort | head -n 1)"
run 2 >out 2>err
for stage in scan extract; do
    grep -q "$stage  *done" err || { echo "a track was removed, but $stage was not redone"; cat err; exit 1; }
done
