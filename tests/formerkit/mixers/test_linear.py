"""The linear layer of our own against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from formerkit.mixers.linear import Linear, linear


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(0, 200),
    shape=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    biased=st.booleans(),
    strided=st.booleans(),
)
def test_equals_torch(seed, rows, shape, biased, strided) -> None:
    g = torch.Generator().manual_seed(seed)
    k, n = shape
    memory = torch.randn(rows, 2 * k if strided else k, generator=g)
    x = memory[:, :k].requires_grad_()
    weight = torch.randn(n, k, generator=g).requires_grad_()
    bias = torch.randn(n, generator=g).requires_grad_() if biased else None
    inputs = [value for value in (x, weight, bias) if value is not None]
    wide = [value.detach().double().requires_grad_() for value in inputs]
    results = []
    for y, of in ((linear(x, weight, bias), inputs), (F.linear(*wide), wide)):
        r = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
        results.append([y, *torch.autograd.grad((y * r).sum(), of)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-4)


def test_same_bits_with_any_number_of_threads() -> None:
    x, layer = torch.randn(5000, 64, requires_grad=True), Linear(64, 200)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y = layer(x)
            results.append([y, *torch.autograd.grad(y.square().sum(), (x, layer.weight, layer.bias))])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        # The gradient of the bias is torch's own sum.
        assert all(torch.equal(a, b) for a, b in zip(results[0][:3], other[:3], strict=True))


@pytest.mark.parametrize("x", [torch.randn(3, 4, 8), torch.randn(5, 8, dtype=torch.float64)])
def test_other_shapes_and_types_are_torchs(x: torch.Tensor) -> None:
    layer = Linear(8, 3).to(x.dtype)
    assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
