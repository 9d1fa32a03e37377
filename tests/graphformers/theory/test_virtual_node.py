"""The layer all constructions are made of, against the formula node by node."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.theory import NetworkSize, VirtualNodeLayer, VirtualNodeNetwork, network_size
from tests.graphformers.theory.inputs import batch_of, generator, graph_sizes, normal, seeds


class Everything(VirtualNodeLayer):
    """Each map depends on both of its inputs."""

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        return torch.cat([x * vn, x], dim=1)

    def score(self, x: Tensor, vn: Tensor) -> Tensor:
        return (3 * x * vn).sum(1)

    def update_virtual(self, vn: Tensor, heard: Tensor) -> Tensor:
        return torch.tanh(vn + 2 * heard[:, : vn.shape[1]] - heard[:, vn.shape[1] :])

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        return x - vn.square()


def literal(layer: VirtualNodeLayer, x: Tensor, vn: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
    """One node after another."""
    nodes, virtual, start = [], [], 0
    for number, size in enumerate(sizes):
        v = vn[number : number + 1]
        own = [x[i : i + 1] for i in range(start, start + size)]
        weights = torch.ones(size, dtype=x.dtype)
        if layer.aggregation == "mean" and size:
            weights = weights / size
        if layer.aggregation == "softmax" and size:
            weights = torch.cat([layer.score(one, v) for one in own]).exp()
            weights = weights / weights.sum()
        heard = sum((w * layer.message(one, v) for w, one in zip(weights, own, strict=True)), 0 * layer.message(v, v))
        virtual.append(layer.update_virtual(v, heard))
        nodes += [layer.update_nodes(one, v) for one in own]
        start += size
    return torch.cat([x[:0], *nodes]), torch.cat(virtual)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=graph_sizes, aggregation=st.sampled_from(["sum", "mean", "softmax"]))
def test_equals_the_formula(seed, sizes, aggregation) -> None:
    g = generator(seed)
    layer = Everything(aggregation)
    x, vn = normal(g, sum(sizes), 2).requires_grad_(), normal(g, len(sizes), 2).requires_grad_()
    got, wanted = layer(x, vn, batch_of(sizes)), literal(layer, x, vn, sizes)
    gradients = [torch.autograd.grad(sum(part.sin().sum() for part in pair), (x, vn)) for pair in (got, wanted)]
    for part, exact in zip([*got, *gradients[0]], [*wanted, *gradients[1]], strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-12, atol=1e-12)


def test_large_scores_stay_finite() -> None:
    layer = Everything("softmax")
    x = torch.tensor([[500.0], [600.0]], dtype=torch.float64)
    _, vn = layer(x, torch.full((1, 1), 2.0, dtype=torch.float64), batch_of([2]))
    assert vn.isfinite().all()


class Collect(VirtualNodeLayer):
    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        return x.repeat(1, 5)

    def update_virtual(self, vn: Tensor, heard: Tensor) -> Tensor:
        return heard[:, :3]


def test_news_takes_two_layers_and_size_is_seen() -> None:
    class Read(VirtualNodeLayer):
        def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
            return torch.cat([x, vn[:, :1]], dim=1) if vn.shape[1] else torch.cat([x, 0 * x[:, :1]], dim=1)

    x = torch.tensor([[1.0], [2.0], [5.0]])
    network = VirtualNodeNetwork([Collect(), Read()])
    torch.testing.assert_close(network(x, batch_of([2, 1])), torch.tensor([[1.0, 3.0], [2.0, 3.0], [5.0, 5.0]]))
    assert network_size(network, x) == NetworkSize(depth=2, width=5)

    class Both(Collect, Read):
        pass

    torch.testing.assert_close(VirtualNodeNetwork([Both()])(x), torch.tensor([[1.0, 0.0], [2.0, 0.0], [5.0, 0.0]]))


@pytest.mark.parametrize(
    ("x", "batch", "num_graphs", "message"),
    [
        (torch.zeros(3), None, None, r"x: expected \[N, C\], got \[3\]"),
        (torch.zeros(3, 1), torch.zeros(2, dtype=torch.int64), None, r"batch: expected 3 integers, one a node"),
        (torch.zeros(3, 1), torch.tensor([0, 1, 0]), None, "batch: expected the nodes of each graph to lie together"),
        (torch.zeros(3, 1), torch.tensor([0, 1, 2]), 2, "batch: expected graphs from 0 to 1, got 0 to 2"),
        (torch.zeros(2, 1), torch.tensor([-1, 0]), None, "batch: expected graphs from 0 to 0, got -1 to 0"),
    ],
)
def test_bad_batches_are_refused(x, batch, num_graphs, message) -> None:
    with pytest.raises(ValueError, match=message):
        VirtualNodeNetwork([Collect()])(x, batch, num_graphs)


def test_unknown_aggregation_is_refused() -> None:
    with pytest.raises(ValueError, match="aggregation: expected 'sum', 'mean' or 'softmax', got 'max'"):
        Collect("max")  # type: ignore[arg-type]
