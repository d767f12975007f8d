"""Silhouette beside scikit-learn. The scores are JSON, which tells no phases: start-up is in our figure."""
from peer import Table, need, timed, tutti, write

need("sklearn", "h5py")
import numpy as np
from sklearn.metrics import silhouette_score

rng = np.random.default_rng(1)
x = rng.normal(0, 1, (20000, 32)).astype("f4")
y = rng.integers(0, 10, 20000).astype("i4")
write("s.h5", x=x, y=y)
ours, _ = timed(lambda: tutti("evaluate", "--input", "s.h5:/x", "--labels", "s.h5:/y", "--output", "s.json"))
peer, _ = timed(lambda: silhouette_score(x, y))
Table("silhouette (tutti: with start-up)", "scikit-learn").row("20,000 x 32", ours, peer, aim=15)
