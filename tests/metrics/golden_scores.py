"""Golden scores of scikit-learn for tests/metrics: python3 golden_scores.py writes golden_scores.h5 beside it.

Rows with a label (or, against truth, a truth) below 0 are left out before scikit-learn sees them."""
import os

import h5py
import numpy as np
from sklearn import metrics as m
from sklearn.datasets import make_blobs

rng = np.random.default_rng(7)


def internal(x, label):
    x, label = x[label >= 0].astype(np.float64), label[label >= 0]
    if not 2 <= len(np.unique(label)) < len(label):
        return [np.nan] * 3
    return [m.silhouette_score(x, label), m.davies_bouldin_score(x, label), m.calinski_harabasz_score(x, label)]


def cosine(x, label):
    x, label = x[label >= 0].astype(np.float64), label[label >= 0]
    return m.silhouette_score(x, label, metric="cosine") if 2 <= len(np.unique(label)) < len(label) else np.nan


def each(x, label):
    """Mean silhouette of each cluster, by label."""
    x, label = x[label >= 0].astype(np.float64), label[label >= 0]
    value = m.silhouette_samples(x, label)
    return [value[label == c].mean() for c in np.unique(label)]


def external(label, truth):
    keep = (label >= 0) & (truth >= 0)
    label, truth = label[keep], truth[keep]
    if len(label) == 0:
        return [np.nan] * 8
    purity = m.cluster.contingency_matrix(truth, label).max(axis=0).sum() / len(label)
    return [m.adjusted_rand_score(truth, label), m.adjusted_mutual_info_score(truth, label),
            m.normalized_mutual_info_score(truth, label), m.homogeneity_score(truth, label),
            m.completeness_score(truth, label), m.v_measure_score(truth, label),
            m.fowlkes_mallows_score(truth, label), purity]


def blobs(n, d, k, spread=1.0, offset=0.0):
    x, truth = make_blobs(n, d, centers=k, cluster_std=spread, random_state=3)
    label = np.where(rng.random(n) < 0.2, rng.integers(0, k, n), truth)
    return (x + offset).astype(np.float32), label, truth


def cases():
    yield "blobs", *blobs(2000, 16, 6)
    yield "offset", *blobs(700, 8, 5, offset=1000.0)
    x, label, truth = blobs(600, 2, 4, spread=1e-3)
    yield "tight", x, truth, label
    x, label, truth = blobs(900, 3, 7)
    yield "sparse_labels", x, 1000003 * (label + 1), 99 - truth
    yield "noise", x, np.where(rng.random(900) < 0.3, -1, label), np.where(rng.random(900) < 0.1, -1, truth)
    yield "one_cluster", x, np.full(900, 4), truth
    yield "one_class", x, label, np.zeros(900, int)
    yield "one_each", x, np.full(900, 4), np.zeros(900, int)
    yield "every_row", x[:300], np.arange(300), truth[:300]
    yield "pairs", x[:300], np.arange(300) // 2, truth[:300]
    yield "singletons", x[:400], np.where(np.arange(400) < 60, np.arange(400) + 10, 1), truth[:400]
    yield "all_noise", x[:50], np.full(50, -1), truth[:50]
    x = np.repeat(x[:40], 20, axis=0)
    yield "duplicates", x, rng.integers(0, 5, 800), rng.integers(0, 3, 800)
    yield "all_equal", np.ones((300, 4), np.float32), np.arange(300) % 3, np.arange(300) % 4
    yield "two_rows", x[[0, 25]], np.array([0, 1]), np.array([1, 1])
    yield "three_rows", x[[0, 25, 70]], np.array([0, 1, 1]), np.array([1, 0, 1])
    yield "chance", rng.normal(size=(1500, 5)).astype(np.float32), rng.integers(0, 9, 1500), rng.integers(0, 8, 1500)


with h5py.File(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_scores.h5"), "w") as f:
    for name, x, label, truth in cases():
        g = f.create_group(name)
        g.create_dataset("x", data=x.astype(np.float32), compression="gzip", shuffle=True)
        g.create_dataset("label", data=label.astype(np.int32), compression="gzip")
        g.create_dataset("truth", data=truth.astype(np.int32), compression="gzip")
        g["internal"] = np.array(internal(x.astype(np.float32), label))
        g["cosine"] = np.array([cosine(x.astype(np.float32), label)])
        if name in ("blobs", "noise", "pairs"):
            g["each"] = np.array(each(x.astype(np.float32), label))
        g["external"] = np.array(external(label, truth))
