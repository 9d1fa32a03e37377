"""Attention over edges: the compiled form against the formula, and what no form may do."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.ops import Adjacency, adjacency, edge_attention
from graphformers.ops.edge_attention import edge_attention_reference
from tests.graphformers.graphs import random_edges

Inputs = dict[str, Tensor]


def random_inputs(g: torch.Generator, graph: Adjacency, heads: int, width: int, columns: int, with_: str) -> Inputs:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    inputs = {
        "q": normal(graph.num_destinations, heads, width),
        "k": normal(graph.num_sources, heads, width),
        "v": normal(graph.num_sources, heads, columns),
    }
    if "gate" in with_:
        inputs["gate"] = normal(graph.num_edges, heads, width)
    if "bias" in with_:
        inputs["bias"] = normal(graph.num_edges, heads)
    return inputs


def turned(x: Tensor | None, turn: bool) -> Tensor | None:
    """Heads last, of what has heads and channels."""
    return x.transpose(1, 2) if turn and x is not None and x.ndim == 3 else x


def value_and_gradients(
    inputs: Inputs, graph: Adjacency, dtype: torch.dtype, compiled: bool, *, last: bool = False, **options: float
):
    """Outputs, and gradients of a loss that every output and every part of it enters differently."""
    x = {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}
    if compiled:
        given = {name: turned(value, last) for name, value in x.items()}
        o, products = (turned(y, last) for y in edge_attention(**given, graph=graph, heads_last=last, **options))
    else:
        scale = options.get("scale", x["q"].shape[2] ** -0.5)
        clamp, eps = options.get("clamp", math.inf), options.get("eps", 0.0)
        o, products = edge_attention_reference(
            x["q"], x["k"], x["v"], x.get("gate"), x.get("bias"), graph, clamp, eps, scale
        )
    outputs = [part for part in (o, products) if part is not None]
    loss = sum((part * torch.linspace(0.5, 1.5, part.numel()).to(dtype).view(part.shape)).sum() for part in outputs)
    return outputs, torch.autograd.grad(loss, list(x.values()))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(0, 12),
    edges=st.integers(0, 40),
    heads=st.sampled_from([1, 2, 20]),  # each number of heads in a register is compiled anew
    width=st.sampled_from([1, 5, 16]),
    columns=st.sampled_from([1, 6, 16]),
    last=st.booleans(),
    with_=st.sampled_from(["", "gate", "bias", "gate and bias"]),
    options=st.sampled_from([{}, {"clamp": 0.7}, {"clamp": 5.0, "eps": 1e-6}, {"eps": 0.1, "scale": 2.0}]),
    double=st.booleans(),
)
def test_equals_the_formula(seed, nodes, edges, heads, width, columns, last, with_, options, double) -> None:
    g = torch.Generator().manual_seed(seed)
    graph = adjacency(random_edges(g, nodes, edges), nodes)
    inputs = random_inputs(g, graph, heads, width, columns, with_)
    dtype, bound = (torch.float64, 1e-12) if double else (torch.float32, 1e-5)
    got = value_and_gradients(inputs, graph, dtype, True, last=last, **options)
    wanted = value_and_gradients(inputs, graph, torch.float64, False, **options)
    if not double and "clamp" in options:
        # A score on the border of the cut may fall on either side in float32, and its gradient with it.
        got, wanted = (got[0], ()), (wanted[0], ())
    for part, exact in zip([*got[0], *got[1]], [*wanted[0], *wanted[1]], strict=True):
        assert part.dtype == dtype
        assert part.shape == exact.shape
        if exact.numel():
            assert (part.double() - exact).abs().max() <= bound * max(1.0, float(exact.detach().abs().max()))


def test_gradcheck() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 6, 12), 6)
    x = {name: value.requires_grad_() for name, value in random_inputs(g, graph, 2, 3, 2, "gate and bias").items()}

    def call(*values: Tensor) -> tuple[Tensor, ...]:
        return edge_attention(**dict(zip(x, values, strict=True)), graph=graph, clamp=2.0, eps=0.1)  # type: ignore[return-value]

    assert torch.autograd.gradcheck(call, tuple(x.values()))


def test_equals_dense_masked_attention() -> None:
    g = torch.Generator().manual_seed(0)
    seen = torch.rand(9, 9, generator=g) < 0.4
    seen[3] = False  # a node that hears of nobody
    graph = adjacency(seen.T.nonzero().T, 9)
    x = random_inputs(g, graph, 2, 4, 4, "")
    o, _ = edge_attention(**x, graph=graph)
    scores = torch.einsum("ihd,jhd->hij", x["q"], x["k"]) / 2
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1).nan_to_num()
    torch.testing.assert_close(o, torch.einsum("hij,jhd->ihd", weights, x["v"]), rtol=1e-12, atol=1e-12)
    assert (o[3] == 0).all()


def test_two_sides_of_different_size() -> None:
    g = torch.Generator().manual_seed(0)
    edge_index = torch.stack([torch.randint(0, 7, (20,), generator=g), torch.randint(0, 4, (20,), generator=g)])
    graph = adjacency(edge_index, (7, 4))
    inputs = random_inputs(g, graph, 2, 3, 5, "gate")
    got, wanted = (value_and_gradients(inputs, graph, torch.float64, compiled) for compiled in (True, False))
    for part, exact in zip([*got[0], *got[1]], [*wanted[0], *wanted[1]], strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-11, atol=1e-11)


def test_other_devices_form_takes_heads_last_too(monkeypatch) -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 9, 30), 9)
    inputs = random_inputs(g, graph, 2, 5, 6, "gate and bias")
    wanted = value_and_gradients(inputs, graph, torch.float64, True)
    monkeypatch.setattr(sys.modules["graphformers.ops.edge_attention"], "use_kernels", lambda _: False)
    got = value_and_gradients(inputs, graph, torch.float64, True, last=True)
    for part, exact in zip([*got[0], *got[1]], [*wanted[0], *wanted[1]], strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-11, atol=1e-11)


def test_a_loss_may_leave_an_output_out() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 9, 30), 9)
    x = {name: value.requires_grad_() for name, value in random_inputs(g, graph, 2, 4, 4, "gate").items()}
    gradients = {}
    for compiled in (True, False):
        o, products = (
            edge_attention(**x, graph=graph)
            if compiled
            else edge_attention_reference(x["q"], x["k"], x["v"], x["gate"], None, graph, math.inf, 0.0, 0.5)
        )
        for name, part in (("o", o), ("products", products)):
            gradients[compiled, name] = torch.autograd.grad(
                part.square().sum(), list(x.values()), retain_graph=True, allow_unused=True
            )
    for name in ("o", "products"):
        for got, wanted in zip(gradients[True, name], gradients[False, name], strict=True):
            torch.testing.assert_close(got, torch.zeros_like(got) if wanted is None else wanted)


def test_threads_and_edge_order_do_not_change_a_bit() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 400, 3000), 400)
    inputs = random_inputs(g, graph, 2, 16, 16, "gate and bias")
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append(value_and_gradients(inputs, graph, torch.float32, True))
    finally:
        torch.set_num_threads(before)
    for one, two in zip([*runs[0][0], *runs[0][1]], [*runs[1][0], *runs[1][1]], strict=True):
        assert torch.equal(one, two)


def test_large_scores_stay_finite() -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [2, 2, 0]]), 3)
    q = torch.full((3, 1, 4), 300.0)
    for sign in (1.0, -1.0):
        k = sign * q * torch.arange(1, 4)[:, None, None]
        o, _ = edge_attention(q, k, torch.randn(3, 1, 2), graph)
        assert o.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_eps_outweighs_scores_far_below_zero(dtype: torch.dtype) -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [2, 2, 0]]), 3)
    q, v = torch.ones(3, 1, 4, dtype=dtype), torch.ones(3, 1, 2, dtype=dtype)
    for score in (-10.0, -60.0, -88.0, -100.0, -200.0, -720.0, -1000.0, -1e6):
        k = torch.full((3, 1, 4), score / 2, dtype=dtype)
        o, _ = edge_attention(q, k, v, graph, eps=1e-6)
        wanted = 2 * math.exp(score) / (2 * math.exp(score) + 1e-6)
        torch.testing.assert_close(o[2], torch.full((1, 2), wanted, dtype=dtype), rtol=1e-4, atol=1e-30)


def test_bfloat16_is_computed_in_float32() -> None:
    g = torch.Generator().manual_seed(0)
    graph = adjacency(random_edges(g, 50, 300), 50)
    x = {name: value.bfloat16() for name, value in random_inputs(g, graph, 2, 8, 8, "gate").items()}
    low, products = edge_attention(**x, graph=graph)
    wide, _ = edge_attention(**{name: value.float() for name, value in x.items()}, graph=graph)
    assert low.dtype == products.dtype == torch.bfloat16
    torch.testing.assert_close(low, wide.bfloat16())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": torch.zeros(4, 2, 3)}, r"expected q \[5, 2, 3\], got \[4, 2, 3\]"),
        ({"k": torch.zeros(5, 2, 4)}, r"expected k \[5, 2, 3\], got \[5, 2, 4\]"),
        ({"v": torch.zeros(5, 1, 3)}, r"expected v \[5, 2, 3\], got \[5, 1, 3\]"),
        ({"gate": torch.zeros(2, 2, 3)}, r"expected gate \[3, 2, 3\]"),
        ({"bias": torch.zeros(3, 1)}, r"expected bias \[3, 2\]"),
        ({"k": torch.zeros(5, 2, 3, dtype=torch.float64)}, r"expected k of torch.float32"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(change: Inputs, message: str) -> None:
    graph = adjacency(torch.tensor([[0, 1, 2], [1, 2, 3]]), 5)
    inputs = {"q": torch.zeros(5, 2, 3), "k": torch.zeros(5, 2, 3), "v": torch.zeros(5, 2, 3)} | change
    with pytest.raises(ValueError, match=message):
        edge_attention(**inputs, graph=graph)
