"""The selective state-space recurrence of Mamba-1 (Gu and Dao, 2023, equations 2 and algorithm 2).

Over each sequence, with ``dt = softplus(delta)``::

    h_t = exp(dt_t A) * h_{t-1} + (dt_t u_t) B_t        # [E, N]; A by zero-order hold, B by Euler's rule
    y_t = h_t C_t + D * u_t                             # [E]
    y_t = y_t * silu(z_t)                               # if a gate z is given

Shapes: T packed rows, E channels, N states, S sequences.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers import gpu
from formerkit.mixers.backends import use_kernels, use_library
from formerkit.mixers.layout import compute_dtype, panel, unit_rows
from formerkit.mixers.packing import (
    check_cu_seqlens,
    check_shapes,
    lengths_of,
    starts_of,
    token_ranges,
    uniform_cu_seqlens,
)
from formerkit.mixers.selective_scan_torch import selective_scan_chunked


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Selective scan over packed or equally long sequences.

    Args:
        u, delta, z: [T, E] packed, or [B, L, E]; ``delta`` is the step before softplus, ``z`` the optional gate before
            SiLU.
        A: [E, N], negative. D: [E].
        B, C: [T, N] or [B, L, N], shared by the channels.
        cu_seqlens: [S + 1] offsets of the sequences; one sequence of T rows if None.
        initial_state: [S, E, N]; zeros if None.
        reverse: Scan each sequence from its last row to its first.

    Returns:
        y, in the shape of u, and the final states [S, E, N].

    Raises:
        ValueError: On shapes that do not agree, offsets that do not cover the rows, or a state that would grow.
    """
    if u.ndim == 3 and cu_seqlens is None:
        _check_leading(u, {"delta": delta, "B": B, "C": C} | ({} if z is None else {"z": z}))
        offsets = uniform_cu_seqlens(u.shape[0], u.shape[1], u.device)
        u_, delta, B, C = (x.flatten(0, 1) for x in (u, delta, B, C))
        z = None if z is None else z.flatten(0, 1)
        y, final = selective_scan(
            u_, delta, A, B, C, D, z, cu_seqlens=offsets, initial_state=initial_state, reverse=reverse
        )
        return y.view(u.shape), final
    if cu_seqlens is None:
        cu_seqlens = uniform_cu_seqlens(1, u.shape[0], u.device)
    else:
        check_cu_seqlens(cu_seqlens, u.shape[0], u.device)
    _check_shapes(u, delta, A, B, C, D, z, initial_state, cu_seqlens.numel() - 1)
    if not bool((A <= 0).all()):
        raise ValueError(f"selective_scan: expected A of at most 0, got {float(A.detach().max()):.4g}")
    if initial_state is None:
        initial_state = u.new_zeros(cu_seqlens.numel() - 1, *A.shape)
    if use_kernels(u):
        return _compiled(u, delta, A, B, C, D, z, cu_seqlens, initial_state, reverse)
    return selective_scan_chunked(u, delta, A, B, C, D, z, cu_seqlens, initial_state, reverse)


def selective_scan_output(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None,
    cu_seqlens: Tensor,
    reverse: bool,
) -> Tensor:
    """Packed :func:`selective_scan` for those who need no state: ``mamba_ssm`` gives none that has a gradient."""
    if use_library(u, "mamba_ssm"):
        length = gpu.equal_length(cu_seqlens)
        if length is not None:
            return gpu.mamba_ssm_scan(u, delta, A, B, C, D, z, cu_seqlens, length, reverse)
    return selective_scan(u, delta, A, B, C, D, z, cu_seqlens=cu_seqlens, reverse=reverse)[0]


def selective_scan_reference(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """The recurrence as the formula reads, one row at a time; the arguments of :func:`selective_scan`."""
    rows: list[Tensor | None] = [None] * u.shape[0]
    final = []
    for s, tokens in enumerate(token_ranges(cu_seqlens, u.shape[0], reverse)):
        h = u.new_zeros(A.shape) if initial_state is None else initial_state[s]
        for t in tokens:
            dt = F.softplus(delta[t])[:, None]
            h = torch.exp(dt * A) * h + dt * u[t][:, None] * B[t]
            rows[t] = h @ C[t] + D * u[t]
        final.append(h)
    y = torch.stack([row for row in rows if row is not None]) if rows else u.clone()
    if z is not None:
        y = y * F.silu(z)
    return y, torch.stack(final) if final else u.new_zeros(0, *A.shape)


def _check_leading(u: Tensor, others: dict[str, Tensor]) -> None:
    for name, value in others.items():
        if value.ndim != 3 or value.shape[:2] != u.shape[:2]:
            raise ValueError(
                f"selective_scan: expected {name} [{u.shape[0]}, {u.shape[1]}, ...] as u is, got {tuple(value.shape)}"
            )


def _check_shapes(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor | None, h: Tensor | None, s: int
) -> None:
    if u.ndim != 2 or A.ndim != 2:
        raise ValueError(f"selective_scan: expected u [T, E] and A [E, N], got {tuple(u.shape)} and {tuple(A.shape)}")
    (t, e), n = u.shape, A.shape[1]
    expected: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "delta": (delta, (t, e)),
        "A": (A, (e, n)),
        "B": (B, (t, n)),
        "C": (C, (t, n)),
        "D": (D, (e,)),
    }
    if z is not None:
        expected["z"] = (z, (t, e))
    if h is not None:
        expected["initial_state"] = (h, (s, e, n))
    check_shapes("selective_scan", u.device, expected)
    if not u.is_floating_point():
        raise ValueError(f"selective_scan: expected u of a floating dtype, got {u.dtype}")
    for name, (value, _) in expected.items():
        # The step and the parameters may be wider, as gates and weights often are.
        if name in ("B", "C", "z") and value.dtype != u.dtype:
            raise ValueError(f"selective_scan: expected {name} of {u.dtype} as u is, got {value.dtype}")


