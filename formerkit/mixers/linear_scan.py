"""Calls of the compiled scan (:mod:`formerkit.kernels.linear_scan`) on torch tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

DECAY_ADD_READ, READ_DECAY_ADD, ADD_READ_DECAY = 0, 1, 2
"""Which of a token's parts meet its output: see the kernels."""


@dataclass(frozen=True)
class Runs:
    """The sequences and the direction in which they are read."""

    cu_seqlens: Tensor
    reverse: bool

    def turned(self) -> Runs:
        return replace(self, reverse=not self.reverse)

    def offsets(self) -> np.ndarray:
        return self.cu_seqlens.to("cpu", torch.int64).numpy()

    def chunk_offsets(self, chunk: int) -> np.ndarray:
        """[S + 1] int64: chunks before each sequence."""
        lengths = np.diff(self.offsets())
        return np.concatenate([[0], np.cumsum(-(-lengths // chunk))])


def unit_rows(x: Tensor) -> Tensor:
    """``x`` itself if the elements of its last axis are neighbours in memory, else a copy."""
    return x if x.stride(-1) == 1 or x.shape[-1] <= 1 or x.numel() == 0 else x.contiguous()


def _flat(x: Tensor) -> np.ndarray:
    """A view of the memory of ``x`` from its first element on, whatever its layout: kernels compute their indices."""
    return (x if x.numel() else x.new_zeros(1)).as_strided((1,), (1,)).numpy()


def _steps(x: Tensor) -> tuple[int, int]:
    """Strides of token and head, zero where there is one for all."""
    return tuple(0 if size == 1 else stride for size, stride in zip(x.shape[:2], x.stride()[:2], strict=True))  # type: ignore[return-value]


def registers_and_columns(columns: int, dtype: torch.dtype) -> tuple[int, int]:
    """Registers a panel, and the columns that are then needed: as many as leave room for four tokens' worth."""
    from formerkit.kernels.simd import REGISTER_BITS

    lanes, most = REGISTER_BITS // (8 * dtype.itemsize), 2 if REGISTER_BITS == 512 else 1
    registers = 1 if columns <= lanes else most
    return registers, -(-columns // (registers * lanes)) * registers * lanes


def scan(x: Tensor, y: Tensor, z: Tensor, decay: Tensor, initial: Tensor, runs: Runs, order: int, *,
         on_columns: bool = False, keep: bool = False) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """``S_t = a_t * S_{t-1} + y_t z_t^T``, ``o_t = x_t^T S``.

    Args:
        x, y: [T, H, M]. z: [T, H, L]. decay: [T, H, M], [T, H, L] if ``on_columns``, or broadcast to it.
        initial: [S, H, M, L].
        order: One of the constants above.
        keep: Return states at the start of chunks.

    Returns:
        o [T, H, L], final states [S, H, M, L], kept states [chunks, H, M, padded L].
    """
    from formerkit.kernels import linear_scan as kernels
    from formerkit.parallel import run_ranges

    (tokens, heads, rows), columns = x.shape, z.shape[2]
    registers, padded = registers_and_columns(columns, z.dtype)
    on_columns = on_columns and decay.shape[2] > 1
    z, initial = (_padded(value, padded) for value in (z, initial))
    decay = _padded(decay, padded) if on_columns else decay
    offsets, chunk_offsets = runs.offsets(), runs.chunk_offsets(kernels.CHUNK)
    initial = initial.contiguous()
    out, final = z.new_empty(tokens, heads, padded), torch.empty_like(initial)
    kept = z.new_empty(int(chunk_offsets[-1]) if keep else 0, heads, rows, padded)
    decay_step = decay.stride(2) if decay.shape[2] > 1 and not on_columns else 0
    run_ranges(
        kernels.scan, (len(offsets) - 1) * heads * (padded // _panel(registers, z)),
        (0,) * registers, (0,) * (1 + on_columns),
        *(_flat(value) for value in (x, y, z, decay)), (*_steps(x), *_steps(y), *_steps(z), *_steps(decay), decay_step),
        (heads, rows, padded), order, runs.reverse, offsets, chunk_offsets,
        _flat(initial), _flat(out), _flat(final), kept.flatten(1).numpy(),
    )  # fmt: skip
    return out[..., :columns], final[..., :columns], kept


def decay_gradients(q: Tensor, k: Tensor, v: Tensor, go: Tensor, decay: Tensor, gfinal: Tensor, kept: Tensor,
                    runs: Runs, exclusive: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gradients of k and of the decay, both [T, H, K]; ``gfinal`` is [S, H, V, K], ``kept`` comes from :func:`scan`."""
    from formerkit.kernels import linear_scan as kernels
    from formerkit.parallel import run_ranges

    (tokens, heads, columns), rows = q.shape, v.shape[2]
    registers, padded = registers_and_columns(columns, q.dtype)
    on_columns = decay.shape[2] > 1
    q, k, gfinal = (_padded(value, padded) for value in (q, k, gfinal))
    decay = _padded(decay, padded) if on_columns else decay
    offsets, chunk_offsets = runs.offsets(), runs.chunk_offsets(kernels.CHUNK)
    gk, gdecay = (q.new_empty(tokens, heads, padded) for _ in range(2))
    run_ranges(
        kernels.gradients, (len(offsets) - 1) * heads * (padded // _panel(registers, q)),
        (0,) * registers, (0,) * (1 + on_columns),
        *(_flat(value) for value in (q, k, v, go, decay)),
        (*_steps(q), *_steps(k), *_steps(v), *_steps(go), *_steps(decay)), (heads, rows, padded), exclusive,
        runs.reverse, offsets, chunk_offsets, _flat(kept), _flat(gfinal.contiguous()), _flat(gk), _flat(gdecay),
    )  # fmt: skip
    return gk[..., :columns], gdecay[..., :columns]


def _panel(registers: int, like: Tensor) -> int:
    from formerkit.kernels.simd import REGISTER_BITS

    return registers * REGISTER_BITS // (8 * like.dtype.itemsize)


def _padded(x: Tensor, columns: int) -> Tensor:
    return F.pad(x, (0, columns - x.shape[-1])) if columns > x.shape[-1] else x
