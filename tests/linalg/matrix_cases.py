#!/usr/bin/env python3
"""Make matrix_cases.h5: datasets as other programs write them. Run in this folder."""
import h5py
import numpy as np

n = 300
row = np.arange(n)
with h5py.File("matrix_cases.h5", "w") as f:
    f["f64"] = np.stack([1e9 + row / 1024, row / 7.0], 1)  # column 0 is lost in float32 as it stands
    f["f32"] = np.stack([row, -row], 1).astype("f4")
    f["i64"] = row.astype("i8")  # one dimension is one column
    f["u8"] = (row % 200).astype("u1")
    f["cube"] = np.arange(n * 6, dtype="f4").reshape(n, 2, 3)
    f["empty"] = np.zeros((0, 4), "f4")
    bad = np.zeros((n, 5), "f4")
    bad[17, 3] = np.nan
    bad[270, 0] = np.inf
    f["nan"] = bad
    f["inf64"] = np.where(bad == bad, bad, 0).astype("f8")
    f["huge"] = np.where(row == 9, 1e300, 0.0)
    f["text"] = np.array([b"a", b"b"])
    f["no_columns"] = np.zeros((n, 0), "f4")
with h5py.File("matrix_valid.h5", "w") as f:
    f["x"] = bad[:, :2] + row[:, None].astype("f4")
    f["wide"] = (bad + row[:, None]).astype("f8")
    f["valid"] = ((row != 17) & (row != 270)).astype("u1")
