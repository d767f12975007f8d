#!/usr/bin/env bash
# bench.sh [TRACKS]: what each stage of the line takes on one rank and on two, and k-means and silhouette beside scikit-learn.
#
# Every figure is taken on this machine in this run; quote ratios, not seconds. One core per rank. The corpus (400 tracks of
# about 12 s by default) and all files go to a scratch folder. TT_BUILD names the build folder.
set -eu
cd "$(dirname "$0")/.."
. tools/mpienv.sh
tutti=$(realpath "${TT_BUILD:-build}")/tutti
tracks=${1:-400}
work=$(mktemp -d "${TMPDIR:-/tmp}/tutti-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
cd "$work"

seconds() { # log stage: "4.5 s" or "1 min 05 s" as seconds
    sed -n "s/^tutti: $2  *done in \([^:]*\): .*/\1/p" "$1" |
        awk '{ print $2 == "min" ? $1 * 60 + $3 : $2 == "h" ? $1 * 3600 + $3 * 60 : $1 }'
}

mpirun -q -n 2 "$tutti" synth --tracks "$tracks" --format csv --out corpus 2>synth.log
for n in 1 2; do
    mpirun -q -n "$n" "$tutti" run --run "run$n" --set corpus.path=corpus >/dev/null 2>"log$n"
done
grep "x real" synth.log log1 log2 | sed 's/^\([a-z0-9]*\)[.a-z]*:tutti: /\1: /'
printf '\n%-10s %10s %10s %10s\n' stage "1 rank, s" "2 ranks, s" speed-up
for stage in scan extract fuse train encode pca cluster embed evaluate report; do
    one=$(seconds log1 "$stage") two=$(seconds log2 "$stage")
    awk -v stage="$stage" -v one="$one" -v two="$two" 'BEGIN {
        printf "%-10s %10.1f %10.1f %10s\n", stage, one, two, (one >= 0.5 && two > 0) ? sprintf("%.2f", one / two) : "too short" }'
done

if ! /usr/bin/python3 -c 'import sklearn, h5py' 2>/dev/null; then
    echo "scikit-learn is not here (apt-get install python3-sklearn python3-h5py): no comparison"
    exit 0
fi
cat >peer.py <<'PEER'
"""Blobs and noise, and what scikit-learn takes for them on one core."""
import subprocess, sys, time
import h5py, numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

tutti = sys.argv[1]
rng = np.random.default_rng(1)
centres = rng.normal(0, 4, (64, 32))
sets = {"blobs": centres[rng.integers(0, 64, 200000)] + rng.normal(0, 1, (200000, 32)), "noise": rng.normal(0, 1, (200000, 32))}

def phase(path, name):
    """Wall seconds of one phase, which the file itself says: start-up is in neither figure."""
    with h5py.File(path) as f:
        return float(f.attrs["seconds_" + name])

print(f"\n{'against scikit-learn, one core':44} {'tutti, s':>9} {'peer, s':>9} {'ratio':>7}")
for name, x in sets.items():
    x = x.astype("f4")
    with h5py.File(name + ".h5", "w") as f:
        f["x"] = x
    out = name + ".clusters.h5"
    subprocess.run([tutti, "cluster", "--input", name + ".h5:/x", "--method", "kmeans", "--k", "64", "--n-init", "1", "--max-iter", "50",
                    "--tol", "0", "--output", out], check=True, stderr=subprocess.DEVNULL)
    ours = phase(out, "k-means")
    start = time.perf_counter()
    fit = KMeans(64, n_init=1, max_iter=50, tol=0, algorithm="lloyd", random_state=1).fit(x)
    peer = time.perf_counter() - start
    print(f"{'k-means 200,000 x 32, k = 64, ' + name:44} {ours:9.2f} {peer:9.2f} {peer / ours:7.1f}   "
          f"inertia {h5py.File(out)['/kmeans/inertia'][0] / fit.inertia_:.4f} of the peer's")

x = sets["blobs"][:20000].astype("f4")
y = rng.integers(0, 10, 20000).astype("i4")
with h5py.File("s.h5", "w") as f:
    f["x"], f["y"] = x, y
start = time.perf_counter()
subprocess.run([tutti, "evaluate", "--input", "s.h5:/x", "--labels", "s.h5:/y", "--output", "s.json"], check=True,
               stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
ours = time.perf_counter() - start
start = time.perf_counter()
silhouette_score(x, y)
peer = time.perf_counter() - start
print(f"{'silhouette 20,000 x 32 (tutti: twice, start-up)':44} {ours:9.2f} {peer:9.2f} {peer / ours:7.1f}")
PEER
/usr/bin/python3 peer.py "$tutti"
