"""Two-dimensional backbone of residual blocks over the bird's-eye map: LION's on Waymo and nuScenes, and DSVT's.

Stages of basic blocks (He et al., 2016), each brought to one resolution and joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from pointdet.models.conv_norm import ConvNorm, ConvNormReLU


@dataclass(frozen=True)
class ResidualBEVSettings:
    """The 2D backbone; the defaults are the published Waymo model's.

    Attributes:
        layers: Blocks of each stage after its first.
        strides: Stride of each stage's first block.
        channels: Width of each stage.
        up_strides: Factor by which each stage's output is enlarged, or made smaller, if below 1; all must reach one
            size.
        up_channels: Width after that.
    """

    layers: tuple[int, ...] = (1, 2, 2)
    strides: tuple[int, ...] = (1, 2, 2)
    channels: tuple[int, ...] = (128, 128, 256)
    up_strides: tuple[float, ...] = (1, 2, 4)
    up_channels: tuple[int, ...] = (128, 128, 128)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"bev: expected lists of one length, got {lengths}")
        for name in ("strides", "channels", "up_channels"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ValueError(f"bev.{name}: expected numbers from 1 on, got {getattr(self, name)}")
        if min(self.layers) < 0:
            raise ValueError(f"bev.layers: expected numbers from 0 on, got {self.layers}")
        for up in self.up_strides:
            if up <= 0 or (up if up >= 1 else 1 / up) % 1:
                raise ValueError(f"bev.up_strides: expected whole numbers, or 1 over one, got {self.up_strides}")
        if len(set(self._scales)) != 1:
            raise ValueError(f"bev: strides {self.strides} and up_strides {self.up_strides} do not meet at one size")

    @property
    def _scales(self) -> list[Fraction]:
        """By how much the map is smaller at the end of each way through the network."""
        scales, total = [], 1
        for stride, up in zip(self.strides, self.up_strides, strict=True):
            total *= stride
            scales.append(total / Fraction(up).limit_denominator(64))
        return scales

    @property
    def stride(self) -> int:
        """Of the output."""
        return int(self._scales[0])

    @property
    def total_stride(self) -> int:
        """The strides' product, by which the map must be divisible."""
        total = 1
        for stride in self.strides:
            total *= stride
        return total


class BasicBlock(nn.Module):
    """``relu(norm(conv(relu(norm(conv(x))))) + skip(x))``, 3 x 3 convolutions; the skip is 1 x 1 and norm if asked for.

    Args:
        in_channels, out_channels: C.
        stride: Of the first convolution, and of the skip.
        project: Whether the skip has a convolution; without one, channels and size must stay.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, project: bool = False) -> None:
        super().__init__()
        if not project and (stride != 1 or in_channels != out_channels):
            raise ValueError("BasicBlock: a block that changes channels or size needs project=True")
        self.first = ConvNormReLU(
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False), out_channels
        )
        self.second = ConvNorm(nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False), out_channels)
        self.project = (
            ConvNorm(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), out_channels)
            if project
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.project is None else self.project(x)
        return torch.relu(self.second(self.first(x)) + skip)


class ResidualBEVBackbone(nn.Module):
    """[B, in_channels, H, W] to [B, sum(up_channels), H / s, W / s], s being ``settings.stride``.

    Args:
        in_channels: Channels of the map.
        settings: Shape of the network.
    """

    def __init__(self, in_channels: int, settings: ResidualBEVSettings) -> None:
        super().__init__()
        self.settings, self.out_channels = settings, sum(settings.up_channels)
        self.stages, self.ups = nn.ModuleList(), nn.ModuleList()
        width = in_channels
        for n, stride, channels in zip(settings.layers, settings.strides, settings.channels, strict=True):
            blocks = (BasicBlock(channels, channels) for _ in range(n))
            self.stages.append(nn.Sequential(BasicBlock(width, channels, stride, project=True), *blocks))
            width = channels
        for channels, up, out in zip(settings.channels, settings.up_strides, settings.up_channels, strict=True):
            self.ups.append(ConvNormReLU(_resize(channels, out, up), out))

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(H, W) of the output for an input of that size.

        Raises:
            ValueError: If the input is not divisible by the strides.
        """
        total = self.settings.total_stride
        if height % total or width % total:
            raise ValueError(f"bev: a map of {height} x {width} is not divisible by the strides' product {total}")
        return height // self.settings.stride, width // self.settings.stride

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] to [B, out_channels, H / s, W / s]."""
        parts = []
        for stage, up in zip(self.stages, self.ups, strict=True):
            x = stage(x)
            parts.append(up(x))
        return torch.cat(parts, dim=1)


def _resize(in_channels: int, out_channels: int, up: float) -> nn.Conv2d | nn.ConvTranspose2d:
    if up >= 1:
        return nn.ConvTranspose2d(in_channels, out_channels, int(up), stride=int(up), bias=False)
    down = round(1 / up)
    return nn.Conv2d(in_channels, out_channels, down, stride=down, bias=False)
