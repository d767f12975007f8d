#!/usr/bin/env python3
"""Write golden_conv.h5: convolutions, transposed convolutions and group norms as PyTorch computes them.

Images lie as [rows, height, width, channels]; weights as PyTorch keeps them. Each case has an input, the gradient by the
output, and what PyTorch makes of them: the output, and the gradient by the input and by every parameter tensor.
"""
import os

import h5py
import numpy as np
import torch
from torch import nn

ROWS = 4


def near(image):
    """[rows, channels, height, width] -> [rows, height, width, channels]."""
    return image.detach().permute(0, 2, 3, 1).contiguous().numpy()


def case(file, name, layers, channels, height, width):
    group = file.create_group(name)
    for module in layers:
        for tensor in module.parameters():
            nn.init.normal_(tensor, std=tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.3)
    x = torch.randn(ROWS, channels, height, width, requires_grad=True)
    y = nn.Sequential(*layers)(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    group["x"], group["y"], group["dy"], group["dx"] = near(x), near(y), near(dy), near(x.grad)
    for i, module in enumerate(m for m in layers if list(m.parameters())):
        for key, tensor in module.named_parameters():
            group[f"param/layer.{i}.{key}"] = tensor.detach().numpy()
            group[f"gradient/layer.{i}.{key}"] = tensor.grad.numpy()


def conv(a, b):
    return nn.Conv2d(a, b, 3, stride=2, padding=1)


def deconv(a, b, odd):
    return nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=tuple(1 - o for o in odd))


torch.manual_seed(20)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_conv.h5")
with h5py.File(path, "w") as file:
    case(file, "conv", [conv(2, 5)], 2, 7, 10)
    case(file, "conv_relu", [conv(16, 24), nn.ReLU()], 16, 6, 7)
    case(file, "conv_first", [conv(1, 32), nn.ReLU()], 1, 9, 6)
    case(file, "conv_point", [conv(3, 4), nn.ReLU()], 3, 1, 1)
    case(file, "deconv", [deconv(5, 2, (1, 0))], 5, 4, 3)
    case(file, "deconv_relu", [deconv(24, 16, (0, 1)), nn.ReLU()], 24, 4, 5)
    case(file, "deconv_last", [deconv(32, 1, (0, 0))], 32, 5, 3)
    case(file, "norm", [nn.GroupNorm(1, 6)], 6, 5, 7)
    case(file, "norm_relu", [nn.GroupNorm(4, 32), nn.ReLU()], 32, 3, 5)
    case(file, "chain", [conv(1, 4), nn.GroupNorm(2, 4), nn.ReLU(), conv(4, 8), nn.ReLU(), deconv(8, 4, (1, 1)), nn.ReLU(),
                         deconv(4, 1, (1, 0))], 1, 9, 14)
