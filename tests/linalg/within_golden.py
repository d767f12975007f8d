#!/usr/bin/env python3
"""Make within_golden.h5: whitening by local scatter, with scikit-learn's neighbours and NumPy. Run in this folder."""
import h5py
import numpy as np
from sklearn.neighbors import NearestNeighbors

rng = np.random.default_rng(7)


def scatters(z, track):
    near = NearestNeighbors(n_neighbors=min(6, len(z))).fit(z).kneighbors(z, return_distance=False)[:, 1:]
    d = (z[:, None] - z[near]).reshape(-1, z.shape[1])
    yield 1.0, d.T @ d
    names, index, count = np.unique(track, return_inverse=True, return_counts=True)
    if (count > 1).any():
        mean = np.array([z[track == t].mean(0) for t in names])
        d = z - mean[index]
        yield 1 - len(names) / len(z), d.T @ d


def whitening(z, track, variance):
    w = sum(share * s / np.trace(s) for share, s in scatters(z, track))
    w *= z.shape[1] / np.trace(w)
    value, axes = np.linalg.eigh(w)
    forth = axes * (np.maximum(value, 0) + 0.3) ** -0.5 @ axes.T
    forth *= np.sqrt(variance / (z @ forth).var(0).sum())
    return forth, np.linalg.inv(forth)


def cases():
    track = np.sort(rng.integers(0, 60, 300))
    between = rng.standard_normal((60, 8)) @ rng.standard_normal((8, 8))
    z = between[track] + rng.standard_normal((300, 8)) * np.arange(1, 9) / 4
    yield "tracks", z, rng.permutation(1000)[track]
    z = rng.standard_normal((700, 5)) @ rng.standard_normal((5, 5))
    yield "single", z, np.arange(700)
    yield "few", rng.standard_normal((4, 6)), np.array([3, 9, 3, 1])


with h5py.File("within_golden.h5", "w") as f:
    for name, z, track in cases():
        z = z - z.mean(0)
        g = f.create_group(name)
        g["z"], g["track"] = z, track.astype("i8")
        g["forth"], g["back"] = whitening(z, track, 3.5)
