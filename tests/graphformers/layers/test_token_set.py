"""Attention among tokens against the published formula, matrix by matrix."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphformers.layers import LocalModule


def local_module(
    seed: int, in_channels: int, channels: int, heads: int, num_layers: int, **options: Any
) -> LocalModule:
    """With larger weights and biases than it begins with, so that a softmax is far from uniform."""
    g = torch.Generator().manual_seed(seed)
    module = LocalModule(in_channels, channels, heads, num_layers=num_layers, **options).double()
    for p in module.parameters():
        with torch.no_grad():
            p.copy_(0.7 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return module


def attention_by_formula(layer: nn.Module, x: Tensor) -> Tensor:
    attention = layer.attention
    z = layer.norm(x)
    q, k, v = (
        each(z).unflatten(2, (attention.heads, -1)) for each in (attention.query, attention.key, attention.value)
    )
    s = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    o = torch.einsum("bhij,bjhd->bihd", s.softmax(3), v).flatten(2)
    return layer.residual(x) + attention.out(o)


def by_formula(module: LocalModule, tokens: Tensor) -> Tensor:
    x = module.embed(module.second(module.first(tokens).relu()))
    for number, layer in enumerate(module.layers):
        y = attention_by_formula(layer, x)
        if number < len(module.back):
            x = x + module.back[number](y)
    f = module.norm(y)
    w = torch.cat([torch.ones_like(module.score.weight), module.score.weight], 1)[0]  # any first half will do
    pairs = torch.cat([f[:, :1].expand(-1, f.shape[1] - 1, -1), f[:, 1:]], 2)
    alpha = (pairs @ w).softmax(1)
    return f[:, 0] + (alpha[..., None] * f[:, 1:]).sum(1)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 3),
    tokens=st.integers(1, 9),
    channels=st.integers(1, 6),
    heads=st.integers(1, 3),
    num_layers=st.integers(1, 3),
)
def test_as_the_formula_says(seed: int, batch: int, tokens: int, channels: int, heads: int, num_layers: int) -> None:
    module = local_module(seed, 4, channels, heads, num_layers)
    x = torch.randn(batch, tokens, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x.requires_grad_()
    inputs, found = [x, *module.parameters()], []
    for function in (module, lambda x: by_formula(module, x)):
        out = function(x)
        assert out.shape == (batch, heads * channels)
        found.append([out, *torch.autograd.grad(out.sin().sum(), inputs)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_types_add_a_vector_to_each_token() -> None:
    module = local_module(0, 4, 4, 2, 1, num_types=3)
    g = torch.Generator().manual_seed(1)
    x, types = torch.randn(2, 5, 4, generator=g, dtype=torch.float64), torch.tensor([2, 0, 1, 0, 0])
    plain = local_module(0, 4, 4, 2, 1)
    assert plain.load_state_dict(module.state_dict(), strict=False).unexpected_keys == ["types.weight"]
    # Through a first map that is the identity on positive numbers, types can be put into what comes in.
    for one in (module, plain):
        nn.init.eye_(one.first.weight), nn.init.zeros_(one.first.bias)
        nn.init.eye_(one.second.weight), nn.init.eye_(one.embed.weight)
    x, added = x.abs() + 9, module.types(types)
    torch.testing.assert_close(module(x, types), plain(x + added))
    assert (module(x, types) - plain(x)).abs().max() > 1e-3
    with pytest.raises(ValueError, match="types: the module was made for types"):
        module(x)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_order_of_tokens_behind_the_first_does_not_matter(num_layers: int) -> None:
    module = local_module(0, 5, 4, 2, num_layers)
    g = torch.Generator().manual_seed(1)
    x = torch.randn(3, 10, 5, generator=g, dtype=torch.float64)
    order = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(9, generator=g)])
    torch.testing.assert_close(module(x[:, order]), module(x))
    swapped = x[:, [1, 0, *range(2, 10)]]
    assert (module(swapped) - module(x)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("channels", "in_channels", "published"),
    [(256, 100, 988_673), (128, 269, 248_577), (512, 128, 3_943_425)],  # products, snap-patents, papers100M
)
def test_as_many_parameters_as_published(channels: int, in_channels: int, published: int) -> None:
    """The published local module begins behind the MLP, and has some parameters that change no output: a map of the
    readout that nothing calls, a bias of keys, and of the readout's weights those for the node itself and a bias."""
    module, width = LocalModule(in_channels, channels, 2), 2 * channels
    mlp = sum(p.numel() for part in (module.first, module.second) for p in part.parameters())
    without_effect = (2 * channels * channels + channels) + width + (width + 1)
    assert sum(p.numel() for p in module.parameters()) - mlp + without_effect == published


def test_as_published_it_begins() -> None:
    torch.manual_seed(0)
    module = LocalModule(100, 64, 2, num_layers=4)
    module.reset_parameters()
    for linear in (module.embed, module.layers[0].attention.query, module.back[0], module.layers[3].residual):
        assert float(linear.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
        assert not linear.bias.any()
    assert float(module.first.weight.detach().abs().max()) == pytest.approx(0.1, rel=0.01)


def test_dropout_is_of_training_alone() -> None:
    module = local_module(0, 5, 4, 2, 1, mlp_dropout=0.5, dropout=0.3)
    x = torch.randn(3, 10, 5, dtype=torch.float64)
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))
