"""Training the conv VAE beside PyTorch: images of 128 x 128, channels 32-64-128-256, batches of 64, Adam; both precisions; one
rank beside two, and PyTorch's own two processes. An epoch over the same images, PyTorch's after a first step."""
import os
import tempfile

from peer import Table, need, pair, timed, tutti, write

need("torch", "h5py")
import h5py
import numpy as np
import torch
from torch import nn

IMAGES, SIDE, BATCH, LATENT, CHANNELS = 256, 128, 64, 32, [32, 64, 128, 256]


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        stages = list(zip([1, *CHANNELS], CHANNELS))
        side = SIDE >> len(CHANNELS)
        self.image = (CHANNELS[-1], side, side)
        self.down = nn.Sequential(*(m for a, b in stages for m in (nn.Conv2d(a, b, 3, 2, 1), nn.ReLU())))
        self.head = nn.Linear(CHANNELS[-1] * side * side, 2 * LATENT)
        self.tail = nn.Linear(LATENT, CHANNELS[-1] * side * side)
        up = [m for a, b in reversed(stages) for m in (nn.ConvTranspose2d(b, a, 3, 2, 1, output_padding=1), nn.ReLU())]
        self.up = nn.Sequential(*up[:-1])

    def forward(self, x, noise):
        mu, logvar = self.head(self.down(x).flatten(1)).float().chunk(2, 1)
        z = mu + noise * torch.exp(0.5 * logvar)
        return self.up(torch.relu(self.tail(z)).view(-1, *self.image)).float(), mu, logvar


def step(model, optimizer, x, bf16):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        y, mu, logvar = model(x, torch.randn(len(x), LATENT))
    kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)
    (((y - x) ** 2).sum() + kl.sum()).div(len(x)).backward()
    optimizer.step()


def peer(images, bf16=False, layout=torch.contiguous_format, batch=BATCH, wrap=lambda model: model):
    torch.set_num_threads(1)
    model = wrap(Vae().to(memory_format=layout))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    batches = [torch.from_numpy(b).unsqueeze(1).contiguous(memory_format=layout) for b in np.split(images, len(images) // batch)]
    step(model, optimizer, batches[0], bf16)
    return timed(lambda: [step(model, optimizer, b, bf16) for b in batches])[0]


def half(rank, images, folder):
    """One of two processes, which takes half of every batch."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    mine = images.reshape(-1, 2, BATCH // 2, SIDE, SIDE)[:, rank].reshape(-1, SIDE, SIDE)
    seconds = peer(mine, batch=BATCH // 2, wrap=nn.parallel.DistributedDataParallel)
    if rank == 0:
        np.save(f"{folder}/seconds.npy", seconds)


def two_processes(images):
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(half, (images, folder), 2)
        return float(np.load(f"{folder}/seconds.npy"))


def ours(file, precision="f32", ranks=1):
    """Seconds of the better of two epochs."""
    settings = {"model.kind": "conv", "train.epochs": 2, "train.validation": 0, "train.batch_size": BATCH, "train.precision": precision}
    if os.path.exists("model.h5"):
        os.remove("model.h5")
    tutti("train", "--input", file + ":/mel", "--output", "model.h5",
          *(w for key, value in settings.items() for w in ("--set", f"{key}={value}")), ranks=ranks)
    with h5py.File("model.h5") as f:
        return f["history/seconds"][:].min()


if __name__ == "__main__":
    images = np.random.default_rng(1).standard_normal((IMAGES, SIDE, SIDE), "f4")
    file = write("images.h5", mel=images)

    table = Table(f"conv VAE, an epoch of {IMAGES} images", "PyTorch")
    single, plain = pair(lambda: ours(file), lambda: peer(images), 2)
    table.row("f32", single, plain, aim=2, note=f"{IMAGES / single:.0f} images/s")
    table.row("f32, PyTorch channels last", single, peer(images, layout=torch.channels_last))
    fast, cast = pair(lambda: ours(file, "bf16"), lambda: peer(images, True, torch.channels_last), 2)
    table.row("bf16, PyTorch f32", fast, plain, aim=6, note=f"{IMAGES / fast:.0f} images/s")
    table.row("bf16, PyTorch bf16 channels last", fast, cast)

    if os.cpu_count() > 1:
        table = Table("conv VAE on two ranks", "other")
        two = min(ours(file, ranks=2) for _ in range(2))
        table.row("one rank", two, single, aim=1.9)
        table.row("PyTorch, two processes, gloo", two, two_processes(images))
