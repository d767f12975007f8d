"""Trees beside fastcluster on blobs and on noise, then one rank beside two. LARGE=1: how time and memory grow with the rows."""
from peer import Table, need, pair, phases, timed, write

need("sklearn", "fastcluster", "h5py")
import fastcluster
import numpy as np
from scipy.spatial.distance import pdist
from sklearn.datasets import make_blobs


def rows(kind, n, d=32):
    if kind == "blobs":
        return make_blobs(n, d, centers=20, random_state=1)[0].astype("f4")
    return np.random.default_rng(1).normal(size=(n, d)).astype("f4")


def ours(file, linkage):
    return lambda: phases("c.h5", "agglomerative", "cluster", "--input", file + ":/x", "--method", "agglomerative", "--linkage", linkage)


def peer(x, linkage):
    if linkage in ("ward", "single"):
        return lambda: timed(lambda: fastcluster.linkage_vector(x, linkage))[0]
    return lambda: timed(lambda: fastcluster.linkage(pdist(x), linkage, preserve_input=False))[0]


table = Table("trees", "fastcluster")
for linkage, n, aim in ("ward", 10000, 8), ("average", 10000, 2), ("complete", 10000, None), ("single", 20000, 6):
    for kind in "blobs", "noise":
        x = rows(kind, n)
        file = write("x.h5", x=x)
        table.row(f"{linkage}, {kind}, {n:,} x 32", *pair(ours(file, linkage), peer(x, linkage), repeat=1), aim)