def _compiled(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor | None,
              cu_seqlens: Tensor, initial: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Run the kernel in float32 (float64 if the input is), with the channels padded to whole registers."""
    dtype = compute_dtype(u.dtype)
    channels, out_dtype = u.shape[1], u.dtype
    tensors = [u, delta, A.t(), B, C, D, z if z is not None else u.new_empty(0, 0), initial.transpose(1, 2)]
    tensors = [value.to(dtype) for value in tensors]
    padding = -channels % panel(dtype)
    if padding:
        with_channels = (0, 1, 2, 5, 6, 7) if z is not None else (0, 1, 2, 5, 7)
        tensors = [F.pad(x, (0, padding)) if i in with_channels else x for i, x in enumerate(tensors)]
    u, delta, A_t, B, C, D, z_, initial_t = tensors
    y, final = _SelectiveScan.apply(u, delta, A_t, B, C, D, z_, initial_t, cu_seqlens, z is not None, reverse)
    return y[:, :channels].to(out_dtype), final[..., :channels].transpose(1, 2).to(out_dtype)


class _SelectiveScan(torch.autograd.Function):
    """The compiled scan: A and the states have channels last."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A_t: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor,
                initial: Tensor, cu_seqlens: Tensor, gated: bool, reverse: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
        from formerkit.kernels import selective_scan as kernels
        from formerkit.parallel import run_ranges

        u, delta, B, C, z = (unit_rows(x.detach()) for x in (u, delta, B, C, z))
        a2 = (A_t.detach() * 1.4426950408889634).contiguous()
        initial = initial.detach().contiguous()
        offsets = cu_seqlens.to("cpu", torch.int64).numpy()
        chunk_offsets = starts_of(-(-lengths_of(cu_seqlens.cpu()) // kernels.CHUNK)).numpy()
        training = any(ctx.needs_input_grad)
        kept = u.new_empty((int(chunk_offsets[-1]) if training else 0, *a2.shape))
        y, final = torch.empty_like(u, memory_format=torch.contiguous_format), torch.empty_like(initial)
        tasks = (len(offsets) - 1) * (u.shape[1] // panel(u.dtype))
        tensors = (u, delta, a2, B, C, D.detach().contiguous(), z)
        arrays = [x.numpy() for x in tensors]
        run_ranges(
            kernels.forward, tasks, *arrays, gated, offsets, chunk_offsets, reverse,
            initial.numpy(), y.numpy(), final.numpy(), kept.numpy(),
        )  # fmt: skip
        ctx.save_for_backward(*tensors, kept)
        ctx.offsets, ctx.chunk_offsets, ctx.gated, ctx.reverse, ctx.tasks = (
            offsets,
            chunk_offsets,
            gated,
            reverse,
            tasks,
        )
        return y, final

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gy: Tensor, gfinal: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels import selective_scan as kernels
        from formerkit.parallel import run_ranges

        *tensors, kept = ctx.saved_tensors
        u, _, a2, B, _, D, z = tensors
        sequences, panels = len(ctx.offsets) - 1, u.shape[1] // panel(u.dtype)
        gu, gdelta = (u.new_empty(u.shape) for _ in range(2))
        gz = torch.empty_like(z, memory_format=torch.contiguous_format)
        ga, ginitial = u.new_empty(sequences, *a2.shape), u.new_empty(sequences, *a2.shape)
        gb, gc = (u.new_zeros(panels, *B.shape) for _ in range(2))
        gd = u.new_empty(sequences, *D.shape)
        outputs = (gu, gdelta, ga, gb, gc, gd, gz, ginitial)
        run_ranges(
            kernels.backward, ctx.tasks, *(x.numpy() for x in tensors), ctx.gated, ctx.offsets, ctx.chunk_offsets,
            ctx.reverse, kept.numpy(), unit_rows(gy).numpy(), gfinal.contiguous().numpy(),
            *(x.numpy() for x in outputs),
        )  # fmt: skip
        return gu, gdelta, ga.sum(0), gb.sum(0), gc.sum(0), gd.sum(0), gz, ginitial, None, None, None
