#!/usr/bin/env bash
# timeout: 240
# Promise 1: the number of ranks never changes a result. The whole line on 1, 2, 3, 5 and more ranks than tracks: every
# dataset of every file has the same bits, the scores are equal. And a second run does nothing and says so, a changed
# setting or corpus redoes what depends on it and no more.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
cd "$TT_SCRATCH"
mpirun -q -n 2 "$TT_BUILD/tutti" synth --tracks 14 --seconds 5 --broken 0.15 --format csv --seed 3 --out corpus 2>/dev/null

run() { # ranks directory options...
    local n=$1 dir=$2
    shift 2
    mpirun -q -n "$n" "$TT_BUILD/tutti" run --run "$dir" --set corpus.path=corpus/manifest.csv --set train.epochs=4 \
        --set model.hidden_dims=[64] --set model.latent_dim=8 --set cluster.kmeans.k=4 "$@" >out 2>err || fail "a run fails:"
}

fail() { # what: says it, and what the last run said
    echo "$*"
    cat err
    exit 1
}

stages() { # current|done stage...: the last run said so of each
    local stage how=$1
    shift
    for stage; do grep -q "^tutti: $stage  *$how" err || fail "$stage should be $how:"; done
}

for n in 1 2 3 5 17; do
    run "$n" "run$n"
    "$here/bits.sh" "run$n" >"bits$n" 2>err || fail "a file is not whole:"
    diff bits1 "bits$n" || fail "$n ranks give another result than 1"
done
[ "$(wc -l <bits1)" -gt 100 ] || { echo "too little compared:"; cat bits1; exit 1; }

touch stamp
run 2 run2
grep -q "nothing to do: all [0-9]* stages are current" err || fail "a second run does not say that there is nothing to do:"
[ -z "$(find run2 \( -name '*.h5' -o -name '*.png' -o -name metrics.json \) -newer stamp)" ] || fail "a second run wrote files:"

# a file that went missing is made again, and as it is the same, nothing after it
rm run2/hybrid.h5 run2/results/scores.png
run 2 run2
stages current scan extract lyrics train encode pca cluster embed evaluate
stages 'done' fuse report
"$here/bits.sh" run2 2>err | diff bits1 - || fail "what was made again differs"

# stage by stage, each a command of its own
for stage in scan extract lyrics fuse train encode pca cluster embed evaluate report; do
    mpirun -q -n 2 "$TT_BUILD/tutti" $stage --run single --set corpus.path=corpus/manifest.csv --set train.epochs=4 \
        --set model.hidden_dims=[64] --set model.latent_dim=8 --set cluster.kmeans.k=4 >out 2>err || fail "$stage fails:"
done
"$here/bits.sh" single 2>err | diff bits1 - || fail "stage by stage gives another result than the line"

# another setting: what depends on it is done again, what does not is kept
run 2 run2 --set cluster.kmeans.k=5
stages current scan extract fuse train encode pca embed
stages 'done' cluster evaluate report

# a model of images reads the features: other bits, the same on other ranks; what is fused is nothing to it
images() { # ranks stage options...: a stage of run2 with such a model
    local n=$1 stage=$2
    shift 2
    mpirun -q -n "$n" "$TT_BUILD/tutti" "$stage" --run run2 --set corpus.path=corpus/manifest.csv --set train.epochs=2 \
        --set model.latent_dim=8 --set model.kind=conv --set 'model.channels=[4,8]' "$@" >out 2>err || fail "$stage fails:"
}
for n in 2 3; do
    rm -f run2/model.h5
    images $n train
    images $n encode
    stages 'done' encode
    "$here/bits.sh" run2 2>err | grep -E '^(model|latents)' >"images$n" || fail "a file is not whole:"
    rm run2/latents.h5
done
diff images2 images3 || fail "3 ranks give another model of images than 2"
images 2 fuse --set fuse.lyrics_weight=2
images 2 train
stages current train

# a track less: the corpus is scanned again
sed -i '$d' corpus/manifest.csv
run 2 run2
stages 'done' scan extract fuse
