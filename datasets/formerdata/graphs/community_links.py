"""A generated graph of communities, some of whose edges are hidden: a data set of links to be found."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.edges import both_ways
from formerdata.graphs.non_edges import NonEdges, non_edges
from formerdata.graphs.packed import PackedGraphs, single
from formerdata.ogb.links import LinkPart, LinkSplits
from formerkit.seeds import generator


def community_links(
    *,
    communities: int = 20,
    size: int = 25,
    inside: float = 0.5,
    between: float = 0.005,
    valid: float = 0.1,
    test: float = 0.1,
    negatives: int = 1000,
    seed: int = 0,
) -> tuple[PackedGraphs, LinkSplits]:
    """A stochastic block model with equal communities; its edges are split at random.

    Nodes are numbered in random order, so that a number tells nothing of the community. All pairs are drawn one by one:
    the time grows with the square of the nodes.

    Args:
        communities: Their number.
        size: Nodes of each.
        inside: Probability of an edge between two nodes of one community.
        between: Of one between nodes of two.
        valid: Share of the edges that is hidden for validation.
        test: For the test.
        negatives: Pairs that are no edges, for validation and as many others for the test, or all there are.
        seed: Names the data set.

    Returns:
        One graph of the training edges, both ways, without features; and the links, each pair once.

    Raises:
        ValueError: If an argument is out of range, or leaves a part without edges or without pairs that are none.
    """
    for name, count in (("communities", communities), ("size", size), ("negatives", negatives)):
        if count < 1:
            raise ValueError(f"{name}: expected at least 1, got {count}")
    for name, share in (("inside", inside), ("between", between), ("valid", valid), ("test", test)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name}: expected a number from 0 to 1, got {share}")
    nodes = communities * size
    rng = generator(seed, "community links")
    pairs = _edges(communities, nodes, inside, between, rng)
    counts = round(valid * len(pairs)), round(test * len(pairs))
    if min(counts) == 0 or sum(counts) >= len(pairs):
        raise ValueError(f"valid, test: leave a part of {len(pairs)} edges empty: {counts} for validation and test")
    train = pairs[sum(counts) :]
    false = _false_pairs(non_edges(pairs.T, nodes), negatives, rng)
    parts = (
        LinkPart(edge=pairs[: counts[0]], edge_neg=false[::2]),
        LinkPart(edge=pairs[counts[0] : sum(counts)], edge_neg=false[1::2]),
    )
    return single(both_ways(train.T, nodes), nodes, name="community links"), LinkSplits(LinkPart(edge=train), *parts)


def _edges(communities: int, nodes: int, inside: float, between: float, rng: np.random.Generator) -> Tensor:
    """[E, 2], each pair once, in random order."""
    community = torch.from_numpy(rng.permutation(nodes)) % communities
    a, b = torch.triu_indices(nodes, nodes, 1)
    limits = torch.where(community[a] == community[b], inside, between)
    found = (torch.from_numpy(rng.random(len(a), dtype=np.float32)) < limits).nonzero()[:, 0]
    found = found[torch.from_numpy(rng.permutation(len(found)))]
    return torch.stack([a[found], b[found]], 1)


def _false_pairs(absent: NonEdges, negatives: int, rng: np.random.Generator) -> Tensor:
    """Twice as many different pairs (a below b), in random order."""
    if len(absent) < 4:
        raise ValueError(f"inside, between: leave {len(absent) // 2} pairs of nodes without an edge")
    pairs = absent.at(torch.arange(len(absent)))
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    chosen = torch.from_numpy(rng.permutation(len(pairs)))
    return pairs[chosen[: min(2 * negatives, len(pairs) // 2 * 2)]]
