"""Random graphs for tests: ragged batches with loops, repeated edges, isolated nodes and graphs without edges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Graphs:
    """A batch: edge_index [2, E], batch [N], and how many graphs it holds."""

    edge_index: Tensor
    batch: Tensor
    num_graphs: int

    @property
    def num_nodes(self) -> int:
        return len(self.batch)


def random_graphs(g: torch.Generator, sizes: list[int]) -> Graphs:
    """Graphs of those numbers of nodes; about every third has no edge."""
    rows, start = [torch.zeros(2, 0, dtype=torch.int64)], 0
    for size in sizes:
        edges = 0 if size == 0 or float(torch.rand((), generator=g)) < 0.3 else 3 * size
        rows.append(start + torch.randint(0, max(1, size - 1), (2, edges), generator=g))
        start += size
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.int64))
    return Graphs(torch.cat(rows, dim=1), batch, len(sizes))
