"""What librosa 0.9.2 computes for the six clips in audio/, made compact: golden.h5.

    python3 make_golden.py REFERENCE.h5

REFERENCE.h5 holds, per clip and feature, `frames` [bands, frames] and the statistics over frames in float64 (settings:
22,050 Hz, n_fft 2048, hop 512, 128 mel bands, periodic Hann, centred frames between zeros). Kept here: every frame of every
feature in float32, mel matrices for every eighth frame, all statistics.
Needs numpy, h5py.
"""
import os
import sys
import h5py
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
with h5py.File(sys.argv[1]) as source, h5py.File(os.path.join(here, "golden.h5"), "w") as out:
    out.attrs.update(source.attrs)
    for clip in source:
        for feature, group in source[clip].items():
            step = 8 if feature.startswith("mel_") else 1
            frames = group["frames"][:, ::step].astype("f4")
            out.create_dataset(f"{clip}/{feature}/frames", data=frames, compression=9, shuffle=True)
            names = [n for n in ("mean", "std", "skew", "kurtosis", "median", "min", "max") if n in group]
            if names:
                table = np.stack([group[n][:] for n in names], axis=1)  # [bands, 7]
                out.create_dataset(f"{clip}/{feature}/statistics", data=table.astype("f4"))
