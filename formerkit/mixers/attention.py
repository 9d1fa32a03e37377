"""Softmax attention over packed sequences, without a row of padding.

Sequences of one length are attended to together, as a batch of torch's ``scaled_dot_product_attention``: the work is
that of the real pairs alone, in as many calls as there are different lengths. Short ones are attended to by a compiled
form on a CPU (:mod:`formerkit.mixers.short_attention`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.heads import head_width
from formerkit.mixers.packing import check_cu_seqlens, flatten, lengths_of, pack, starts_of, token_ranges
from formerkit.mixers.rotary import rotate_all
from formerkit.mixers.short_attention import short_attention

MOST_SEEN = 24
"""Rows that a row sees on average up to which sequences of one length are short (``benchmarks.short_attention``)."""
LENGTH = 500
"""Each length that occurs costs torch's form a call; as much as so many rows more, or a little less."""


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    bias: Tensor | None = None,
    slopes: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """``softmax(scale q k^T + bias) v`` in each sequence.

    Args:
        q: [T, H, D] packed, or [B, L, H, D].
        k: [T, K, D] or [B, L, K, D]; each of the K heads serves H / K neighbouring heads of q.
        v: [T, K, V] or [B, L, K, V].
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        bias: [H or 1, P], added to the scores: the pairs (i, j) of each sequence, row by row, one sequence after the
            other, so P is the sum of the squared lengths. -inf hides a pair, but not all of a row.
        slopes: [H], ALiBi (Press et al., 2022): ``slope |i - j|`` is taken from the scores.
        causal: No pair (i, j) with j > i.
        scale: D^-0.5 if None.
        dropout: Share of weights that are dropped.

    Returns:
        [T, H, V] or [B, L, H, V].

    Raises:
        ValueError: On shapes, devices or offsets that do not agree.
    """
    packed = flatten("attention", cu_seqlens, q=q, k=k, v=v)
    q_, k_, v_ = packed.rows
    _check(q_, k_, v_, bias, slopes, packed.cu_seqlens)
    if bias is None and slopes is None and not dropout and _short(q_, k_, packed.cu_seqlens):
        scale = q_.shape[2] ** -0.5 if scale is None else scale
        return packed.restore(short_attention(q_, k_, v_, packed.cu_seqlens, causal, scale))
    groups, outputs = list(groups_of_length(packed.cu_seqlens)), []
    for group in groups:
        queries, keys, values = (_heads(x, group.rows, q_.shape[1]) for x in (q_, k_, v_))
        mask = _mask(bias, slopes, group, causal)
        o = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=None if mask is None else mask.to(q.dtype), dropout_p=dropout,
            is_causal=causal and mask is None, scale=scale,
        )  # fmt: skip
        outputs.append(o.transpose(1, 2).flatten(0, 1))
    return packed.restore(ungroup(groups, outputs, v_[:0].reshape(0, q_.shape[1], v_.shape[2])))


def attention_of_rows(
    q: Tensor, k: Tensor, v: Tensor, cu_seqlens: Tensor, rows: Tensor, *, causal: bool = False
) -> Tensor:
    """:func:`attention` that is asked for some rows alone; short sequences then cost a CPU no more than these.

    Args:
        q: [N, H, D], of the rows asked for.
        k: [T, K, D]. v: [T, K, V].
        cu_seqlens: [S + 1], of the T rows.
        rows: [N] int64, rising, which of the T they are.
        causal: No pair (i, j) with j > i.

    Returns:
        [N, H, V].

    Raises:
        ValueError: On shapes, devices or offsets that do not agree, or rows that do not rise or are not there.
    """
    if rows.shape != q.shape[:1] or rows.device != q.device:
        raise ValueError(f"attention: expected rows [{len(q)}] on {q.device}, got {list(rows.shape)} on {rows.device}")
    # A row that is not there would be read past the end of memory.
    if (len(rows) and not 0 <= int(rows[0]) <= int(rows[-1]) < len(k)) or bool((rows.diff() <= 0).any()):
        raise ValueError(f"attention: expected rising rows below {len(k)}")
    if use_kernels(q):
        check_cu_seqlens(cu_seqlens, len(k), k.device)
        _check(k[:, :1].expand(-1, q.shape[1], -1), k, v, None, None, cu_seqlens)
        if _short(q, k, cu_seqlens):
            return short_attention(q, k, v, cu_seqlens, causal, q.shape[2] ** -0.5, rows)
    everyone = q.new_zeros(len(k), *q.shape[1:]).index_copy(0, rows, q)
    return attention(everyone, k, v, cu_seqlens=cu_seqlens, causal=causal).index_select(0, rows)


