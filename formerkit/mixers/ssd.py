"""Mamba-2's state-space duality (Dao and Gu, 2024): a selective scan whose decay is one number a head and token.

Per head, with ``dt = softplus(delta)`` and state S [N, P]::

    S_t = exp(dt_t A) S_{t-1} + B_t (dt_t x_t)^T
    y_t = S_t^T C_t + D x_t

which is gated linear attention with C as queries, B as keys and dt x as values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.causal_conv import causal_conv_silu
from formerkit.mixers.gated_linear_attention import decayed_attention
from formerkit.mixers.layout import compute_dtype
from formerkit.mixers.packing import check_shapes, flatten, pack, token_ranges
from formerkit.mixers.spared import SparesParameters
from formerkit.mixers.state import MixerState, convolved, starting


def ssd(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """The scan of Mamba-2, over packed or equally long sequences.

    Args:
        x: [T, H, P] packed, or [B, L, H, P].
        delta: [T, H] or [B, L, H], the step before softplus.
        A: [H], negative. D: [H].
        B, C: [T, G, N] or [B, L, G, N], each shared by H / G neighbouring heads.
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        initial_state: [S, H, N, P]; zeros if None.
        reverse: From the last token to the first.

    Returns:
        y, in the shape of x, and the final states [S, H, N, P].

    Raises:
        ValueError: On shapes, devices or offsets that do not agree, or a state that would grow.
    """
    packed = flatten("ssd", cu_seqlens, {"delta": delta[..., None]}, x=x, B=B, C=C)
    x_, b, c, step = packed.rows
    (t, h, _), g = x_.shape, b.shape[1]
    if c.shape != b.shape or b.shape[0] != t or g == 0 or h % g:
        raise ValueError(
            f"ssd: expected B and C [{t}, G, N] with G a divisor of {h} heads, "
            f"got {tuple(b.shape)} and {tuple(c.shape)}"
        )
    check_shapes("ssd", x.device, {"delta": (step[..., 0], (t, h)), "A": (A, (h,)), "D": (D, (h,))})
    if not bool((A <= 0).all()):
        raise ValueError(f"ssd: expected A of at most 0, got {float(A.detach().max()):.4g}: the state would grow")
    wide = compute_dtype(x.dtype)
    step = F.softplus(step.to(wide))
    k, q = (value[:, :, None].expand(-1, -1, h // g, -1).flatten(1, 2).to(wide) for value in (b, c))
    if initial_state is not None:
        initial_state = initial_state.to(wide)
    y, final = decayed_attention(
        q, k, step * x_.to(wide), step * A.to(wide)[:, None], packed.cu_seqlens, initial_state, reverse=reverse
    )  # fmt: skip
    y = y + D.to(wide)[:, None] * x_.to(wide)
    return packed.restore(y.to(x.dtype)), final.to(x.dtype)


def ssd_reference(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """The recurrence as the formula reads, token by token; packed input only."""
    share = x.shape[1] // B.shape[1]
    B, C = B.repeat_interleave(share, 1), C.repeat_interleave(share, 1)
    rows, finals = [x.new_zeros(0)] * x.shape[0], []
    for s, tokens in enumerate(token_ranges(cu_seqlens, x.shape[0], reverse)):
        empty = x.new_zeros(x.shape[1], B.shape[2], x.shape[2])
        state = empty if initial_state is None else initial_state[s]
        for t in tokens:
            dt = F.softplus(delta[t])
            decay = torch.exp(dt * A)[:, None, None]
            state = decay * state + B[t][:, :, None] * (dt[:, None] * x[t])[:, None]
            rows[t] = torch.einsum("hnp,hn->hp", state, C[t]) + D[:, None] * x[t]
        finals.append(state)
    y = torch.stack(rows) if rows else x.clone()
    return y, torch.stack(finals) if finals else x.new_zeros(0, x.shape[1], B.shape[2], x.shape[2])


class Mamba2(SparesParameters):
    """Mamba-2: one projection in, a convolution over x, B and C, the scan, a gated norm, projection out.

    Args:
        channels: C, width of input and output.
        state_size: N.
        head_width: P; the expanded width must be a multiple of it.
        expand: Expanded width over C.
        groups: G, sets of B and C.
        kernel_size: Taps of the causal convolution.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    spared = ("dt_bias", "A_log", "D")

    def __init__(
        self,
        channels: int,
        state_size: int = 64,
        head_width: int = 64,
        expand: int = 2,
        groups: int = 1,
        kernel_size: int = 4,
    ) -> None:
        super().__init__()
        inner = expand * channels
        if head_width < 1 or groups < 1:
            raise ValueError(f"head_width, groups: expected at least 1, got {head_width} and {groups}")
        if inner % head_width:
            raise ValueError(f"channels: {inner} channels inside are not a multiple of heads of {head_width}")
        self.heads, self.groups, self.state_size = inner // head_width, groups, state_size
        if self.heads % groups:
            raise ValueError(f"groups: {self.heads} heads do not fall into {groups} groups")
        mixed = inner + 2 * groups * state_size
        self.in_proj = nn.Linear(channels, inner + mixed + self.heads, bias=False)
        self.conv = nn.Conv1d(mixed, mixed, kernel_size, groups=mixed)
        self.dt_bias = nn.Parameter(torch.empty(self.heads))
        self.A_log = nn.Parameter(torch.empty(self.heads))
        self.D = nn.Parameter(torch.empty(self.heads))
        self.spare()
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, channels, bias=False)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """A uniform in -[1, 16], steps log-uniform in [0.001, 0.1], D = 1."""
        for layer in (self.in_proj, self.conv, self.norm, self.out_proj):
            layer.reset_parameters()
        self.A_log.uniform_(1, 16).log_()
        step = torch.empty_like(self.dt_bias).uniform_(math.log(1e-3), math.log(1e-1)).exp().clamp(min=1e-4)
        self.dt_bias.copy_(step + torch.log(-torch.expm1(-step)))  # the inverse of softplus
        self.D.fill_(1)

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens, self.in_proj.in_features)
        z, mixed, delta = self._projected(rows)
        mixed = causal_conv_silu(mixed, self.conv.weight[:, 0], self.conv.bias, cu_seqlens=offsets)  # type: ignore[arg-type]
        return self._scanned(z, mixed, delta, offsets, None)[0].reshape(x.shape)

    def with_state(
        self, x: Tensor, state: MixerState | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """``forward`` of a piece, and where the mixer then stands; see :mod:`formerkit.mixers.state`."""
        rows, offsets = pack(x, cu_seqlens, self.in_proj.in_features)
        z, mixed, delta = self._projected(rows)
        state = starting(state, mixed, offsets.numel() - 1, self.conv.kernel_size[0] - 1)
        mixed, last = convolved(self.conv, mixed, offsets, state.rows)
        y, memory = self._scanned(z, mixed, delta, offsets, state.memory)
        return y.reshape(x.shape), state.after(memory, last, offsets)

    def _projected(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The gate, what is convolved, and the steps."""
        inner, states = self.out_proj.in_features, self.groups * self.state_size
        return self.in_proj(rows).split((inner, inner + 2 * states, self.heads), dim=1)

    def _scanned(
        self, z: Tensor, mixed: Tensor, delta: Tensor, offsets: Tensor, memory: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        states = self.groups * self.state_size
        u, B, C = mixed.split((self.out_proj.in_features, states, states), dim=1)
        u, B, C = u.unflatten(1, (self.heads, -1)), *(part.unflatten(1, (self.groups, -1)) for part in (B, C))
        A = -torch.exp(self.A_log.float() if self.A_log.dtype == torch.bfloat16 else self.A_log)
        y, memory = ssd(u, delta + self.dt_bias, A, B, C, self.D, cu_seqlens=offsets, initial_state=memory)
        return self.out_proj(self.norm(y.flatten(1) * F.silu(z))), memory
