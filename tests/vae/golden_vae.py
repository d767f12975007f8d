#!/usr/bin/env python3
"""Write golden_vae.h5: gradients and 20 Adam steps of small fully connected VAEs as PyTorch computes them.

Loss per row: |x - x'|^2 summed over features + beta * KL; the mean over rows. Weights, data and noise are in the file.
"""
import os

import h5py
import numpy as np
import torch

STEPS, LR = 20, 1e-2


def dense(n_in, n_out):
    layer = torch.nn.Linear(n_in, n_out)
    torch.nn.init.normal_(layer.weight, std=n_in ** -0.5)
    torch.nn.init.normal_(layer.bias, std=0.1)
    return layer


class Vae(torch.nn.Module):
    def __init__(self, n, hidden, latent):
        super().__init__()
        up, down = [n, *hidden, 2 * latent], [latent, *reversed(hidden), n]
        self.encoder = torch.nn.ModuleList([dense(a, b) for a, b in zip(up, up[1:])])
        self.decoder = torch.nn.ModuleList([dense(a, b) for a, b in zip(down, down[1:])])

    @staticmethod
    def run(layers, x):
        for layer in layers[:-1]:
            x = torch.tanh(layer(x))
        return layers[-1](x)

    def forward(self, x, noise):
        mu, logvar = self.run(self.encoder, x).chunk(2, dim=1)
        y = self.run(self.decoder, mu + noise * torch.exp(0.5 * logvar))
        reconstruction = ((x - y) ** 2).sum(dim=1).mean()
        kl = (0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)).sum(dim=1).mean()
        return reconstruction, kl


def case(group, rows, n, hidden, latent, beta):
    model = Vae(n, hidden, latent)
    x = torch.randn(rows, n)
    noise = torch.randn(STEPS, rows, latent)
    group["x"], group["noise"] = x.numpy(), noise.numpy()
    group["hidden"] = np.array(hidden, dtype=np.int64)
    group["beta"] = np.array([beta])
    for name, p in model.named_parameters():
        group["param/" + name] = p.detach().numpy().copy()
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        reconstruction, kl = model(x, noise[step])
        loss = reconstruction + beta * kl
        loss.backward()
        if step == 0:
            for name, p in model.named_parameters():
                group["gradient/" + name] = p.grad.numpy().copy()
        adam.step()
        losses.append([reconstruction.item(), kl.item(), loss.item()])
    group["loss"] = np.array(losses)


torch.manual_seed(20)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_vae.h5")
with h5py.File(path, "w") as file:
    case(file.create_group("deep"), 10, 23, [32, 16], 5, 0.7)
    case(file.create_group("flat"), 7, 6, [], 1, 1.0)
