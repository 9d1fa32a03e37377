"""Which active voxels see which through a 3 x 3 x 3 kernel, or a 3 x 3 one at their height."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NeighborMap:
    """Pairs of input and output rows, offset by offset.

    Attributes:
        inputs, outputs: [P] int32 rows; within an offset sorted by output row.
        starts: [K + 1] int64 on the CPU: pairs of offset k are ``starts[k]`` to ``starts[k + 1]``.
            Offset ``k = (kz * 3 + ky) * 3 + kx`` joins output p with input ``p + (kz, ky, kx) - 1``; of a 3 x 3 kernel
            ``k = ky * 3 + kx`` joins it with ``p + (0, ky - 1, kx - 1)``.
    """

    inputs: Tensor
    outputs: Tensor
    starts: Tensor

    @property
    def num_pairs(self) -> int:
        return self.inputs.numel()


def padded_keys(coords: Tensor, spatial_shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Linear keys [N] int64 in a grid with a border of one cell, and the key steps [27] of the kernel's offsets.

    With the border, a step never runs from one end of an axis to the other, so no bounds need checking.
    """
    depth, height, width = (size + 2 for size in spatial_shape)
    b, z, y, x = coords.long().unbind(1)
    keys = ((b * depth + z + 1) * height + y + 1) * width + x + 1
    steps = torch.arange(-1, 2)
    deltas = (steps[:, None, None] * height + steps[:, None]) * width + steps
    return keys, deltas.flatten().to(coords.device)


def neighbor_map(coords: Tensor, spatial_shape: tuple[int, int, int], *, flat: bool = False) -> NeighborMap:
    """The index map of a submanifold convolution with a 3 x 3 x 3 kernel.

    Args:
        coords: [N, 4] int32 (b, z, y, x), each voxel once, in any order.
        spatial_shape: (Z, Y, X).
        flat: The kernel is 3 x 3, over neighbours of the same height.

    Raises:
        ValueError: If a voxel is listed twice or lies outside the grid.
    """
    if coords.numel() and (bool((coords < 0).any()) or bool((coords[:, 1:] >= coords.new_tensor(spatial_shape)).any())):
        raise ValueError(f"neighbor_map: a voxel lies outside the grid {spatial_shape} (z, y, x)")
    keys, deltas = padded_keys(coords, spatial_shape)
    if flat:
        deltas = deltas[9:18].contiguous()
    if coords.device.type == "cpu":
        return _by_hashing(keys, deltas)
    return _by_sorting(keys, deltas)


def _by_hashing(keys: Tensor, deltas: Tensor) -> NeighborMap:
    from formerkit.parallel import run_ranges
    from pointdet.ops import submanifold_kernels as kernels

    size = 1 << max(4, (2 * keys.numel()).bit_length())
    table = torch.full((size,), -1, dtype=torch.int64).numpy()
    table_rows = torch.empty(size, dtype=torch.int32).numpy()
    repeated = kernels.insert(keys.numpy(), table, table_rows)
    if repeated >= 0:
        raise ValueError(f"neighbor_map: voxel of row {repeated} is listed twice")
    neighbors = torch.full((deltas.numel(), keys.numel()), -1, dtype=torch.int32).numpy()
    run_ranges(
        kernels.find_neighbors, keys.numel(), keys.numpy(), deltas.numpy(), table, table_rows, neighbors, min_rows=256
    )
    counts = torch.empty(deltas.numel(), dtype=torch.int64)
    run_ranges(kernels.count_pairs, deltas.numel(), neighbors, counts.numpy())
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    inputs, outputs = (torch.empty(int(starts[-1]), dtype=torch.int32) for _ in range(2))
    run_ranges(kernels.list_pairs, deltas.numel(), neighbors, starts.numpy(), inputs.numpy(), outputs.numpy())
    return NeighborMap(inputs, outputs, starts)


def _by_sorting(keys: Tensor, deltas: Tensor) -> NeighborMap:
    """The same in plain torch, for any device."""
    ordered, order = keys.sort()
    if bool((ordered[1:] == ordered[:-1]).any()):
        raise ValueError("neighbor_map: a voxel is listed twice")
    wanted = keys + deltas[:, None]
    spot = torch.searchsorted(ordered, wanted).clamp_(max=max(0, keys.numel() - 1))
    offset, output = (ordered[spot] == wanted).nonzero(as_tuple=True)
    starts = torch.zeros(deltas.numel() + 1, dtype=torch.int64)
    starts[1:] = torch.bincount(offset, minlength=deltas.numel()).cumsum(0).cpu()
    return NeighborMap(order[spot[offset, output]].int(), output.int(), starts)
