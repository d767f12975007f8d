"""What comparisons share: one module that is there or not, our seconds and the peer's, and the table.

A comparison is a program tools/bench/AREA_NAME.py:

    from peer import Table, need, phases, timed, write
    need("sklearn", "h5py")                                   # ends the program, with a line, where they are missing
    table = Table("k-means against scikit-learn")
    file = write("x.h5", x=blobs)                             # a matrix for tutti: file + ":/x"
    ours = phases("c.h5", "k-means", *COMMAND)                # runs tutti; seconds as its output tells them
    peer, fit = timed(lambda: KMeans(64).fit(blobs))
    table.row("200,000 x 32, k = 64", ours, peer, aim=6, note="inertia 1.0000 of the peer's")

Start-up (MPI, Python's imports) is in neither figure; each side has one core. Both are run in turn, `repeat` times, by pair(),
which takes each side's best: what else runs on a machine only ever adds.
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import time

TUTTI = os.environ.get("TUTTI", "tutti")


def need(*modules):
    """End the program, well, where a peer is not installed."""
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        print("no comparison: /usr/bin/python3 has no module " + ", ".join(missing) + " (tools/deps.sh bench)")
        sys.exit(0)


def write(path, **datasets):
    """An HDF5 file of matrices. Returns its path."""
    import h5py
    with h5py.File(path, "w") as f:
        for name, data in datasets.items():
            f[name] = data
    return path


# Starts a command and tells its peak memory in KB and its processor time: a process that is small itself, since Linux counts
# what a child had before it became another program.
MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1], "w").write(f"{used.ru_maxrss} {used.ru_utime + used.ru_stime}")
sys.exit(status if status >= 0 else 128 - status)
"""


def measured(*words, ranks=1):
    """Run a command of tutti; what it says shows only if it fails. Returns the peak memory in MB of one rank (of more it is
    not known) and the seconds of processor time, start-up included."""
    start = [] if ranks == 1 else ["mpirun", "-q", "-n", str(ranks)]
    with tempfile.TemporaryFile("w+") as log, tempfile.NamedTemporaryFile("r") as told:
        status = subprocess.call([sys.executable, "-c", MEASURE, told.name, *start, TUTTI, *map(str, words)], stdout=log,
                                 stderr=subprocess.STDOUT)
        if status != 0:
            log.seek(0)
            sys.exit(f"tutti {' '.join(map(str, words))}: exit status {status}\n{log.read()}")
        peak, cpu = told.read().split()
        return int(peak) / 1024, float(cpu)


def tutti(*words, ranks=1):
    """As measured(), the peak memory alone."""
    return measured(*words, ranks=ranks)[0]


def phases(output, names, *words, ranks=1):
    """Run `tutti WORDS... --output OUTPUT` and return the wall seconds of its phases `names` ("a+b"), as the output's
    attributes tell them: start-up is not in them. "*" stands for all phases."""
    if os.path.exists(output):
        os.remove(output)
    tutti(*words, "--output", output, ranks=ranks)
    return told(output, names)


def told(output, names):
    """The wall seconds that an output tells of its phases `names`."""
    import h5py
    with h5py.File(output) as f:
        seconds = {k[len("seconds_"):]: float(v) for k, v in f.attrs.items() if k.startswith("seconds_")}
    return sum(seconds.values()) if names == "*" else sum(seconds[n] for n in names.split("+"))


def timed(work):
    """Wall seconds of work(), and what it returns."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def pair(ours, peer, repeat=3):
    """Run ours() and peer(), which return seconds, in turn; return each one's best."""
    both = [(ours(), peer()) for _ in range(repeat)]
    return min(o for o, _ in both), min(p for _, p in both)


class Table:
    """Lines of a comparison: our seconds, the peer's, how many times faster we are, what was aimed for."""

    def __init__(self, title, peer="peer"):
        print(f"\n{title:46} {'tutti, s':>9} {peer + ', s':>14} {'ratio':>7} {'aim':>6}", flush=True)

    def row(self, work, ours, peer, aim=None, note=""):
        aimed = f"{aim:g} x" if aim else ""
        print(f"{work:46} {ours:9.3f} {peer:14.3f} {peer / ours:5.1f} x {aimed:>6}   {note}".rstrip(), flush=True)


class Growth:
    """Lines of a table of how time and peak memory of one rank grow with the rows; for LARGE=1. Processor time is that of the
    whole command; on a busy machine it says more than the wall's."""

    def __init__(self, title):
        print(f"\n{title:46} {'tutti, s':>9} {'cpu, s':>9} {'peak, MB':>10} {'rows, MB':>10}", flush=True)

    def row(self, work, seconds, cpu, peak, file):
        print(f"{work:46} {seconds:9.3f} {cpu:9.3f} {peak:10.0f} {os.path.getsize(file) / 2**20:10.0f}", flush=True)

    def run(self, work, name, file, *words):
        """One run of tutti over the matrix of `file`, its seconds those of the phase `name`."""
        output = "growth.h5"
        peak, cpu = measured(*words, "--output", output)
        self.row(work, told(output, name), cpu, peak, file)
        os.remove(output)
