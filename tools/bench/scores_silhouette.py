"""Silhouette beside scikit-learn. `tutti evaluate` scores the labels and, beside them, chance: half the time of both, less
that of a run that draws ten rows only, is one silhouette without start-up."""
from peer import Table, need, timed, tutti, write

need("sklearn", "h5py")
import os

import numpy as np
from sklearn.metrics import silhouette_score

ROUNDS = 2
rng = np.random.default_rng(1)
x = rng.normal(0, 1, (20000, 32)).astype("f4")
y = rng.integers(0, 10, 20000).astype("i4")
write("s.h5", x=x, y=y)


def seconds(*more):
    return timed(lambda: tutti("evaluate", "--input", "s.h5:/x", "--labels", "s.h5:/y", "--output", "s.json", *more))[0]


start = min(seconds("--sample", 10) for _ in range(ROUNDS))
both = min(seconds() for _ in range(ROUNDS))
peer = min(timed(lambda: silhouette_score(x, y))[0] for _ in range(ROUNDS))
Table("silhouette", "scikit-learn").row("20,000 x 32", (both - start) / 2, peer, aim=15)
