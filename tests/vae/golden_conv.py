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


def norm(channels):
    layer = nn.GroupNorm(8 if channels % 8 == 0 else 1, channels)
    nn.init.normal_(layer.weight, 1, 0.1)
    nn.init.normal_(layer.bias, std=0.1)
    return layer


def with_norms(layers, wanted, but=()):
    """The layers, each but those followed by a norm if it is wanted."""
    return [m for i, l in enumerate(layers)
            for m in ([l, norm(l.out_channels)] if wanted and i not in but else [l])]


class Vae(nn.Module):
    def __init__(self, height, width, channels, latent, normalise, classes):
        super().__init__()
        extra = classes + 1 if classes else 0
        self.sizes = [(height, width)]
        for _ in channels:
            self.sizes.append(tuple((n + 1) // 2 for n in self.sizes[-1]))
        stages = list(zip([1, *channels], channels))
        flat = self.sizes[-1][0] * self.sizes[-1][1] * channels[-1]
        down = [random_weights(nn.Conv2d(a, b, 3, stride=2, padding=1), 9 * a) for a, b in stages]
        self.encoder = nn.ModuleList(with_norms(down, normalise) + [random_weights(nn.Linear(flat, 2 * latent), flat)])
        tail = random_weights(nn.Linear(latent + extra, flat), latent)
        up = [random_weights(nn.ConvTranspose2d(b, a, 3, stride=2, padding=1), 3 * b) for a, b in reversed(stages)]
        self.decoder = nn.ModuleList([tail] + with_norms(up, normalise, but=[len(up) - 1]))
        self.told = random_weights(nn.Linear(extra, 2 * latent), extra) if classes else None

    def stages(self, layers, image, sizes, cut_last):
        """Convolutions with the norms behind them, each stage cut at zero but perhaps the last."""
        layers, sizes = list(layers), list(sizes)
        while layers:
            layer = layers.pop(0)
            image = layer(image, output_size=sizes.pop(0)) if isinstance(layer, nn.ConvTranspose2d) else layer(image)
            if layers and isinstance(layers[0], nn.GroupNorm):
                image = layers.pop(0)(image)
            image = torch.relu(image) if layers or cut_last else image
        return image

    def forward(self, x, noise, one_hot):
        image = self.stages(self.encoder[:-1], x.unsqueeze(1), [], True)
        out = self.encoder[-1](image.permute(0, 2, 3, 1).flatten(1))
        out = out + self.told(one_hot) if self.told else out
        mu, logvar = out.chunk(2, dim=1)
        z = torch.cat([mu + noise * torch.exp(0.5 * logvar), one_hot], 1)
        h, w = self.sizes[-1]
        image = torch.relu(self.decoder[0](z)).view(len(x), h, w, -1).permute(0, 3, 1, 2)
        image = self.stages(self.decoder[1:], image, reversed(self.sizes[:-1]), False)
        reconstruction = ((x - image.squeeze(1)) ** 2).sum(dim=(1, 2)).mean()
        kl = (0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)).sum(dim=1).mean()
        return reconstruction, kl


def name_of(parameter):
    return parameter.replace("told.", "encoder.class.0.")


def case(group, rows, height, width, channels, latent, beta, normalise=False, classes=0):
    model = Vae(height, width, channels, latent, normalise, classes)
    x = torch.randn(rows, height, width)
    noise = torch.randn(STEPS, rows, latent)
    condition = torch.arange(rows) % (classes + 1) - (1 if classes else 0)  # -1: unknown
    one_hot = torch.eye(classes + 1)[torch.where(condition < 0, classes, condition)] if classes else torch.zeros(rows, 0)
    group["x"], group["noise"] = x.numpy(), noise.numpy()
    group["channels"] = np.array(channels, dtype=np.int64)
    group["beta"] = np.array([beta])
    group["condition"] = condition.numpy()
    group["shape"] = np.array([normalise, classes], dtype=np.int64)
    for name, p in model.named_parameters():
        group["param/" + name_of(name)] = p.detach().numpy().copy()
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        reconstruction, kl = model(x, noise[step], one_hot)
        loss = reconstruction + beta * kl
        loss.backward()
        if step == 0:
            for name, p in model.named_parameters():
                group["gradient/" + name_of(name)] = p.grad.numpy().copy()
        adam.step()
        losses.append([reconstruction.item(), kl.item(), loss.item()])
    group["loss"] = np.array(losses)


torch.manual_seed(20)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_conv.h5")
with h5py.File(path, "w") as file:
    case(file.create_group("conv_odd"), 6, 9, 14, [4, 8], 3, 0.7)
    case(file.create_group("conv_even"), 4, 8, 16, [16], 2, 1.0)
    case(file.create_group("conv_norm"), 5, 9, 14, [4, 16], 3, 0.7, normalise=True)
    case(file.create_group("conv_told"), 7, 8, 11, [4, 8], 3, 0.7, classes=2)
