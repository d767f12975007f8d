"""DBSCAN beside scikit-learn: blobs, and noise, where nothing lies in clusters and little can be left out."""
from peer import Table, need, pair, phases, timed, write

need("sklearn", "h5py")
import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs

rng = np.random.default_rng(1)
WORK = [("blobs", 20000, 32, 6.5, 5), ("noise", 20000, 32, 5.5, 5), ("blobs", 50000, 8, 1.5, 5), ("noise", 50000, 8, 1.0, 5),
        ("blobs", 500000, 2, 0.15, 3), ("noise", 500000, 2, 0.01, 3)]
table = Table("DBSCAN, min_samples 10", "scikit-learn")
for kind, n, d, eps, aim in WORK:
    if kind == "blobs":
        x = make_blobs(n, d, centers=20 if d > 2 else 50, random_state=1, center_box=(-10, 10) if d > 2 else (-50, 50))[0]
    else:
        x = rng.normal(0, 1, (n, d))
    x = x.astype("f4")
    file = write("x.h5", x=x)
    ours, peer = pair(lambda: phases("c.h5", "dbscan", "cluster", "--input", file + ":/x", "--method", "dbscan", "--eps", eps,
                                     "--min-samples", 10),
                      lambda: timed(lambda: DBSCAN(eps=eps, min_samples=10).fit(x))[0], repeat=1 if n > 100000 else 2)
    table.row(f"{kind}, {n:,} x {d}, eps {eps}", ours, peer, aim)
