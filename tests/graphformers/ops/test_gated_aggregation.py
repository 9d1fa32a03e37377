"""Gated means of neighbours: the compiled form against the formula, and what no form may do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.ops import Adjacency, adjacency, gated_aggregation
from graphformers.ops.gated_aggregation import gated_aggregation_reference
from tests.graphformers.graphs import random_edges

Inputs = dict[str, Tensor]


def random_inputs(g: torch.Generator, graph: Adjacency, channels: int, edge: bool = True) -> Inputs:
    rows = {"v": graph.num_sources, "receiver": graph.num_destinations, "sender": graph.num_sources}
    if edge:
        rows["edge"] = graph.num_edges
    return {name: torch.randn(count, channels, generator=g, dtype=torch.float64) for name, count in rows.items()}


def value_and_gradients(inputs: Inputs, graph: Adjacency, dtype: torch.dtype, compiled: bool, eps: float, read: str):
    """Outputs, and gradients of a loss that each part of the outputs in ``read`` enters differently."""
    x = {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}
    if compiled:
        o, gates = gated_aggregation(**({"edge": None} | x), graph=graph, eps=eps)
    else:
        o, gates = gated_aggregation_reference(x["v"], x["receiver"], x["sender"], x.get("edge"), graph, eps)
    read_parts = [part for name, part in (("means", o), ("gates", gates)) if name in read]
    loss = sum((part * torch.linspace(0.5, 1.5, part.numel()).to(dtype).view(part.shape)).sum() for part in read_parts)
    gradients = torch.autograd.grad(loss, list(x.values()), materialize_grads=True)
    return o, gates, *gradients


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(0, 12),
    edges=st.integers(0, 40),
    channels=st.sampled_from([1, 5, 16, 37]),
    edge=st.booleans(),
    eps=st.sampled_from([0.0, 1e-6, 0.5]),
    read=st.sampled_from(["means", "gates", "means and gates"]),
    double=st.booleans(),
)
def test_equals_the_formula(seed, nodes, edges, channels, edge, eps, read, double) -> None:
    g = torch.Generator().manual_seed(seed)
    graph = adjacency(random_edges(g, nodes, edges), nodes)
    inputs = random_inputs(g, graph, channels, edge)
    dtype, bound = (torch.float64, 1e-12) if double else (torch.float32, 1e-5)
    got = value_and_gradients(inputs, graph, dtype, True, eps, read)
    wanted = value_and_gradients(inputs, graph, torch.float64, False, eps, read)
    for part, exact in zip(got, wanted, strict=True):
        assert part.dtype == dtype
        assert part.shape == exact.shape
        if exact.numel():
            assert (part.double() - exact).abs().max() <= bound * max(1.0, float(exact.detach().abs().max()))


@torch.no_grad()
def test_the_formula_is_the_formula() -> None:
    g = torch.Generator().manual_seed(1)
    graph = adjacency(random_edges(g, 6, 14), 6)
    x = random_inputs(g, graph, 3)
    o, gates = gated_aggregation_reference(**x, graph=graph, eps=0.1)
    for i in range(6):
        over, under = torch.zeros(3).double(), torch.zeros(3).double()
        for number, (j, destination) in enumerate(graph.edge_index.T.tolist()):
            if destination == i:
                gate = x["receiver"][i] + x["sender"][j] + x["edge"][number]
                torch.testing.assert_close(gates[number], gate)
                over, under = over + gate.sigmoid() * x["v"][j], under + gate.sigmoid()
        torch.testing.assert_close(o[i], over / (under + 0.1))
    lonely = sorted(set(range(6)) - set(graph.edge_index[1].tolist()))
    assert lonely
    assert (o[lonely] == 0).all()


def test_gradcheck() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 6, 12), 6)
    x = {name: value.requires_grad_() for name, value in random_inputs(g, graph, 9).items()}

    def call(*values: Tensor) -> tuple[Tensor, ...]:
        return gated_aggregation(**dict(zip(x, values, strict=True)), graph=graph, eps=0.1)

    assert torch.autograd.gradcheck(call, tuple(x.values()))


def test_two_sides_of_different_size() -> None:
    g = torch.Generator().manual_seed(0)
    edge_index = torch.stack([torch.randint(0, 7, (20,), generator=g), torch.randint(0, 4, (20,), generator=g)])
    graph = adjacency(edge_index, (7, 4))
    inputs = random_inputs(g, graph, 5)
    got, wanted = (
        value_and_gradients(inputs, graph, torch.float64, compiled, 1e-6, "means and gates")
        for compiled in (True, False)
    )
    for part, exact in zip(got, wanted, strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-11, atol=1e-11)


def test_threads_do_not_change_a_bit() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 400, 3000), 400)
    inputs = random_inputs(g, graph, 37)
    before, runs = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append(value_and_gradients(inputs, graph, torch.float32, True, 1e-6, "means and gates"))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*runs, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("channels", [3, 16])
def test_wide_open_and_shut_gates_stay_finite(channels: int) -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [2, 2, 0]]), 3)
    for size in (200.0, -200.0):
        receiver = torch.full((3, channels), size, requires_grad=True)
        o, _ = gated_aggregation(torch.ones(3, channels), receiver, torch.zeros(3, channels), None, graph)
        o.sum().backward()
        assert o.isfinite().all()
        assert receiver.grad.isfinite().all()
        wanted = 1.0 if size > 0 else 0.0
        torch.testing.assert_close(o[2], torch.full((channels,), wanted), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [3, 16])
def test_what_is_no_number_stays_none(channels: int) -> None:
    graph = adjacency(torch.tensor([[0, 1], [1, 2]]), 3)
    v = torch.ones(3, channels)
    v[0, -1] = torch.nan
    o, _ = gated_aggregation(v, torch.zeros(3, channels), torch.zeros(3, channels), None, graph)
    assert o.isnan().nonzero().tolist() == [[1, channels - 1]]


def test_bfloat16_is_computed_in_float32() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 50, 300), 50)
    x = {name: value.bfloat16() for name, value in random_inputs(g, graph, 8).items()}
    low, gates = gated_aggregation(**x, graph=graph)
    wide, _ = gated_aggregation(**{name: value.float() for name, value in x.items()}, graph=graph)
    assert low.dtype == gates.dtype == torch.bfloat16
    torch.testing.assert_close(low, wide.bfloat16())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"receiver": torch.zeros(4, 2)}, r"expected receiver \[5, 2\], got \[4, 2\]"),
        ({"sender": torch.zeros(5, 3)}, r"expected sender \[5, 2\], got \[5, 3\]"),
        ({"v": torch.zeros(6, 2)}, r"expected v \[5, 2\], got \[6, 2\]"),
        ({"edge": torch.zeros(2, 2)}, r"expected edge \[3, 2\], got \[2, 2\]"),
        ({"sender": torch.zeros(5, 2, dtype=torch.float64)}, r"expected sender of torch.float32"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(change: Inputs, message: str) -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [1, 2, 3]]), 5)
    inputs = {name: torch.zeros(5, 2) for name in ("v", "receiver", "sender")} | {"edge": torch.zeros(3, 2)} | change
    with pytest.raises(ValueError, match=message):
        gated_aggregation(**inputs, graph=graph)
