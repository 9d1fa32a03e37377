"""Convolutions over a map most of which is empty: only the tiles that hold something are computed.

A bird's-eye map has voxels in a few percent of its cells. Where a convolution sees nothing but empty cells its output
is one vector, the same everywhere, and so is the next one's: far from voxels (and from the map's edge, whose padding is
zero and not that vector) a layer has nothing to compute. A map is kept with the vector of its empty cells and a mask of
the cells that may differ, which grows by a cell a layer.

Outside training only: batch norm's statistics are those of all cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TILES = (8, 4)
"""Edge of a tile in cells, the first that divides the map."""
WORTH_IT = 0.6
"""Largest share of tiles with something in them for which gathering them pays."""


@dataclass(frozen=True)
class TiledMap:
    """A map, most of whose cells hold one vector.

    Attributes:
        cells: [B, H + 2, W + 2, C], a border of zeros around the map.
        busy: [B, 1, H, W] float, 1 where a cell may differ from ``rest``, else 0.
        rest: [C], the vector of all other cells.
    """

    cells: Tensor
    busy: Tensor
    rest: Tensor

    @classmethod
    def of(cls, x: Tensor) -> TiledMap:
        """Of a dense map [B, C, H, W], whose empty cells are zero."""
        cells = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        busy = (x != 0).any(1, keepdim=True).to(x.dtype)
        return cls(cells, busy, x.new_zeros(x.shape[1]))

    def dense(self) -> Tensor:
        """[B, C, H, W], channels last in memory."""
        return self.cells[:, 1:-1, 1:-1].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def tile_edge(height: int, width: int) -> int | None:
    """The tile's edge for a map of that size, or None if no tile divides it."""
    return next((edge for edge in TILES if height % edge == 0 and width % edge == 0), None)


def conv3x3_relu(x: TiledMap, weight: Tensor, bias: Tensor, stride: int) -> TiledMap | None:
    """``relu(conv2d(x, weight, bias, stride, padding=1))``, tile by tile.

    Args:
        x: The map.
        weight: [C_out, C_in, 3, 3]. bias: [C_out].
        stride: Of the convolution; must divide the map.

    Returns:
        The map of H / stride x W / stride cells, or None if tiles do not fit, or hold so much that a dense convolution
        is faster.
    """
    batch, height, width = x.busy.shape[0], x.busy.shape[2] // stride, x.busy.shape[3] // stride
    edge = tile_edge(height, width)
    if edge is None:
        return None
    # The padding is zero: where empty cells are not, cells at the edge of the map differ from those inside.
    around = F.pad(x.busy, (1, 1, 1, 1), value=float(x.rest.any()))
    busy = F.max_pool2d(around, 3, stride)
    tiles = F.max_pool2d(busy, edge)[:, 0].bool()
    if float(tiles.float().mean()) > WORTH_IT:
        return None
    where = tiles.nonzero(as_tuple=True)
    patches = _windows(x.cells, edge * stride, (edge - 1) * stride + 3)[where]
    out = F.conv2d(patches.permute(0, 3, 1, 2), weight, bias, stride=stride).relu_()
    rest = torch.relu(weight.sum((2, 3)) @ x.rest + bias)
    cells = rest.new_zeros(batch, height + 2, width + 2, len(rest))
    cells[:, 1:-1, 1:-1] = rest
    _windows(cells[:, 1:-1, 1:-1], edge, edge)[where] = out.permute(0, 2, 3, 1)
    return TiledMap(cells, busy, rest)


def _windows(cells: Tensor, step: int, size: int) -> Tensor:
    """[B, rows, columns, size, size, C]: windows of a map [B, H, W, C] every ``step`` cells, a view."""
    batch, height, width, channels = cells.shape
    rows, columns = (height - size) // step + 1, (width - size) // step + 1
    b, h, w, c = cells.stride()
    return cells.as_strided(
        (batch, rows, columns, size, size, channels), (b, h * step, w * step, h, w, c), cells.storage_offset()
    )
