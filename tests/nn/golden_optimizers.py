#!/usr/bin/env python3
"""Write golden_optimizers.h5: 20 steps of PyTorch's optimisers on a least-squares problem, and rates of its schedulers.

Loss: |w p - y|^2. Case NAME: /NAME/settings [weight_decay, momentum, clip_norm], /NAME/rate [steps] of each step,
/NAME/params [steps + 1, n], /NAME/loss [steps].
"""
import os

import h5py
import numpy as np
import torch

STEPS, WARMUP, RATE = 20, 6, 0.05


def optimizer(name, params, decay, momentum):
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[name.split("_")[0]]
    extra = {"momentum": momentum} if kind is torch.optim.SGD else {}
    return kind(params, lr=RATE, weight_decay=decay, **extra)


def schedule(opt, cosine):
    sched = torch.optim.lr_scheduler
    warm = sched.LinearLR(opt, start_factor=1 / WARMUP, end_factor=1.0, total_iters=WARMUP - 1)
    if not cosine:
        return warm
    return sched.SequentialLR(opt, [warm, sched.CosineAnnealingLR(opt, T_max=STEPS - WARMUP)], milestones=[WARMUP])


def case(file, name, w, y, start, decay=0.0, momentum=0.0, clip=0.0, plan=None):
    p = torch.nn.Parameter(start.clone())
    opt = optimizer(name, [p], decay, momentum)
    sched = schedule(opt, plan == "cosine") if plan else None
    params, rates, losses = [start.numpy().copy()], [], []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = ((w @ p - y) ** 2).sum()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_([p], clip)
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        if sched:
            sched.step()
        losses.append(loss.item())
        params.append(p.detach().numpy().copy())
    group = file.create_group(name)
    group["settings"] = np.array([decay, momentum, clip])
    group["rate"], group["loss"] = np.array(rates), np.array(losses)
    group["params"] = np.array(params)


torch.manual_seed(21)
rows, n = 24, 37
w, y, start = torch.randn(rows, n) / n ** 0.5, torch.randn(rows), torch.randn(n)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_optimizers.h5")
with h5py.File(path, "w") as f:
    f["w"], f["y"] = w.numpy(), y.numpy()
    case(f, "adam", w, y, start)
    case(f, "adam_decay", w, y, start, decay=0.1)
    case(f, "adam_clip", w, y, start, clip=0.5)
    case(f, "adamw", w, y, start, decay=0.5)
    case(f, "adamw_cosine", w, y, start, decay=0.5, clip=2.0, plan="cosine")
    case(f, "sgd", w, y, start)
    case(f, "sgd_momentum", w, y, start, decay=0.1, momentum=0.9, clip=3.0)
    case(f, "sgd_warmup", w, y, start, momentum=0.5, plan="constant")
