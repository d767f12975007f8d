#!/usr/bin/env bash
# timeout: 90
# The stage through the command: a stopped run goes on to the same bits on other ranks, edge cases end in one clear line.
set -u
cd "$(dirname "$0")/../.." || exit 1
tutti=$TT_BUILD/tutti golden=$PWD/tests/cluster/kmeans_golden.h5
cd "$TT_SCRATCH" || exit 1
fail() { echo "$1"; exit 1; }

cluster() { # ranks arguments...
    local start=(mpirun -q -n "$1")
    [ "$1" -gt 1 ] || start=()
    shift
    "${start[@]}" "$tutti" cluster "$@" 2>log
}

same() { # a b dataset...
    local a=$1 b=$2 d
    shift 2
    for d in "$@"; do h5diff "$a" "$b" "$d" || fail "$d of $a and $b differs"; done
}

says() { # words: the run just made failed with one line that holds them
    if [ "$(grep -c error log)" != 1 ] || ! grep -q "$1" log; then
        cat log
        fail "expected one line with: $1"
    fi
}

# Every method on 1 and 3 ranks, of which the room's own tests try more
for method in kmeans agglomerative dbscan; do
    for n in 1 3; do cluster "$n" --input "$golden:/blobs/x" --method $method --output "$method$n.h5" || fail "$(cat log)"; done
    same "${method}1.h5" "${method}3.h5" /$method
done

# k from a range, by silhouette and by elbow
cluster 2 --input "$golden:/blobs/x" --k '[2, 6]' --n-init 2 --output range.h5 || fail "$(cat log)"
grep -q 'k = 5, .* (chosen)' log || fail "$(cat log)"
cluster 1 --input "$golden:/blobs/x" --k '[2, 6]' --n-init 2 --output range1.h5 || fail "$(cat log)"
same range.h5 range1.h5 /kmeans

# From centroids of a file
cluster 2 --input "$golden:/blobs/x" --k 10 --init kmeans1.h5:/kmeans/centroids --output again.h5 || fail "$(cat log)"
same kmeans1.h5 again.h5 /kmeans/label
cluster 1 --input "$golden:/blobs/x" --k 4 --init kmeans1.h5:/kmeans/centroids --output x.h5 && fail "4 from 10 centroids"
says "is not a dataset of 4 centroids"

# Edges
cluster 1 --input "$golden:/blobs/x" --k 100000 --output x.h5 && fail "k > n"
says "has only .* valid rows"
cluster 1 --input "$golden:/blobs/x" --method agglomerative --k 100000 --output each.h5 || fail "$(cat log)"
grep -q 'each is a cluster of its own' log || fail "$(cat log)"
tree=(--input "${golden%kmeans_golden.h5}dbscan_golden.h5:/duplicates/x" --method agglomerative --linkage single)
cluster 2 "${tree[@]}" --distance-threshold 0 --output same.h5 || fail "$(cat log)"
grep -q ' 60 clusters' log || fail "60 rows, each twelve times, not told apart: $(cat log)"
cluster 1 "${tree[@]}" --distance-threshold=-1 --output x.h5 && fail "a height below 0"
says "cluster.agglomerative.distance_threshold: -1 is out of range: 0 to 1e+300"
cluster 1 --input "$golden:/blobs/x" --eps 1 --output x.h5 && fail "eps of k-means"
says "eps is no option of --method kmeans"
cluster 1 --input "$golden:/blobs/x" --method dbscan --eps 1e30 --output all.h5 || fail "$(cat log)"
grep -q ' 1 clusters, .* 0 noise' log || fail "$(cat log)"
cluster 1 --input "$golden:/blobs/x" --method dbscan --eps 1e-9 --output none.h5 || fail "$(cat log)"
grep -q ' 0 clusters' log || fail "$(cat log)"

# A run that is stopped: exit 75, then on to the same bits on another number of ranks
long=(--input "$golden:/overlap/x" --method kmeans --k 40 --n-init 500 --tol 0)
cluster 1 "${long[@]}" --output whole.h5 || fail "$(cat log)"
# shellcheck disable=SC2016 # the inner shell is to expand it
mpirun -q -n 2 bash -c 'echo $$ >rank$OMPI_COMM_WORLD_RANK.pid; exec "$@"' - "$tutti" cluster "${long[@]}" --output part.h5 2>log &
run=$!
while [ ! -e part.h5.part ] && kill -0 $run 2>/dev/null; do sleep 0.02; done # which is when it begins
sleep 0.2
kill -TERM "$(cat rank1.pid)"
wait $run
[ $? = 75 ] || { cat log; fail "a stopped run does not end in 75"; }
[ -e part.h5.checkpoint ] || fail "no checkpoint: $(ls)"
[ ! -e part.h5 ] || fail "published before its end"
cluster 3 "${long[@]}" --output part.h5 || fail "$(cat log)"
grep -q 'going on from the checkpoint' log || fail "$(cat log)"
[ ! -e part.h5.checkpoint ] || fail "the checkpoint is still there"
same whole.h5 part.h5 /kmeans
exit 0
