"""Attention over events: the compiled form, the formula, and the attention that it stands for."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.ops import Adjacency, adjacency, edge_attention, event_attention
from graphformers.ops.event_attention import event_attention_reference
from tests.graphformers.graphs import random_edges

Inputs = dict[str, Tensor]


def random_inputs(g: torch.Generator, graph: Adjacency, heads: int, width: int, columns: int, events: int) -> Inputs:
    n, m = graph.num_destinations, graph.num_sources
    shapes = {
        "q": (n, heads, width), "qz": (n, heads, events), "k": (m, heads, width), "v": (m, heads, columns),
        "z": (graph.num_edges, events),
    }  # fmt: skip
    return {name: torch.randn(shape, generator=g, dtype=torch.float64) for name, shape in shapes.items()}


def value_and_gradients(inputs: Inputs, graph: Adjacency, dtype: torch.dtype, compiled: bool, scale: float | None):
    """Outputs, and gradients of a loss that every part of them enters differently."""
    x = {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}
    if compiled:
        outputs = event_attention(**x, graph=graph, scale=scale)
    else:
        outputs = event_attention_reference(**x, graph=graph, scale=x["q"].shape[2] ** -0.5 if scale is None else scale)
    loss = sum((part * torch.linspace(0.5, 1.5, part.numel()).to(dtype).view(part.shape)).sum() for part in outputs)
    return [*outputs, *torch.autograd.grad(loss, list(x.values()))]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(0, 12),
    edges=st.integers(0, 40),
    heads=st.sampled_from([1, 3]),
    width=st.sampled_from([1, 5, 16]),
    columns=st.sampled_from([1, 6, 16]),
    events=st.sampled_from([1, 3, 16, 24]),
    scale=st.sampled_from([None, 0.7]),
    double=st.booleans(),
)
def test_equals_the_formula(seed, nodes, edges, heads, width, columns, events, scale, double) -> None:
    g = torch.Generator().manual_seed(seed)
    graph = adjacency(random_edges(g, nodes, edges), nodes)
    inputs = random_inputs(g, graph, heads, width, columns, events)
    dtype, bound = (torch.float64, 1e-12) if double else (torch.float32, 1e-5)
    got = value_and_gradients(inputs, graph, dtype, True, scale)
    wanted = value_and_gradients(inputs, graph, torch.float64, False, scale)
    for part, exact in zip(got, wanted, strict=True):
        assert part.dtype == dtype
        assert part.shape == exact.shape
        if exact.numel():
            assert (part.double() - exact).abs().max() <= bound * max(1.0, float(exact.detach().abs().max()))


def test_equals_attention_with_keys_and_values_of_edges() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 9, 30), 9)
    x = random_inputs(g, graph, 2, 4, 4, 5)
    a, b = torch.randn(2, 2, 4, 5, generator=g, dtype=torch.float64)
    x["qz"] = torch.einsum("nhd,hdz->nhz", x["q"], a)
    o, seen = event_attention(**x, graph=graph)
    source, destination = graph.edge_index
    own = adjacency(torch.stack([torch.arange(30), destination]), (30, 9))
    k, v = (x[name][source] + torch.einsum("ez,hdz->ehd", x["z"], m) for name, m in (("k", a), ("v", b)))
    wanted, _ = edge_attention(x["q"], k, v, own)
    torch.testing.assert_close(o + torch.einsum("nhz,hdz->nhd", seen, b), wanted, rtol=1e-12, atol=1e-12)


def test_gradcheck() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 6, 12), 6)
    x = {name: value.requires_grad_() for name, value in random_inputs(g, graph, 2, 3, 2, 3).items()}

    def call(*values: Tensor) -> tuple[Tensor, ...]:
        return event_attention(*values, graph)

    assert torch.autograd.gradcheck(call, tuple(x.values()))


def test_two_sides_of_different_size() -> None:
    g = torch.Generator().manual_seed(0)
    edge_index = torch.stack([torch.randint(0, 7, (20,), generator=g), torch.randint(0, 4, (20,), generator=g)])
    graph = adjacency(edge_index, (7, 4))
    inputs = random_inputs(g, graph, 2, 3, 5, 4)
    got, wanted = (value_and_gradients(inputs, graph, torch.float64, compiled, None) for compiled in (True, False))
    for part, exact in zip(got, wanted, strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-11, atol=1e-11)


def test_encodings_that_do_not_learn_and_outputs_that_are_not_used() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 9, 30), 9)
    inputs = random_inputs(g, graph, 2, 4, 4, 4)
    for which in (0, 1):
        gradients = []
        for run in (event_attention, lambda *x: event_attention_reference(*x, 0.5)):
            x = {name: value.clone().requires_grad_(name != "z") for name, value in inputs.items()}
            run(*x.values(), graph)[which].square().sum().backward()
            assert x["z"].grad is None
            gradients.append([torch.zeros(()) if value.grad is None else value.grad for value in x.values()])
        for got, wanted in zip(*gradients, strict=True):
            torch.testing.assert_close(got, wanted.to(got.dtype).expand_as(got))


def test_threads_do_not_change_a_bit() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 400, 3000), 400)
    inputs = random_inputs(g, graph, 2, 16, 16, 16)
    before, runs = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append(value_and_gradients(inputs, graph, torch.float32, True, None))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*runs, strict=True):
        assert torch.equal(one, two)


def test_large_scores_stay_finite() -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [2, 2, 0]]), 3)
    q, z = torch.full((3, 1, 4), 300.0), torch.randn(3, 2)
    for sign in (1.0, -1.0):
        k = sign * q * torch.arange(1, 4)[:, None, None]
        for part in event_attention(q, q[..., :2], k, torch.randn(3, 1, 2), z, graph):
            assert part.isfinite().all()


def test_other_devices_take_the_formula(monkeypatch) -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 9, 30), 9)
    inputs = random_inputs(g, graph, 2, 5, 6, 3)
    wanted = value_and_gradients(inputs, graph, torch.float64, True, None)
    monkeypatch.setattr(sys.modules["graphformers.ops.event_attention"], "use_kernels", lambda _: False)
    for part, exact in zip(value_and_gradients(inputs, graph, torch.float64, True, None), wanted, strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": torch.zeros(4, 2, 3)}, r"expected q \[5, 2, 3\], got \[4, 2, 3\]"),
        ({"qz": torch.zeros(5, 2, 3)}, r"expected qz \[5, 2, 4\], got \[5, 2, 3\]"),
        ({"k": torch.zeros(5, 2, 4)}, r"expected k \[5, 2, 3\], got \[5, 2, 4\]"),
        ({"v": torch.zeros(5, 1, 3)}, r"expected v \[5, 2, 3\], got \[5, 1, 3\]"),
        ({"z": torch.zeros(2, 4)}, r"expected z \[3, 4\], got \[2, 4\]"),
        ({"z": torch.zeros(3, 4, dtype=torch.float64)}, r"expected z of torch.float32"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(change: Inputs, message: str) -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [1, 2, 3]]), 5)
    heads, z = torch.zeros(5, 2, 3), torch.zeros(3, 4)
    inputs = {"q": heads, "qz": torch.zeros(5, 2, 4), "k": heads, "v": heads, "z": z} | change
    with pytest.raises(ValueError, match=message):
        event_attention(**inputs, graph=graph)
