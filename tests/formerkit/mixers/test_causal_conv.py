"""The compiled convolution against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.mixers.causal_conv import causal_conv_silu, causal_conv_silu_reference


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    channels=st.sampled_from([1, 5, 16, 48]),
    taps=st.integers(1, 5),
    reverse=st.booleans(),
)
def test_equals_torch(seed, lengths, channels, taps, reverse) -> None:
    g = torch.Generator().manual_seed(seed)
    shapes = ((sum(lengths), channels), (channels, taps), (channels,))
    inputs = [torch.randn(shape, generator=g, dtype=torch.float64).requires_grad_() for shape in shapes]
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    results = []
    for function in (causal_conv_silu, causal_conv_silu_reference):
        y = function(*inputs, cu_seqlens=offsets, reverse=reverse)
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
        results.append([y, *torch.autograd.grad((y * weight).sum(), inputs, allow_unused=True)])
    for a, b in zip(*results, strict=True):
        if a is not None and b is not None:
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected x \[T, E\]"):
        causal_conv_silu(torch.zeros(4, 3), torch.zeros(2, 4), torch.zeros(2))
