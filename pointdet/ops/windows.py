"""Flattened window order: voxels as equal-size groups of a sequence (LION section 3.2; FlatFormer, Liu et al., 2023).

Voxels are sorted window by window, and within a window along one axis; each run of ``group_size`` sorted voxels of a
sample is a group. Windows only define the order: a group may span several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Axis = Literal["x", "y"]


@dataclass(frozen=True)
class GroupedOrder:
    """Where each voxel stands in the padded sequence of groups.

    Attributes:
        rows: [L] int64, the voxel row at each position; L is a multiple of the group size.
        positions: [N] int64, the position of each voxel row.
        pads: [K] int64, the positions that repeat a voxel to fill a sample's last group.
    """

    rows: Tensor
    positions: Tensor
    pads: Tensor


def window_rank(
    coords: Tensor, spatial_shape: tuple[int, int, int], window: tuple[int, int, int], *, shift: bool, axis: Axis
) -> Tensor:
    """Rows [N] int64 in window order.

    Args:
        coords: [N, 4] int32 (b, z, y, x), each voxel once.
        spatial_shape: (Z, Y, X).
        window: (Tx, Ty, Tz), voxels.
        shift: Move the windows' borders by half a window.
        axis: ``"x"`` sorts by (b, window x, window y, window z, x, y, z), ``"y"`` with x and y exchanged.
    """
    b, z, y, x = coords.long().unbind(1)
    tx, ty, tz = window
    if shift:
        x, y, z = x + tx // 2, y + ty // 2, z + tz // 2
    counts = [size // t + 2 for size, t in zip(spatial_shape, (tz, ty, tx), strict=True)]
    wx, wy, wz = x // tx, y // ty, z // tz
    ox, oy, oz = x - wx * tx, y - wy * ty, z - wz * tz
    if axis == "x":
        outer, inner = (b * counts[2] + wx) * counts[1] + wy, (ox * ty + oy) * tz + oz
    else:
        outer, inner = (b * counts[1] + wy) * counts[2] + wx, (oy * tx + ox) * tz + oz
    return torch.argsort((outer * counts[0] + wz) * (tx * ty * tz) + inner)


def group_positions(counts: list[int], group_size: int) -> tuple[Tensor, Tensor]:
    """Fill up each sample's last group.

    A sample of n voxels gets m = ceil(n / G) groups. The tail of its last group repeats the group before it, place by
    place; a sample with a single group repeats its voxels from the first on.

    Args:
        counts: Voxels of each sample.
        group_size: G.

    Returns:
        ``flat_to_window`` [L], the sorted rank at each padded position, and ``window_to_flat`` [N], the padded
        position of each rank.
    """
    to_window, to_flat = [], []
    rank = position = 0
    for n in counts:
        groups = -(-n // group_size)
        j = torch.arange(groups * group_size)
        tail = j - group_size if groups > 1 else (j - n) % max(n, 1)
        to_window.append(torch.where(j < n, j, tail) + rank)
        to_flat.append(j[:n] + position)
        rank += n
        position += groups * group_size
    return torch.cat(to_window), torch.cat(to_flat)


def grouped_order(rank: Tensor, counts: list[int], group_size: int) -> GroupedOrder:
    """The padded sequence of groups for voxels in window order ``rank``."""
    to_window, to_flat = (index.to(rank.device) for index in group_positions(counts, group_size))
    positions = torch.empty_like(rank)
    positions[rank] = to_flat
    real = torch.zeros(to_window.numel(), dtype=torch.bool, device=rank.device)
    real[to_flat] = True
    return GroupedOrder(rank[to_window], positions, (~real).nonzero()[:, 0])


def to_groups(x: Tensor, order: GroupedOrder, group_size: int) -> Tensor:
    """Voxel rows [N, C] to groups [L / G, G, C]."""
    padded = _ToGroups.apply(x, order.rows, order.positions, order.pads)
    return padded.view(-1, group_size, x.shape[1])


def from_groups(groups: Tensor, order: GroupedOrder) -> Tensor:
    """Groups [L / G, G, C] back to voxel rows [N, C]; what stands on padding is dropped."""
    return _FromGroups.apply(groups.flatten(0, 1), order.rows, order.positions, order.pads)


class _ToGroups(torch.autograd.Function):
    """A gather whose gradient is a gather too, but for the few rows that padding repeats."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, positions: Tensor, pads: Tensor) -> Tensor:
        ctx.save_for_backward(rows, positions, pads)
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        rows, positions, pads = ctx.saved_tensors
        gx = g.index_select(0, positions).index_add(0, rows[pads], g.index_select(0, pads))
        return gx, None, None, None


class _FromGroups(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, groups: Tensor, rows: Tensor, positions: Tensor, pads: Tensor) -> Tensor:
        ctx.save_for_backward(rows, pads)
        return groups.index_select(0, positions)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        rows, pads = ctx.saved_tensors
        return g.index_select(0, rows).index_fill(0, pads, 0.0), None, None, None
