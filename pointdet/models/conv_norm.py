"""Convolution, batch norm, ReLU as one step; in evaluation the norm is folded into the convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNormReLU(nn.Sequential):
    """``relu(norm(conv(x)))``.

    Outside training the norm is a fixed affine map of each channel, so its scale goes into the weights and its shift
    becomes the bias: one pass over the map instead of three. The weights are small; folding them anew costs nothing.

    Args:
        conv: A convolution (or transposed one) without bias.
        out_channels: Its output channels.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, out_channels: int) -> None:
        super().__init__(conv, nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return super().forward(x)
        conv, norm = self[0], self[1]
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        if isinstance(conv, nn.ConvTranspose2d):
            weight = conv.weight * scale[None, :, None, None]
            y = nn.functional.conv_transpose2d(x, weight, shift, conv.stride, conv.padding)
        else:
            weight = conv.weight * scale[:, None, None, None]
            y = nn.functional.conv2d(x, weight, shift, conv.stride, conv.padding)
        return y.relu_()
