"""What the tests of the features compare with: golden_*.h5.

    python3 make_golden.py REFERENCE.h5

REFERENCE.h5 holds what librosa 0.9.2 computes for the six clips in audio/: per clip and feature, `frames` [bands, frames] and
the statistics over frames in float64 (settings: 22,050 Hz, n_fft 2048, hop 512, 128 mel bands, periodic Hann, centred frames
between zeros). Kept are all numbers in float32: golden_frames.h5 (frames of the features), golden_mel.h5 (mel powers) and, in
the first, the statistics. What REFERENCE.h5 does not hold comes from yardstick.py, which is checked against it first: spectral
flux and tempogram of the six clips, and golden_settings.h5: other settings, other rates, and clips that are short or odd.
Needs numpy, scipy, h5py.
"""
import os
import sys
import wave
import h5py
import numpy as np
import yardstick

HERE = os.path.dirname(os.path.abspath(__file__))


def read(clip):
    with wave.open(os.path.join(HERE, "audio", clip + ".wav")) as w:
        return np.frombuffer(w.readframes(w.getnframes()), "<i2")


def keep(group, name, data):
    packed = dict(compression=9, shuffle=True) if np.size(data) > 2000 else {}
    group.create_dataset(name, data=np.asarray(data).astype("f4"), **packed)


def keep_statistics(group, frames):
    with np.errstate(all="ignore"):
        table = np.stack([f(frames) for _, f in yardstick.STATISTICS], axis=1)  # [bands, 7]
    keep(group, "statistics", np.nan_to_num(table))


def keep_feature(out, path, frames):
    group = out.require_group(path)
    keep(group, "frames", frames)
    keep_statistics(group, frames)


def reference(path):
    with h5py.File(path) as source, h5py.File(HERE + "/golden_frames.h5", "w", libver="latest") as out, \
            h5py.File(HERE + "/golden_mel.h5", "w", libver="latest") as mel:
        for clip in source:
            mine = yardstick.features(read(clip) / 32768.0, 22050)
            for feature, group in source[clip].items():
                frames = group["frames"][:]
                if feature in mine:
                    np.testing.assert_allclose(mine[feature], frames, rtol=1e-6, atol=1e-6 * np.abs(frames).max(), err_msg=feature)
                if feature in ("mel_power", "mel_power_htk"):
                    keep(mel, f"{clip}/{feature}", frames)
                elif feature != "mel_db_ref_max":
                    keep(out, f"{clip}/{feature}/frames", frames)
                    keep(out, f"{clip}/{feature}/statistics", np.stack([group[n][:] for n, _ in yardstick.STATISTICS], axis=1))
            keep_feature(out, f"{clip}/spectral_flux", mine["spectral_flux"])
            keep(out, f"{clip}/tempogram", mine["tempogram"][0])
            out[clip].attrs["tempo"] = yardstick.tempo(mine["tempogram"][0], 22050, 512)


def noise(n):
    return np.random.default_rng(7).integers(-9000, 9000, n)


CASES = {  # name: samples, settings
    "speech_rate": (read("voice")[:16000], dict(sr=16000, n_fft=1024, hop_length=256, n_mels=64, mel_scale="htk", mel_norm="none",
                                                n_mfcc=13)),
    "htk_slaney": (read("chords")[20000:28000], dict(sr=16000, n_fft=1000, hop_length=300, n_mels=40, mel_scale="htk")),
    "slaney_none": (read("drums")[:9000], dict(sr=22050, n_fft=770, hop_length=200, n_mels=30, mel_norm="none", fmin=60.0,
                                               fmax=8000.0, top_db=60)),
    "high_rate": (read("chirp")[:24000], dict(sr=96000, n_fft=4096, hop_length=1024, n_mels=80, fmin=20.0, fmax=20000.0)),
    "low_rate": (read("voice")[30000:34000], dict(sr=8000, n_fft=256, hop_length=80, n_mels=23, n_mfcc=12)),
    "empty_bands": (read("chords")[:6000], dict(sr=22050, n_fft=512, hop_length=128, n_mels=128)),
    "silence": (np.zeros(4000, "i2"), dict(sr=22050)),
    "constant": (np.full(4000, 16384, "i2"), dict(sr=22050)),
    "square": (np.where(np.arange(5000) // 25 % 2 == 0, 32767, -32768), dict(sr=22050)),
    "one_sample": (np.array([20000]), dict(sr=22050)),
    "ten_milliseconds": (noise(220), dict(sr=22050)),
    "almost_a_window": (noise(2047), dict(sr=22050)),
    "a_window": (noise(2048), dict(sr=22050)),
    "impulse": (np.where(np.arange(3000) == 700, 32767, 0), dict(sr=22050)),
}


def settings():
    with h5py.File(HERE + "/golden_settings.h5", "w", libver="latest") as out:
        for name, (samples, case) in CASES.items():
            defaults = dict(n_fft=2048, hop_length=512, n_mels=128, fmin=0.0, fmax=case["sr"] / 2, mel_scale="slaney",
                            mel_norm="slaney", n_mfcc=20, top_db=80)
            group = out.create_group(name)
            group.create_dataset("samples", data=samples.astype("i2"), compression=9, shuffle=True)
            for key, value in {**defaults, **case}.items():
                group.attrs[key] = value if isinstance(value, str) else float(value)
            for feature, frames in yardstick.features(samples / 32768.0, **case).items():
                if feature in ("mel_power", "tempogram"):
                    keep(group, feature, frames)
                elif feature != "mel_db_ref_max":
                    keep_feature(group, feature, frames)


reference(sys.argv[1])
settings()
