"""librosa's feature definitions (0.9 to 0.11) in plain numpy, written from its documentation for these tests: slow, in
float64, one clip at a time. make_golden.py checks it against numbers that librosa itself computed; for other settings, flux and tempogram the code of librosa
0.10 was run beside it and gave the same to 1e-6."""
import numpy as np
import scipy.fft
import scipy.stats

STATISTICS = [("mean", lambda x: x.mean(axis=1)), ("std", lambda x: x.std(axis=1)),
              ("skew", lambda x: scipy.stats.skew(x, axis=1)), ("kurtosis", lambda x: scipy.stats.kurtosis(x, axis=1)),
              ("median", lambda x: np.median(x, axis=1)), ("min", lambda x: x.min(axis=1)), ("max", lambda x: x.max(axis=1))]


def frames_of(y, length, hop):
    return np.stack([y[t : t + length] for t in range(0, len(y) - length + 1, hop)], axis=1)


def stft(y, n_fft, hop):
    padded = np.pad(y, n_fft // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return np.abs(np.fft.rfft(frames_of(padded, n_fft, hop) * window[:, None], axis=0))


def power_to_db(s, top_db, ref=1.0):
    db = 10 * np.log10(np.maximum(1e-10, s)) - 10 * np.log10(max(1e-10, ref))
    return np.maximum(db, db.max() - top_db)


def hz_to_mel(f, htk):
    f = np.asarray(f, float)
    if htk:
        return 2595 * np.log10(1 + f / 700)
    return np.where(f < 1000, f * 3 / 200, 15 + 27 * np.log(np.maximum(f, 1e-9) / 1000) / np.log(6.4))


def mel_to_hz(m, htk):
    if htk:
        return 700 * (10 ** (m / 2595) - 1)
    return np.where(m < 15, m * 200 / 3, 1000 * np.exp((m - 15) * np.log(6.4) / 27))


def mel_filters(sr, n_fft, n_mels, fmin, fmax, htk, norm):
    hz = np.arange(1 + n_fft // 2) * sr / n_fft
    edge = mel_to_hz(np.linspace(hz_to_mel(fmin, htk), hz_to_mel(fmax, htk), n_mels + 2), htk)
    rows = []
    for low, mid, high in zip(edge, edge[1:], edge[2:]):
        row = np.maximum(0, np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)))
        rows.append(row * (2 / (high - low) if norm == "slaney" else 1))
    return np.array(rows)


def by_largest(x):
    """util.normalize(norm=inf) along the first axis: columns of nothing stay."""
    largest = np.abs(x).max(axis=0)
    return x / np.where(largest < np.finfo(np.float64).tiny, 1, largest)


