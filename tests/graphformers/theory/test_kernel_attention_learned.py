"""Theorem 4.1 to its end: networks of a fixed size in the place of both maps, good for graphs of every size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from formerkit.mixers.linear_attention import elu_features
from graphformers.theory import (
    NetworkSize,
    SelfAttention,
    VirtualNodeLayer,
    VirtualNodeNetwork,
    kernel_attention,
    kernel_attention_network,
    network_size,
)
from graphformers.theory.virtual_node import checked_batch
from tests.graphformers.theory.inputs import batch_of, generator, normal

EPS = 0.03


class FittedMLP(nn.Module):
    """One hidden layer with weights drawn at random; the weights after it are fitted by least squares."""

    def __init__(self, g: torch.Generator, x: Tensor, y: Tensor, hidden: int) -> None:
        super().__init__()
        self.mean, self.std = x.mean(0), x.std(0)
        self.weight = normal(g, x.shape[1], hidden) / x.shape[1] ** 0.5
        self.bias = normal(g, hidden)
        a = self.hidden(x)
        ridge = 1e-9 * len(x) * torch.eye(a.shape[1], dtype=x.dtype)
        self.readout = torch.linalg.solve(a.T @ a + ridge, a.T @ y)

    def hidden(self, x: Tensor) -> Tensor:
        inner = torch.tanh(((x - self.mean) / self.std) @ self.weight + self.bias)
        return torch.cat([inner, torch.ones_like(x[:, :1])], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden(x) @ self.readout


class LearnedGather(VirtualNodeLayer):
    def __init__(self, mlp: FittedMLP) -> None:
        super().__init__("mean")
        self.mlp = mlp

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        return self.mlp(x)


class LearnedRead(VirtualNodeLayer):
    def __init__(self, mlp: FittedMLP) -> None:
        super().__init__()
        self.mlp = mlp

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        return self.mlp(torch.cat([x, vn], dim=1))


def graphs_in_square(g: torch.Generator, sizes: list[int]) -> tuple[Tensor, Tensor]:
    """Nodes in [-1, 1]^2, of some graphs spread over all of it, of others crowded in a part."""
    batch = batch_of(sizes)
    spread = torch.rand(len(sizes), 1, generator=g, dtype=torch.float64)[batch]
    centre = (2 * torch.rand(len(sizes), 2, generator=g, dtype=torch.float64) - 1)[batch]
    inside = 2 * torch.rand(len(batch), 2, generator=g, dtype=torch.float64) - 1
    return (1 - spread) * centre + spread * inside, batch


@pytest.fixture(scope="module")
def learned() -> tuple[SelfAttention, VirtualNodeNetwork]:
    g = generator(0)
    attention = SelfAttention(normal(g, 1, 2, 2), normal(g, 1, 2, 2), normal(g, 1, 2, 1))
    exact = kernel_attention_network(attention, elu_features)
    gather, read = exact.layers
    x, batch = graphs_in_square(g, [1, 2, 3, 5, 8] * 1000)
    batch, graphs = checked_batch(x, batch, None)
    _, vn = gather(x, x.new_zeros(graphs, 0), batch)
    first = FittedMLP(g, x, gather.message(x, vn[batch]), 200)
    second = FittedMLP(g, torch.cat([x, vn[batch]], dim=1), read.update_nodes(x, vn[batch]), 600)
    return attention, VirtualNodeNetwork([LearnedGather(first), LearnedRead(second)])


@pytest.mark.parametrize("nodes", [1, 4, 30, 1000])
def test_error_is_below_eps_for_graphs_of_every_size(learned, nodes: int) -> None:
    attention, network = learned
    g = generator(nodes + 1)
    x, batch = graphs_in_square(g, [nodes] * max(5, min(200, 2000 // nodes)))
    wanted = kernel_attention(attention, elu_features, x, batch)
    assert network_size(network, x, batch) == NetworkSize(depth=2, width=2 * (1 + 1))
    assert (network(x, batch) - wanted).abs().max() < EPS
    # No network that ignores the others would do.
    assert (wanted - wanted.mean()).abs().max() > 5 * EPS
