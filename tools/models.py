#!/usr/bin/env python3
"""models.py CORPUS [KEY.SUB=VALUE ...]: which space shows a corpus' classes? `make models CORPUS=...` runs this.

The corpus (a folder genre/track.ext, a CSV manifest or a shard pattern) is extracted and fused once; then each model is
trained three times, by seeds 1, 2 and 3, and its latents are clustered by k-means with as many clusters as there are
genres, and languages where tracks have several. Beside them raw features and principal components, whose k-means is
seeded likewise. Everything is done by the program in $TUTTI with its defaults and the settings given here, except that
the conv model learns from at most CONV_CLIPS clips (2000), every n-th of the corpus, in CONV_EPOCHS epochs (auto, those
of the program); all clips are then encoded and scored. The table: ARI and NMI of clips, mean and spread (half of the
range), and of models the fewest units active in any of the three. ONLY=PATTERN makes only the rows whose name it matches.

Files go to $MODELS_DIR (a folder that goes away), where a second run finds the features of the first.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import h5py
import numpy as np

TUTTI = os.environ.get("TUTTI", "tutti")
RANKS = os.environ.get("RANKS", "1")
SEEDS = (1, 2, 3)
CONV_CLIPS = int(os.environ.get("CONV_CLIPS", "2000"))
CONV_EPOCHS = os.environ.get("CONV_EPOCHS", "auto")
ONLY = os.environ.get("ONLY", "")

# name, dataset, settings; a model where there are settings
SPACES = [
    ("raw features", "hybrid.h5:/x", None),
    ("PCA", "pca.h5:/x", None),
    ("autoencoder", "hybrid.h5:/x", ["model.kind=autoencoder"]),
    ("fc VAE", "hybrid.h5:/x", []),
    ("fc VAE, columns z-scored", "hybrid.h5:/x", ["train.scaling=columns"]),
    ("two-branch VAE", "hybrid.h5:/x", ["model.kind=two_branch"]),
    ("mixture prior", "hybrid.h5:/x", ["model.prior=mixture"]),
    ("conditional VAE (told the genre)", "hybrid.h5:/x", ["model.condition=genre"]),
    ("conv VAE on log-mel", "features.h5:/mel", ["model.kind=conv", "train.epochs=" + CONV_EPOCHS]),
]


def run(settings, *words):
    """Run a command. Returns whether it went well; says its last line if not."""
    start = [] if RANKS == "1" else ["mpirun", "-q", "-n", RANKS]
    sets = [w for s in settings for w in ("--set", s)]
    done = subprocess.run([*start, TUTTI, *map(str, words), *sets], capture_output=True, text=True)
    if done.returncode != 0:
        print("models: " + (done.stderr.strip().splitlines() or ["failed: " + " ".join(map(str, words))])[-1], file=sys.stderr)
    return done.returncode == 0


def need(*args):
    if not run(*args):
        sys.exit(1)


def write_truth(column):
    """truth_COLUMN.h5:/y, the class of every clip, -1 where unknown. Returns how many classes there are."""
    with h5py.File("features.h5") as f, h5py.File("features.manifest.h5") as m:
        text = np.char.decode(m["track/" + column][:].astype("S"), "utf-8")
        of_clip = text[f["clip/track"][:]]
        if column == "language":
            of_clip[m["track/lyrics"][:, 1][f["clip/track"][:]] == 0] = ""
    names = [n for n in np.unique(of_clip) if n not in ("", "und", "unknown")]
    label = np.array([names.index(v) if v in names else -1 for v in of_clip], dtype="i4")
    with h5py.File(f"truth_{column}.h5", "w") as f:
        f["y"] = label
    return len(names)


def write_some():
    """some.h5: /mel of every n-th clip, with what train looks for beside it; at most CONV_CLIPS."""
    with h5py.File("features.h5") as f, h5py.File("some.h5", "w") as to:
        every = -(-len(f["mel"]) // CONV_CLIPS)
        for name in ("mel", "valid", "clip/track"):
            if name in f:
                to[name] = f[name][::every]


def prepare(corpus, given):
    if not os.path.exists("features.h5"):
        need(given, "extract", "--corpus", corpus, "--output", "features.h5")
    need(given, "lyrics", "--corpus", corpus, "--output", "lyrics.h5")
    need(given, "fuse", "--features", "features.h5", "--lyrics", "lyrics.h5", "--output", "hybrid.h5")
    need(given, "pca", "--input", "hybrid.h5:/x", "--output", "pca.h5")
    write_some()


def score(space, column, k, seed):
    """ARI and NMI of k-means of the rows of a matrix."""
    need([f"seed={seed}"], "cluster", "--input", space, "--output", "clusters.h5", "--method", "kmeans", "--k", k)
    need([], "evaluate", "--input", space, "--labels", "clusters.h5:/kmeans/label", "--truth", f"truth_{column}.h5:/y",
         "--sample", "1000", "--output", "scores.json")
    with open("scores.json") as f:
        found = json.load(f)
    while "ari" not in found:
        found = next(v for v in found.values() if isinstance(v, dict))
    return found["ari"], found["nmi"]


def space_of(dataset, settings, given, seed):
    """What to cluster: the dataset, or what a model trained by this seed makes of it. None if the model is refused."""
    if settings is None:
        return dataset
    labels = ["--labels", "truth_genre.h5:/y"] if "model.condition=genre" in settings else []
    rows = "some.h5:/mel" if dataset == "features.h5:/mel" else dataset
    if not run([*given, *settings, f"seed={seed}"], "train", "--input", rows, "--output", "model.h5", *labels):
        return None
    need([], "encode", "--model", "model.h5", "--input", dataset, "--output", "latents.h5", *labels)
    return "latents.h5:/mu"


def active_units():
    with h5py.File("model.h5") as f:
        return int(np.sum(f["latent/active"][:])), len(f["latent/active"])


def cell(values):
    values = np.array(values)
    return f"{values.mean():.3f} ± {np.ptp(values) / 2:.3f}"


def row_of(dataset, settings, given, truths):
    """The cells of a row, None if the model is refused."""
    got, active = {c: [] for c, _ in truths}, []
    for seed in SEEDS:
        space = space_of(dataset, settings, given, seed)
        if space is None:
            return None
        if settings is not None:
            active.append(active_units())
        for column, n in truths:
            got[column].append(score(space, column, n, seed))
    cells = [cell([v[i] for v in got[c]]) for c, _ in truths for i in (0, 1)]
    return [*cells, "{} of {}".format(*min(active)) if active else ""]


def main(corpus, given):
    prepare(corpus, given)
    truths = [(c, n) for c, n in ((c, write_truth(c)) for c in ("genre", "language")) if n > 1]
    if not truths:
        sys.exit("models: the corpus has neither two genres nor two languages to compare with")
    head = [f"{c}, k = {n}: ARI | NMI" for c, n in truths]
    print("| k-means on | " + " | ".join(head) + " | active units |\n|---|" + "---|---|" * len(truths) + "---|", flush=True)
    for name, dataset, settings in SPACES:
        cells = row_of(dataset, settings, given, truths) if re.search(ONLY, name) else None
        if cells:
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    path, rest = sys.argv[1], sys.argv[2:]
    path = os.path.abspath(path)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(os.environ.get("MODELS_DIR", scratch))
        main(path, rest)
