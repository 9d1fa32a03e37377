"""Two-dimensional backbone over the bird's-eye map (SECOND's, Yan et al., 2018): stages of convolutions, each brought
to one resolution and joined."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pointdet.models.conv_norm import ConvNormReLU
from pointdet.ops.sparse_map import BlockMap, SparseMap, conv3x3_relu, enlarged


@dataclass(frozen=True)
class BEVSettings:
    """The 2D backbone; the defaults are the published KITTI model's.

    Attributes:
        layers: Convolutions of each stage after its first.
        strides: Stride of each stage's first convolution.
        channels: Width of each stage.
        up_strides: Factor by which each stage's output is enlarged; all must reach one size.
        up_channels: Width after enlarging.
    """

    layers: tuple[int, ...] = (5, 5)
    strides: tuple[int, ...] = (1, 2)
    channels: tuple[int, ...] = (128, 256)
    up_strides: tuple[int, ...] = (1, 2)
    up_channels: tuple[int, ...] = (256, 256)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"bev: expected lists of one length, got {lengths}")
        for name in ("strides", "up_strides", "channels", "up_channels"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ValueError(f"bev.{name}: expected numbers from 1 on, got {getattr(self, name)}")
        scales, total = set(), 1
        for stride, up in zip(self.strides, self.up_strides, strict=True):
            total *= stride
            scales.add(total / up)
        if len(scales) != 1:
            raise ValueError(f"bev: strides {self.strides} and up_strides {self.up_strides} do not meet at one size")


class BEVBackbone(nn.Module):
    """[B, in_channels, H, W] to [B, sum(up_channels), H / s, W / s], s being what the strides leave.

    Args:
        in_channels: Channels of the map.
        settings: Shape of the network.
    """

    def __init__(self, in_channels: int, settings: BEVSettings) -> None:
        super().__init__()
        self.settings = settings
        self.out_channels = sum(settings.up_channels)
        self.stages, self.ups = nn.ModuleList(), nn.ModuleList()
        width = in_channels
        for n, stride, channels, up, up_channels in zip(
            settings.layers,
            settings.strides,
            settings.channels,
            settings.up_strides,
            settings.up_channels,
            strict=True,
        ):
            self.stages.append(
                nn.Sequential(_conv(width, channels, stride), *(_conv(channels, channels, 1) for _ in range(n)))
            )
            enlarge = nn.ConvTranspose2d(channels, up_channels, up, stride=up, bias=False)
            self.ups.append(ConvNormReLU(enlarge, up_channels))
            width = channels

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(H, W) of the output for an input of that size.

        Raises:
            ValueError: If the input is not divisible by the strides.
        """
        total = 1
        for stride in self.settings.strides:
            total *= stride
        if height % total or width % total:
            raise ValueError(f"bev: a map of {height} x {width} is not divisible by the strides' product {total}")
        scale = self.settings.strides[0] // self.settings.up_strides[0]
        return height // max(scale, 1), width // max(scale, 1)

    def forward(self, x: Tensor | SparseMap) -> Tensor | BlockMap:
        """A dense map to a dense one; a sparse one, outside training, to a :class:`BlockMap` if that pays."""
        maps: list[Tensor | SparseMap] = []
        for stage in self.stages:
            for layer in stage.children():
                x = _convolved(layer, x)
            maps.append(x)
        sparse = [x for x in maps if isinstance(x, SparseMap)]
        if len(sparse) == len(maps):
            return enlarged(sparse, [up.folded() for up in self.ups])  # type: ignore[operator]
        return torch.cat([up(_dense(x)) for x, up in zip(maps, self.ups, strict=True)], dim=1)


def _convolved(layer: nn.Module, x: Tensor | SparseMap) -> Tensor | SparseMap:
    """A layer's output: sparse as long as the input is and that pays."""
    assert isinstance(layer, ConvNormReLU)
    if isinstance(x, SparseMap):
        after = conv3x3_relu(x, *layer.folded(), layer.conv.stride[0])
        if after is not None:
            return after
    return layer(_dense(x))


def _dense(x: Tensor | SparseMap) -> Tensor:
    return x.dense() if isinstance(x, SparseMap) else x


def _conv(in_channels: int, out_channels: int, stride: int) -> ConvNormReLU:
    return ConvNormReLU(nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False), out_channels)
