"""Extraction beside the decoder alone, on the same files, one thread each; the analyzer alone; torchaudio where it is there.

Corpora of 6 tracks of 30 s, made from the music of `tutti synth`. Decoding alone is libsndfile's (sound.c), in blocks, to floats,
nothing kept. Ours is what `tutti extract` does for each clip: decode, resample, every feature, statistics, the file. What it does
once (start-up, the scan, filters and plans) is in no ratio; the least time of an extraction of one clip tells it. The ratio of
processor time is what to look at where other work shares the machine. Then the same on two ranks, and on one rank of two threads;
in these figures too start-up is left out."""
import glob
import os
import resource
import shutil
import subprocess
import time

from peer import TUTTI, need, phases, tutti

need("h5py")
import h5py

SOUND = os.path.join(os.environ["TT_BUILD"], "bench", "sound")
TRACKS, SECONDS, REPEAT = 6, 30, 3
KINDS = [("Ogg Vorbis 44.1 kHz stereo", "ogg", 44100, 2, 1.35), ("MP3 44.1 kHz stereo", "mp3", 44100, 2, None),
         ("FLAC 44.1 kHz stereo", "flac", 44100, 2, None), ("wav 44.1 kHz stereo", "wav", 44100, 2, None),
         ("wav 22.05 kHz mono", "wav", 22050, 1, None)]
PHASES = {"decode": ["decode"], "resample": ["resample"], "FFT": ["transform"], "mel": ["mel"],
          "features": ["spectral", "time", "cepstral", "tempo"], "statistics": ["statistics"], "store": ["store"]}


def corpus(ending, rate, channels):
    """A folder of tracks of one kind, each beginning with another piece."""
    folder = f"{ending}-{rate}"
    os.mkdir(folder)
    for i in range(TRACKS):
        pieces = SOURCES[i:] + SOURCES[:i]
        subprocess.run([SOUND, "encode", str(SECONDS), str(rate), str(channels), f"{folder}/{i}.{ending}", *pieces], check=True)
    return folder


def decode(files):
    """Seconds of sound; the least wall and processor seconds of some attempts."""
    told = [list(map(float, subprocess.run([SOUND, "decode", *files], check=True, capture_output=True, text=True).stdout.split()))
            for _ in range(REPEAT)]
    return told[0][0], min(t[1] for t in told), min(t[2] for t in told)


