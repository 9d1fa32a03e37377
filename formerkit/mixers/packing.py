"""Sequences packed one after another, and the offsets that separate them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F


def check_cu_seqlens(cu_seqlens: Tensor, total: int, device: torch.device | None = None) -> None:
    """Refuse offsets that do not cover ``total`` rows.

    Args:
        cu_seqlens: [S + 1] integers: first row of each sequence, then ``total``. Empty sequences are legal.
        total: Number of packed rows.
        device: Where the rows are, if the offsets have to be there too.

    Raises:
        ValueError: If the offsets do not start at 0, fall, do not end at ``total``, or are elsewhere.
    """
    if cu_seqlens.ndim != 1 or cu_seqlens.numel() < 1 or cu_seqlens.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"cu_seqlens: expected a vector of int32 or int64 with at least one entry, "
            f"got shape {tuple(cu_seqlens.shape)} and dtype {cu_seqlens.dtype}"
        )
    if device is not None and cu_seqlens.device != device:
        raise ValueError(f"cu_seqlens: expected on {device} as the rows are, got {cu_seqlens.device}")
    if int(cu_seqlens[0]) != 0 or int(cu_seqlens[-1]) != total:
        raise ValueError(
            f"cu_seqlens: expected to run from 0 to the {total} rows of the input, "
            f"got {int(cu_seqlens[0])} to {int(cu_seqlens[-1])}"
        )
    if bool((cu_seqlens[1:] < cu_seqlens[:-1]).any()):
        raise ValueError("cu_seqlens: expected offsets that never fall")


def uniform_cu_seqlens(batch: int, length: int, device: torch.device | str = "cpu") -> Tensor:
    """[batch + 1] int32 offsets of ``batch`` sequences of ``length`` rows."""
    return torch.arange(batch + 1, dtype=torch.int32, device=device) * length


def lengths_of(cu_seqlens: Tensor) -> Tensor:
    """[S] int64: rows of each sequence."""
    return (cu_seqlens[1:] - cu_seqlens[:-1]).long()


def sequence_of_rows(cu_seqlens: Tensor) -> Tensor:
    """[T] int64: the sequence that each row belongs to."""
    lengths = lengths_of(cu_seqlens)
    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)


def starts_of(counts: Tensor) -> Tensor:
    """[S + 1] int64: where each sequence's share of something begins, if it has ``counts`` [S] of it."""
    return F.pad(counts.cumsum(0), (1, 0))


def token_ranges(cu_seqlens: Tensor | None, total: int, reverse: bool = False) -> list[range]:
    """Rows of each sequence in the direction of reading; one sequence of ``total`` rows if there are no offsets."""
    offsets = [0, total] if cu_seqlens is None else cu_seqlens.tolist()
    onward = [range(begin, end) for begin, end in pairwise(offsets)]
    return [rows[::-1] for rows in onward] if reverse else onward


def check_shapes(name: str, device: torch.device, expected: Mapping[str, tuple[Tensor, tuple[int, ...]]]) -> None:
    """Refuse the first of the tensors that is not on the device, or whose shape is not the one beside it.

    Args:
        name: Of the operator, for messages.
        device: Of its input.
        expected: By name.

    Raises:
        ValueError: If there is one.
    """
    for key, (value, shape) in expected.items():
        if tuple(value.shape) != shape:
            raise ValueError(f"{name}: expected {key} of shape {shape}, got {tuple(value.shape)}")
        if value.device != device:
            raise ValueError(f"{name}: expected {key} on {device}, got {value.device}")


def pack(x: Tensor, cu_seqlens: Tensor | None, channels: int | None = None) -> tuple[Tensor, Tensor]:
    """Packed rows [T, C] and offsets of ``x``, which is [batch, length, C], or already packed with ``cu_seqlens``.

    Raises:
        ValueError: If the shape and ``cu_seqlens`` do not go together, or C is not ``channels``.
    """
    if channels is not None and x.ndim and x.shape[-1] != channels:
        raise ValueError(f"expected {channels} channels, got shape {tuple(x.shape)}")
    if cu_seqlens is None:
        if x.ndim != 3:
            raise ValueError(f"expected [batch, length, channels] without cu_seqlens, got shape {tuple(x.shape)}")
        return x.flatten(0, 1), uniform_cu_seqlens(x.shape[0], x.shape[1], x.device)
    if x.ndim != 2:
        raise ValueError(
            f"expected packed [total, channels] with cu_seqlens, got shape {tuple(x.shape)}: "
            "flatten batch and length first"
        )
    check_cu_seqlens(cu_seqlens, x.shape[0], x.device)
    return x, cu_seqlens


