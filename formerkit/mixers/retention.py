"""Retention (Sun et al., 2023, RetNet): linear attention whose decay is one constant a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.gated_linear_attention import decayed_attention
from formerkit.mixers.heads import head_width
from formerkit.mixers.layout import compute_dtype
from formerkit.mixers.packing import check_shapes, flatten, lengths_of, pack, sequence_of_rows, starts_of, token_ranges
from formerkit.mixers.rotary import rotate_all
from formerkit.mixers.state import MixerState, demand_causal, starting


def retention_decays(heads: int, device: torch.device | None = None) -> Tensor:
    """[H] float32, 1 - 2^(-5 - h): the decays of a head in RetNet."""
    return 1 - 2.0 ** (-5 - torch.arange(heads, dtype=torch.float32, device=device))


def retention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    decay: Tensor,
    *,
    scale: float | None = None,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
    symmetric_chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """``o_i = scale sum_{j <= i} decay^(i - j) (q_i . k_j) v_j``.

    Args:
        q, k: [T, H, K] packed, or [B, L, H, K].
        v: [T, H, V] or [B, L, H, V].
        decay: [H], in (0, 1].
        scale: K^-0.5 if None.
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        initial_state: [S, H, K, V]; zeros if None.
        reverse: From the last token to the first.
        symmetric_chunk: Tokens of one chunk of this length, counted from where the sequence starts, see each other both
            ways, with decay^|i - j| (LION's retention).

    Returns:
        o, in the shape of v, and the final states [S, H, K, V].

    Raises:
        ValueError: On shapes or offsets that do not agree, a decay outside (0, 1], or ``reverse`` with
            ``symmetric_chunk``.
    """
    packed = flatten("retention", cu_seqlens, q=q, k=k, v=v)
    q, k, v = packed.rows
    check_shapes("retention", q.device, {"decay": (decay, (q.shape[1],))})
    if not bool(((decay > 0) & (decay <= 1)).all()):
        raise ValueError(f"retention: expected every decay in (0, 1], got {decay.tolist()}")
    if reverse and symmetric_chunk is not None:
        raise ValueError("retention: symmetric_chunk counts chunks from the start and does not go with reverse")
    if symmetric_chunk is not None and symmetric_chunk < 1:
        raise ValueError(f"retention: expected a symmetric_chunk of at least 1, got {symmetric_chunk}")
    log_decay = _log_decay(decay, q.dtype)
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    o, final = decayed_attention(q, k, v, log_decay, packed.cu_seqlens, initial_state, reverse=reverse)
    if symmetric_chunk is not None:
        o = o + _later(q, k, v, log_decay, cut(packed.cu_seqlens, symmetric_chunk))
    return packed.restore(o), final


def _log_decay(decay: Tensor, dtype: torch.dtype) -> Tensor:
    """[1, H, 1], as exact as tensors of ``dtype`` are computed."""
    wide = compute_dtype(dtype)
    return decay.to(torch.promote_types(decay.dtype, wide)).log().to(wide)[None, :, None]


def _later(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, cu_seqlens: Tensor) -> Tensor:
    """What packed tokens see of those after them; ``q`` is scaled."""
    # Without its own token the state of a neighbour has decayed once less than the distance says.
    return decayed_attention(
        q * log_decay.exp().to(q.dtype), k, v, log_decay, cu_seqlens, reverse=True, exclusive=True
    )[0]


def retention_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    decay: Tensor,
    *,
    scale: float | None = None,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
    symmetric_chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The sum as it reads, over all pairs; packed input only."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    outputs, finals = [], []
    for s, tokens in enumerate(token_ranges(cu_seqlens, q.shape[0], reverse)):
        q_, k_, v_ = (x[list(tokens)] for x in (q, k, v))
        steps = torch.arange(len(tokens))
        distance = steps[:, None] - steps
        seen = distance >= 0
        if symmetric_chunk is not None:
            seen = seen | (steps[:, None] // symmetric_chunk == steps // symmetric_chunk)
        weight = decay[:, None, None] ** distance.abs() * seen
        o = torch.einsum("hij,ihk,jhk,jhv->ihv", weight.to(q.dtype), scale * q_, k_, v_)
        state = v.new_zeros(*q.shape[1:], v.shape[-1]) if initial_state is None else initial_state[s]
        aged = decay[None] ** (steps[:, None] + 1)
        o = o + torch.einsum("ih,ihk,hkv->ihv", aged.to(q.dtype), scale * q_, state)
        left = decay[None] ** (len(tokens) - 1 - steps[:, None])
        grown = torch.einsum("jh,jhk,jhv->hkv", left.to(q.dtype), k_, v_)
        outputs.append(o.flip(0) if reverse else o)
        finals.append((decay ** len(tokens)).to(q.dtype)[:, None, None] * state + grown)
    if not outputs:
        return v.clone(), v.new_zeros(0, *q.shape[1:], v.shape[-1])
    return torch.cat(outputs), torch.stack(finals)


def cut(cu_seqlens: Tensor, length: int) -> Tensor:
    """Offsets of the pieces of ``length`` into which each sequence falls; its last piece may be shorter."""
    pieces = starts_of(torch.div(lengths_of(cu_seqlens) + length - 1, length, rounding_mode="floor"))
    sequence = sequence_of_rows(pieces)
    number = torch.arange(len(sequence), device=sequence.device) - pieces[sequence]
    starts = cu_seqlens[sequence].long() + number * length
    return torch.cat([starts, cu_seqlens[-1:].long()]).to(cu_seqlens.dtype)


class Retention(nn.Module):
    """Multi-scale retention as in RetNet: projections, retention, a norm for each head, a gate, projection out.

    Args:
        channels: C.
        heads: H; key width C / H, value width ``expand`` C / H.
        expand: Width of the values against that of the input.
        gate: Multiply by SiLU of a projection of the input.
        norm: Normalise each head's output (RMS).
        rotary: Rotate queries and keys by position.
        bidirectional: Add a pass from the other end, a token counting itself once.
        symmetric_chunk: See :func:`retention`.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        expand: int = 2,
        *,
        gate: bool = True,
        norm: bool = True,
        rotary: bool = True,
        bidirectional: bool = False,
        symmetric_chunk: int | None = None,
    ) -> None:
        super().__init__()
        head_width(channels, heads)
        if bidirectional and symmetric_chunk is not None:
            raise ValueError("symmetric_chunk: has no meaning with bidirectional, which sees every token already")
        if symmetric_chunk is not None and symmetric_chunk < 1:
            raise ValueError(f"symmetric_chunk: expected at least 1, got {symmetric_chunk}")
        self.heads, self.rotary = heads, rotary
        self.bidirectional, self.symmetric_chunk = bidirectional, symmetric_chunk
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, expand * channels, bias=False)
        self.gate_proj = nn.Linear(channels, expand * channels, bias=False) if gate else None
        self.norm = nn.RMSNorm(expand * channels // heads, eps=1e-6, elementwise_affine=False) if norm else None
        self.o_proj = nn.Linear(expand * channels, channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier with gain 2^-2.5, as in RetNet."""
        for name in ("q_proj", "k_proj", "v_proj", "gate_proj", "o_proj"):
            layer = getattr(self, name)
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight, gain=2**-2.5)

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens, self.q_proj.in_features)
        return self._retained(rows, offsets, MixerState.fresh(rows, offsets.numel() - 1))[0].reshape(x.shape)

    def with_state(
        self, x: Tensor, state: MixerState | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """``forward`` of a piece, and where the mixer then stands; see :mod:`formerkit.mixers.state`."""
        demand_causal(not self.bidirectional and self.symmetric_chunk is None)
        rows, offsets = pack(x, cu_seqlens, self.q_proj.in_features)
        state = starting(state, rows, offsets.numel() - 1)
        y, memory = self._retained(rows, offsets, state)
        return y.reshape(x.shape), state.after(memory, state.rows, offsets)

    def _retained(self, rows: Tensor, offsets: Tensor, state: MixerState) -> tuple[Tensor, Tensor]:
        q, k, v = (p(rows).unflatten(1, (self.heads, -1)) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.rotary:
            q, k = rotate_all((q, k), offsets, start=state.seen)
        # No buffer: it would follow the module to bfloat16, where 1 - 2^-9 is 1.
        decay = retention_decays(self.heads, rows.device)
        o, memory = retention(
            q, k, v, decay, cu_seqlens=offsets, initial_state=state.memory, symmetric_chunk=self.symmetric_chunk
        )
        if self.bidirectional:
            o = o + _later(q * q.shape[-1] ** -0.5, k, v, _log_decay(decay, q.dtype), offsets)
        if self.norm is not None:
            o = self.norm(o)
        o = o.flatten(1)
        if self.gate_proj is not None:
            o = F.silu(self.gate_proj(rows)) * o
        return self.o_proj(o), memory
