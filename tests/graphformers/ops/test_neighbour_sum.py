"""Sums over neighbours: the compiled form against the formula."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.ops import Adjacency, adjacency, neighbour_sum
from graphformers.ops.neighbour_sum import neighbour_sum_reference
from tests.graphformers.graphs import random_edges


def random_inputs(g: torch.Generator, graph: Adjacency, channels: int, edge: bool) -> list[Tensor]:
    rows = [graph.num_sources, *([graph.num_edges] if edge else [])]
    return [torch.randn(count, channels, generator=g, dtype=torch.float64) for count in rows]


def value_and_gradients(inputs: list[Tensor], graph: Adjacency, dtype: torch.dtype, compiled: bool, relu: bool):
    inputs = [value.to(dtype).requires_grad_() for value in inputs]
    x, edge = (*inputs, None)[:2]
    if compiled:
        o = neighbour_sum(x, graph, edge, relu=relu)
    else:
        o = neighbour_sum_reference(x, graph, edge, relu)
    loss = (o * torch.linspace(0.5, 1.5, o.numel()).to(dtype).view(o.shape)).sum()
    return o, *torch.autograd.grad(loss, inputs)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(0, 12),
    edges=st.integers(0, 40),
    channels=st.sampled_from([1, 5, 16, 37]),
    edge=st.booleans(),
    relu=st.booleans(),
    double=st.booleans(),
)
def test_equals_the_formula(seed, nodes, edges, channels, edge, relu, double) -> None:
    g = torch.Generator().manual_seed(seed)
    graph = adjacency(random_edges(g, nodes, edges), nodes)
    # Multiples of 1/4 fall on the same side of zero in both precisions, and some on zero itself.
    inputs = [(4 * value).round() / 4 for value in random_inputs(g, graph, channels, edge)]
    dtype = torch.float64 if double else torch.float32
    got = value_and_gradients(inputs, graph, dtype, True, relu)
    wanted = value_and_gradients(inputs, graph, torch.float64, False, relu)
    for part, exact in zip(got, wanted, strict=True):
        assert part.dtype == dtype
        torch.testing.assert_close(part.double(), exact, rtol=1e-12 if double else 1e-5, atol=1e-12 if double else 1e-5)


@torch.no_grad()
def test_the_formula_is_the_formula() -> None:
    g = torch.Generator().manual_seed(1)
    graph = adjacency(random_edges(g, 6, 14), 6)
    x, edge = random_inputs(g, graph, 3, True)
    for relu in (True, False):
        wanted = torch.zeros_like(x)
        for number, (j, i) in enumerate(graph.edge_index.T.tolist()):
            message = x[j] + edge[number]
            wanted[i] += message.clamp(min=0) if relu else message
        torch.testing.assert_close(neighbour_sum_reference(x, graph, edge, relu), wanted)


@pytest.mark.parametrize("edge", [True, False])
def test_gradcheck(edge: bool) -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 6, 12), 6)
    inputs = [value.requires_grad_() for value in random_inputs(g, graph, 9, edge)]
    assert torch.autograd.gradcheck(lambda x, *e: neighbour_sum(x, graph, *e, relu=True), inputs)


def test_two_sides_and_threads() -> None:
    g = torch.Generator().manual_seed(0)
    edge_index = torch.stack([torch.randint(0, 700, (3000,), generator=g), torch.randint(0, 400, (3000,), generator=g)])
    graph = adjacency(edge_index, (700, 400))
    inputs, before, runs = random_inputs(g, graph, 37, True), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append(value_and_gradients(inputs, graph, torch.float32, True, True))
    finally:
        torch.set_num_threads(before)
    for one, two, exact in zip(*runs, value_and_gradients(inputs, graph, torch.float64, False, True), strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("edge", [True, False])
def test_what_is_no_number_stays_none(channels: int, edge: bool) -> None:
    graph = adjacency(torch.tensor([[0, 1], [1, 2]]), 3)
    x = torch.ones(3, channels)
    x[0, -1] = torch.nan
    o = neighbour_sum(x, graph, torch.ones(2, channels) if edge else None, relu=True)
    assert o.isnan().nonzero().tolist() == [[1, channels - 1]]


def test_shapes_that_do_not_agree_are_refused() -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [1, 2, 3]]), 5)
    for x, edge, message in (
        (torch.zeros(4, 2), None, r"expected x \[5, 2\], got \[4, 2\]"),
        (torch.zeros(5, 2), torch.zeros(3, 1), r"expected edge \[3, 2\], got \[3, 1\]"),
        (torch.zeros(5, 2), torch.zeros(3, 2).double(), "expected edge of torch.float32"),
    ):
        with pytest.raises(ValueError, match=message):
            neighbour_sum(x, graph, edge)
