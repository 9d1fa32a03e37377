"""Selection by one direction and marks: graphs of all sizes, equal nodes in one round."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.theory import NetworkSize, VisitedSelectionNetwork, network_size, softmax_attention
from graphformers.theory.selection import start_sums
from graphformers.theory.visited_selection import CountAndMark
from tests.graphformers.theory.inputs import (
    assert_equivariant_and_alone,
    batch_of,
    generator,
    graph_sizes,
    normal,
    random_attention,
    seeds,
)

DIRECTION = torch.tensor([0.6, -0.8, 1.2], dtype=torch.float64)
GAP = 0.1


def spread(g: torch.Generator, count: int) -> Tensor:
    """[count, 3] nodes whose projections are a gap apart, but for a copy of another here and there."""
    ranks = torch.randperm(count, generator=g)
    wanted = GAP * (1.01 * ranks - count / 2)
    x = 0.3 * normal(g, count, 3)
    x = x + ((wanted - x @ DIRECTION) / DIRECTION.square().sum())[:, None] * DIRECTION
    copied = torch.rand(count, generator=g) < 0.3
    return torch.where(copied[:, None], x[torch.randint(max(1, count), (count,), generator=g)], x) if count else x


def network_for(g: torch.Generator, nodes: int, eps: float, rounds: int | None = None) -> VisitedSelectionNetwork:
    attention = random_attention(g, 3)
    attention = type(attention)(0.5 * attention.query, 0.5 * attention.key, attention.value)
    rounds = nodes if rounds is None else rounds
    return VisitedSelectionNetwork(attention, DIRECTION, rounds, nodes=nodes, gap=GAP, radius=3.0, eps=eps)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=graph_sizes, eps=st.sampled_from([1e-2, 1e-4, 1e-6, 1e-8]))
def test_errors_are_below_the_bound(seed, sizes, eps) -> None:
    g = generator(seed)
    network = network_for(g, 9, eps)
    x, batch = torch.cat([spread(g, size) for size in sizes]), batch_of(sizes)
    got, wanted = network(x, batch, len(sizes)), softmax_attention(network.attention, x, batch, len(sizes))
    assert ((got - wanted).norm(dim=1) <= network.error_bound + 1e-12).all()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=graph_sizes)
def test_equivariant_and_independent_of_other_graphs(seed, sizes) -> None:
    g = generator(seed)
    network = network_for(g, 9, 1e-4)
    assert_equivariant_and_alone(network, g, torch.cat([spread(g, size) for size in sizes]), sizes, 1e-9)


def test_equal_nodes_take_one_round_and_rounds_left_over_count_none() -> None:
    g = generator(0)
    x = DIRECTION * torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    x = torch.cat([x, x[2:3], x[2:3]])
    for rounds in (5, 9):
        network = network_for(g, 7, 1e-8, rounds)
        wanted = softmax_attention(network.attention, x)
        torch.testing.assert_close(network(x), wanted, rtol=0, atol=network.error_bound)
        state = torch.cat([start_sums(network.attention, x), x.new_zeros(7, 1)], dim=1)
        assert network_size(network, state) == NetworkSize(depth=3 * rounds, width=3 + 2 * 5 + 1)
    with pytest.raises(ValueError, match="expected up to 4 different nodes in a graph, got 5"):
        network_for(g, 7, 1e-8, 4)(x)


def test_a_marked_node_is_counted_once() -> None:
    state = torch.tensor([[1.0, 0.0], [1.04, 1.0], [0.96, 0.0], [1.2, 0.0]], dtype=torch.float64)
    layer = CountAndMark(torch.ones(1, dtype=torch.float64), 0.1)
    nodes, vn = layer(state, torch.ones(1, 1, dtype=torch.float64), batch_of([4]))
    assert vn.tolist() == [[1.0, 2.0]]
    assert nodes[:, 1].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_inputs_outside_the_guarantee_are_refused() -> None:
    g = generator(0)
    network, x = network_for(g, 4, 1e-3), spread(g, 4)
    with pytest.raises(ValueError, match="batch: expected graphs of up to 4 nodes, got 5"):
        network(torch.cat([x, x[:1]]))
    with pytest.raises(ValueError, match=r"x: expected projections at least 0\.1 apart"):
        network(torch.cat([x[:1], x[:1] + 0.01]))
    with pytest.raises(ValueError, match="x: expected norms up to"):
        network(x * 30)
    with pytest.raises(ValueError, match="eps: expected less than"):
        network_for(g, 4, 0.05)
