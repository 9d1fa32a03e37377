"""Linear attention (Katharopoulos et al., 2020): a feature map of queries and keys in the place of the softmax.

    o_i = sum_j (phi(q_i) . phi(k_j)) v_j / sum_j phi(q_i) . phi(k_j)

over the tokens of the sequence, or over those up to i. With :class:`PerformerFeatures` the sums estimate softmax
attention (Choromanski et al., 2021). Sequences are packed, so no padding can have a share in the sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.attention import groups_of_length, ungroup
from formerkit.mixers.gated_linear_attention import decayed_attention
from formerkit.mixers.heads import head_width
from formerkit.mixers.layout import compute_dtype
from formerkit.mixers.packing import flatten, pack, sequence_of_rows, uniform_cu_seqlens


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, *, cu_seqlens: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Attention with weights ``q . k``, normalised.

    Args:
        q, k: [T, H, F] packed, or [B, L, H, F]; features, none of them negative.
        v: [T, H, V] or [B, L, H, V].
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        causal: A token sees those before it, and itself, alone.

    Returns:
        In the shape of v; zero where all of a token's weights are.

    Raises:
        ValueError: On shapes, devices or offsets that do not agree.
    """
    packed = flatten("linear_attention", cu_seqlens, q=q, k=k, v=v)
    q_, k_, v_ = packed.rows
    if k_.shape != q_.shape or v_.shape[:2] != q_.shape[:2]:
        raise ValueError(
            f"linear_attention: expected k {tuple(q_.shape)} and v {tuple(q_.shape[:2])} + (V,), "
            f"got {tuple(k_.shape)} and {tuple(v_.shape)}"
        )
    # One column more sums up the weights.
    values = F.pad(v_, (0, 1), value=1.0)
    if causal:
        o, _ = decayed_attention(q_, k_, values, v_.new_zeros(1, v_.shape[1], 1), packed.cu_seqlens)
    else:
        o = _whole_sequences(q_, k_, values, packed.cu_seqlens)
    smallest = torch.finfo(o.dtype).tiny
    return packed.restore(o[..., :-1] / o[..., -1:].clamp(min=smallest))


def _whole_sequences(q: Tensor, k: Tensor, v: Tensor, cu_seqlens: Tensor) -> Tensor:
    groups, outputs = list(groups_of_length(cu_seqlens)), []
    for group in groups:
        q_, k_, v_ = (x[group.rows].transpose(1, 2) for x in (q, k, v))
        outputs.append((q_ @ (k_.transpose(2, 3) @ v_)).transpose(1, 2).flatten(0, 1))
    return ungroup(groups, outputs, v[:0])


def linear_attention_reference(
    q: Tensor, k: Tensor, v: Tensor, *, cu_seqlens: Tensor | None = None, causal: bool = False
) -> Tensor:
    """All pairs of each sequence, as the formula reads; packed input only."""
    sequence = sequence_of_rows(uniform_cu_seqlens(1, q.shape[0]) if cu_seqlens is None else cu_seqlens)
    seen = sequence[:, None] == sequence
    if causal:
        seen = seen.tril()
    weights = torch.einsum("ihf,jhf->hij", q, k) * seen
    return torch.einsum("hij,jhv->ihv", weights, v) / weights.sum(2).T[..., None].clamp(min=torch.finfo(v.dtype).tiny)


def elu_features(x: Tensor) -> Tensor:
    """``elu(x) + 1``, the feature map of Katharopoulos et al."""
    return F.elu(x) + 1


class PerformerFeatures(nn.Module):
    """Positive random features (FAVOR+): ``phi(q) . phi(k)`` estimates ``exp(q . k / sqrt(D))`` up to a factor.

    The factor is one for all keys of a sequence and one for each query, chosen so that nothing overflows; it cancels
    in :func:`linear_attention`, and no row of another sequence has a part in it.

    Args:
        width: D.
        features: F, about D log D or more.
        seed: Of the directions, which are orthogonal in blocks of D.
        eps: Added to each feature, so that no query is left without any weight.
    """

    directions: Tensor

    def __init__(self, width: int, features: int, seed: int = 0, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("directions", orthogonal_directions(width, features, seed))

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        """Features of queries, or of keys if ``cu_seqlens`` is given: [T, H, D] to [T, H, F]."""
        wide = x.to(compute_dtype(x.dtype)) * x.shape[-1] ** -0.25
        exponent = wide @ self.directions.to(wide.dtype).T - wide.square().sum(-1, keepdim=True) / 2
        features = torch.exp(exponent - self._factor(exponent, cu_seqlens)) + self.eps
        return (features / len(self.directions) ** 0.5).to(x.dtype)

    def _factor(self, exponent: Tensor, cu_seqlens: Tensor | None) -> Tensor:
        largest = exponent.detach().amax(-1, keepdim=True)
        if cu_seqlens is None or not len(largest):
            return largest
        sequence = sequence_of_rows(cu_seqlens)
        of_sequence = largest.new_full((len(cu_seqlens) - 1, *largest.shape[1:]), -torch.inf)
        of_sequence.scatter_reduce_(0, sequence.view(-1, 1, 1).expand_as(largest), largest, "amax")
        return of_sequence[sequence]


def orthogonal_directions(width: int, count: int, seed: int = 0) -> Tensor:
    """[count, width] float32: directions orthogonal in blocks of ``width``, with the lengths of normal vectors."""
    generator = torch.Generator().manual_seed(seed)
    blocks = -(-count // width)
    square = torch.randn(blocks, width, width, generator=generator)
    directions, triangle = torch.linalg.qr(square)
    # Householder's signs depend on the directions, which then point one way more often than the other: those that make
    # R's diagonal positive leave all rotations equally likely (Mezzadri, 2007), and the estimate without bias.
    directions = directions * triangle.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    lengths = torch.randn(blocks * width, width, generator=generator).norm(dim=1)
    return (directions.transpose(1, 2).flatten(0, 1) * lengths[:, None])[:count].contiguous()


class LinearAttention(nn.Module):
    """Multi-head linear attention.

    Args:
        channels: C.
        heads: H, of width C / H.
        features: Random features a head, which estimate softmax attention; ``elu(x) + 1`` if None.
        causal: A token sees those before it, and itself, alone.
        seed: Of the random features.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(
        self, channels: int, heads: int = 4, features: int | None = None, *, causal: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        width = head_width(channels, heads)
        self.heads, self.causal = heads, causal
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(channels, channels) for _ in range(4))
        self.features = None if features is None else PerformerFeatures(width, features, seed)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier, biases nil."""
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.o_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens, self.q_proj.in_features)
        q, k, v = (p(rows).unflatten(1, (self.heads, -1)) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.features is None:
            q, k = elu_features(q), elu_features(k)
        else:
            q, k = self.features(q), self.features(k, offsets)
        o = linear_attention(q, k, v, cu_seqlens=offsets, causal=self.causal)
        return self.o_proj(o.flatten(1)).reshape(x.shape)
