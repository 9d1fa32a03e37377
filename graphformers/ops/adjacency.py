"""The edges of a graph in the order of their destinations, and in that of their sources."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from formerdata.graphs.edges import check_edge_index
from torch import Tensor

from formerkit.mixers.packing import starts_of


@dataclass(frozen=True)
class Adjacency:
    """A graph's edges, sorted both ways. Edges of one node keep the order in which they were given.

    Attributes:
        edge_index: [2, E] int64, sources and destinations, as given.
        num_sources, num_destinations: Nodes on either side; equal unless the graph has two sides.
        edges_in: [E] int64, edges by destination. starts_in: [N + 1], where those into each node begin.
            sources_in: [E], their sources.
        edges_out: [E] int64, edges by source. starts_out: [N + 1]. destinations_out: [E]. places_out: [E], where each
            stands in ``edges_in``.
    """

    edge_index: Tensor
    num_sources: int
    num_destinations: int
    edges_in: Tensor
    starts_in: Tensor
    sources_in: Tensor
    edges_out: Tensor
    starts_out: Tensor
    destinations_out: Tensor
    places_out: Tensor

    @property
    def num_edges(self) -> int:
        return self.edge_index.shape[1]


def adjacency(edge_index: Tensor, num_nodes: int | tuple[int, int]) -> Adjacency:
    """Sort the edges of a graph.

    Args:
        edge_index: [2, E] integers, source above destination, as PyTorch Geometric has them.
        num_nodes: Nodes, or (sources, destinations) of a graph with two sides.

    Raises:
        ValueError: If edge_index is not [2, E] of integers, or names a node that is not there.
    """
    sources, destinations = (num_nodes, num_nodes) if isinstance(num_nodes, int) else num_nodes
    check_edge_index(edge_index, sources, destinations)
    edge_index = edge_index.long()
    edges_out, starts_out = in_runs(edge_index[0], sources)
    edges_in, starts_in = in_runs(edge_index[1], destinations)
    places = torch.empty_like(edges_in)
    places[edges_in] = torch.arange(len(places), device=places.device)
    return Adjacency(
        edge_index, sources, destinations,
        edges_in, starts_in, edge_index[0][edges_in],
        edges_out, starts_out, edge_index[1][edges_out], places[edges_out],
    )  # fmt: skip


def as_adjacency(edge_index: Tensor | Adjacency, num_nodes: int) -> Adjacency:
    """What layers take: a graph's edges, [2, E] or sorted before, so that many layers share the work.

    Raises:
        ValueError: Those of :func:`adjacency`; or if the graph has not so many nodes.
    """
    if isinstance(edge_index, Tensor):
        return adjacency(edge_index, num_nodes)
    if (edge_index.num_sources, edge_index.num_destinations) != (num_nodes, num_nodes):
        raise ValueError(
            f"edge_index: expected a graph of {num_nodes} nodes, "
            f"got {edge_index.num_sources} sources and {edge_index.num_destinations} destinations"
        )
    return edge_index


def in_runs(keys: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The stable order [n] of ``keys`` [n] from 0 to ``count`` - 1, and where each key's run begins [count + 1]."""
    starts = starts_of(torch.bincount(keys, minlength=count))
    if keys.device.type != "cpu":
        return torch.argsort(keys, stable=True), starts
    from graphformers.ops import edge_attention_kernels as kernels

    order = torch.empty_like(keys)
    kernels.counting_sort(keys.contiguous().numpy(), starts[:-1].clone().numpy(), order.numpy())
    return order, starts
