"""What librosa 0.9.2 computes for the six clips in audio/, made compact: golden.h5.

    python3 make_golden.py REFERENCE.h5

REFERENCE.h5 holds, per clip and feature, `frames` [bands, frames] and the statistics over frames in float64 (settings:
22,050 Hz, n_fft 2048, hop 512, 128 mel bands, periodic Hann, centred frames between zeros). Kept here: every frame of every
feature in float32, mel matrices for every eighth frame, all statistics. Added: how deep the valleys of spectral contrast lie
below the frame's peak, which decides what single precision can say of them.
Needs numpy, h5py.
"""
import os
import sys
import wave
import h5py
import numpy as np



def contrast_depth(path):
    """Mean of the 2 % weakest magnitudes of each sub-band of spectral contrast over the largest of the frame: [7, frames]."""
    with wave.open(path) as w:
        y = np.frombuffer(w.readframes(w.getnframes()), "<i2") / 32768.0
    y = np.pad(y, 1024)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    frames = np.stack([y[t * 512 : t * 512 + 2048] * window for t in range(1 + (len(y) - 2048) // 512)])
    s = np.abs(np.fft.rfft(frames)).T
    edges = [0] + [200 * 2**i for i in range(6)] + [1e9]
    hz = np.arange(1025) * 22050 / 2048
    depth = []
    for low, high in zip(edges, edges[1:]):
        band = np.sort(s[(hz >= low) & (hz <= high)], axis=0)
        depth.append(band[: max(1, round(0.02 * len(band)))].mean(axis=0) / np.maximum(s.max(axis=0), 1e-30))
    return np.array(depth)


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
        depth = contrast_depth(os.path.join(here, "audio", clip + ".wav")).astype("f4")
        out.create_dataset(f"{clip}/spectral_contrast/depth", data=depth, compression=9, shuffle=True)
