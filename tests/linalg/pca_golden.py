#!/usr/bin/env python3
"""Make pca_golden.h5: PCA by scikit-learn (full SVD in float64). Run in this folder."""
import h5py
import numpy as np
from sklearn.decomposition import PCA

rng = np.random.default_rng(11)


def cases():
    x = rng.standard_normal((700, 9)) @ rng.standard_normal((9, 9))
    yield "plain", x.astype("f4"), 4
    scale = 10.0 ** np.array([3, 2, 1, 0, -1, -2])
    x = rng.standard_normal((600, 6)) * scale + 5 * scale  # ill-scaled, off centre
    yield "scaled", x.astype("f4"), 6
    x = 1e7 + rng.standard_normal((300, 5)) * np.array([5, 4, 3, 2, 1])
    yield "offset", x, 5
    x = rng.standard_normal((12, 30)).astype("f4")  # fewer rows than columns
    yield "wide", x, 11


with h5py.File("pca_golden.h5", "w") as f:
    for name, x, k in cases():
        p = PCA(k, svd_solver="full").fit(x.astype("f8"))
        axes = p.components_
        largest = axes[np.arange(k), np.abs(axes).argmax(1)]
        axes = axes * np.sign(largest)[:, None]
        g = f.create_group(name)
        g["x"] = x
        g["components"] = axes
        g["explained_variance"] = p.explained_variance_
        g["scores"] = (x.astype("f8") - p.mean_) @ axes.T
        g["ratio"] = p.explained_variance_ratio_
        print(name, p.explained_variance_)
