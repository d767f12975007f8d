#!/usr/bin/env python3
"""Make agglomerative_golden.h5: trees and flat cuts by SciPy, in float64, of float32 points. Run in this folder."""
import h5py
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

rng = np.random.default_rng(11)


def cases():
    centres = 4 * rng.standard_normal((6, 5))
    yield "blobs", centres[rng.integers(0, 6, 300)] + rng.standard_normal((300, 5)), "euclidean"
    angle, radius = rng.uniform(0, 2 * np.pi, 270), np.repeat([1.0, 3.0], 135)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    yield "rings", ring + 0.03 * rng.standard_normal(ring.shape), "euclidean"
    half = np.linspace(0, np.pi, 140)
    moons = np.concatenate([np.stack([np.cos(half), np.sin(half)], 1), np.stack([1 - np.cos(half), 0.5 - np.sin(half)], 1)])
    yield "moons", moons + 0.05 * rng.standard_normal(moons.shape), "euclidean"
    yield "duplicates", np.repeat(rng.standard_normal((60, 3)), 4, 0)[rng.permutation(240)], "euclidean"
    yield "collinear", rng.standard_normal((260, 1)) * np.ones((1, 4)), "euclidean"
    yield "offset", 1e4 + rng.standard_normal((280, 19)), "euclidean"
    yield "line", rng.standard_normal((100, 1)), "euclidean"
    yield "angles", rng.standard_normal((270, 9)), "cosine"
    yield "squares", rng.standard_normal((100, 3)), "sqeuclidean"


with h5py.File("agglomerative_golden.h5", "w") as f:
    for name, x, metric in cases():
        x = x.astype("f4")
        f[f"{name}/x"] = x
        f[name].attrs["metric"] = metric
        for method in ("ward", "complete", "average", "single"):
            if method == "ward" and metric != "euclidean":
                continue
            z = linkage(x.astype("f8"), method, metric)
            threshold = (z[-4, 2] + z[-5, 2]) / 2
            f[f"{name}/{method}/height"] = z[:, 2]
            f[f"{name}/{method}/label"] = fcluster(z, 7, "maxclust").astype("i4")
            f[f"{name}/{method}/threshold"] = [threshold]
            f[f"{name}/{method}/below"] = fcluster(z, threshold, "distance").astype("i4")
