#!/usr/bin/env python3
"""Write golden_conv.h5: gradients and 20 Adam steps of small convolutional VAEs as PyTorch computes them.

Loss per row: |x - x'|^2 summed over pixels + beta * KL; the mean over rows. Weights, data and noise are in the file. Between
convolutions and dense layers images are flattened channels last.
"""
import os

import h5py
import numpy as np
import torch
from torch import nn

STEPS, LR = 20, 3e-3


def random_weights(layer, inputs):
    nn.init.normal_(layer.weight, std=inputs ** -0.5)
    nn.init.normal_(layer.bias, std=0.1)
    return layer


class Vae(nn.Module):
    def __init__(self, height, width, channels, latent):
        super().__init__()
        self.sizes = [(height, width)]
        for _ in channels:
            self.sizes.append(tuple((n + 1) // 2 for n in self.sizes[-1]))
        stages = list(zip([1, *channels], channels))
        flat = self.sizes[-1][0] * self.sizes[-1][1] * channels[-1]
        self.encoder = nn.ModuleList(
            [random_weights(nn.Conv2d(a, b, 3, stride=2, padding=1), 9 * a) for a, b in stages]
            + [random_weights(nn.Linear(flat, 2 * latent), flat)])
        self.decoder = nn.ModuleList(
            [random_weights(nn.Linear(latent, flat), latent)]
            + [random_weights(nn.ConvTranspose2d(b, a, 3, stride=2, padding=1), 3 * b) for a, b in reversed(stages)])

    def forward(self, x, noise):
        image = x.unsqueeze(1)
        for layer in self.encoder[:-1]:
            image = torch.relu(layer(image))
        mu, logvar = self.encoder[-1](image.permute(0, 2, 3, 1).flatten(1)).chunk(2, dim=1)
        z = mu + noise * torch.exp(0.5 * logvar)
        h, w = self.sizes[-1]
        image = torch.relu(self.decoder[0](z)).view(len(x), h, w, -1).permute(0, 3, 1, 2)
        for layer, size in zip(self.decoder[1:], reversed(self.sizes[:-1])):
            image = layer(image, output_size=size)
            image = torch.relu(image) if size != self.sizes[0] else image
        reconstruction = ((x - image.squeeze(1)) ** 2).sum(dim=(1, 2)).mean()
        kl = (0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)).sum(dim=1).mean()
        return reconstruction, kl


def case(group, rows, height, width, channels, latent, beta):
    model = Vae(height, width, channels, latent)
    x = torch.randn(rows, height, width)
    noise = torch.randn(STEPS, rows, latent)
    group["x"], group["noise"] = x.numpy(), noise.numpy()
    group["channels"] = np.array(channels, dtype=np.int64)
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
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_conv.h5")
with h5py.File(path, "w") as file:
    case(file.create_group("conv_odd"), 6, 9, 14, [4, 8], 3, 0.7)
    case(file.create_group("conv_even"), 4, 8, 16, [16], 2, 1.0)
