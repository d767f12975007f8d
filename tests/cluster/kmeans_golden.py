#!/usr/bin/env python3
"""Make kmeans_golden.h5: k-means by scikit-learn from given centres, in float64. Run in this folder."""
import h5py
import numpy as np
from sklearn.cluster import KMeans

rng = np.random.default_rng(7)


def blobs(n, d, k, spread):
    centres = rng.standard_normal((k, d)) * 4
    return (centres[rng.integers(0, k, n)] + spread * rng.standard_normal((n, d))).astype("f4")


def cases():
    x = blobs(1500, 5, 6, 1.0)
    yield "blobs", x, x[:6], 300, 1e-4
    x = blobs(1100, 19, 9, 3.0)  # overlapping, columns not a multiple of a vector
    yield "overlap", x, x[:9], 20, 0
    x = blobs(900, 3, 4, 1.0)
    far = x[:4].copy()
    far[2] = 1e3  # gets no row
    yield "empty", x, far, 300, 1e-4
    distinct = rng.standard_normal((7, 3)).astype("f4")
    x = distinct[rng.integers(0, 7, 600)]
    yield "duplicates", x, distinct[:5], 300, 1e-4
    x = (np.arange(800)[:, None] * np.array([1, -2, 0.5, 3])).astype("f4")  # every boundary is a tie or nearly
    yield "collinear", x, x[[0, 200, 400, 600]], 300, 0
    x = 1e8 + blobs(700, 4, 5, 1.0).astype("f8")  # lost in float32 as it stands
    yield "offset", x, x[:5], 300, 1e-4
    x = (1e4 + blobs(700, 4, 5, 1.0)).astype("f4")  # lost by the expansion of the square
    yield "shifted", x, x[:5], 300, 1e-4


with h5py.File("kmeans_golden.h5", "w") as f:
    for name, x, init, max_iter, tol in cases():
        init = np.ascontiguousarray(init, "f8")
        m = KMeans(len(init), init=init, n_init=1, max_iter=max_iter, tol=tol, algorithm="lloyd").fit(x.astype("f8"))
        g = f.create_group(name)
        g["x"] = x
        g["init"] = init
        g["label"] = m.labels_.astype("i4")
        g["centroids"] = m.cluster_centers_
        g["inertia"] = [m.inertia_]
        g["settings"] = [max_iter, tol, m.n_iter_]
        print(name, len(set(m.labels_)), m.inertia_, m.n_iter_)
