"""Vectors for positions in a hierarchy of clusters (:mod:`graphformers.encodings.hierarchy`); forms that are inferred.

With levels 0 to L, the tables of each level are learnt on their own, and a position is the sum over levels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _check(levels: int, **sizes: int) -> None:
    for name, value, least in (("levels", levels, 0), *((name, value, 1) for name, value in sizes.items())):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")


class _LevelTables(nn.Module):
    """The sum over levels of what a table of ``values`` entries holds: [n, levels + 1] integers to [n, channels]."""

    starts: Tensor

    def __init__(self, levels: int, values: int, channels: int, std: float) -> None:
        super().__init__()
        self.std = std
        # One table for all levels: one look-up instead of many.
        self.table = nn.Parameter(torch.empty((levels + 1) * values, channels))
        self.register_buffer("starts", torch.arange(levels + 1) * values, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.table, std=self.std)

    def forward(self, positions: Tensor) -> Tensor:
        if positions.ndim != 2 or positions.shape[1] != len(self.starts):
            raise ValueError(f"hops: expected [n, {len(self.starts)}], got {list(positions.shape)}")
        return F.embedding_bag(positions + self.starts, self.table, mode="sum")


class HierarchicalBias(nn.Module):
    """Attention bias: the sum over levels of a learnt number for the hops between two clusters, for each head.

    At first all are 0, which is attention without positions.

    Args:
        heads: H. levels: L.
        d_max: As of :func:`~graphformers.encodings.hierarchy.cluster_hops`.

    Raises:
        ValueError: On sizes that are out of range, or hops of another number of levels.

    Shapes:
        [P, L + 1] integers from 0 to d_max, to [H, P], as :func:`formerkit.mixers.attention` takes it.
    """

    def __init__(self, heads: int, levels: int, d_max: int) -> None:
        super().__init__()
        _check(levels, heads=heads, d_max=d_max)
        self.of_level = _LevelTables(levels, d_max + 1, heads, 0.0)

    def reset_parameters(self) -> None:
        self.of_level.reset_parameters()

    def forward(self, hops: Tensor) -> Tensor:
        return self.of_level(hops).T.contiguous()


class TreeDistanceBias(nn.Module):
    """Attention bias: a learnt number for the distance of two nodes in the tree, for each head; at first 0.

    Args:
        heads: H. levels: L.

    Shapes:
        [P] integers, even ones from 0 to 2 (L + 1) (:func:`~graphformers.encodings.hierarchy.tree_distance`), to
        [H, P].
    """

    def __init__(self, heads: int, levels: int) -> None:
        super().__init__()
        _check(levels, heads=heads)
        self.table = nn.Embedding(levels + 2, heads)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.table.weight)

    def forward(self, distance: Tensor) -> Tensor:
        return self.table(distance // 2).T.contiguous()


class HierarchicalTokenEncoding(nn.Module):
    """What is added to a token for where it is, seen from the one before it.

    Args:
        channels: C. levels: L.
        d_max: As of :func:`~graphformers.encodings.hierarchy.token_positions`.

    Shapes:
        Hops [T, L + 1] and common levels [T], both as ``token_positions`` gives them, to [T, C].
    """

    def __init__(self, channels: int, levels: int, d_max: int) -> None:
        super().__init__()
        _check(levels, channels=channels, d_max=d_max)
        # L + 2 vectors are added; together they have a variance of 1.
        self.std = (levels + 2) ** -0.5
        self.of_level = _LevelTables(levels, d_max + 2, channels, self.std)
        self.of_common = nn.Embedding(levels + 3, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.of_level.reset_parameters()
        nn.init.normal_(self.of_common.weight, std=self.std)

    def forward(self, hops: Tensor, common: Tensor) -> Tensor:
        return self.of_level(hops) + self.of_common(common)
