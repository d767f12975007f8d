"""k-means beside scikit-learn's Lloyd, the same number of iterations, on blobs and on noise; one rank beside two; LARGE=1: growth
with the number of rows, and peak memory."""
import os

from peer import Growth, Table, need, pair, phases, timed, write

need("sklearn", "h5py")
import h5py
import numpy as np
from sklearn.cluster import KMeans

rng = np.random.default_rng(1)
centres = rng.normal(0, 4, (64, 32)).astype("f4")


def noise(n):
    return rng.standard_normal((n, 32), "f4")


def blobs(n):
    return centres[rng.integers(0, 64, n)] + noise(n)


def command(file, iterations=50):
    return ["cluster", "--input", file + ":/x", "--method", "kmeans", "--k", 64, "--n-init", 1, "--max-iter", iterations, "--tol", 0]


def peer(x):
    seconds, fit = timed(lambda: KMeans(64, n_init=1, max_iter=50, tol=0, algorithm="lloyd", random_state=1).fit(x))
    inertia.append(fit.inertia_)
    return seconds


table = Table("k-means", "scikit-learn")
for make in (blobs, noise):
    x, inertia = make(200000), []
    file, out = write("x.h5", x=x), "clusters.h5"
    ours, theirs = pair(lambda: phases(out, "kmeans", *command(file)), lambda: peer(x))
    with h5py.File(out) as f:
        table.row("200,000 x 32, k = 64, " + make.__name__, ours, theirs, aim=6,
                  note=f"inertia {f['/kmeans/inertia'][0] / inertia[0]:.4f} of the peer's")

table = Table("k-means on two ranks", "one rank")
file = write("x.h5", x=noise(1000000))
ours, one = pair(lambda: phases("two.h5", "kmeans", *command(file, 30), ranks=2), lambda: phases("one.h5", "kmeans", *command(file, 30)))
table.row("1,000,000 x 32, k = 64, noise", ours, one, aim=1.9)

if os.environ.get("LARGE"):
    growth = Growth("k-means, k = 64, 30 iterations, blobs")
    for n in (10000, 100000, 1000000, 10000000):
        file = write("x.h5", x=blobs(n))
        growth.run(f"{n:,} x 32", "kmeans", file, *command(file, 30))