def chroma_filters(sr, n_fft):
    pitch = 12 * np.log2(np.arange(1, n_fft) * sr / n_fft / 27.5)
    pitch = np.concatenate([[pitch[0] - 18], pitch])
    width = np.concatenate([np.maximum(np.diff(pitch), 1), [1]])
    apart = np.remainder(pitch[None] - np.arange(12)[:, None] + 6 + 120, 12) - 6
    weight = np.exp(-0.5 * (2 * apart / width) ** 2)
    weight /= np.sqrt((weight**2).sum(axis=0))
    weight *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)
    return np.roll(weight, -3, axis=0)[:, : 1 + n_fft // 2]


def contrast(s, sr, n_fft):
    hz = np.arange(1 + n_fft // 2) * sr / n_fft
    edges = np.concatenate([[0], 200 * 2.0 ** np.arange(7)])
    edges = edges[: 1 + np.searchsorted(edges, sr / 2)]
    valley, peak = [], []
    for k in range(len(edges) - 1):
        inside = (hz >= edges[k]) & (hz <= edges[k + 1])
        at = np.flatnonzero(inside)
        if k > 0:
            inside[at[0] - 1] = True
        if k == len(edges) - 2:
            inside[at[-1] + 1 :] = True
        band, n = s[inside], max(1, int(np.rint(0.02 * inside.sum())))
        band = np.sort(band if k == len(edges) - 2 else band[:-1], axis=0)
        valley.append(band[:n].mean(axis=0))
        peak.append(band[-n:].mean(axis=0))
    return power_to_db(np.array(peak), 80) - power_to_db(np.array(valley), 80)


def onset_strength(s, n_fft, hop):
    rise = np.maximum(0, np.diff(s, axis=1)).mean(axis=0)
    late = np.concatenate([np.zeros(1 + n_fft // (2 * hop)), rise])
    return late[: s.shape[1]]


def tempogram(onset, sr, hop):
    window = max(1, int(8 * sr) // hop)
    padded = np.pad(onset, window // 2, mode="linear_ramp", end_values=0)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    part = frames_of(padded, window, 1)[:, : len(onset)] * hann[:, None]
    power = np.abs(np.fft.rfft(part, 2 * window, axis=0)) ** 2
    return by_largest(np.fft.irfft(power, axis=0)[:window])


def tempo(mean_tempogram, sr, hop):
    with np.errstate(divide="ignore"):
        bpm = 60 * sr / (hop * np.arange(len(mean_tempogram)))
    prior = -0.5 * np.log2(bpm / 120) ** 2
    prior[: np.argmax(bpm < 320)] = -np.inf
    return bpm[np.argmax(np.log1p(1e6 * mean_tempogram) + prior)]


def features(y, sr, n_fft=2048, hop_length=512, n_mels=128, fmin=0, fmax=None, mel_scale="slaney", mel_norm="slaney",
             n_mfcc=20, top_db=80):
    s = stft(y, n_fft, hop_length)
    hz = np.arange(1 + n_fft // 2)[:, None] * sr / n_fft
    share = s / np.where(s.sum(axis=0) < np.finfo(np.float64).tiny, 1, s.sum(axis=0))
    centroid = (hz * share).sum(axis=0)
    total = np.cumsum(s, axis=0)
    mel = mel_filters(sr, n_fft, n_mels, fmin, fmax or sr / 2, mel_scale == "htk", mel_norm) @ s**2
    db = power_to_db(mel, top_db)
    chroma = by_largest(chroma_filters(sr, n_fft) @ s**2)
    steps = np.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(12))
    steps[::2] -= 0.5
    project = np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * steps)
    mass = chroma.sum(axis=0)
    sample = frames_of(np.pad(y, n_fft // 2, mode="edge"), n_fft, hop_length)
    negative = np.where(np.abs(sample) <= 1e-10, 0, sample) < 0
    squares = frames_of(np.pad(y, n_fft // 2), n_fft, hop_length) ** 2
    floor = np.maximum(1e-10, s**2)
    onset = onset_strength(db, n_fft, hop_length)
    return {
        "mel_power": mel,
        "mel_db_ref_max": power_to_db(mel, top_db, mel.max()),
        "zero_crossing_rate": (negative[1:] != negative[:-1]).sum(axis=0)[None] / n_fft,
        "rms": np.sqrt(squares.mean(axis=0))[None],
        "spectral_centroid": centroid[None],
        "spectral_bandwidth": np.sqrt((share * (hz - centroid) ** 2).sum(axis=0))[None],
        "spectral_rolloff": hz[np.argmax(total >= 0.85 * total[-1], axis=0)].T,
        "spectral_flatness": (np.exp(np.log(floor).mean(axis=0)) / floor.mean(axis=0))[None],
        "spectral_contrast": contrast(s, sr, n_fft),
        "mfcc": scipy.fft.dct(db, axis=0, norm="ortho")[:n_mfcc],
        "chroma_stft": chroma,
        "tonnetz": project @ (chroma / np.where(mass < np.finfo(np.float64).tiny, 1, mass)),
        "onset_strength": onset[None],
        "spectral_flux": onset_strength(s, n_fft, hop_length)[None],
        "tempogram": tempogram(onset, sr, hop_length).mean(axis=1)[None],
    }
