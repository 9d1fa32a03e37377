"""Calls of the compiled scan (:mod:`formerkit.kernels.linear_scan`) on torch tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from formerkit.kernels.orders import CHUNK
from formerkit.mixers.layout import lanes, pad_columns
from formerkit.mixers.packing import lengths_of, starts_of


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
        return starts_of(-(-lengths_of(self.cu_seqlens.cpu()) // chunk)).numpy()


def _flat(x: Tensor) -> np.ndarray:
    """A view of the memory of ``x`` from its first element on, whatever its layout: kernels compute their indices."""
    return (x if x.numel() else x.new_zeros(1)).as_strided((1,), (1,)).numpy()


def _steps(x: Tensor) -> tuple[int, int]:
    """Strides of token and head, zero where there is one for all."""
    return tuple(0 if size == 1 else stride for size, stride in zip(x.shape[:2], x.stride()[:2], strict=True))  # type: ignore[return-value]


def panels_of(columns: int, dtype: torch.dtype) -> tuple[int, int]:
    """Registers a panel, as many as leave room for four tokens' worth, and the panels that hold the columns."""
    from formerkit.kernels.simd import REGISTER_BITS

    registers = 1 if columns <= lanes(dtype) or REGISTER_BITS < 512 else 2
    return registers, -(-columns // (registers * lanes(dtype)))


def scan(x: Tensor, y: Tensor, z: Tensor, decay: Tensor, initial: Tensor, runs: Runs, order: int, *,
         on_columns: bool = False, keep: int = 0) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """``S_t = a_t * S_{t-1} + y_t z_t^T``, ``o_t = x_t^T S``.

    Args:
        x, y: [T, H, M]. z: [T, H, L]. decay: [T, H, M], [T, H, L] if ``on_columns``, or broadcast to it.
        initial: [S, H, M, L].
        order: One of :mod:`formerkit.kernels.orders`.
        keep: Return states at the start of chunks of so many tokens, a multiple of four; none if 0.

    Returns:
        o [T, H, L], final states [S, H, M, L], kept states [chunks, H, M, padded L].
    """
    from formerkit.kernels import linear_scan as kernels
    from formerkit.parallel import run_ranges

    (tokens, heads, rows), columns = x.shape, z.shape[2]
    registers, panels = panels_of(columns, z.dtype)
    padded = panels * registers * lanes(z.dtype)
    on_columns = on_columns and decay.shape[2] > 1
    z, initial = (pad_columns(value, padded) for value in (z, initial))
    decay = pad_columns(decay, padded) if on_columns else decay
    every = keep or CHUNK
    offsets, chunk_offsets = runs.offsets(), runs.chunk_offsets(every)
    initial = initial.contiguous()
    out, final = z.new_empty(tokens, heads, padded), torch.empty_like(initial)
    kept = z.new_empty(int(chunk_offsets[-1]) if keep else 0, heads, rows, padded)
    decay_step = decay.stride(2) if decay.shape[2] > 1 and not on_columns else 0
    run_ranges(
        kernels.scan, (len(offsets) - 1) * heads * panels,
        (0,) * registers, (0,) * (1 + on_columns),
        *(_flat(value) for value in (x, y, z, decay)), (*_steps(x), *_steps(y), *_steps(z), *_steps(decay), decay_step),
        (heads, rows, padded), order, runs.reverse, offsets, every, chunk_offsets,
        _flat(initial), _flat(out), _flat(final), kept.flatten(1).numpy(),
    )  # fmt: skip
    return out[..., :columns], final[..., :columns], kept


def decay_gradients(q: Tensor, k: Tensor, v: Tensor, go: Tensor, decay: Tensor, gfinal: Tensor, kept: Tensor,
                    runs: Runs, exclusive: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gradients of k and of the decay, both [T, H, K]; ``gfinal`` is [S, H, V, K], ``kept`` comes from :func:`scan`."""
    from formerkit.kernels import linear_scan as kernels
    from formerkit.parallel import run_ranges

    (tokens, heads, columns), rows = q.shape, v.shape[2]
    registers, panels = panels_of(columns, q.dtype)
    padded = panels * registers * lanes(q.dtype)
    on_columns = decay.shape[2] > 1
    q, k, gfinal = (pad_columns(value, padded) for value in (q, k, gfinal))
    decay = pad_columns(decay, padded) if on_columns else decay
    offsets, chunk_offsets = runs.offsets(), runs.chunk_offsets(CHUNK)
    gk, gdecay = (q.new_empty(tokens, heads, padded) for _ in range(2))
    run_ranges(
        kernels.gradients, (len(offsets) - 1) * heads * panels,
        (0,) * registers, (0,) * (1 + on_columns),
        *(_flat(value) for value in (q, k, v, go, decay)),
        (*_steps(q), *_steps(k), *_steps(v), *_steps(go), *_steps(decay)), (heads, rows, padded), exclusive,
        runs.reverse, offsets, chunk_offsets, _flat(kept), _flat(gfinal.contiguous()), _flat(gk), _flat(gdecay),
    )  # fmt: skip
    return gk[..., :columns], gdecay[..., :columns]
