"""Mamba's directions together, where no gradient is asked for: convolution, projections and scan in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.layout import lanes, pad_columns, panel, unit_rows

if TYPE_CHECKING:
    from formerkit.kernels.selective_ssm import Weights


@dataclass(frozen=True)
class DirectionWeights:
    """What one direction computes with.

    Attributes:
        taps: [E, K] of the causal convolution. taps_bias: [E].
        projection: [R + 2 N, E], to steps, B and C.
        steps: [E, R], from the steps' projection to all channels. steps_bias: [E].
        A: [E, N], at most 0. D: [E].
        reverse: Whether it goes from a sequence's last row to its first.
    """

    taps: Tensor
    taps_bias: Tensor
    projection: Tensor
    steps: Tensor
    steps_bias: Tensor
    A: Tensor
    D: Tensor
    reverse: bool


def serves(u: Tensor, sequences: int, directions: int) -> bool:
    """Whether :func:`gated_directions` may replace the separate steps, and is no slower.

    A thread takes a sequence in a direction, where the scan alone can spread a sequence's channels over threads.
    """
    exact = u.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(u.device.type)
    enough = directions * sequences >= u.shape[1] // panel(u.dtype) if u.device.type == "cpu" else False
    return exact and not torch.is_grad_enabled() and use_kernels(u) and enough


def gated_directions(
    u: Tensor, z: Tensor, cu_seqlens: Tensor, directions: Sequence[DirectionWeights], out_weight: Tensor
) -> Tensor:
    """``silu(z)`` times the sum of the directions' outputs, projected, by compiled kernels.

    Args:
        u, z: [T, E] packed input and gate, float32 or float64 as all weights are.
        cu_seqlens: [S + 1] offsets of the sequences.
        directions: At least one.
        out_weight: [C, E].

    Returns:
        [T, C], without a gradient.
    """
    from formerkit.kernels import selective_ssm as kernels
    from formerkit.parallel import arrays, run_ranges

    tokens, channels = u.shape
    u, z = (unit_rows(pad_columns(x, channels + -channels % panel(u.dtype))) for x in (u, z))
    weights, y = _stacked(directions, u), u.new_empty(len(directions), *u.shape)
    projection = _filled(out_weight.detach().t().to(u.dtype), u.shape[1])
    tiles = -(-tokens // kernels.ROWS)
    out = u.new_empty(tiles * kernels.ROWS, projection.shape[1])
    tasks = len(directions) * (cu_seqlens.numel() - 1)
    run_ranges(
        kernels.forward,
        tasks,
        *arrays(u, cu_seqlens.long()),
        weights,
        y.numpy(),
        _block(weights.projection.shape[2], u),
    )
    run_ranges(kernels.gated_product, tiles, *arrays(y, z, projection, out), _block(projection.shape[1], u), min_rows=8)
    return out[:tokens, : out_weight.shape[0]]


def _stacked(directions: Sequence[DirectionWeights], u: Tensor) -> Weights:
    """The weights as the kernel takes them, channels filled up with zeros to as many as ``u`` has."""
    from formerkit.kernels.selective_ssm import Weights
    from formerkit.kernels.simd import LARGEST_PRODUCT, LOG2_E
    from formerkit.parallel import arrays

    def stack(*each: Tensor) -> Tensor:
        return pad_columns(torch.stack([x.detach().to(u.dtype) for x in each]), u.shape[1]).contiguous()

    a2 = stack(*(w.A.t() * LOG2_E for w in directions))
    return Weights(
        *arrays(
            torch.tensor([w.reverse for w in directions]),
            stack(*(w.taps.t() for w in directions)), stack(*(w.taps_bias for w in directions)),
            _filled(torch.stack([w.projection.detach().t().to(u.dtype) for w in directions]), u.shape[1]),
            stack(*(w.steps.t() for w in directions)), stack(*(w.steps_bias for w in directions)),
            a2, stack(*(w.D for w in directions)), LARGEST_PRODUCT / a2.neg().amax(1).clamp_(min=1e-20),
        )
    )  # fmt: skip


def _filled(projection: Tensor, channels: int) -> Tensor:
    """[..., E, W] with zeros to ``channels`` rows and whole registers of columns."""
    rows, columns = projection.shape[-2:]
    return F.pad(projection, (0, -columns % lanes(projection.dtype), 0, channels - rows)).contiguous()


def _block(columns: int, like: Tensor) -> tuple[int, ...]:
    """As many entries as a projection to whole registers computes at once: the most that divide their number."""
    from formerkit.kernels.selective_ssm import MAX_REGISTERS

    registers = columns // lanes(like.dtype)
    return (0,) * next(count for count in range(MAX_REGISTERS, 0, -1) if registers % count == 0)
