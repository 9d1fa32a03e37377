"""Weisfeiler-Lehman colours of nodes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphformers.ops.links import graphs_with_edges, simple_links


def paper_colours(
    edge_index: Tensor, num_nodes: int, *, batch: Tensor | None = None, num_graphs: int | None = None
) -> Tensor:
    """The colours of Dwivedi and Bresson's ablation, as their code has them: [N] int64, from 1.

    One round is all that has an effect: a node's colour is the rank of the md5 digest of "1_1_..._1" (itself, then one
    for each neighbour) among the digests of its graph. So it tells degrees apart within a graph, but one degree has
    different colours in different graphs; :func:`hashed_colours` has neither fault.

    Args:
        edge_index: [2, E]; directions, repetitions and loops do not count.
        num_nodes: N. batch: [N], sorted; one graph if None. num_graphs: Graphs, if the last may be empty.

    Raises:
        ValueError: On edges that name absent nodes or leave their graph, or a batch that is not sorted.
    """
    batch, _ = graphs_with_edges(edge_index, num_nodes, batch, num_graphs)
    links = simple_links(edge_index.cpu(), num_nodes)
    degrees, kind = torch.bincount(links[0], minlength=num_nodes).unique(return_inverse=True)
    digests = [hashlib.md5("_".join("1" * (1 + d)).encode(), usedforsecurity=False).hexdigest() for d in degrees]
    rank = torch.empty(len(digests), dtype=torch.int64)
    rank[torch.tensor(np.argsort(digests), dtype=torch.int64)] = torch.arange(len(digests))
    # Ranks within each graph: places among the distinct (graph, rank), less those of the graphs before.
    keys, place = (batch.cpu() * max(1, len(digests)) + rank[kind]).unique(return_inverse=True)
    graph = keys // max(1, len(digests))
    first = torch.searchsorted(graph, batch.cpu())
    return (place - first + 1).to(edge_index.device)


def hashed_colours(
    edge_index: Tensor,
    num_nodes: int,
    rounds: int,
    colours: int,
    *,
    types: Tensor | None = None,
) -> Tensor:
    """Colours after some rounds of refinement: [N] int64 from 0 to ``colours`` - 1, the same for the same surroundings
    in any graph, data set and process.

    A round hashes a node's colour and the multiset of its neighbours' colours to 64 bits; in the end remainders are
    taken, so that two kinds of surroundings get one colour with probability 1 / ``colours``.

    Args:
        edge_index: [2, E]; directions, repetitions and loops do not count. Several graphs need no ``batch``.
        num_nodes: N.
        rounds: At least 0.
        colours: Size of the table of embeddings.
        types: [N] integers, first colours; all the same if None.

    Raises:
        ValueError: On edges that name absent nodes, negative ``rounds``, ``colours`` below 1, or types of another
            length.
    """
    if rounds < 0 or colours < 1:
        raise ValueError(f"rounds, colours: expected at least 0 and 1, got {rounds} and {colours}")
    if types is not None and (types.shape != (num_nodes,) or types.is_floating_point()):
        raise ValueError(f"types: expected [{num_nodes}] integers, got {tuple(types.shape)} {types.dtype}")
    source, destination = simple_links(edge_index.cpu(), num_nodes).numpy()
    colour = np.ones(num_nodes, np.uint64) if types is None else types.cpu().long().numpy().astype(np.uint64)
    colour = _mixed(colour)
    for _ in range(rounds):
        # A sum of hashes is a hash of the multiset.
        around = np.zeros(num_nodes, np.uint64)
        np.add.at(around, destination, _mixed(colour[source]))
        colour = _mixed(colour * np.uint64(3) + _mixed(around))
    return torch.from_numpy((colour % np.uint64(colours)).astype(np.int64)).to(edge_index.device)


def _mixed(x: Any) -> Any:
    """A bijection of 64-bit integers that spreads every bit (Steele, Lea and Flood 2014, table of mixers)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