def processor(work):
    """Processor seconds of the programs that work() runs, and what it returns."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def extract(folder, *settings):
    """The least wall and processor seconds of some attempts, and the share of each phase in the quickest."""
    best, least = None, None
    for _ in range(REPEAT):
        cpu, _ = processor(lambda: phases("f.h5", "decode", "extract", "--corpus", folder, *settings))
        least = min(cpu, least or cpu)
        with h5py.File("f.h5") as f:
            spent = {p: sum(float(f.attrs.get("seconds_" + n, 0)) for n in names) for p, names in PHASES.items()}
        total = sum(spent.values())
        if best is None or total < best[0]:
            best = total, {p: s / total for p, s in spent.items()}
    return *best, least - STARTUP


def peer_torchaudio(files):
    """Mel in dB and MFCC of 3 s clips by torchaudio, from samples in memory; seconds and what was done."""
    import wave
    import numpy as np
    import torch
    import torchaudio
    torch.set_num_threads(1)
    shape = {"n_fft": 2048, "hop_length": 512, "n_mels": 128, "center": True, "power": 2.0}
    mel = torchaudio.transforms.MelSpectrogram(22050, **shape, norm="slaney", mel_scale="slaney")
    decibel, dct = torchaudio.transforms.AmplitudeToDB("power", 80), torchaudio.functional.create_dct(20, 128, "ortho")
    total = 0.0
    for path in files:
        with wave.open(path) as w:
            x = torch.from_numpy(np.frombuffer(w.readframes(w.getnframes()), "<i2").astype("f4") / 32768)
        start = time.perf_counter()
        for clip in x.unfold(0, 66150, 66150):
            decibels = decibel(mel(clip))
            torch.matmul(decibels.T, dct)
        total += time.perf_counter() - start
    return total


def wall(folder, ranks, threads):
    """The least wall seconds of some extractions by so many ranks of so many threads, from start to end."""
    command = ["mpirun", "-q", "-n", str(ranks), "-x", f"OMP_NUM_THREADS={threads}", TUTTI, "extract", "--output", "f.h5", "--corpus", folder]
    def once():
        for old in glob.glob("f.h5*"):
            os.remove(old)
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start
    return min(once() for _ in range(REPEAT))


def side_by_side(title, folder, seconds):
    """Extraction of a corpus by one, by two ranks, and by two threads, start-up taken off."""
    one, ranks, threads = (wall(folder, r, t) - wall("one", r, t) for r, t in ((1, 1), (2, 1), (1, 2)))
    print(f"{title:44} {seconds:9.0f} {one:11.2f} {ranks:12.2f} {one / ranks:5.2f} x {threads:14.2f} {one / threads:5.2f} x "
          f"{seconds / ranks:16.0f}", flush=True)


tutti("synth", "--tracks", 120, "--seconds", 10, "--format", "folder", "--out", "music")
SOURCES = sorted(f for f in glob.glob("music/**/*", recursive=True) if f.endswith(".wav"))
os.mkdir("one")
subprocess.run([SOUND, "encode", "3", "22050", "1", "one/one.wav", *SOURCES], check=True)
STARTUP = min(processor(lambda: phases("f.h5", "plan", "extract", "--corpus", "one"))[0] for _ in range(REPEAT))
print(f"once per process: {STARTUP:.2f} s of processor time")

print(f"\n{'extraction, one thread':28} {'sound, s':>9} {'decode alone, s':>16} {'tutti, s':>9} {'ratio':>7} {'by processor':>13} {'aim':>7} {'x real time':>12}   "
      + " ".join(f"{p:>10}" for p in PHASES))
for title, ending, rate, channels, aim in KINDS:
    folder = corpus(ending, rate, channels)
    files = sorted(glob.glob(folder + "/*"))
    sound, alone, alone_cpu = decode(files)
    ours, share, cpu = extract(folder)
    print(f"{title:28} {sound:9.0f} {alone:16.3f} {ours:9.3f} {ours / alone:5.2f} x {cpu / alone_cpu:11.2f} x {f'{aim} x' if aim else '':>7} {sound / ours:12.0f}   "
          + " ".join(f"{share[p]:10.1%}" for p in PHASES), flush=True)
    wav = files

os.mkdir("mp3")
for i in range(100):
    shutil.copy(f"mp3-44100/{i % TRACKS}.mp3", f"mp3/{i}.mp3")
os.mkdir("mixed")
subprocess.run([SOUND, "encode", "1800", "44100", "2", "mixed/long.flac", *SOURCES], check=True)
subprocess.run([SOUND, "encode", "10", "44100", "2", "short.flac", *SOURCES], check=True)
for i in range(100):
    shutil.copy("short.flac", f"mixed/{i}.flac")
print(f"\n{'wall seconds, start-up left out':44} {'sound, s':>9} {'one rank':>11} {'two ranks':>12} {'':7} {'two threads':>14} {'':7} {'x real time, two':>16}")
side_by_side("100 MP3 of 30 s (aim: 2.2 on two ranks)", "mp3", 100 * SECONDS)
side_by_side("FLAC: 30 minutes and 100 of 10 s (aim: 1.9 x)", "mixed", 1800 + 100 * 10)

try:
    seconds = peer_torchaudio(wav)
    print(f"\ntorchaudio, mel in dB and MFCC alone, no statistics, from memory: {sound / seconds:.0f} x real time "
          f"(tutti, wav to file, every feature and statistic: {sound / ours:.0f})")
except ImportError:
    print("\nno torchaudio here to compare with (tools/deps.sh bench)")

print("\nthe analyzer alone, from memory (aims: every feature and statistic 3,300 x real time, mel alone 10,000 x)", flush=True)
subprocess.run([TUTTI, "bench", "features"], check=True)
