"""k-means beside scikit-learn's Lloyd, the same number of iterations, on blobs and on noise."""
from peer import Table, need, phases, timed, write

need("sklearn", "h5py")
import h5py
import numpy as np
from sklearn.cluster import KMeans

rng = np.random.default_rng(1)
centres = rng.normal(0, 4, (64, 32))
sets = {"blobs": centres[rng.integers(0, 64, 200000)] + rng.normal(0, 1, (200000, 32)), "noise": rng.normal(0, 1, (200000, 32))}

table = Table("k-means", "scikit-learn")
for name, x in sets.items():
    x = x.astype("f4")
    file, out = write(name + ".h5", x=x), name + ".clusters.h5"
    ours = phases(out, "kmeans", "cluster", "--input", file + ":/x", "--method", "kmeans", "--k", 64, "--n-init", 1, "--max-iter", 50,
                  "--tol", 0)
    peer, fit = timed(lambda: KMeans(64, n_init=1, max_iter=50, tol=0, algorithm="lloyd", random_state=1).fit(x))
    with h5py.File(out) as f:
        inertia = f["/kmeans/inertia"][0] / fit.inertia_
    table.row("200,000 x 32, k = 64, " + name, ours, peer, aim=6, note=f"inertia {inertia:.4f} of the peer's")
