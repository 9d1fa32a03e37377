"""Selection without a target for each node: the virtual node takes the nodes in the order of their projections.

Cai et al. (2023), Proposition B.10, replaces the targets of Theorem 6.3 by a weaker assumption; this is a construction
of our own in its spirit. All that is in the weights is a direction u on which different nodes project to different
numbers, at least ``gap`` apart. A node has a mark more, set once it has been selected. A round has three layers:

1. The virtual node selects, by softmax with temperature T over ``u . x_j - M mark_j``.
2. Nodes that project to within gap / 2 of what was selected and have no mark are counted by it, and set their marks.
3. All nodes add the share of the selected one, as many times as it was counted.

Nodes that are equal count in one round, and rounds after the last node count none: a network of R rounds is for all
graphs with up to R different nodes, in one batch.

M = 2 C1 |u| + gap puts every marked node at least ``gap`` below every unmarked one, so the separation is ``gap``, and
the bounds of :mod:`graphformers.theory.selection` hold with it. The selected projection is off by at most ``|u| eps``,
which has to be below gap / 2 for the count to be right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.theory.selection import (
    Accumulate,
    check_norms,
    output_error_bound,
    read_attention,
    selection_temperature,
    start_sums,
)
from graphformers.theory.self_attention import SelfAttention
from graphformers.theory.virtual_node import VirtualNodeLayer, VirtualNodeNetwork, checked_batch


class SelectUnmarked(VirtualNodeLayer):
    """The virtual node takes on the features of the unmarked node of the largest projection: [G, C].

    Nodes are [N, ...], with their features first and their mark last.
    """

    direction: Tensor

    def __init__(self, direction: Tensor, temperature: float, penalty: float) -> None:
        super().__init__("softmax")
        self.register_buffer("direction", direction)
        self.temperature, self.penalty = temperature, penalty

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        return x[:, : len(self.direction)]

    def score(self, x: Tensor, vn: Tensor) -> Tensor:
        return self.temperature * (projection(x, self.direction) - self.penalty * x[:, -1])


class CountAndMark(VirtualNodeLayer):
    """The virtual node counts the unmarked nodes that it has selected, [G, C] to [G, C + 1]; they set their marks."""

    direction: Tensor

    def __init__(self, direction: Tensor, gap: float) -> None:
        super().__init__("sum")
        self.register_buffer("direction", direction)
        self.gap = gap

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        near = (projection(x, self.direction) - projection(vn, self.direction)).abs() < self.gap / 2
        return (near & (x[:, -1] == 0)).to(x.dtype)[:, None]

    def update_virtual(self, vn: Tensor, heard: Tensor) -> Tensor:
        return torch.cat([vn, heard], dim=1)

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        return torch.cat([x[:, :-1], x[:, -1:] + self.message(x, vn)], dim=1)


class VisitedSelectionNetwork(VirtualNodeNetwork):
    """Softmax attention, off by no more than a bound, in 3R layers of width C + H * (V + 1) + 1.

    Logits are not shifted before the exponential, so they have to stay below some 700 in float64, 80 in float32.

    Args:
        attention: Weights.
        direction: u, [C].
        rounds: R, the most different nodes of a graph.
        nodes: The most nodes of a graph, equal ones among them.
        gap: The least distance of the projections of two different nodes.
        radius: C1, the largest norm of a node.
        eps: The most by which a selected node may be missed.

    Attributes:
        temperature: Of the selection.
        error_bound: The most by which a node's output is off, in norm, rounding aside.

    Raises:
        ValueError: If gap, radius or eps is not positive, or eps too large for the count to be right.
    """

    def __init__(
        self,
        attention: SelfAttention,
        direction: Tensor,
        rounds: int,
        *,
        nodes: int,
        gap: float,
        radius: float,
        eps: float,
    ) -> None:
        temperature = selection_temperature(eps, gap, nodes, radius)
        length = float(direction.norm())
        if not length * eps < gap / 2:
            raise ValueError(f"eps: expected less than {gap / (2 * length)}, half the gap by |direction|, got {eps}")
        select = SelectUnmarked(direction, temperature, penalty=2 * radius * length + gap)
        super().__init__([select, CountAndMark(direction, gap), Accumulate(attention)] * rounds)
        self.attention, self.direction, self.rounds, self.nodes = attention, direction, rounds, nodes
        self.gap, self.radius, self.temperature = gap, radius, temperature
        self.error_bound = output_error_bound(attention, radius, eps)

    def forward(self, x: Tensor, batch: Tensor | None = None, num_graphs: int | None = None) -> Tensor:
        """Nodes [N, C] to [N, H * V].

        Raises:
            ValueError: If a graph has more nodes, or more different ones, than the network is for, if different nodes
                project to within gap of each other, or norms exceed the radius.
        """
        batch, num_graphs = checked_batch(x, batch, num_graphs)
        check_norms(x, self.radius)
        for graph in x.split(torch.bincount(batch, minlength=num_graphs).tolist()):
            self._check(graph)
        state = torch.cat([start_sums(self.attention, x), x.new_zeros(len(x), 1)], dim=1)
        return read_attention(self.attention, super().forward(state, batch, num_graphs))

    def _check(self, x: Tensor) -> None:
        if len(x) > self.nodes:
            raise ValueError(f"batch: expected graphs of up to {self.nodes} nodes, got {len(x)}")
        different = x.unique(dim=0)
        if len(different) > self.rounds:
            raise ValueError(f"x: expected up to {self.rounds} different nodes in a graph, got {len(different)}")
        apart = projection(different, self.direction).sort().values.diff()
        if len(apart) and float(apart.min()) < self.gap * (1 - 1e-6):
            raise ValueError(f"x: expected projections at least {self.gap} apart, got {float(apart.min())}")


def projection(x: Tensor, direction: Tensor) -> Tensor:
    """[N] ``u . x`` of the first C features of nodes [N, ...], with u [C]."""
    return (x[:, : len(direction)] * direction.to(x.dtype)).sum(1)
