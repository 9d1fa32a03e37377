"""Bird's-eye maps most of which are empty, and layers on them that compute only what holds something.

A map has voxels in a few percent of its cells. Where a convolution sees nothing but empty cells its output is one
vector, the same everywhere, and so is the next one's: far from voxels (and from the map's edge, whose padding is zero
and not that vector) a layer has nothing to compute. A map is kept with the vector of its quiet cells and a mask of the
busy ones, those that may differ, which grows by a cell a layer.

On a CPU and outside training only: batch norm's statistics are those of all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers.layout import lanes
from formerkit.parallel import arrays, run_ranges
from pointdet.ops.winograd import EDGE, conv3x3_relu_of_tiles, fill_squares

WORTH_IT = 0.8
"""Largest share of busy tiles for which this pays."""


@dataclass(frozen=True)
class SparseMap:
    """A map [B, C, H, W], H and W multiples of 4, most of whose cells hold one vector.

    Attributes:
        cells: [B, H + 2, W + 2, P], contiguous, P being C filled up to whole registers. The border is zero. Quiet cells
            hold ``rest`` as far as the next layer's tiles look (:func:`_quiet_cells`); further off is whatever memory
            held.
        busy: [B, H, W] bool, where a cell may differ from ``rest``.
        rest: [P], the vector of all other cells.
        channels: C.
    """

    cells: Tensor
    busy: Tensor
    rest: Tensor
    channels: int

    @classmethod
    def of_rows(cls, rows: Tensor, where: Tensor, shape: tuple[int, int, int]) -> SparseMap:
        """Of the cells' features, zero elsewhere.

        Args:
            rows: [N, C].
            where: [N, 3] int64, (sample, y, x), each at most once.
            shape: (B, H, W).
        """
        channels = rows.shape[1]
        rows = F.pad(rows, (0, -channels % lanes(rows.dtype)))
        b, y, x = where.unbind(1)
        busy = torch.zeros(shape, dtype=torch.bool)
        busy[b, y, x] = True
        cells = _quiet_cells(shape, blocks_with(busy, EDGE), rows.new_zeros(rows.shape[1]), inside=True)
        cells[b, y + 1, x + 1] = rows
        return cls(cells, busy, rows.new_zeros(rows.shape[1]), channels)

    def inside(self) -> Tensor:
        """[B, H, W, P] without the border, a view."""
        return self.cells[:, 1:-1, 1:-1]

    def dense(self) -> Tensor:
        """[B, C, H, W], channels last in memory."""
        everything = torch.where(self.busy[..., None], self.inside(), self.rest)
        return everything[..., : self.channels].permute(0, 3, 1, 2)


def blocks_with(busy: Tensor, edge: int) -> Tensor:
    """[B, H, W] mask of cells to [B, H / edge, W / edge] of blocks that hold one of them."""
    b, h, w = busy.shape
    return busy.view(b, h // edge, edge, w // edge, edge).any(4).any(2) if edge > 1 else busy


def grown(mask: Tensor, stride: int = 1) -> Tensor:
    """[B, H + 2, W + 2] to [B, H / stride, W / stride]: where a 3 x 3 window holds a set cell."""
    height, width = mask.shape[1] - 2, mask.shape[2] - 2
    rows = mask[:, 0:height:stride] | mask[:, 1 : height + 1 : stride] | mask[:, 2 : height + 2 : stride]
    return rows[..., 0:width:stride] | rows[..., 1 : width + 1 : stride] | rows[..., 2 : width + 2 : stride]


def _quiet_cells(shape: tuple[int, int, int], tiles: Tensor, rest: Tensor, *, inside: bool) -> Tensor:
    """Memory for the cells of a map, with ``rest`` around busy tiles (and ``inside``) and zeros in the border.

    The next layer's busy cells are at most one cell from this one's, so its tiles are this layer's busy ones and their
    neighbours, and it looks a cell past them.
    """
    batch, height, width = shape
    cells = rest.new_empty(batch, height + 2, width + 2, len(rest))
    for edge in (cells[:, 0], cells[:, -1], cells[:, :, 0], cells[:, :, -1]):
        edge.zero_()
    # Where quiet cells are not zero, the padding makes those at the edge of the map busy.
    at_edge = bool(rest.any())
    near = grown(F.pad(tiles, (1, 1, 1, 1), value=at_edge))
    squares = grown(F.pad(_in_squares(near), (1, 1, 1, 1), value=at_edge))
    fill_squares(rest, (squares if inside else squares & ~_in_squares(tiles)).nonzero(), cells)
    return cells


def _in_squares(tiles: Tensor) -> Tensor:
    """A mask of tiles as one of the squares of 2 x 2 cells that they are made of."""
    return tiles.repeat_interleave(EDGE // 2, 1).repeat_interleave(EDGE // 2, 2)


def conv3x3_relu(x: SparseMap, weight: Tensor, bias: Tensor, stride: int) -> SparseMap | None:
    """``relu(conv2d(x, weight, bias, stride, padding=1))``.

    Args:
        x: The map.
        weight: [C_out, C_in, 3, 3]. bias: [C_out].
        stride: Of the convolution.

    Returns:
        The map of H / stride x W / stride cells, or None if that is not a whole number of tiles, or if so many are busy
        that a dense convolution is faster.
    """
    batch, *edges = x.busy.shape
    if any(edge % (EDGE * stride) for edge in edges):
        return None
    # The padding is zero: where quiet cells are not, cells at the edge of the map differ from those inside.
    busy = grown(F.pad(x.busy, (1, 1, 1, 1), value=bool(x.rest.any())), stride)
    tiles = blocks_with(busy, EDGE)
    if float(tiles.float().mean()) > WORTH_IT:
        return None
    channels = weight.shape[0]
    filled = -channels % lanes(weight.dtype)
    weight, bias = F.pad(weight, (0, 0, 0, 0, 0, len(x.rest) - weight.shape[1], 0, filled)), F.pad(bias, (0, filled))
    rest = torch.relu(weight.sum((2, 3)) @ x.rest + bias)
    # Only a tile's convolution writes all of its cells.
    cells = _quiet_cells((batch, busy.shape[1], busy.shape[2]), tiles, rest, inside=stride > 1)
    out = SparseMap(cells, busy, rest, channels)
    if stride == 1:
        conv3x3_relu_of_tiles(x.cells, weight, bias, tiles.nonzero(), cells)
    else:
        where = busy.nonzero(as_tuple=True)
        rows = _windows(x.cells, 3, stride)[where].flatten(1)
        out.inside()[where] = torch.addmm(bias, rows, weight.permute(2, 3, 1, 0).flatten(0, 2)).relu_()
    return out


def _windows(cells: Tensor, size: int, step: int) -> Tensor:
    """[B, rows, columns, size, size, C]: windows of a map [B, H, W, C] every ``step`` cells, a view."""
    return cells.unfold(1, size, step).unfold(2, size, step).permute(0, 1, 2, 4, 5, 3)


@dataclass(frozen=True)
class BlockMap:
    """A map [B, C, H, W] of square blocks, most of which are alike.

    Attributes:
        rows: [N, E, E, C], the busy blocks.
        where: [N, 3] int64, (sample, y, x) of each, counted in blocks.
        rest: [E, E, C], all other blocks.
        shape: (B, H, W), cells.
    """

    rows: Tensor
    where: Tensor
    rest: Tensor
    shape: tuple[int, int, int]

    def mapped(self, cellwise: Callable[[Tensor], Tensor]) -> BlockMap:
        """The same cells after a function of each cell, [..., C] to [..., C']."""
        return BlockMap(cellwise(self.rows), self.where, cellwise(self.rest), self.shape)

    def dense(self) -> Tensor:
        """[B, H, W, C]: channels last in the shape as well."""
        (batch, height, width), edge = self.shape, self.rest.shape[0]
        out = self.rest.new_empty(batch, height // edge, edge, width // edge, edge, self.rest.shape[2])
        blocks = out.transpose(2, 3)
        blocks.copy_(self.rest)
        blocks[self.where.unbind(1)] = self.rows
        return out.view(batch, height, width, -1)


def enlarged(maps: Sequence[SparseMap], layers: Sequence[tuple[Tensor, Tensor]]) -> BlockMap:
    """``cat([relu(conv_transpose2d(map, weight, bias, stride=u))])`` of maps that so reach one size.

    Args:
        maps: [B, C_i, H / u_i, W / u_i].
        layers: Each map's weight [C_i, C'_i, u_i, u_i], each u_i a divisor of the largest, and bias [C'_i].
    """
    edge = max(weight.shape[2] for weight, _ in layers)
    busy = torch.zeros((), dtype=torch.bool)
    for x, (weight, _) in zip(maps, layers, strict=True):
        busy = busy | blocks_with(x.busy, edge // weight.shape[2])
    where, (batch, height, width) = busy.nonzero(), busy.shape
    width_of = [len(bias) for _, bias in layers]
    rows = maps[0].cells.new_empty(len(where), edge, edge, sum(width_of))
    rest = rows.new_empty(1, edge, edge, sum(width_of))
    for x, layer, into, quiet in zip(maps, layers, rows.split(width_of, 3), rest.split(width_of, 3), strict=True):
        cells_a_block = edge // layer[0].shape[2]
        _enlarge(_blocks(x, where, cells_a_block), *layer, into)
        _enlarge(x.rest[: x.channels].expand(1, cells_a_block, cells_a_block, -1), *layer, quiet)
    return BlockMap(rows, where, rest[0], (batch, height * edge, width * edge))


def _blocks(x: SparseMap, where: Tensor, edge: int) -> Tensor:
    """[N, edge, edge, C]: the blocks ``where`` [N, 3] of a map."""
    from pointdet.ops import sparse_map_kernels as kernels

    out = x.cells.new_empty(len(where), edge, edge, x.channels)
    run_ranges(kernels.gather_blocks, len(where), *arrays(x.cells, x.busy, x.rest, where, out), min_rows=64)
    return out


def _enlarge(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> None:
    """Blocks [N, k, k, C] to blocks [N, k u, k u, C'], written to ``out``."""
    from pointdet.ops import sparse_map_kernels as kernels

    (n, k, _, _), (_, channels, u, _) = x.shape, weight.shape
    y = (x.reshape(-1, x.shape[3]) @ weight.permute(0, 2, 3, 1).flatten(1)).view(n, k, k, u, u, channels)
    run_ranges(kernels.spread_relu, n, *arrays(y, bias.contiguous(), out), min_rows=64)