def padded_rows(cu_seqlens: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Row of each step of each sequence [S, L] int64, and whether the step exists [S, L]; L is the longest length."""
    begin, end, lengths = cu_seqlens[:-1].long(), cu_seqlens[1:].long(), lengths_of(cu_seqlens)
    longest = int(lengths.max()) if lengths.numel() else 0
    step = torch.arange(longest, device=cu_seqlens.device)
    real = step < lengths[:, None]
    rows = end[:, None] - 1 - step if reverse else begin[:, None] + step
    return torch.where(real, rows, 0), real


def gather_rows(x: Tensor, rows: Tensor) -> Tensor:
    """``x[rows]``, also where there are no rows at all."""
    return x[rows] if x.shape[0] else x.new_zeros(*rows.shape, *x.shape[1:])


@dataclass(frozen=True)
class Packed:
    """Tensors with a head axis, packed.

    Attributes:
        rows: Each [T, H, D], or with 1 for T or H where one value serves all.
        cu_seqlens: [S + 1].
        leading: Shape before the head axis, to be restored.
    """

    rows: tuple[Tensor, ...]
    cu_seqlens: Tensor
    leading: tuple[int, ...]

    @property
    def sequences(self) -> int:
        return self.cu_seqlens.numel() - 1

    def restore(self, x: Tensor) -> Tensor:
        """[T, ...] to the shape of the input."""
        return x.reshape(*self.leading, *x.shape[1:])


def flatten(name: str, cu_seqlens: Tensor | None, gates: dict[str, Tensor] | None = None, **tensors: Tensor) -> Packed:
    """Pack [B, L, H, D] tensors, or check packed [T, H, D] ones; the first gives the shape the others follow.

    Args:
        name: Of the operator, for messages.
        cu_seqlens: [S + 1], or None.
        gates: Packed after the others; they may be of another floating dtype, as gates are often kept wide, and have
            two leading axes of 1 where one value serves all tokens.
        tensors: Of one dtype.

    Raises:
        ValueError: If numbers of axes, leading axes, devices or dtypes differ, one is not floating, or the offsets do
            not cover the rows.
    """
    first, lead = next(iter(tensors.items()))
    if lead.ndim not in (3, 4) or (lead.ndim == 4 and cu_seqlens is not None):
        raise ValueError(
            f"{name}: expected {first} [T, H, D], with cu_seqlens or without, or [B, L, H, D] without, "
            f"got shape {tuple(lead.shape)}{' and cu_seqlens' if cu_seqlens is not None else ''}"
        )
    gates = gates or {}
    for key, value in (tensors | gates).items():
        if value.ndim != lead.ndim:
            raise ValueError(f"{name}: expected {key} with {lead.ndim} axes as {first} has, got {value.ndim}")
        if value.device != lead.device or (value.dtype != lead.dtype and key not in gates):
            raise ValueError(
                f"{name}: expected {key} of {lead.dtype} on {lead.device} as {first} is, "
                f"got {value.dtype} on {value.device}"
            )
        if not value.is_floating_point():
            raise ValueError(f"{name}: expected {key} of a floating dtype, got {value.dtype}")
    leading = tuple(lead.shape[: lead.ndim - 2])
    if lead.ndim == 4:
        for key, value in (tensors | gates).items():
            if tuple(value.shape[:2]) != leading and not (key in gates and tuple(value.shape[:2]) == (1, 1)):
                raise ValueError(
                    f"{name}: expected {key} of batch and length {leading} as {first} has, got {tuple(value.shape[:2])}"
                )
        rows = tuple(_merge_leading(value, leading) for value in (tensors | gates).values())
        return Packed(rows, uniform_cu_seqlens(leading[0], leading[1], lead.device), leading)
    if cu_seqlens is None:
        cu_seqlens = uniform_cu_seqlens(1, lead.shape[0], lead.device)
    check_cu_seqlens(cu_seqlens, lead.shape[0], lead.device)
    return Packed(tuple((tensors | gates).values()), cu_seqlens, leading)


def _merge_leading(x: Tensor, leading: tuple[int, ...]) -> Tensor:
    """[B, L, ...] to [B L, ...]; [1, 1, ...] stays one row for all."""
    return x.flatten(0, 1) if tuple(x.shape[:2]) == leading else x[0]


def previous_rows(x: Tensor, cu_seqlens: Tensor) -> Tensor:
    """[T, ...]: each row's predecessor in its sequence, zero for the first."""
    shifted = torch.cat([x.new_zeros(1, *x.shape[1:]), x[:-1]]) if x.shape[0] else x
    first = cu_seqlens[:-1][cu_seqlens[1:] > cu_seqlens[:-1]].long()
    return shifted.index_fill(0, first, 0.0)


def flip_rows(x: Tensor, cu_seqlens: Tensor) -> Tensor:
    """[T, ...]: the rows of each sequence from its last to its first."""
    ends = (cu_seqlens[:-1].long() + cu_seqlens[1:].long() - 1)[sequence_of_rows(cu_seqlens)]
    return x.index_select(0, ends - torch.arange(x.shape[0], device=x.device))
