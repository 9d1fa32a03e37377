"""Self-attention among all nodes of a graph: what the constructions are to equal, written as the formula reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graphformers.theory.virtual_node import checked_batch

FeatureMap = Callable[[Tensor], Tensor]
"""[..., D] to [..., M], none of them negative."""


@dataclass(frozen=True)
class SelfAttention:
    """Weights of H heads: query and key [H, C, D], value [H, C, V].

    Raises:
        ValueError: If shapes do not agree.
    """

    query: Tensor
    key: Tensor
    value: Tensor

    def __post_init__(self) -> None:
        if self.query.ndim != 3 or self.key.shape != self.query.shape:
            shapes = f"{list(self.query.shape)} and {list(self.key.shape)}"
            raise ValueError(f"query, key: expected [H, C, D] for both, got {shapes}")
        if self.value.ndim != 3 or self.value.shape[:2] != self.query.shape[:2]:
            expected = f"[{self.heads}, {self.channels}, V]"
            raise ValueError(f"value: expected {expected}, got {list(self.value.shape)}")

    @property
    def heads(self) -> int:
        return self.query.shape[0]

    @property
    def channels(self) -> int:
        return self.query.shape[1]

    @property
    def scale(self) -> float:
        """``D ** -0.5``."""
        return self.query.shape[2] ** -0.5

    def queries(self, x: Tensor) -> Tensor:
        """[..., C] to [..., H, D]."""
        return torch.einsum("...c,hcd->...hd", x, self.query.to(x.dtype))

    def keys(self, x: Tensor) -> Tensor:
        """[..., C] to [..., H, D]."""
        return torch.einsum("...c,hcd->...hd", x, self.key.to(x.dtype))

    def values(self, x: Tensor) -> Tensor:
        """[..., C] to [..., H, V]."""
        return torch.einsum("...c,hcv->...hv", x, self.value.to(x.dtype))


def softmax_attention(
    attention: SelfAttention, x: Tensor, batch: Tensor | None = None, num_graphs: int | None = None
) -> Tensor:
    """``softmax_j(q_i . k_j / sqrt(D))`` over the nodes of i's graph, times the values: nodes [N, C] to [N, H * V].

    All pairs of the batch are formed: memory grows with N squared.
    """
    score = torch.einsum("ihd,jhd->hij", attention.queries(x), attention.keys(x)) * attention.scale
    weights = score.masked_fill(~_same_graph(x, batch, num_graphs), -torch.inf).softmax(2)
    return torch.einsum("hij,jhv->ihv", weights, attention.values(x)).flatten(1)


def kernel_attention(
    attention: SelfAttention,
    features: FeatureMap,
    x: Tensor,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
) -> Tensor:
    """``phi(q_i) . phi(k_j)``, normalised over the nodes of i's graph, times the values: nodes [N, C] to [N, H * V].

    All pairs of the batch are formed: memory grows with N squared.
    """
    q, k = features(attention.queries(x)), features(attention.keys(x))
    weights = torch.einsum("ihm,jhm->hij", q, k) * _same_graph(x, batch, num_graphs)
    weights = weights / weights.sum(2, keepdim=True)
    return torch.einsum("hij,jhv->ihv", weights, attention.values(x)).flatten(1)


def _same_graph(x: Tensor, batch: Tensor | None, num_graphs: int | None) -> Tensor:
    batch, _ = checked_batch(x, batch, num_graphs)
    return batch[:, None] == batch
