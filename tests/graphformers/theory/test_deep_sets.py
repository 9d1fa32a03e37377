"""A stack of DeepSets layers is message passing through a virtual node, value by value."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphformers.theory import DeepSetsLayer, NetworkSize, deep_sets_network, network_size
from tests.graphformers.theory.inputs import (
    assert_equivariant_and_alone,
    batch_of,
    generator,
    graph_sizes,
    normal,
    seeds,
)


def random_layers(g: torch.Generator, channels: list[int]) -> list[DeepSetsLayer]:
    layers = [DeepSetsLayer(a, b, torch.tanh).double() for a, b in pairwise(channels)]
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.copy_(normal(g, *parameter.shape))
    return layers


def literal(layers: list[DeepSetsLayer], x: Tensor, sizes: list[int]) -> Tensor:
    """sigma(X A + (1/n) 1 1^T X B + 1 c^T), graph by graph and with the matrices written out."""
    outputs = []
    for own in x.split(sizes):
        for layer in layers:
            a, b, c = layer.own.weight.T, layer.mean.weight.T, layer.own.bias
            one = own.new_ones(len(own), 1)
            own = torch.tanh(own @ a + one @ one.T @ own @ b / max(1, len(own)) + one @ c[None])
        outputs.append(own)
    return torch.cat(outputs)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, sizes=graph_sizes, channels=st.lists(st.sampled_from([1, 3, 5]), min_size=2, max_size=5))
def test_equals_deep_sets(seed, sizes, channels) -> None:
    g = generator(seed)
    layers = random_layers(g, channels)
    x = normal(g, sum(sizes), channels[0]).requires_grad_()
    parameters = [x, *nn.ModuleList(layers).parameters()]
    wanted = literal(layers, x, sizes)
    exact = torch.autograd.grad(wanted.sin().sum(), parameters)

    def stack(x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        for layer in layers:
            x = layer(x, batch, num_graphs)
        return x

    for construction in (stack, deep_sets_network(layers)):
        got = construction(x, batch_of(sizes), len(sizes))
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
        for part, gradient in zip(torch.autograd.grad(got.sin().sum(), parameters), exact, strict=True):
            torch.testing.assert_close(part, gradient, rtol=1e-10, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=graph_sizes)
def test_equivariant_and_independent_of_other_graphs(seed, sizes) -> None:
    g = generator(seed)
    assert_equivariant_and_alone(
        deep_sets_network(random_layers(g, [3, 5, 2])), g, normal(g, sum(sizes), 3), sizes, 1e-11
    )


def test_twice_as_deep_and_no_wider_than_the_stack() -> None:
    g = generator(0)
    layers = random_layers(g, [3, 6, 2])
    network = deep_sets_network(layers)
    assert network_size(network, normal(g, 9, 3)) == NetworkSize(depth=4, width=6)
    assert {id(p) for p in network.parameters()} == {id(p) for layer in layers for p in layer.parameters()}
