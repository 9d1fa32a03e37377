"""Sequences for each node: random walks from it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of
from formerkit.seeds import generator
from graphformers.ops.batches import graph_counts
from graphformers.ops.links import graphs_with_edges, simple_links
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences


def walk_tokens(
    edge_index: Tensor,
    batch: Tensor,
    num_graphs: int | None = None,
    *,
    walks: int = 2,
    length: int = 4,
    seed: int = 0,
) -> TokenSequences:
    """Walks from each node, read from their ends back to the node, whose outputs' mean is the node's encoding.

    A step goes to any neighbour alike; directions, repetitions and loops of edges do not count. A node without
    neighbours stays where it is. Graph Mamba (Behrouz and Hashemi, 2024) makes one token of all that walks of one
    length have seen; here each node that a walk passes is a token.

    A walk is a function of the seed, of the graph and of its node's place in it, not of other graphs in the batch. If
    nodes are numbered otherwise the walks are others, with the same probabilities.

    Args:
        edge_index: [2, E]. batch: [N] int64, sorted. num_graphs: G, if the last may be empty.
        walks: W, of each node. length: Steps of a walk, at least 1.
        seed: Names the draw.

    Returns:
        W sequences of ``length`` + 1 tokens for each node, whose ``kind`` is the number of steps; on the CPU.

    Raises:
        ValueError: On walks or a length below 1, edges that name absent nodes or leave their graph, or a batch that is
            not sorted.
    """
    for name, value in (("walks", walks), ("length", length)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    batch, num_graphs = graphs_with_edges(edge_index, len(batch), batch, num_graphs)
    links, nodes = simple_links(edge_index.cpu(), len(batch)), len(batch)
    passed = torch.from_numpy(_walks(links, _places(batch.cpu(), num_graphs), walks, length, seed)).flip(1)
    sequences, tokens = nodes * walks, nodes * walks * (length + 1)
    owner = torch.arange(nodes).repeat_interleave(walks)
    return TokenSequences(
        "node", owner, torch.arange(sequences + 1, dtype=torch.int32) * (length + 1), passed.reshape(tokens),
        torch.arange(length, -1, -1).repeat(sequences), Ragged.singles(torch.arange(nodes)), None,
        (torch.arange(sequences) + 1) * (length + 1) - 1, owner, nodes,
    )  # fmt: skip


def _places(batch: Tensor, num_graphs: int) -> Tensor:
    """[N] int64: the place of each node in its graph."""
    return torch.arange(len(batch)) - starts_of(graph_counts(batch, num_graphs))[batch]


def _walks(links: Tensor, places: Tensor, walks: int, length: int, seed: int) -> np.ndarray:
    """[N W, length + 1] int64: the nodes that each walk passes, those of one node together."""
    count, neighbours = len(places), links[1].numpy()
    starts = starts_of(torch.bincount(links[0], minlength=count)).numpy()
    degrees = np.diff(starts)
    passed = np.empty((count * walks, length + 1), np.int64)
    passed[:, 0] = np.arange(count).repeat(walks)
    most = int(places.max()) + 1 if count else 0
    # One table for all graphs: row i serves the nodes that stand at place i, so that company does not matter.
    mine = places.repeat_interleave(walks).numpy() * walks + np.tile(np.arange(walks), count)
    for step in range(length):
        drawn = generator(seed, "walk", step).random(most * walks)[mine]
        here = passed[:, step]
        chosen = starts[here] + (drawn * degrees[here]).astype(np.int64)
        moving = degrees[here] > 0
        passed[:, step + 1] = here
        passed[moving, step + 1] = neighbours[chosen[moving]]
    return passed
