#!/usr/bin/env python3
"""Write golden_vae.h5: gradients and 20 Adam steps of small models of every kind as PyTorch computes them.

Loss per row: reconstruction + beta * penalty, the mean over rows. Weights, data and noise are in the file, and the
architecture as model.h5 describes it.
"""
import json
import os

import h5py
import numpy as np
import torch
import torch.nn.functional as F

STEPS, LR = 20, 1e-2
SHAPE = dict(kind="fc", hidden_dims=[], activation="tanh", reconstruction="gaussian", audio_dim=0, classes=0, components=0)


def dense(n_in, n_out):
    layer = torch.nn.Linear(n_in, n_out)
    torch.nn.init.normal_(layer.weight, std=n_in ** -0.5)
    torch.nn.init.normal_(layer.bias, std=0.1)
    return layer


class Part(torch.nn.Module):
    """A chain of dense layers, tanh between them, as one parameter list "0.weight", "0.bias", ..."""

    def __init__(self, widths):
        super().__init__()
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            self.add_module(str(i), dense(a, b))

    def forward(self, x):
        layers = [layer for name, layer in self.named_children() if name.isdigit()]
        for layer in layers[:-1]:
            x = torch.tanh(layer(x))
        return layers[-1](x)


class Branch(torch.nn.Module):
    def __init__(self, s, cols):
        super().__init__()
        extra = s["classes"] + 1 if s["classes"] else 0
        out = s["latent_dim"] * (1 if s["kind"] == "autoencoder" else 2)
        self.encoder = Part([cols + extra, *s["hidden_dims"], out])
        self.decoder = Part([s["latent_dim"] + extra, *reversed(s["hidden_dims"]), cols])
        if s["reconstruction"] == "learned":
            self.decoder.logvar = torch.nn.Parameter(torch.tensor([0.3]))


class Prior(torch.nn.Module):
    def __init__(self, k, n):
        super().__init__()
        self.logit = torch.nn.Parameter(0.5 * torch.randn(k))
        self.mean = torch.nn.Parameter(torch.randn(k, n))
        self.logvar = torch.nn.Parameter(0.3 * torch.randn(k, n))

    def kl(self, mu, logvar):
        mu, logvar = mu[:, None], logvar[:, None]
        kl = 0.5 * (self.logvar - logvar + (logvar.exp() + (mu - self.mean) ** 2) / self.logvar.exp() - 1)
        return -torch.logsumexp(F.log_softmax(self.logit, 0) - kl.sum(dim=2), dim=1)


class Model(torch.nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        if s["kind"] == "two_branch":
            self.cuts = [(0, s["audio_dim"]), (s["audio_dim"], s["input_dim"])]
            self.audio, self.lyrics = (Branch(s, b - a) for a, b in self.cuts)
            self.branches = [self.audio, self.lyrics]
        else:
            self.cuts = [(0, s["input_dim"])]
            whole = Branch(s, s["input_dim"])
            self.encoder, self.decoder = whole.encoder, whole.decoder
            self.branches = [self]
        if s["components"]:
            self.prior = Prior(s["components"], s["latent_dim"])

    def reconstruct(self, branch, x, y):
        if self.s["reconstruction"] == "bernoulli":
            return F.binary_cross_entropy_with_logits(y, x, reduction="none").sum(dim=1)
        square = ((x - y) ** 2).sum(dim=1)
        if self.s["reconstruction"] == "gaussian":
            return square
        v = branch.decoder.logvar
        return 0.5 * square * torch.exp(-v) + 0.5 * x.shape[1] * v

    def forward(self, x, noise, condition, free_bits, plain):
        s = self.s
        classes = torch.zeros(len(x), 0)
        if s["classes"]:
            index = torch.where(condition < 0, s["classes"], condition)
            classes = F.one_hot(index, s["classes"] + 1).float()
        parts = [x[:, a:b] for a, b in self.cuts]
        known = [torch.ones(len(x)), *((part != 0).any(dim=1).float() for part in parts[1:])]
        out = sum(m[:, None] * b.encoder(torch.cat([p, classes], 1)) for m, p, b in zip(known, parts, self.branches))
        mu, logvar = (out, torch.zeros_like(out)) if s["kind"] == "autoencoder" else out.chunk(2, dim=1)
        plain = plain or s["kind"] == "autoencoder"
        z = torch.cat([mu if plain else mu + noise * torch.exp(0.5 * logvar), classes], 1)
        reconstruction = sum(m * self.reconstruct(b, p, b.decoder(z)) for m, p, b in zip(known, parts, self.branches))
        zero = torch.zeros(len(x))
        if plain:
            return reconstruction.mean(), zero.mean(), zero.mean()
        if s["components"]:
            kl = penalty = self.prior.kl(mu, logvar)
        else:
            each = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)
            kl, penalty = each.sum(dim=1), each.clamp(min=free_bits).sum(dim=1)
        return reconstruction.mean(), kl.mean(), penalty.mean()


def case(file, name, rows, n, latent, beta, free_bits=0.0, plain=False, **kwargs):
    s = {**SHAPE, "input_dim": n, "latent_dim": latent, **kwargs}
    group = file.create_group(name)
    model = Model(s)
    x = torch.rand(rows, n) if s["reconstruction"] == "bernoulli" else torch.randn(rows, n)
    if s["audio_dim"]:
        x[1::4, s["audio_dim"]:] = 0
    noise = torch.randn(STEPS, rows, latent)
    condition = torch.arange(rows) % (s["classes"] + 1) - 1
    group["x"], group["noise"], group["condition"] = x.numpy(), noise.numpy(), condition.numpy().astype(np.int64)
    group["config"] = np.array([json.dumps(s)], dtype="S")
    group["objective"] = np.array([beta, free_bits, float(plain)])
    for key, p in model.named_parameters():
        group["param/" + key] = p.detach().numpy().copy()
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        reconstruction, kl, penalty = model(x, noise[step], condition, free_bits, plain)
        loss = reconstruction + beta * penalty
        loss.backward()
        if step == 0:
            for key, p in model.named_parameters():
                gradient = torch.zeros_like(p) if p.grad is None else p.grad
                group["gradient/" + key] = gradient.numpy().copy()
        adam.step()
        losses.append([reconstruction.item(), kl.item(), loss.item()])
    group["loss"] = np.array(losses)


torch.manual_seed(20)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_vae.h5")
with h5py.File(path, "w") as out:
    case(out, "deep", 10, 23, 5, 0.7, hidden_dims=[32, 16])
    case(out, "flat", 7, 6, 1, 1.0)
    case(out, "autoencoder", 10, 23, 5, 0.7, kind="autoencoder", hidden_dims=[16])
    case(out, "learned", 10, 23, 5, 1.3, reconstruction="learned", hidden_dims=[16])
    case(out, "bernoulli", 10, 23, 5, 0.7, reconstruction="bernoulli", hidden_dims=[16])
    case(out, "free", 10, 23, 5, 2.0, free_bits=0.2, hidden_dims=[16])
    case(out, "genre", 11, 23, 5, 0.7, classes=4, hidden_dims=[16])
    case(out, "mixture", 10, 23, 5, 0.7, components=3, hidden_dims=[16])
    case(out, "pretraining", 10, 23, 5, 0.7, plain=True, components=3, hidden_dims=[16])
    case(out, "branches", 10, 23, 5, 0.7, kind="two_branch", audio_dim=14, hidden_dims=[16])
    case(out, "everything", 11, 23, 5, 0.7, kind="two_branch", audio_dim=14, classes=2, components=3,
         reconstruction="learned", hidden_dims=[16])
