#!/usr/bin/env python3
"""Make foreign.h5: what other programs write, as h5py writes it."""
import h5py
import numpy as np

with h5py.File("foreign.h5", "w") as f:
    n = np.arange(40)
    f["f16"] = (n[:, None] * 0.5 + np.arange(3)).astype("f2")
    f["big_f32"] = n.astype(">f4") * 0.25
    f["i8"] = (n - 20).astype("i1")
    f["u16"] = (n + 60000).astype("u2")
    f["big_i64"] = (n * 10**12).astype(">i8")
    f["bool"] = n % 3 == 0
    f["scalar"] = 2.5
    f["empty"] = np.zeros((0, 4), "f4")
    f.create_dataset("deflated", data=(n[:, None] * 7 + np.arange(5)).astype("i4"), chunks=(7, 2),
                     compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("text", data=[f"গান {i}" * (i % 4) for i in n], dtype=h5py.string_dtype())
    f.create_dataset("fixed", data=np.array([f"t{i}" for i in n], "S6"))
    f.create_dataset("pair", data=np.zeros(4, [("a", "i4"), ("b", "f4")]))
    f.create_dataset("cube5", data=np.zeros((1, 1, 1, 1, 2)))
    f["f16"].attrs["names"] = ["one", "two", "তিন"]
    f["f16"].attrs["fixed_names"] = np.array([b"one", b"two", b"three"])
    f["f16"].attrs["unit"] = "dB"
    f["f16"].attrs["rate"] = np.int32(22050)
