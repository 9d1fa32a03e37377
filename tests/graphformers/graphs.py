"""Random graphs for tests: ragged batches with loops, repeated edges, isolated nodes and graphs without edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


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
    """Graphs of those numbers of nodes; about every third has no edge, and in the others any node may be lonely."""
    rows, start = [torch.zeros(2, 0, dtype=torch.int64)], 0
    for size in sizes:
        edges = 0 if size == 0 or float(torch.rand((), generator=g)) < 0.3 else 3 * size
        rows.append(start + _random_ends(g, size, max(1, size - 1), edges))
        start += size
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.int64))
    return Graphs(torch.cat(rows, dim=1), batch, len(sizes))


def random_edges(g: torch.Generator, nodes: int, edges: int) -> Tensor:
    """[2, E] of one graph, with loops, repeated edges and isolated nodes."""
    if nodes == 0:
        return torch.zeros(2, 0, dtype=torch.int64)
    return _random_ends(g, nodes, max(1, nodes - nodes // 4), edges)


def _random_ends(g: torch.Generator, nodes: int, linked: int, edges: int) -> Tensor:
    """[2, E] among ``linked`` of the nodes, whichever those are: the last ones must not always be left alone."""
    return torch.randperm(nodes, generator=g)[:linked][torch.randint(0, max(1, linked), (2, edges), generator=g)]


def with_statistics(module: Module, seed: int) -> Module:
    """In double precision and evaluation mode, with norms that do something."""
    g = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_(generator=g)
            part.running_var.uniform_(0.5, 2.0, generator=g)
    return module.double().eval()


def one_by_one(inputs: dict[str, Tensor], graphs: Graphs) -> list[dict[str, Tensor]]:
    """A model's inputs for each graph alone; ``inputs`` are x, pe, edge_index, edge_attr, batch, as far as given."""
    parts = []
    for number in range(graphs.num_graphs):
        mine = graphs.batch == number
        at = mine[graphs.edge_index[0]]
        part = {name: inputs[name][mine] for name in ("x", "pe") if name in inputs}
        part["edge_index"] = graphs.edge_index[:, at] - int((graphs.batch < number).sum())
        if "edge_attr" in inputs:
            part["edge_attr"] = inputs["edge_attr"][at]
        parts.append(part)
    return parts


def shuffled(inputs: dict[str, Tensor], graphs: Graphs, g: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """The same inputs with nodes in another order inside their graphs and edges in another order; and the former."""
    order = torch.argsort(graphs.batch + 0.5 * torch.rand(graphs.num_nodes, generator=g))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    edge_order = torch.randperm(graphs.edge_index.shape[1], generator=g)
    mixed = {name: inputs[name][order] for name in ("x", "pe", "batch") if name in inputs}
    mixed["edge_index"] = place[graphs.edge_index][:, edge_order]
    if "edge_attr" in inputs:
        mixed["edge_attr"] = inputs["edge_attr"][edge_order]
    return mixed, order
