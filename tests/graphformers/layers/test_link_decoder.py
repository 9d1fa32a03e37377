"""Decoders of links against their formulas, written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from graphformers.layers.link_decoder import LinkDecoder


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(7, 4, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    return a, b


def test_dot_is_the_sum_of_products() -> None:
    a, b = inputs()
    decoder = LinkDecoder(4, "dot")
    expected = torch.stack([sum(x * y for x, y in zip(p, q, strict=True)) for p, q in zip(a, b, strict=True)])
    torch.testing.assert_close(decoder(a, b), expected)
    assert not list(decoder.parameters())
    assert torch.autograd.gradcheck(decoder, (a, b))


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_mlp_is_a_network_of_the_products(num_layers: int) -> None:
    torch.manual_seed(0)
    a, b = inputs()
    decoder = LinkDecoder(4, "mlp", num_layers).double()
    weights = list(decoder.parameters())
    assert len(weights) == 2 * num_layers
    h = a * b
    for number in range(num_layers):
        h = F.linear(h, weights[2 * number], weights[2 * number + 1])
        h = h.relu() if number + 1 < num_layers else h
    torch.testing.assert_close(decoder(a, b), h[:, 0])
    torch.testing.assert_close(decoder(a, b), decoder(b, a))
    before = weights[0].clone()
    decoder.reset_parameters()
    assert not torch.equal(before, weights[0])


def test_arguments_that_cannot_be_are_named() -> None:
    with pytest.raises(ValueError, match="kind: expected 'dot' or 'mlp', got 'sum'"):
        LinkDecoder(4, "sum")  # type: ignore[arg-type]
    for channels, layers in ((0, 1), (4, 0)):
        with pytest.raises(ValueError, match="expected at least 1"):
            LinkDecoder(channels, "mlp", layers)
