"""Training beside PyTorch, one core each and two: the fully connected VAE 1024-512-256-32 at batch 512 in f32 and in bf16 (the
peer's autocast), how that is to the rate of sgemm, what reproducible sums cost, and two processes (the peer's over gloo). Both sides
hold the rows in memory, shuffle them, and take Adam steps; the best epoch of each counts."""
import os
import subprocess
import sys
import tempfile
import time

from peer import Table, need, timed, tutti, write

need("torch", "h5py")
import h5py
import numpy as np
import torch

ROWS, COLS, HIDDEN, LATENT, BATCH, EPOCHS = 20480, 1024, [512, 256], 32, 512, 3
rng = np.random.default_rng(1)


class Dense(torch.nn.Module):
    """Encoder COLS -> hidden -> (mu, logvar), decoder mirrored, tanh between."""

    def __init__(self):
        super().__init__()
        up, down = [COLS, *HIDDEN, 2 * LATENT], [LATENT, *reversed(HIDDEN), COLS]
        self.encoder, self.decoder = self.chain(up), self.chain(down)

    @staticmethod
    def chain(widths):
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
        return torch.nn.Sequential(*layers[:-1])

    def forward(self, x):
        mu, logvar = self.encoder(x).float().chunk(2, dim=1)
        y = self.decoder(mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)).float()
        kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)
        return ((x - y) ** 2).sum(dim=1).mean() + kl.sum(dim=1).mean()


def train(model, x, half=False, epochs=EPOCHS, batch=BATCH):
    """Seconds of the best epoch of a model over the rows x."""
    adam, best = torch.optim.Adam(model.parameters(), lr=1e-3), float("inf")
    for _ in range(epochs):
        start, order = time.perf_counter(), torch.randperm(len(x))
        for rows in order.split(batch):
            adam.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                loss = model(x[rows])
            loss.backward()
            adam.step()
        best = min(best, time.perf_counter() - start)
    return best


def one_of_two(rank, meeting):
    """What a process of the peer's pair does: half of each batch, gradients over gloo."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method="file://" + meeting, rank=rank, world_size=2)
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(Dense())
    print(train(model, torch.randn(ROWS // 2, COLS), batch=BATCH // 2))


def pair_of_peers():
    """Seconds of the slower of two processes."""
    with tempfile.TemporaryDirectory() as folder:
        both = [subprocess.Popen([sys.executable, __file__, str(rank), folder + "/meeting"], stdout=subprocess.PIPE, text=True)
                for rank in range(2)]
        return max(float(p.communicate()[0].split()[-1]) for p in both)


def ours(file, *settings, ranks=1):
    """Seconds of the best epoch of `tutti train`."""
    words = {"train.epochs": EPOCHS, "train.batch_size": BATCH, "train.validation": 0, "model.latent_dim": LATENT,
             "model.hidden_dims": HIDDEN}
    sets = [w for key, value in words.items() for w in ("--set", f"{key}={value}")]
    if os.path.exists("m.h5"):
        os.remove("m.h5")
    tutti("train", "--input", file + ":/x", "--output", "m.h5", *sets, *[w for s in settings for w in ("--set", s)], ranks=ranks)
    with h5py.File("m.h5") as f:
        return f["history/seconds"][:].min()


def sgemm_rate():
    """GFLOP/s of 1024 x 1024 matrices in numpy's BLAS."""
    a, b = rng.standard_normal((2, 1024, 1024)).astype("f4")
    return 2 * 1024 ** 3 / min(timed(lambda: a @ b)[0] for _ in range(20)) / 1e9


def dense_flops():
    """Floating-point operations per row: forward, and backward but for the gradient by the input."""
    widths = [COLS, *HIDDEN, 2 * LATENT], [LATENT, *reversed(HIDDEN), COLS]
    return sum(6 * a * b for w in widths for a, b in zip(w, w[1:])) - 2 * COLS * HIDDEN[0]


def main():
    torch.set_num_threads(1)
    x = rng.standard_normal((ROWS, COLS)).astype("f4")
    file, rows = write("x.h5", x=x), torch.from_numpy(x)
    best = {}

    def measure(name, work):
        best[name] = min(best.get(name, float("inf")), work())

    for _ in range(2):
        measure("sgemm", lambda: 1 / sgemm_rate())
        measure("f32", lambda: ours(file))
        measure("peer f32", lambda: train(Dense(), rows))
        measure("bf16", lambda: ours(file, "train.precision=bf16"))
        measure("peer bf16", lambda: train(Dense(), rows, half=True))
        measure("loose", lambda: ours(file, "train.reproducible=false"))
        measure("two", lambda: ours(file, ranks=2))
        measure("two loose", lambda: ours(file, "train.reproducible=false", ranks=2))
        measure("two bf16", lambda: ours(file, "train.precision=bf16", ranks=2))
        measure("peer two", pair_of_peers)

    def rate(name):
        return f"{ROWS / best[name]:,.0f} samples/s"

    share = dense_flops() * ROWS / best["f32"] / 1e9 * best["sgemm"]
    table = Table("FC VAE 1024-512-256-32, batch 512, an epoch", "PyTorch")
    table.row("f32, reproducible", best["f32"], best["peer f32"], aim=1.4,
              note=f"{rate('f32')}, {100 * share:.0f} % of sgemm's {1 / best['sgemm']:.0f} GFLOP/s (aim 85 %)")
    table.row("f32, not reproducible", best["loose"], best["peer f32"], note=rate("loose"))
    table.row("bf16", best["bf16"], best["peer bf16"], aim=2, note=rate("bf16"))
    table.row("f32 on two cores", best["two"], best["peer two"], note=rate("two"))
    table = Table("two ranks", "one rank")
    table.row("f32, reproducible", best["two"], best["f32"], aim=1.9)
    table.row("f32, not reproducible", best["two loose"], best["loose"])
    table.row("bf16", best["two bf16"], best["bf16"])
    table.row("PyTorch over gloo", best["peer two"], best["peer f32"], note="the peer beside itself")


if len(sys.argv) > 2:
    one_of_two(int(sys.argv[1]), sys.argv[2])
else:
    main()
