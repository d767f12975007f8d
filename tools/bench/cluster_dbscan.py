"""DBSCAN beside scikit-learn: blobs, and noise, where nothing lies in clusters and little can be left out;
one rank beside two; LARGE=1: growth with the number of rows, and peak memory."""
import os

from peer import Growth, Table, need, pair, phases, timed, write

need("sklearn", "h5py")
import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs

rng = np.random.default_rng(1)
WORK = [("blobs", 20000, 32, 6.5, 5), ("noise", 20000, 32, 5.5, 5), ("blobs", 50000, 8, 1.5, 5), ("noise", 50000, 8, 1.0, 5),
        ("blobs", 500000, 2, 0.15, 3), ("noise", 500000, 2, 0.01, 3)]


def rows(kind, n, d):
    if kind == "noise":
        return rng.normal(0, 1, (n, d)).astype("f4")
    wide = 10 if d > 2 else 50
    return make_blobs(n, d, centers=20 if d > 2 else 50, random_state=1, center_box=(-wide, wide))[0].astype("f4")


def words(file, eps):
    return ["cluster", "--input", file + ":/x", "--method", "dbscan", "--eps", eps, "--min-samples", 10]


def ours(file, eps, ranks=1):
    return lambda: phases("c.h5", "dbscan", *words(file, eps), ranks=ranks)


table = Table("DBSCAN, min_samples 10", "scikit-learn")
for kind, n, d, eps, aim in WORK:
    x = rows(kind, n, d)
    file = write("x.h5", x=x)
    table.row(f"{kind}, {n:,} x {d}, eps {eps}", *pair(ours(file, eps), lambda: timed(lambda: DBSCAN(eps=eps, min_samples=10).fit(x))[0],
                                                      repeat=1 if n > 100000 else 2), aim)

table = Table("DBSCAN on two ranks", "one rank")
for kind, n, d, eps in ("noise", 50000, 32, 5.5), ("blobs", 200000, 8, 1.5):
    file = write("x.h5", x=rows(kind, n, d))
    table.row(f"{kind}, {n:,} x {d}, eps {eps}", *pair(ours(file, eps, 2), ours(file, eps), repeat=2), 1.9)

if os.environ.get("LARGE"):
    growth = Growth("DBSCAN, min_samples 10")
    for kind, eps in ("blobs", 6.5), ("noise", 5.5):
        for n in 10000, 50000, 200000, 500000:
            file = write("x.h5", x=rows(kind, n, 32))
            growth.run(f"{kind}, {n:,} x 32, eps {eps}", "dbscan", file, *words(file, eps))
