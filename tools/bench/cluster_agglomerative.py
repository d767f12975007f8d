"""Trees beside fastcluster on blobs and on noise, then one rank beside two. LARGE=1: how time and memory grow with the rows."""
import os

from peer import Growth, Table, need, pair, phases, timed, write

need("sklearn", "fastcluster", "h5py")
import fastcluster
import numpy as np
from scipy.spatial.distance import pdist
from sklearn.datasets import make_blobs


def rows(kind, n, d=32):
    if kind == "blobs":
        return make_blobs(n, d, centers=20, random_state=1)[0].astype("f4")
    return np.random.default_rng(1).normal(size=(n, d)).astype("f4")


def words(file, linkage):
    return ["cluster", "--input", file + ":/x", "--method", "agglomerative", "--linkage", linkage]


def ours(file, linkage, ranks=1):
    return lambda: phases("c.h5", "agglomerative", *words(file, linkage), ranks=ranks)


def peer(x, linkage):
    if linkage in ("ward", "single"):
        return lambda: timed(lambda: fastcluster.linkage_vector(x, linkage))[0]
    return lambda: timed(lambda: fastcluster.linkage(pdist(x), linkage, preserve_input=False))[0]


table = Table("trees", "fastcluster")
for linkage, n, aim in ("ward", 10000, 8), ("average", 10000, 2), ("complete", 10000, None), ("single", 20000, 6):
    for kind in "blobs", "noise":
        x = rows(kind, n)
        file = write("x.h5", x=x)
        table.row(f"{linkage}, {kind}, {n:,} x 32", *pair(ours(file, linkage), peer(x, linkage), repeat=4), aim)

table = Table("trees on two ranks", "one rank")
for linkage, n in ("ward", 20000), ("average", 20000), ("single", 40000):
    file = write("x.h5", x=rows("noise", n))
    table.row(f"{linkage}, noise, {n:,} x 32", *pair(ours(file, linkage, 2), ours(file, linkage), repeat=4), 1.9)

if os.environ.get("LARGE"):
    growth = Growth("trees of blobs")
    for n in 10000, 30000, 100000, 200000:
        file = write("x.h5", x=rows("blobs", n))
        for linkage in "ward", "single":
            growth.run(f"{linkage}, {n:,} x 32", "agglomerative", file, *words(file, linkage))
