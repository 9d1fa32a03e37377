"""A hierarchy of clusters: who is in what, in which order nodes are read, and the ways from the roots to the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of


@dataclass(frozen=True)
class LevelGraph:
    """The graph between the n clusters of a level, each edge in the lists of both its ends.

    Attributes:
        starts: [n + 1] int64. neighbours: [M] int32. weight: [M] float64, what an edge is worth.
    """

    starts: Tensor
    neighbours: Tensor
    weight: Tensor

    @property
    def edge_index(self) -> Tensor:
        """[2, M] int64, both directions of every edge."""
        rows = torch.repeat_interleave(torch.arange(len(self.starts) - 1), self.starts.diff())
        return torch.stack([rows, self.neighbours.long()])


@dataclass(frozen=True)
class Paths:
    """For each node the clusters that hold it, from the root to the node itself, one path after the other.

    A cluster that several levels have is there once, with the lowest of them.

    Attributes:
        level: [T] int64. cluster: [T] int64, the number on that level. cu_seqlens: [N + 1] int32.
    """

    level: Tensor
    cluster: Tensor
    cu_seqlens: Tensor


@dataclass(frozen=True)
class Hierarchy:
    """Levels 0 (nodes) to L of nested clusters.

    From level 1 on clusters are numbered in the order in which they stand in ``leaf_order``. A cluster that has
    nothing left to join is on every level above.

    Attributes:
        parents: L vectors [n_l] int64: the cluster of level l + 1 that each cluster of level l is in.
        leaf_order: [N] int64, nodes, so that every cluster of every level is contiguous. Inside a cluster the larger
            children come first, then those that joined by the better edge, then those of the lower colour, then those
            of the lower number; clusters of the top level stand in the same order, as if nothing had joined them.
        partners: L vectors [n_l] int64, the other end of the edge that each cluster marked; -1 for none.
        joins: L vectors [n_l] float64, what that edge was worth; NaN for none.
        graphs: L + 1 graphs between the clusters of a level; none if they were not kept.
    """

    parents: tuple[Tensor, ...]
    leaf_order: Tensor
    partners: tuple[Tensor, ...]
    joins: tuple[Tensor, ...]
    graphs: tuple[LevelGraph, ...]

    @property
    def num_nodes(self) -> int:
        return len(self.leaf_order)

    @property
    def num_levels(self) -> int:
        """L, how often clusters joined."""
        return len(self.parents)

    @property
    def level_sizes(self) -> tuple[int, ...]:
        """n_0 to n_L, the numbers of clusters."""
        tops = int(self.parents[-1].max()) + 1 if self.parents else self.num_nodes
        return (*(len(parents) for parents in self.parents), tops)

    @cached_property
    def clusters(self) -> Tensor:
        """[L + 1, N] int64: the cluster of each node on each level."""
        rows = [torch.arange(self.num_nodes)]
        for parents in self.parents:
            rows.append(parents[rows[-1]])
        return torch.stack(rows)

    def sizes(self, level: int) -> Tensor:
        """[n_l] int64: nodes of each cluster of a level."""
        return torch.bincount(self.clusters[level], minlength=self.level_sizes[level])

    @cached_property
    def depths(self) -> tuple[Tensor, ...]:
        """L + 1 vectors [n_l] int64: how many clusters lie above each one, those of several levels counted once."""
        depths = [torch.zeros(self.level_sizes[-1], dtype=torch.int64)]
        for parents in reversed(self.parents):
            alone = torch.bincount(parents, minlength=len(depths[0]))[parents] == 1
            depths.insert(0, depths[0][parents] + (~alone).long())
        return tuple(depths)

    @cached_property
    def paths(self) -> Paths:
        """From the roots to the nodes."""
        depths = torch.stack([depth[row] for depth, row in zip(self.depths, self.clusters, strict=True)])
        # A level is left out where the one below has the same cluster, that is the same depth.
        kept = torch.ones_like(depths, dtype=torch.bool)
        kept[1:] = depths[1:] < depths[:-1]
        node, above = kept.flip(0).T.nonzero(as_tuple=True)
        level = self.num_levels - above
        return Paths(level, self.clusters[level, node], starts_of(kept.sum(0)).int())

    def common_level(self, pairs: Tensor) -> Tensor:
        """[P] int64: the lowest level on which two nodes are in one cluster, 0 for a node and itself; L + 1 if none is.

        Args:
            pairs: [2, P] nodes.
        """
        return (self.clusters[:, pairs[0]] != self.clusters[:, pairs[1]]).sum(0)

    def common_depth(self, pairs: Tensor) -> Tensor:
        """[P] int64: the depth of the lowest cluster that two nodes have in common, 0 for a root; -1 if there is none.

        It is one less than what the paths of both have in common.

        Args:
            pairs: [2, P] nodes.
        """
        level = self.common_level(pairs)
        depths = torch.full(level.shape, -1)
        for number, depth in enumerate(self.depths):
            here = level == number
            depths[here] = depth[self.clusters[number, pairs[0, here]]]
        return depths
