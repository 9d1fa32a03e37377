"""Random weights and ragged batches for the constructions, in float64; and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import strategies as st
from torch import Tensor

from graphformers.theory import SelfAttention

Construction = Callable[[Tensor, Tensor, int], Tensor]
"""Nodes, batch and number of graphs to outputs."""

seeds = st.integers(0, 2**31)
graph_sizes = st.lists(st.sampled_from([0, 1, 1, 2, 3, 6, 9]), min_size=1, max_size=5)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64)


def random_attention(g: torch.Generator, channels: int, heads: int = 2, width: int = 3, columns: int = 4):
    query, key = (normal(g, heads, channels, width) for _ in range(2))
    return SelfAttention(query, key, normal(g, heads, channels, columns))


def in_ball(g: torch.Generator, count: int, channels: int, radius: float = 1.0) -> Tensor:
    """[count, channels] of norms from 0 to radius."""
    x = torch.nn.functional.normalize(normal(g, count, channels), dim=1)
    return x * radius * torch.rand(count, 1, generator=g, dtype=torch.float64)


def batch_of(sizes: list[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.int64))


def assert_equivariant_and_alone(
    construction: Construction, g: torch.Generator, x: Tensor, sizes: list[int], bound: float
) -> None:
    """Reordered nodes have reordered outputs, and a graph has the outputs that it has without the others."""
    out = construction(x, batch_of(sizes), len(sizes))
    assert out.isfinite().all()
    start = 0
    for size in sizes:
        own, order = x[start : start + size], torch.randperm(size, generator=g)
        alone = construction(own[order], batch_of([size]), 1)
        # Attention is a mean of values, so outputs are of the size of one.
        torch.testing.assert_close(alone, out[start : start + size][order], rtol=bound, atol=bound)
        start += size
