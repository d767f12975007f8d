"""Principal components, exact, beside scikit-learn's randomised ones: 200,000 x 512 to 64."""
import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
from peer import Table, need, pair, phases, timed, write

need("sklearn", "h5py")
import numpy as np
from sklearn.decomposition import PCA

ROWS, COLS, RANK = 200000, 512, 64
rng = np.random.default_rng(1)
axes = 3 * 0.9 ** np.arange(RANK)[:, None] * rng.standard_normal((RANK, COLS))
x = rng.standard_normal((ROWS, COLS), dtype=np.float32)
x += rng.standard_normal((ROWS, RANK), dtype=np.float32) @ axes.astype(np.float32)
file = write("x.h5", x=x) + ":/x"


def ours(ranks):
    return phases("p.h5", "components", "pca", "--input", file, "--components", RANK, ranks=ranks)


def peer():
    return timed(lambda: PCA(RANK, svd_solver="randomized", random_state=1).fit_transform(x))[0]


table = Table("principal components", "scikit-learn")
table.row("200,000 x 512 to 64", *pair(lambda: ours(1), peer), aim=3)
one, two = pair(lambda: ours(1), lambda: ours(2))
print(f"two ranks against one: {one / two:.2f} x (aim 1.9 x)")