def attention_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    bias: Tensor | None = None,
    slopes: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Sequence by sequence, head by head, as the formula reads; packed input only."""
    share, outputs, used = q.shape[1] // k.shape[1], [], 0
    for tokens in token_ranges(cu_seqlens, q.shape[0]):
        begin, end, n, heads = tokens.start, tokens.stop, len(tokens), []
        steps = torch.arange(n)
        for h in range(q.shape[1]):
            scores = q[begin:end, h] @ k[begin:end, h // share].T
            scores = scores * (q.shape[2] ** -0.5 if scale is None else scale)
            if bias is not None:
                scores = scores + bias[h % bias.shape[0], used : used + n * n].view(n, n)
            if slopes is not None:
                scores = scores - slopes[h] * (steps[:, None] - steps).abs()
            if causal:
                scores = scores.masked_fill(steps > steps[:, None], -torch.inf)
            heads.append(torch.softmax(scores, dim=1) @ v[begin:end, h // share])
        used += n * n
        outputs.append(torch.stack(heads, dim=1))
    return torch.cat(outputs) if outputs else v.reshape(0, q.shape[1], v.shape[2])


def _short(q: Tensor, k: Tensor, cu_seqlens: Tensor) -> bool:
    """Whether the compiled form, for which a row must not see too many others, is the faster one."""
    if q.shape[1] != k.shape[1] or not use_kernels(q):
        return False
    lengths = lengths_of(cu_seqlens)
    rows = len(k) + LENGTH * int(lengths.bincount().count_nonzero())
    # A head below 16 channels is filled up to a register, and the compiled form does as much work as for 16.
    return int(lengths.square().sum()) <= MOST_SEEN * min(1.0, q.shape[2] / 16) * rows


@dataclass(frozen=True)
class Group:
    """Sequences of one length.

    Attributes:
        rows: [n, L] int64, their rows.
        pairs: [n] int64, where their pairs begin among those of all sequences.
    """

    rows: Tensor
    pairs: Tensor

    @property
    def length(self) -> int:
        return self.rows.shape[1]


def groups_of_length(cu_seqlens: Tensor) -> Iterator[Group]:
    """The sequences, by length; the empty ones left out."""
    begin = cu_seqlens[:-1].long()
    lengths = lengths_of(cu_seqlens)
    pairs = starts_of(lengths.square())[:-1]
    for length in lengths.unique().tolist():
        if length:
            chosen = lengths == length
            rows = begin[chosen, None] + torch.arange(length, device=begin.device)
            yield Group(rows, pairs[chosen])


def ungroup(groups: list[Group], outputs: list[Tensor], nothing: Tensor) -> Tensor:
    """Rows [T, ...] in their order, from those [n L, ...] of each group; ``nothing`` if there are no groups."""
    if len(groups) < 2:
        return outputs[0] if outputs else nothing
    place = torch.cat([group.rows.flatten() for group in groups])
    return torch.cat(outputs).index_select(0, torch.argsort(place))


def _heads(x: Tensor, rows: Tensor, heads: int) -> Tensor:
    """[n, H, L, D] of rows [n, L], each head of ``x`` repeated until there are H."""
    found = x[rows].transpose(1, 2)
    return found if x.shape[1] == heads else found.repeat_interleave(heads // x.shape[1], 1)


def _mask(bias: Tensor | None, slopes: Tensor | None, group: Group, causal: bool) -> Tensor | None:
    """What is added to the scores [n, H, L, L], or None."""
    if bias is None and slopes is None:
        return None
    device, steps = group.rows.device, torch.arange(group.length, device=group.rows.device)
    mask: Tensor | None = None
    if bias is not None:
        entry = group.pairs[:, None] + torch.arange(group.length**2, device=device)
        mask = bias[:, entry].unflatten(2, (group.length, group.length)).transpose(0, 1)
    if slopes is not None:
        distance = (steps[:, None] - steps).abs()
        linear = -slopes[:, None, None] * distance
        mask = linear[None] if mask is None else mask + linear
    if causal and mask is not None:
        mask = mask.masked_fill(steps > steps[:, None], -torch.inf)
    return mask


def _check(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, slopes: Tensor | None, cu_seqlens: Tensor) -> None:
    t, h, d = q.shape
    kv = k.shape[1]
    if tuple(k.shape) != (t, kv, d) or tuple(v.shape[:2]) != (t, kv) or kv == 0 or h % kv:
        raise ValueError(
            f"attention: expected k [{t}, K, {d}] and v [{t}, K, V] with K a divisor of {h} heads, "
            f"got {tuple(k.shape)} and {tuple(v.shape)}"
        )
    for name, value in (("bias", bias), ("slopes", slopes)):
        if value is not None and value.device != q.device:
            raise ValueError(f"attention: expected {name} on {q.device}, got {value.device}")
    if bias is not None:
        pairs = int(lengths_of(cu_seqlens).square().sum())
        if bias.ndim != 2 or bias.shape[0] not in (1, h) or bias.shape[1] != pairs:
            raise ValueError(f"attention: expected bias [{h} or 1, {pairs}], got {tuple(bias.shape)}")
    if slopes is not None and tuple(slopes.shape) != (h,):
        raise ValueError(f"attention: expected slopes [{h}], got {tuple(slopes.shape)}")


def alibi_slopes(heads: int) -> Tensor:
    """[H] float32, 2^(-8 (h + 1) / H), the slopes of ALiBi."""
    return 2.0 ** (-8 * torch.arange(1, heads + 1, dtype=torch.float32) / heads)


class Attention(nn.Module):
    """Multi-head softmax attention over packed or equally long sequences.

    Args:
        channels: C.
        heads: H, of width C / H.
        kv_heads: Heads of keys and values, each of which serves H / K heads of queries; H if None.
        causal: A token sees those before it, and itself, alone.
        rotary: Rotate queries and keys by position.
        alibi: Take from the scores what grows with the distance.
        bias: Biases in the projections.
        dropout: Share of attention weights dropped in training.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape. The
        scores' bias is as in :func:`attention`. With ``rows`` [N] int64, rising, the output is that of these rows of
        packed x alone.
    """

    slopes: Tensor | None

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        kv_heads: int | None = None,
        *,
        causal: bool = False,
        rotary: bool = False,
        alibi: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        width = head_width(channels, heads)
        if kv_heads < 1 or heads % kv_heads:
            raise ValueError(f"kv_heads: {kv_heads} does not divide {heads} heads")
        self.width, self.causal, self.rotary, self.dropout = width, causal, rotary, dropout
        self.q_proj = nn.Linear(channels, channels, bias=bias)
        self.k_proj = nn.Linear(channels, kv_heads * width, bias=bias)
        self.v_proj = nn.Linear(channels, kv_heads * width, bias=bias)
        self.o_proj = nn.Linear(channels, channels, bias=bias)
        self.register_buffer("slopes", alibi_slopes(heads) if alibi else None, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier, biases nil."""
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.o_proj):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(
        self, x: Tensor, cu_seqlens: Tensor | None = None, bias: Tensor | None = None, rows: Tensor | None = None
    ) -> Tensor:
        if rows is not None:
            return self._of_rows(x, cu_seqlens, bias, rows)
        rows, offsets = pack(x, cu_seqlens, self.q_proj.in_features)
        q, k, v = (p(rows).unflatten(1, (-1, self.width)) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.rotary:
            q, k = rotate_all((q, k), offsets)
        o = attention(
            q, k, v, cu_seqlens=offsets, bias=bias, slopes=self.slopes, causal=self.causal,
            dropout=self.dropout if self.training else 0.0,
        )  # fmt: skip
        return self.o_proj(o.flatten(1)).reshape(x.shape)

    def _of_rows(self, x: Tensor, cu_seqlens: Tensor | None, bias: Tensor | None, rows: Tensor) -> Tensor:
        if cu_seqlens is None:
            raise ValueError("rows: expected packed input, with cu_seqlens")
        if self.rotary or bias is not None or self.slopes is not None or (self.dropout and self.training):
            return self(x, cu_seqlens, bias).index_select(0, rows)
        x, offsets = pack(x, cu_seqlens, self.q_proj.in_features)
        q = self.q_proj(x.index_select(0, rows)).unflatten(1, (-1, self.width))
        k, v = (p(x).unflatten(1, (-1, self.width)) for p in (self.k_proj, self.v_proj))
        return self.o_proj(attention_of_rows(q, k, v, offsets, rows, causal=self.causal).flatten(1))
