"""Softmax attention in O(n) layers of O(1) width: the virtual node picks out the nodes, one after another.

Cai et al. (2023), Theorem 6.3. Layers come in pairs, one pair for a node. In the first, the virtual node attends to the
nodes so sharply that it takes on the features of one; in the second, all nodes hear them and add this node's share to
the numerator and the denominator of their attention. The network has a vector ("target") in its weights for each node:
it is made for graphs of exactly n nodes, which the targets have to tell apart (separability).

The bounds are ours; C1 bounds the norms of nodes, delta is the separation.

*Selection.* With temperature T the other nodes have a weight of at most (n - 1) exp(-T delta) together, and lie within
2 C1 of the chosen one, so the virtual node misses it by at most ``2 C1 (n - 1) exp(-T delta)``.

*Output.* Let every node x_j be missed by at most e, and let primes denote what comes of the missed ones. A head has
weights Q, K, V, logits ``a_j = q . K^T x_j / sqrt(D)``, their softmax w_j, and the output ``y = sum_j w_j v_j``. Then

    y' - y = sum_j w'_j (v'_j - v_j) + sum_j (w'_j - w_j) v_j.

1. The first sum is a mean of vectors of norms up to ``e |V|`` (spectral norms), so its norm is no larger.
2. Logits are off by ``d_j = a'_j - a_j``, and ``|d_j| <= h = e C1 |Q K^T| / sqrt(D)``. Let w(t) be the softmax of
   a + t d, so that w(0) = w and w(1) = w'. Its derivative is ``w_j(t) (d_j - m(t))``, m(t) the mean of d under w(t), so
   the second sum is the integral over t in [0, 1] of ``sum_j w_j(t) (d_j - m(t)) v_j``. That is at most ``max |v_j|``
   times the mean deviation of d under w(t), which is at most its standard deviation, which is at most h. And
   ``|v_j| <= C1 |V|``.

Together ``|y' - y| <= e |V| (1 + C1^2 |Q K^T| / sqrt(D))`` for one head; over heads the bounds add up as squares.
Rounding comes on top. Two opposite nodes reach the first bound; the second is loose by a factor of hundreds or
thousands on random nodes and weights, most of all because it takes every node to be missed by e in the worst direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from graphformers.ops.batches import graph_counts
from graphformers.theory.self_attention import SelfAttention
from graphformers.theory.virtual_node import VirtualNodeLayer, VirtualNodeNetwork, checked_batch

Score = Callable[[Tensor, Tensor], Tensor]
"""How well nodes [..., C] fit targets [..., C]: [...]."""


def inner_product_score(x: Tensor, target: Tensor) -> Tensor:
    """``x . v``. On the unit sphere the nodes themselves are targets that tell them apart: delta = 1 - max cos."""
    return (x * target).sum(-1)


def distance_score(x: Tensor, target: Tensor) -> Tensor:
    """``2 x . v - |x|^2``, which is ``-|x - v|^2`` but for a constant: an inner product of (x, |x|^2) and (2v, -1)."""
    return 2 * (x * target).sum(-1) - x.square().sum(-1)


def anchor_separation(anchors: Tensor, radius: float) -> float:
    """The separation of all nodes that lie within ``radius`` of one anchor [n, C] each: D (D - 2 radius).

    D is the least distance of two anchors; the score is :func:`distance_score`. A node is no further than ``radius``
    from its anchor, and the others no nearer than D - radius: (D - radius)^2 - radius^2 = D (D - 2 radius).

    Raises:
        ValueError: If balls of that radius around the anchors touch.
    """
    if len(anchors) < 2:
        return math.inf
    apart = float(torch.pdist(anchors).min())
    if apart <= 2 * radius:
        raise ValueError(f"anchors: expected more than {2 * radius} between any two, got {apart}")
    return apart * (apart - 2 * radius)


def separation(
    x: Tensor, targets: Tensor, score: Score, batch: Tensor | None = None, num_graphs: int | None = None
) -> float:
    """By how much each target prefers its node to the others of the graph, at the least.

    Args:
        x: [N, C] nodes.
        targets: [n, C].
        score: What targets prefer.
        batch: [N], the graph of each node, sorted; one graph if None.
        num_graphs: Graphs, if the last ones may be empty.

    Raises:
        ValueError: If a graph does not have n nodes, two targets prefer the same node, or a preference is within
            rounding of nothing.
    """
    batch, num_graphs = checked_batch(x, batch, num_graphs)
    count, channels = targets.shape
    sizes = graph_counts(batch, num_graphs)
    if bool((sizes != count).any()):
        raise ValueError(f"batch: expected {count} nodes in each graph, one for each target, got {sizes.tolist()}")
    if count < 2 or num_graphs == 0:
        return math.inf
    scores = score(x.view(num_graphs, 1, count, channels), targets[:, None])  # of graph, target, node
    best, chosen = scores.topk(2, dim=2)
    if bool((chosen[..., 0].sort(dim=1).values != torch.arange(count, device=x.device)).any()):
        raise ValueError("x: not separable by the targets, two of them prefer the same node")
    delta = float((best[..., 0] - best[..., 1]).min())
    rounding = 1e3 * torch.finfo(x.dtype).eps * float(scores.abs().max())
    if not delta > rounding:
        raise ValueError(f"x: not separable by the targets, a preference is {delta}, within rounding of nothing")
    return delta


def selection_temperature(eps: float, delta: float, nodes: int, radius: float) -> float:
    """The temperature at which a selected node is missed by at most ``eps``: log(2 C1 (n - 1) / eps) / delta.

    Raises:
        ValueError: If eps, delta or radius (C1) is not positive.
    """
    for name, value in (("eps", eps), ("delta", delta), ("radius", radius)):
        if not value > 0:
            raise ValueError(f"{name}: expected a positive number, got {value}")
    if nodes < 2:
        return 0.0
    return max(0.0, math.log(2 * radius * (nodes - 1) / eps)) / delta


def output_error_bound(attention: SelfAttention, radius: float, eps: float) -> float:
    """The most by which a node's output [H * V] is off, in norm, if all nodes are missed by at most ``eps``.

    The module's text has the proof. ``radius`` is C1.
    """
    spectral = torch.linalg.matrix_norm
    logits = spectral(attention.query @ attention.key.transpose(1, 2), ord=2) * attention.scale
    heads = eps * spectral(attention.value, ord=2) * (1 + radius**2 * logits)
    return float(heads.norm())


class Select(VirtualNodeLayer):
    """The virtual node takes on the features of the node that the target prefers: [G, C]."""

    target: Tensor

    def __init__(self, target: Tensor, score: Score, temperature: float) -> None:
        super().__init__("softmax")
        self.register_buffer("target", target)
        self.fit, self.temperature = score, temperature

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        return x[:, : len(self.target)]

    def score(self, x: Tensor, vn: Tensor) -> Tensor:
        return self.temperature * self.fit(x[:, : len(self.target)], self.target.to(x.dtype))


class Accumulate(VirtualNodeLayer):
    """Nodes [N, C + H * (V + 1)] add the share of the node that the virtual node tells of, [G, C] or [G, C + 1].

    The last number, if there is one more, says how many nodes have these features.
    """

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.attention = attention

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        c = self.attention.channels
        nodes, sums, rest = x.tensor_split((c, c + sum_width(self.attention)), dim=1)
        heard, count = vn[:, :c], vn[:, c:]
        logit = (self.attention.queries(nodes) * self.attention.keys(heard)).sum(2) * self.attention.scale
        weight = torch.exp(logit)[..., None]
        if count.shape[1]:
            weight = weight * count[..., None]
        share = torch.cat([weight * self.attention.values(heard), weight], dim=2)
        return torch.cat([nodes, sums + share.flatten(1), rest], dim=1)


class SelectionNetwork(VirtualNodeNetwork):
    """Softmax attention, off by no more than a bound, in 2n layers of width C + H * (V + 1).

    Logits are not shifted before the exponential, so they have to stay below some 700 in float64, 80 in float32.

    Args:
        attention: Weights.
        targets: [n, C] a vector for each node.
        score: What targets prefer.
        delta: The separation of the graphs it is for, as :func:`separation` or :func:`anchor_separation` gives it.
        radius: C1, the largest norm of a node.
        eps: The most by which a selected node may be missed.

    Attributes:
        temperature: Of the selection.
        error_bound: The most by which a node's output is off, in norm, rounding aside.

    Raises:
        ValueError: If delta, radius or eps is not positive.
    """

    def __init__(
        self, attention: SelfAttention, targets: Tensor, score: Score, *, delta: float, radius: float, eps: float
    ) -> None:
        temperature = selection_temperature(eps, delta, len(targets), radius)
        super().__init__(
            layer for target in targets for layer in (Select(target, score, temperature), Accumulate(attention))
        )
        self.attention, self.targets, self.score = attention, targets, score
        self.delta, self.radius, self.temperature = delta, radius, temperature
        self.error_bound = output_error_bound(attention, radius, eps)

    def forward(self, x: Tensor, batch: Tensor | None = None, num_graphs: int | None = None) -> Tensor:
        """Nodes [N, C] to [N, H * V].

        Raises:
            ValueError: If a graph does not have n nodes, which differ by delta to the targets, of norms up to radius.
        """
        check_norms(x, self.radius)
        found = separation(x, self.targets.to(x.dtype), self.score, batch, num_graphs)
        if found < self.delta * (1 - 1e-6):
            raise ValueError(f"x: expected a separation of {self.delta}, got {found}")
        return read_attention(self.attention, super().forward(start_sums(self.attention, x), batch, num_graphs))


def check_norms(x: Tensor, radius: float) -> None:
    """Raise ValueError if a node's norm exceeds the radius by more than rounding."""
    if len(x) and float(x.norm(dim=1).max()) > radius * (1 + 1e-6):
        raise ValueError(f"x: expected norms up to {radius}, got {float(x.norm(dim=1).max())}")


def sum_width(attention: SelfAttention) -> int:
    """H * (V + 1), the numerators and denominators of all heads."""
    return attention.heads * (attention.value.shape[2] + 1)


def start_sums(attention: SelfAttention, x: Tensor) -> Tensor:
    """Nodes [N, C] with zeros for their sums: [N, C + H * (V + 1)]."""
    return torch.cat([x, x.new_zeros(len(x), sum_width(attention))], dim=1)


def read_attention(attention: SelfAttention, x: Tensor) -> Tensor:
    """[N, H * V] numerators by denominators, from nodes that have accumulated them."""
    c = attention.channels
    sums = x[:, c : c + sum_width(attention)].unflatten(1, (attention.heads, -1))
    return (sums[..., :-1] / sums[..., -1:]).flatten(1)
