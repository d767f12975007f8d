"""Silhouette beside scikit-learn, one rank beside two; LARGE=1: growth with the number of rows, and peak memory. `tutti evaluate`
scores the labels and, beside them, chance: half the time of both, less that of a run that draws ten rows only, is one silhouette
without start-up."""
import os

from peer import Growth, Table, measured, need, pair, timed, write

need("sklearn", "h5py")
import numpy as np
from sklearn.metrics import silhouette_score

rng = np.random.default_rng(1)


def rows(n):
    x, y = rng.normal(0, 1, (n, 32)).astype("f4"), rng.integers(0, 10, n).astype("i4")
    return write("s.h5", x=x, y=y), x, y


def run(*more, ranks=1):
    return timed(lambda: measured("evaluate", "--input", "s.h5:/x", "--labels", "s.h5:/y", "--output", "s.json", *more, ranks=ranks))


def ours(ranks=1):
    return lambda: (run(ranks=ranks)[0] - run("--sample", 10, ranks=ranks)[0]) / 2


file, x, y = rows(20000)
Table("silhouette", "scikit-learn").row("20,000 x 32", *pair(ours(), lambda: timed(lambda: silhouette_score(x, y))[0]), aim=15)

rows(50000)
Table("silhouette on two ranks", "one rank").row("50,000 x 32", *pair(ours(2), ours(), repeat=2), aim=1.9)

if os.environ.get("LARGE"):
    growth = Growth("silhouette; processor time of two")
    for n in 10000, 50000, 100000, 200000:
        file = rows(n)[0]
        seconds, (peak, cpu) = run()
        growth.row(f"{n:,} x 32", (seconds - run("--sample", 10)[0]) / 2, cpu, peak, file)
