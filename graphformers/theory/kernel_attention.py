"""Kernel attention in two layers of message passing through a virtual node, exactly and for graphs of every size.

Cai et al. (2023), Theorem 4.1: a Linear Transformer's or Performer's attention

    y_i = sum_j (phi(q_i) . phi(k_j)) v_j / sum_j phi(q_i) . phi(k_j)

needs of the other nodes only the means of phi(k_j) and of phi(k_j) v_j^T. The first layer gathers them in the virtual
node, the second reads them. Depth 2, width H * M * (1 + V), whatever the number of nodes. The theorem goes on to put
networks of fixed size in the place of both maps; with the mean they act on compact sets that do not depend on the
number of nodes either, and phi > 0 keeps the denominator away from zero there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from formerkit.mixers.linear_attention import orthogonal_directions
from graphformers.theory.self_attention import FeatureMap, SelfAttention
from graphformers.theory.virtual_node import Aggregation, VirtualNodeLayer, VirtualNodeNetwork


class PositiveFeatures(nn.Module):
    """The Performer's feature map: ``phi(q) . phi(k)`` has the expectation ``exp(q . k / sqrt(D))``.

    phi_r(x) = exp(w_r . x' - |x'|^2 / 2) / sqrt(M), x' = x / D^(1/4): Choromanski et al. (2021), Lemma 1. Unlike
    :class:`formerkit.mixers.linear_attention.PerformerFeatures` it is a function of one node alone, as a message has
    to be: no largest exponent of the sequence is subtracted, so inputs of norms beyond some 30 overflow.

    Args:
        width: D.
        features: M.
        seed: Of the directions w_r, which are orthogonal in blocks of D.
    """

    directions: Tensor

    def __init__(self, width: int, features: int, seed: int = 0) -> None:
        super().__init__()
        self.register_buffer("directions", orthogonal_directions(width, features, seed))

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., M]."""
        x = x * x.shape[-1] ** -0.25
        exponent = x @ self.directions.to(x.dtype).T - x.square().sum(-1, keepdim=True) / 2
        return torch.exp(exponent) * len(self.directions) ** -0.5


class GatherKeys(VirtualNodeLayer):
    """The virtual node learns, head by head, phi(k) [M] and phi(k) v^T [M, V] of all nodes: [G, H * M * (1 + V)]."""

    def __init__(self, attention: SelfAttention, features: FeatureMap, aggregation: Aggregation) -> None:
        super().__init__(aggregation)
        self.attention, self.features = attention, features

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        k = self.features(self.attention.keys(x))
        v = self.attention.values(x)
        return torch.cat([k[..., None], k[..., None] * v[..., None, :]], dim=-1).flatten(1)


class ReadKeys(VirtualNodeLayer):
    """Each node reads its attention off what the virtual node gathered."""

    def __init__(self, attention: SelfAttention, features: FeatureMap) -> None:
        super().__init__()
        self.attention, self.features = attention, features

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        q = self.features(self.attention.queries(x))
        columns = 1 + self.attention.value.shape[2]
        gathered = vn.unflatten(1, (*q.shape[1:], columns))
        sums = torch.einsum("nhm,nhmc->nhc", q, gathered)
        return (sums[..., 1:] / sums[..., :1]).flatten(1)


def kernel_attention_network(
    attention: SelfAttention, features: FeatureMap, aggregation: Aggregation = "mean"
) -> VirtualNodeNetwork:
    """The network of two layers that is kernel attention: nodes [N, C] to [N, H * V].

    Args:
        attention: Weights.
        features: The map phi of queries and keys, positive:
            :func:`formerkit.mixers.linear_attention.elu_features` or :class:`PositiveFeatures`.
        aggregation: "mean" or "sum"; the result is the same but for rounding.

    Raises:
        ValueError: If aggregation is another.
    """
    if aggregation not in ("mean", "sum"):
        raise ValueError(f"aggregation: expected 'mean' or 'sum', got {aggregation!r}")
    return VirtualNodeNetwork([GatherKeys(attention, features, aggregation), ReadKeys(attention, features)])
