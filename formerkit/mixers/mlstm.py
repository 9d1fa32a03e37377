"""mLSTM, the matrix memory of xLSTM (Beck et al., 2024, equations 19 to 27), with exponential input gate.

Per head, with gates before activation i_t and f_t, and k scaled by 1 / sqrt(K)::

    C_t = sigmoid(f_t) C_{t-1} + exp(i_t) k_t v_t^T
    n_t = sigmoid(f_t) n_{t-1} + exp(i_t) k_t
    h_t = C_t^T q_t / (max(|n_t . q_t|, 1) + eps exp(m_t))

Everything is kept divided by ``exp(m_t)``, with the stabiliser ``m_t = max(log sigmoid(f_t) + m_{t-1}, i_t)``, so that
no exponential overflows; ``eps`` guards the division in that scale.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.causal_conv import causal_conv_silu
from formerkit.mixers.gated_linear_attention import decayed_attention
from formerkit.mixers.layout import compute_dtype
from formerkit.mixers.mlstm_compiled import mlstm_compiled
from formerkit.mixers.packing import check_shapes, flatten, gather_rows, pack, padded_rows, token_ranges
from formerkit.mixers.state import MixerState, convolved, demand_causal, starting

EMPTY = -1e30
"""Stabiliser of a memory that has seen nothing: finite, as infinities would meet and leave a NaN."""


class MLSTMState(NamedTuple):
    """Memory after a sequence, divided by exp(m).

    Attributes:
        C: [S, H, K, V]. n: [S, H, K]. m: [S, H].
    """

    C: Tensor
    n: Tensor
    m: Tensor


def mlstm(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    i: Tensor,
    f: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: MLSTMState | None = None,
    reverse: bool = False,
    eps: float = 1e-6,
) -> tuple[Tensor, MLSTMState]:
    """The matrix memory over packed or equally long sequences.

    Args:
        q, k: [T, H, K] packed, or [B, L, H, K].
        v: [T, H, V] or [B, L, H, V].
        i, f: [T, H] or [B, L, H], gates before activation.
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        initial_state: Memory to go on from; an empty one if None.
        reverse: From the last token to the first.
        eps: Added to the divisor.

    Returns:
        h, in the shape of v, and the memory after each sequence. Its scale m counts as a constant in gradients, as
        nothing that is read from a memory depends on it.

    Raises:
        ValueError: On shapes, devices or offsets that do not agree.
    """
    packed = flatten("mlstm", cu_seqlens, {"i": i[..., None], "f": f[..., None]}, q=q, k=k, v=v)
    q, k, v, i, f = packed.rows
    _check(q, k, v, i, f, initial_state, packed.sequences)
    wide = compute_dtype(v.dtype)
    q, k, values, i, f = (x.to(wide) for x in (q, k, v, i[..., 0], f[..., 0]))
    if initial_state is None:
        memory = _empty_memory(q, values, packed.sequences)
    else:
        memory = MLSTMState(*(x.to(wide) for x in initial_state))
    log_f, run = F.logsigmoid(f), mlstm_compiled if use_kernels(q) else _by_linear_attention
    h, *state = run(q, k, values, i, log_f, *memory, EMPTY, packed.cu_seqlens, reverse, eps)
    return packed.restore(h.to(v.dtype)), MLSTMState(*state)


def _empty_memory(q: Tensor, v: Tensor, sequences: int) -> MLSTMState:
    (_, heads, width), columns = q.shape, v.shape[2]
    n = q.new_zeros(sequences, heads, width)
    return MLSTMState(q.new_zeros(sequences, heads, width, columns), n, q.new_full((sequences, heads), EMPTY))


def _by_linear_attention(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor, C: Tensor, n: Tensor, m: Tensor, empty: float,
    cu_seqlens: Tensor, reverse: bool, eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """:func:`mlstm_compiled` for any device: two gated linear attentions."""
    before, after, last = stabiliser(log_f.detach(), i.detach(), cu_seqlens, m.detach(), reverse)
    # h does not depend on m, so no gradient has to pass through it.
    log_decay, weight = (log_f + (before - after))[..., None], torch.exp(i - after)[..., None]
    key, one = k * (weight * k.shape[-1] ** -0.5), i.new_ones(1, 1, 1).expand(*i.shape, 1)
    read, C = decayed_attention(q, key, v, log_decay, cu_seqlens, C, reverse=reverse)
    # The normaliser is the memory of a value that is one: a state of a single row.
    sums, n = decayed_attention(one, one, key, log_decay, cu_seqlens, n[:, :, None], reverse=reverse)
    divisor = torch.maximum((sums * q).sum(-1, keepdim=True).abs(), torch.exp(-after)[..., None]) + eps
    return read / divisor, C, n[:, :, 0], last


def _check(q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, state: MLSTMState | None, sequences: int) -> None:
    (t, h, width), columns = q.shape, v.shape[2]
    expected: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "k": (k, (t, h, width)),
        "v": (v, (t, h, columns)),
        "i": (i[..., 0], (t, h)),
        "f": (f[..., 0], (t, h)),
    }
    if state is not None:
        expected |= {
            "C": (state.C, (sequences, h, width, columns)),
            "n": (state.n, (sequences, h, width)),
            "m": (state.m, (sequences, h)),
        }
    check_shapes("mlstm", v.device, expected)


def stabiliser(
    log_f: Tensor, i: Tensor, cu_seqlens: Tensor, start: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """``m_t = max(log_f_t + m_{t-1}, i_t)``, as ``F_t + max_{s <= t} (i_s - F_s)`` with F the running sum of log_f.

    Args:
        log_f, i: [T, H].
        cu_seqlens: [S + 1].
        start: [S, H], EMPTY where nothing has been seen.
        reverse: Direction.

    Returns:
        m before each token and after it, both [T, H], and after each sequence [S, H]. Before the first token of an
        empty memory it is that after the token: nothing is there to decay.
    """
    rows, real = padded_rows(cu_seqlens, reverse)
    # In float64, for the running sum grows with the length while m does not.
    keep = real[..., None].to(torch.float64)
    total = (gather_rows(log_f.double(), rows) * keep).cumsum(1)
    gain = (gather_rows(i.double(), rows) - total).masked_fill(~real[..., None], EMPTY)
    best = torch.cat([start.double()[:, None], gain], dim=1).cummax(1).values
    m = torch.cat([start.double()[:, None], best[:, 1:] + total], dim=1).to(log_f.dtype)
    before, after = torch.empty_like(log_f), torch.empty_like(log_f)
    before[rows[real]], after[rows[real]] = m[:, :-1][real], m[:, 1:][real]
    # To decay nothing by 1e30 would drown all sums of logarithms.
    return torch.where(before <= EMPTY / 2, after, before), after, m[:, -1]


def mlstm_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    i: Tensor,
    f: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: MLSTMState | None = None,
    reverse: bool = False,
    eps: float = 1e-6,
) -> tuple[Tensor, MLSTMState]:
    """The stabilised recurrence token by token, on packed input; the arguments of :func:`mlstm`."""
    heads, width, columns = *q.shape[1:], v.shape[-1]
    rows: list[Tensor] = [v.new_zeros(0)] * q.shape[0]
    finals = []
    for s, tokens in enumerate(token_ranges(cu_seqlens, q.shape[0], reverse)):
        if initial_state is None:
            c, n = v.new_zeros(heads, width, columns), v.new_zeros(heads, width)
            m = v.new_full((heads,), EMPTY)
        else:
            c, n, m = (part[s] for part in initial_state)
        for t in tokens:
            log_f = F.logsigmoid(f[t])
            m_now = torch.maximum(log_f + m, i[t]).detach()
            decay, weight = torch.exp(log_f + m - m_now), torch.exp(i[t] - m_now)
            key = k[t] * width**-0.5
            c = decay[:, None, None] * c + weight[:, None, None] * key[..., None] * v[t][:, None]
            n = decay[:, None] * n + weight[:, None] * key
            m = m_now
            divisor = torch.maximum((n * q[t]).sum(-1).abs(), torch.exp(-m)) + eps
            rows[t] = torch.einsum("hkv,hk->hv", c, q[t]) / divisor[:, None]
        finals.append((c, n, m))
    h = torch.stack(rows) if rows else v.clone()
    if not finals:
        empty = v.new_zeros(0, heads, width, columns)
        return h, MLSTMState(empty, empty[..., 0], empty[..., 0, 0])
    return h, MLSTMState(*(torch.stack(part) for part in zip(*finals, strict=True)))


class BlockLinear(nn.Module):
    """A linear map with a block-diagonal matrix: each ``width`` neighbouring channels mix among themselves.

    Args:
        channels: E, a multiple of ``width``.
        width: Channels a block.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        if channels % width:
            raise ValueError(f"channels: {channels} is not a multiple of blocks of {width}")
        self.weight = nn.Parameter(torch.empty(channels // width, width, width))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[T, E] to [T, E]."""
        blocks, width, _ = self.weight.shape
        return torch.einsum("tbi,boi->tbo", x.unflatten(1, (blocks, width)), self.weight).flatten(1) + self.bias.to(
            x.dtype
        )


class MLSTM(nn.Module):
    """The mLSTM layer: a matrix memory between projections up and down, beside a convolution's skip and a gate.

    Args:
        channels: C, width of input and output.
        heads: H.
        expand: E / C, E the width inside.
        kernel_size: Taps of the causal convolution.
        block: Channels a block of the maps to queries, keys and values.
        reverse: From the last token of a sequence to its first.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        expand: int = 2,
        kernel_size: int = 4,
        block: int = 4,
        *,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        inner = expand * channels
        if heads < 1 or inner % heads:
            raise ValueError(f"channels: {inner} channels inside are not a multiple of {heads} heads")
        self.heads, self.reverse = heads, reverse
        self.proj_up = nn.Linear(channels, 2 * inner)
        self.conv = nn.Conv1d(inner, inner, kernel_size, groups=inner)
        self.q_proj, self.k_proj, self.v_proj = (BlockLinear(inner, block) for _ in range(3))
        self.input_gate, self.forget_gate = (nn.Linear(3 * inner, heads) for _ in range(2))
        self.norm = OffsetNorm(inner, heads)
        self.skip = nn.Parameter(torch.ones(inner))
        self.proj_down = nn.Linear(inner, channels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The published start: small projections, open memory (forget gate's bias 3 to 6), input gate near zero."""
        channels = self.proj_up.in_features
        self.conv.reset_parameters()
        for layer in (self.proj_up, self.q_proj, self.k_proj, self.v_proj):
            layer.weight.normal_(0, math.sqrt(2 / (5 * channels)))
        self.proj_down.weight.normal_(0, 2 / math.sqrt(channels))
        for layer in (self.proj_up, self.q_proj, self.k_proj, self.v_proj, self.proj_down):
            layer.bias.zero_()
        for gate in (self.input_gate, self.forget_gate):
            gate.weight.zero_()
        self.input_gate.bias.normal_(0, 0.1)
        self.forget_gate.bias.copy_(torch.linspace(3, 6, self.heads))
        self.norm.reset_parameters()
        self.skip.fill_(1)

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens, self.proj_up.in_features)
        a, z = self.proj_up(rows).chunk(2, dim=1)
        c = causal_conv_silu(a, self.conv.weight[:, 0], self.conv.bias, cu_seqlens=offsets, reverse=self.reverse)  # type: ignore[arg-type]
        return self._remembered(a, c, z, offsets, None)[0].reshape(x.shape)

    def with_state(
        self, x: Tensor, state: MixerState | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """``forward`` of a piece, and where the mixer then stands; see :mod:`formerkit.mixers.state`."""
        demand_causal(not self.reverse)
        rows, offsets = pack(x, cu_seqlens, self.proj_up.in_features)
        a, z = self.proj_up(rows).chunk(2, dim=1)
        state = starting(state, a, offsets.numel() - 1, self.conv.kernel_size[0] - 1)
        c, last = convolved(self.conv, a, offsets, state.rows)
        y, memory = self._remembered(a, c, z, offsets, state.memory)
        return y.reshape(x.shape), state.after(memory, last, offsets)

    def _remembered(
        self, a: Tensor, c: Tensor, z: Tensor, offsets: Tensor, memory: MLSTMState | None
    ) -> tuple[Tensor, MLSTMState]:
        q, k, v = self.q_proj(c), self.k_proj(c), self.v_proj(a)
        seen = torch.cat([q, k, v], dim=1)
        q, k, v = (part.unflatten(1, (self.heads, -1)) for part in (q, k, v))
        gates = self.input_gate(seen), self.forget_gate(seen)
        h, memory = mlstm(q, k, v, *gates, cu_seqlens=offsets, initial_state=memory, reverse=self.reverse)
        return self.proj_down((self.norm(h.flatten(1)) + self.skip * c) * F.silu(z)), memory


class OffsetNorm(nn.Module):
    """Layer norm, of each group of channels, whose weight is stored as its distance from one.

    Args:
        channels: E.
        groups: Groups of channels, each with a norm of its own.
    """

    def __init__(self, channels: int, groups: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.weight.zero_()
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., E] to the same."""
        if self.groups == 1:
            return F.layer_norm(x, x.shape[-1:], 1 + self.weight, self.bias, self.eps)
        y = F.group_norm(x.reshape(-1, x.shape[-1]), self.groups, 1 + self.weight, self.bias, self.eps)
        return y.view(x.shape)
