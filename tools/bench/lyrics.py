"""Lyrics: TF-IDF and its truncated SVD beside scikit-learn's, on 20,000 texts of 200 words, with labels and without."""
import csv

from peer import Table, need, pair, phases, timed

need("sklearn", "h5py")
import h5py
import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

TEXTS, WORDS, KNOWN = 20000, 200, 30000
rng = np.random.default_rng(1)
letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
known = sorted({"".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(KNOWN)})
rng.shuffle(known)
share = 1.0 / np.arange(1, len(known) + 1)
texts = [" ".join(known[k] for k in rng.choice(len(known), WORDS, p=share / share.sum())) for _ in range(TEXTS)]


def corpus(path, language):
    with open(path, "w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["id", "path", "language", "lyrics"])
        rows.writerows([i, "", language, text] for i, text in enumerate(texts))
    return path


def ours(output, names, path, ranks=1):
    return phases(output, names, "lyrics", "--corpus", path, "--set", "lyrics.min_df=1", "--set", "lyrics.max_df=1.0",
                  ranks=ranks)


table = Table("lyrics", "scikit-learn")
labelled, bare = corpus("labelled.csv", "en"), corpus("bare.csv", "")
peer, rows = timed(lambda: TfidfVectorizer(ngram_range=(1, 2), max_features=20000).fit_transform(texts))
table.row("TF-IDF, 1 to 2 words, 20,000 terms", ours("a.h5", "terms", labelled), peer, aim=15, note=f"{rows.nnz} nonzeros")
table.row("the same, and the languages guessed", ours("b.h5", "terms", bare), peer)
with h5py.File("a.h5") as f:
    x = sp.csr_matrix((f["tfidf/data"][:].astype("f8"), f["tfidf/indices"][:], f["tfidf/indptr"][:]))
    values = f["singular_values"][:]
peer, fit = timed(lambda: TruncatedSVD(128, random_state=1).fit(x))
off = np.abs(fit.singular_values_ / values - 1).max()
table.row("its SVD to 128 dimensions", ours("a.h5", "embedding", labelled), peer, aim=3,
          note=f"the peer's values are up to {100 * off:.1f} % too low")
for name in ("terms", "embedding"):
    one, two = pair(lambda: ours("a.h5", name, labelled), lambda: ours("a.h5", name, labelled, 2))
    print(f"two ranks against one, {name}: {one / two:.2f} x (aim 1.9 x)")
