"""Convolution and batch norm as one step, with or without ReLU; in evaluation the norm goes into the convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Module):
    """``norm(conv(x))``.

    Outside training the norm is a fixed affine map of each channel, so its scale goes into the weights and its shift
    into the bias: one pass over the map instead of two or three. The weights are small; folding them anew costs
    nothing.

    Args:
        conv: A convolution, or transposed one.
        out_channels: Its output channels.
        eps, momentum: Of the norm.
    """

    def __init__(
        self, conv: nn.Conv2d | nn.ConvTranspose2d, out_channels: int, eps: float = 1e-3, momentum: float = 0.01
    ) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(out_channels, eps=eps, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return self.norm(self.conv(x))
        weight, bias = self.folded()
        if isinstance(self.conv, nn.ConvTranspose2d):
            return F.conv_transpose2d(x, weight, bias, stride=self.conv.stride[0])
        return F.conv2d(x, weight, bias, stride=self.conv.stride[0], padding=int(self.conv.padding[0]))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution that does the norm's work too, outside training."""
        conv, norm = self.conv, self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        over_outputs = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
        mean = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
        return conv.weight * scale.view(over_outputs), norm.bias - mean * scale


class ConvNormReLU(ConvNorm):
    """``relu(norm(conv(x)))``, as :class:`ConvNorm`."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return torch.relu(y) if y.requires_grad else y.relu_()
