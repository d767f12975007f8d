"""Golden clusterings of scikit-learn for tests/cluster: python3 dbscan_golden.py writes dbscan_golden.h5 beside it."""
import os

import h5py
import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs, make_circles, make_moons

rng = np.random.default_rng(11)


def cases():
    x, _ = make_blobs(1500, 2, centers=6, cluster_std=0.6, random_state=1)
    yield "blobs2", x, 0.25, 8
    x, _ = make_blobs(900, 8, centers=5, cluster_std=1.0, random_state=2)
    yield "blobs8", x, 2.2, 6
    x, _ = make_blobs(800, 32, centers=7, cluster_std=1.0, random_state=3)
    yield "blobs32", x, 6.6, 10
    x, _ = make_blobs(300, 128, centers=3, cluster_std=1.0, random_state=4)
    yield "blobs128", x, 15.3, 5
    x, _ = make_circles(1200, factor=0.5, noise=0.04, random_state=5)
    yield "rings", x, 0.07, 5
    x, _ = make_moons(1000, noise=0.06, random_state=6)
    yield "moons", x, 0.1, 7
    x = np.repeat(rng.normal(size=(60, 3)), 12, axis=0)
    yield "duplicates", x[rng.permutation(len(x))], 0.3, 15
    line = np.arange(700)[rng.permutation(700)]
    yield "collinear", np.stack([3.0 * line, 4.0 * line], 1), 5.0, 3  # every distance is eps exactly, or far from it
    grid = np.stack(np.meshgrid(np.arange(30), np.arange(30)), -1).reshape(-1, 2).astype(float)
    grid = grid[rng.permutation(900)[:600]]
    yield "grid", grid, 1.0, 4
    yield "grid_diagonal", grid, 2.0**0.5, 6
    yield "offset", rng.normal(size=(500, 4)) * 0.5 + 1e4, 0.5, 5
    yield "everything", rng.normal(size=(700, 5)), 100.0, 10
    yield "nothing", rng.normal(size=(700, 5)), 1e-6, 2
    yield "alone", rng.normal(size=(400, 2)), 0.05, 1
    yield "all_equal", np.ones((600, 3)), 0.1, 5
    yield "one_row", np.ones((1, 3)), 0.5, 1
    yield "one_lonely", np.ones((1, 3)), 0.5, 2
    yield "noise1", rng.normal(size=(1000, 1)), 0.004, 4
    yield "chain", np.cumsum(rng.normal(0, 1, (1300, 2)), 0), 1.1, 3
    x, _ = make_blobs(800, 6, centers=5, cluster_std=1.2, random_state=8)
    yield "cosine", x * rng.uniform(0.1, 9, (800, 1)), 0.02, 6  # names that begin so: distances and eps are cosine
    yield "cosine_noise", rng.normal(size=(600, 3)), 0.004, 5
    # crowds of 38 and 30 on both sides of their one core row: more neighbours than are kept in mind
    crowd = np.repeat([[0.9, 0.0], [-0.9, 0.0], [0.0, 0.0]], [38, 30, 1], axis=0)
    x = np.concatenate([crowd + [50.0 * (i % 4), 50.0 * (i // 4)] + rng.normal(0, 0.01, crowd.shape) for i in range(14)])
    yield "crowded", x[rng.permutation(len(x))], 1.0, 45


with h5py.File(os.path.join(os.path.dirname(os.path.abspath(__file__)), "dbscan_golden.h5"), "w") as f:
    for name, x, eps, min_samples in cases():
        x = x.astype(np.float32)
        fit = DBSCAN(eps=eps, min_samples=min_samples, metric="cosine" if name.startswith("cosine") else "euclidean").fit(x.astype(np.float64))
        core = np.zeros(len(x), np.uint8)
        core[fit.core_sample_indices_] = 1
        g = f.create_group(name)
        g.create_dataset("x", data=x, compression="gzip", shuffle=True)
        g.create_dataset("label", data=fit.labels_.astype(np.int32), compression="gzip")
        g.create_dataset("core", data=core, compression="gzip")
        g["setting"] = np.array([eps, min_samples], float)
        border = ((fit.labels_ >= 0) & (core == 0)).sum()
        print(f"{name:14} {len(x):5} rows  {fit.labels_.max() + 1:4} clusters  {core.sum():5} core  {border:4} border  {(fit.labels_ < 0).sum():4} noise")
